// The event stream's parser, whatever the pieces; and listening again after the line broke.
import { afterEach, expect, test, vi } from "vitest";
import { listen, SseParser, type ServerEvent } from "../src/lib/api/sse";

function parse(...pieces: string[]): ServerEvent[] {
  const parser = new SseParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

test("events, comments, several lines of data, ids", () => {
  expect(parse(": hello\n\nevent: delta\ndata: one\ndata:two\nid: 7\n\ndata\n\n")).toEqual([
    { event: "delta", data: "one\ntwo", id: "7" },
    { event: "message", data: "", id: "7" },
  ]);
});

test.each(["\n", "\r\n", "\r"])("line ends %j", (end) => {
  const text = ["event: a", "data: 1", "", "data: 2", "", ": end", ""].join(end);
  expect(parse(text).map((event) => [event.event, event.data])).toEqual([["a", "1"], ["message", "2"]]);
});

test("any way of cutting gives the same events", () => {
  const text = "\uFEFFevent: delta\r\ndata: {\"text\":\"ä: 😀\"}\r\n\r\ndata: last\r\n\r\n";
  const whole = parse(text);
  expect(whole).toHaveLength(2);
  for (let cut = 0; cut <= text.length; cut += 1) expect(parse(text.slice(0, cut), text.slice(cut))).toEqual(whole);
  expect(parse(...text)).toEqual(whole);
});

test("an event without its empty line is not given", () => {
  expect(parse("event: delta\ndata: half\n")).toEqual([]);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function stream(text: string): Response {
  return new Response(new TextEncoder().encode(text), { status: 200 });
}

test("joins again when the line breaks, and ends when told", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const answers = [
    () => stream('event: delta\ndata: {"n":1}\n\n'),
    () => Promise.reject(new TypeError("network")),
    () => stream('event: done\ndata: {"n":2}\n\nevent: never\ndata: 3\n\n'),
  ];
  const fetches = vi.fn(async () => answers.shift()?.());
  vi.stubGlobal("fetch", fetches);
  const heard: [string, unknown][] = [];
  const line: boolean[] = [];
  listen("/answers/x/events", {
    on: (event, data) => {
      heard.push([event, data]);
      return event !== "done";
    },
    connected: (yes) => line.push(yes),
  });
  await vi.advanceTimersByTimeAsync(20_000);
  expect(heard).toEqual([["delta", { n: 1 }], ["done", { n: 2 }]]);
  expect(line).toEqual([true, false, false, true]);
  expect(fetches).toHaveBeenCalledTimes(3);
});

test("a refusal is final", async () => {
  vi.stubGlobal("fetch", async () => new Response('{"error":{"code":"not_found","message":"No such answer."}}', { status: 404 }));
  const failed = await new Promise<Error>((resolve) => listen("/answers/x/events", { on: () => {}, failed: resolve }));
  expect(failed).toMatchObject({ code: "not_found", message: "No such answer.", status: 404 });
});
