// The parts of speech that need no browser: samples, subtitles, what of an answer is read aloud, which word is heard.
import { describe, expect, test } from "vitest";
import { speakable } from "$lib/markdown/speakable";
import { models } from "$lib/chat/models.svelte";
import type { Model } from "$lib/api";
import { clock } from "$lib/sound/clock";
import { sound } from "$lib/sound/models.svelte";
import { floats, samplesOf, wav } from "$lib/sound/pcm";
import { slug } from "$lib/sound/save";
import { written } from "$lib/sound/subtitles";
import { place } from "../src/rooms/voices/transcript.svelte";

const word = (text: string, start: number, end: number) => ({ word: text, start, end });
const SEGMENTS = [
  { start: 0.5, end: 1.25, text: " Hello <you> --> there.", words: [word(" Hello", 0.5, 0.75), word(" <you>", 0.75, 1), word(" --> there.", 1, 1.25)] },
  { start: 3661.5, end: 3662.007, text: " Two\nlines.", words: [word(" Two", 3661.5, 3661.7), word(" lines.", 3661.7, 3662.007)] },
];

describe("samples", () => {
  test("come out of base64 and keep their signs", () => {
    // 0, 32767, -32768, and half a number that a broken line left behind.
    const samples = samplesOf(btoa(String.fromCharCode(0, 0, 0xff, 0x7f, 0x00, 0x80, 0x01)));
    expect([...samples]).toEqual([0, 32767, -32768]);
    expect([...floats(samples)].map((value) => Number(value.toFixed(3)))).toEqual([0, 1, -1]);
  });

  test("become a WAV file whose lengths are right", async () => {
    const file = wav([Int16Array.of(1, 2), Int16Array.of(-3)], 24_000);
    const bytes = await new Promise<ArrayBuffer>((done) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result as ArrayBuffer);
      reader.readAsArrayBuffer(file);
    });
    const view = new DataView(bytes);
    expect(bytes.byteLength).toBe(50);
    expect([view.getUint32(4, true), view.getUint32(24, true), view.getUint32(40, true)]).toEqual([42, 24_000, 6]);
    expect([view.getInt16(44, true), view.getInt16(46, true), view.getInt16(48, true)]).toEqual([1, 2, -3]);
  });
});

describe("subtitles", () => {
  test("are SubRip", () => {
    expect(written(SEGMENTS, "srt")).toBe("1\n00:00:00,500 --> 00:00:01,250\nHello <you> → there.\n\n2\n01:01:01,500 --> 01:01:02,007\nTwo lines.\n\n");
  });
  test("are WebVTT, its marks escaped", () => {
    expect(written(SEGMENTS, "vtt")).toBe("WEBVTT\n\n00:00:00.500 --> 00:00:01.250\nHello &lt;you&gt; → there.\n\n01:01:01.500 --> 01:01:02.007\nTwo lines.\n\n");
  });
  test("are text, and JSON with every word", () => {
    expect(written(SEGMENTS, "txt")).toBe("Hello <you> → there.\nTwo lines.\n");
    expect((JSON.parse(written(SEGMENTS, "json")) as { segments: unknown }).segments).toEqual(SEGMENTS);
  });
});

test("the word that is heard is the last that has begun", () => {
  expect(place(SEGMENTS, 0)).toEqual({ segment: -1, word: -1 });
  expect(place(SEGMENTS, 0.5)).toEqual({ segment: 0, word: 0 });
  expect(place(SEGMENTS, 0.99)).toEqual({ segment: 0, word: 1 });
  expect(place(SEGMENTS, 100)).toEqual({ segment: 0, word: 2 });
  expect(place(SEGMENTS, 4000)).toEqual({ segment: 1, word: 1 });
  expect(place([], 1)).toEqual({ segment: -1, word: -1 });
});

describe("what is read aloud", () => {
  test("is sentences without marks", () => {
    expect(speakable("# Shade\n\nUse **bold** and `code`, see [the page](https://example.org/a/b).\n\n- one\n- two!")).toBe("Shade.\nUse bold and code, see the page.\none.\ntwo!");
  });
  test("names code, formulas and bare addresses instead of spelling them", () => {
    expect(speakable("```js\nalert(1)\n```\n\nIt is $x^2$ at https://example.org/very/long?x=1.")).toBe("Here stands code.\nIt is a formula at example.org.");
  });
  test("reads tables row by row", () => {
    expect(speakable("| a | b |\n|---|---|\n| 1 | 2 |")).toBe("a, b.\n1, 2.");
  });
  test("is nothing where nothing is", () => expect(speakable("  \n\n---\n")).toBe(""));
});

test("places and names of files", () => {
  expect([clock(7.9), clock(750), clock(3723), clock(Number.NaN), clock(-1)]).toEqual(["0:07", "12:30", "1:02:03", "0:00", "0:00"]);
  expect(slug("Grüße, Welt! 1 2", "x")).toBe("grüße-welt-1-2");
  expect(slug("?!", "speech")).toBe("speech");
});

describe("models that speak", () => {
  const model = (name: string, remote: boolean) => ({ name, title: name, remote, installed: !remote, capabilities: ["speak"] }) as unknown as Model;

  test("on another server are asked only when they were chosen, and say where they are", () => {
    models.all = [model("elsewhere", true)];
    expect(sound.model("speak")).toBeNull();
    expect(sound.options("speak")).toEqual([{ value: "elsewhere", label: "elsewhere (on another server)" }]);
    sound.choose("speak", "elsewhere");
    expect(sound.model("speak")?.name).toBe("elsewhere");
    sound.choose("speak", null);
    models.all = [model("elsewhere", true), model("here", false)];
    expect(sound.model("speak")?.name).toBe("here");
  });

  test("keep the voice that was chosen of them, and give it to no other", () => {
    models.all = [model("one", false), model("two", false)];
    sound.choose("speak", "one");
    sound.chooseVoice("ann");
    expect(sound.voice).toBe("ann");
    models.all = [model("two", false)];
    expect(sound.model("speak")?.name).toBe("two");
    expect(sound.voice).toBeNull();
    sound.choose("speak", null);
  });
});
