// Voices with the real models: a text is typed and heard, a sound is dropped and read along with, and subtitles are what they should be.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Download } from "@playwright/test";
import { expect, type Page } from "./ground";
import { SAID, spoken, test } from "./ground/microphone";
import type { Server } from "./ground/server";

const TALK = "Good morning. The parasol keeps the sun off the table. An umbrella keeps the rain off the road.";

/** The voice and the ears that the program takes when none is named. */
const VOICES = { also: ["hibari", "whisper-base"] };

async function open(page: Page, server: Server): Promise<void> {
  await page.goto(`${server.url}/voices`);
  await expect(page.getByRole("button", { name: "Read aloud" })).toBeVisible();
}

async function saved(download: Download): Promise<Buffer> {
  return readFileSync(await download.path());
}

/** How loud a 16-bit WAV file is, as the root of the mean of squares, 1 at most; and how long. */
function loudness(wav: Buffer): { seconds: number; rms: number } {
  expect(wav.subarray(0, 4).toString()).toBe("RIFF");
  const at = wav.indexOf("data") + 8;
  const count = (wav.length - at) / 2;
  let sum = 0;
  for (let index = 0; index < count; index += 1) sum += (wav.readInt16LE(at + 2 * index) / 32_768) ** 2;
  return { seconds: count / wav.readUInt32LE(24), rms: Math.sqrt(sum / count) };
}

const audioOf = (page: Page, player: string) =>
  page.getByRole("group", { name: player, exact: true }).locator("audio").evaluate((audio: HTMLAudioElement) => ({ duration: audio.duration, time: audio.currentTime, paused: audio.paused, error: audio.error?.code ?? null }));

test("a text is typed, heard while it is made, sought in, and taken along in every format", async ({ page, another }) => {
  const server = await another(VOICES);
  await open(page, server);
  await page.getByRole("textbox", { name: "Text" }).fill(TALK);
  await page.getByRole("textbox", { name: "Text" }).press("Control+Enter");
  const box = page.locator("[data-speech]");
  // It is heard, and its first sentence stands below.
  await expect(box.getByRole("button", { name: "Pause" })).toBeVisible();
  await expect(box).toContainText("Good morning.");
  await expect(page.locator('[data-speech="ready"]')).toBeVisible();
  await expect(box).toContainText("The parasol keeps the sun off the table.");
  const made = await audioOf(page, "The text, read aloud");
  expect(made.duration).toBeGreaterThan(4);
  expect(made.error).toBeNull();

  // Pausing hands it to the audio element, at the same place; from there it goes on, and it can be sought in.
  await box.getByRole("button", { name: "Pause" }).click();
  const place = (await audioOf(page, "The text, read aloud")).time;
  expect(place).toBeGreaterThan(0.2);
  await box.getByRole("button", { name: "Play" }).click();
  await expect.poll(async () => (await audioOf(page, "The text, read aloud")).time).toBeGreaterThan(place + 0.3);
  const slider = box.getByRole("slider", { name: "Place in the sound" });
  await slider.press("Home");
  expect((await audioOf(page, "The text, read aloud")).time).toBeLessThan(1);
  await slider.press("End");
  await expect(box.getByRole("button", { name: "Play" })).toBeVisible();
  expect((await audioOf(page, "The text, read aloud")).error).toBeNull();

  for (const [item, name, mark] of [["WAV", "wav", "RIFF"], ["FLAC, smaller and the same", "flac", "fLaC"], ["Opus, smallest", "opus", "OggS"]] as const) {
    const coming = page.waitForEvent("download");
    await box.getByRole("button", { name: "Download" }).click();
    await page.getByRole("menuitem", { name: item }).click();
    const download = await coming;
    expect(download.suggestedFilename()).toBe(`good-morning-the-parasol-keeps-the-sun.${name}`);
    const bytes = await saved(download);
    expect(bytes.subarray(0, 4).toString()).toBe(mark);
    expect(bytes.length).toBeGreaterThan(5_000);
    if (name === "wav") {
      const { seconds, rms } = loudness(bytes);
      expect(seconds).toBeCloseTo(made.duration, 1);
      expect(rms).toBeGreaterThan(0.01);
    }
  }
});

test("a faster voice is shorter, the choice outlives a reload, and what cannot be said is told", async ({ page, another }) => {
  const server = await another(VOICES);
  await open(page, server);
  const text = page.getByRole("textbox", { name: "Text" });
  const lasts = async (): Promise<number> => {
    await page.getByRole("button", { name: "Read aloud" }).click();
    await expect(page.locator('[data-speech="ready"]')).toBeVisible();
    return (await audioOf(page, "The text, read aloud")).duration;
  };
  await text.fill(TALK);
  const usual = await lasts();
  await page.getByRole("slider", { name: /Speed/ }).fill("2");
  expect(await lasts()).toBeLessThan(usual * 0.7);
  await page.reload();
  await expect(page.getByRole("slider", { name: /Speed/ })).toHaveValue("2");
  await expect(text).toHaveValue(TALK);

  await text.fill("Hello there 🌂.");
  await lasts();
  await expect(page.getByText("Left out, since this voice has no sound for")).toContainText("🌂");
  // Nothing of it can be said: the server's words.
  await text.fill("🌂🌂🌂");
  await page.getByRole("button", { name: "Read aloud" }).click();
  await expect(page.getByRole("alert")).toContainText(/nothing/i);
  await text.fill("   ");
  await expect(page.getByRole("button", { name: "Read aloud" })).toBeDisabled();
});

interface Said {
  time: number;
  start: number;
  word: string;
}

/** Plays for a while and notes which word is marked at which time. */
async function follow(page: Page, ms: number): Promise<Said[]> {
  return page.evaluate(async (lasting) => {
    const audio = document.querySelector<HTMLAudioElement>("[data-transcript] audio");
    const found: Said[] = [];
    if (!audio) return found;
    const end = performance.now() + lasting;
    while (performance.now() < end && !audio.ended) {
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const marked = document.querySelector<HTMLElement>("[data-transcript] .said");
      if (marked && !audio.paused) found.push({ time: audio.currentTime, start: Number(marked.dataset["start"]), word: marked.textContent });
    }
    return found;
  }, ms);
}

async function exported(page: Page, item: RegExp): Promise<{ name: string; text: string }> {
  const coming = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export" }).click();
  await page.getByRole("menuitem", { name: item }).click();
  const download = await coming;
  return { name: download.suggestedFilename(), text: (await saved(download)).toString("utf8") };
}

test("a sound is dropped, written down, read along with word by word, and exported as subtitles", async ({ page, another }) => {
  const server = await another(VOICES);
  const file = spoken(TALK, "talk.wav");
  await open(page, server);
  // Dropped anywhere on the page, as from a file manager.
  const bytes = readFileSync(file).toString("base64");
  const transfer = await page.evaluateHandle((base64) => {
    const held = new DataTransfer();
    held.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], "talk.wav", { type: "audio/wav" }));
    return held;
  }, bytes);
  await page.getByRole("heading", { name: "Voices", exact: true }).dispatchEvent("drop", { dataTransfer: transfer });
  const article = page.locator("[data-transcript]");
  await expect(page.locator('[data-transcript="done"]')).toBeVisible({ timeout: 60_000 });
  await expect(article).toContainText("English");
  for (const word of ["parasol", "table", "umbrella", "road"]) await expect(article).toContainText(new RegExp(word, "i"));

  // While it plays, the marked word is the one that is said: it has begun, and the next one has not.
  await article.getByRole("button", { name: "Play" }).click();
  const seen = await follow(page, 12_000);
  const starts = await article.locator(".word").evaluateAll((all) => all.map((each) => Number((each as HTMLElement).dataset["start"])));
  expect(seen.length).toBeGreaterThan(20);
  for (const { time, start } of seen) {
    expect(start).toBeLessThanOrEqual(time + 0.1);
    const next = starts.find((each) => each > start) ?? Number.POSITIVE_INFINITY;
    expect(time).toBeLessThan(next + 0.15);
  }
  const heard = [...new Set(seen.map(({ start }) => start))];
  expect(heard.length, "words that were marked").toBeGreaterThan(starts.length * 0.7);
  expect(heard).toEqual(heard.toSorted((a, b) => a - b));

  // A word leads to its place.
  const word = article.locator(".word").filter({ hasText: /umbrella/i }).first();
  const to = Number(await word.getAttribute("data-start"));
  await word.click();
  await expect.poll(async () => (await audioOf(page, "talk.wav")).time).toBeGreaterThanOrEqual(to - 0.05);
  await article.getByRole("button", { name: "Pause" }).click();

  const srt = await exported(page, /SubRip/);
  expect(srt.name).toBe("talk.srt");
  expect(srt.text).toMatch(/^1\n\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}\n.*morning/i);
  expect(srt.text.trim().split("\n\n").every((cue, index) => cue.startsWith(`${index + 1}\n`) && cue.split("\n").length === 3)).toBe(true);
  const vtt = await exported(page, /WebVTT/);
  expect(vtt.text).toMatch(/^WEBVTT\n\n\d\d:\d\d:\d\d\.\d{3} --> /);
  const json = JSON.parse((await exported(page, /JSON/)).text) as { text: string; segments: { words: unknown[] }[] };
  expect(json.text).toMatch(/parasol/i);
  expect(json.segments.flatMap(({ words }) => words).length).toBe(starts.length);
  // The program itself hears the same in the same file; its cues reach from pause to pause, these from word to word.
  const cues = (text: string) => text.trim().split("\n\n").map((cue) => cue.split("\n")[2]);
  expect(cues(srt.text)).toEqual(cues(await server.command("transcribe", file, "--format", "srt")));
});

test("what is no sound is told, and a silence has no words", async ({ page, another }) => {
  const server = await another(VOICES);
  await open(page, server);
  const fake = join(server.home, "letter.wav");
  writeFileSync(fake, "Dear reader, this is a letter and no sound at all. ".repeat(20));
  await page.getByLabel("Sound to write down", { exact: true }).setInputFiles(fake);
  await expect(page.locator('[data-transcript="failed"]').getByRole("alert").first()).toBeVisible();
  const silence = join(server.home, "silence.wav");
  const sound = readFileSync(spoken(TALK, "talk.wav"));
  sound.fill(0, sound.indexOf("data") + 8);
  writeFileSync(silence, sound);
  await page.getByLabel("Sound to write down", { exact: true }).setInputFiles(silence);
  await expect(page.getByText("Nobody speaks in it")).toBeVisible({ timeout: 60_000 });
});

test("what the microphone hears is written down, and can be heard again", async ({ page, another }) => {
  const server = await another(VOICES);
  await open(page, server);
  await page.getByRole("button", { name: "Record", exact: true }).click();
  await expect(page.getByRole("timer", { name: "Recorded" })).toHaveText("0:04", { timeout: 20_000 });
  await page.getByRole("button", { name: "Stop and write down" }).click();
  await expect(page.locator('[data-transcript="done"]')).toBeVisible({ timeout: 60_000 });
  for (const word of SAID.match(/parasol|sun|table/g) ?? []) await expect(page.locator("[data-transcript]")).toContainText(new RegExp(word, "i"));
  await page.getByRole("group", { name: "Recording" }).getByRole("button", { name: "Play" }).click();
  await expect.poll(async () => (await audioOf(page, "Recording")).time).toBeGreaterThan(0.3);
  expect((await audioOf(page, "Recording")).error).toBeNull();
});

test("without a voice one is offered, fetched with its progress, and speaks", async ({ page, another }) => {
  const server = await another({ fetches: true });
  await page.goto(`${server.url}/voices`);
  const need = page.locator('[data-need="speak"]');
  await expect(need).toContainText("First, a voice");
  await expect(page.locator('[data-need="listen"]')).toContainText("First, a model that listens");
  await need.getByRole("button", { name: /^Fetch Hibari/ }).click();
  await expect(page.getByRole("button", { name: "Read aloud" })).toBeVisible({ timeout: 80_000 });
  await page.getByRole("button", { name: "Read aloud" }).click();
  await expect(page.locator('[data-speech="ready"]')).toBeVisible({ timeout: 30_000 });
});

test("a fetch that fails says why and can be tried again", async ({ page, another }) => {
  const server = await another();
  await page.goto(`${server.url}/voices`);
  const need = page.locator('[data-need="speak"]');
  await need.getByRole("button", { name: /^Fetch Hibari/ }).click();
  await expect(need.getByRole("alert")).toBeVisible({ timeout: 30_000 });
  await expect(need.getByRole("button", { name: "Try again" })).toBeVisible();
});
