// How much a first visit loads, and whether a very long answer keeps the page fast.
import { answersOf, ended, expect, newChat, say, test, type Page } from "./ground";

const LIMIT = 300_000;

test(`a first visit loads at most ${LIMIT / 1000} kB`, async ({ page }) => {
  const client = await page.context().newCDPSession(page);
  await client.send("Network.enable");
  let bytes = 0;
  client.on("Network.loadingFinished", (event) => (bytes += event.encodedDataLength));
  await page.goto("/");
  await expect(page.getByRole("textbox", { name: "Message" })).toBeVisible();
  await page.waitForTimeout(1000);
  console.log(`first load: ${bytes} bytes`);
  expect(bytes).toBeGreaterThan(20_000);
  expect(bytes).toBeLessThanOrEqual(LIMIT);
});

test("a page that nobody touches is quiet", async ({ page }) => {
  for (const path of ["/", "/models", "/settings"]) {
    await page.goto(path);
    await page.waitForTimeout(1500);
    const asked: string[] = [];
    const hear = (request: { url: () => string }) => asked.push(request.url());
    page.on("request", hear);
    await page.waitForTimeout(3000);
    page.off("request", hear);
    expect(asked, path).toEqual([]);
  }
});

/** Paragraphs, lists, code and tables, as long answers have them. */
function* long(tokens: number): Generator<string> {
  const parts = [
    "Under the canopy the light is green and slow, and whoever sits there has time to read a page twice. ",
    "- a first point\n- a second, somewhat longer, with `code` in it\n- and **a third**\n",
    "```rust\nfn shade(hours: u32) -> u32 {\n    hours.saturating_mul(2)\n}\n```\n",
    "| hour | light |\n|---|---|\n| 9 | soft |\n| 12 | hard |\n",
  ];
  let sent = 0;
  for (let part = 0; sent < tokens; part += 1) {
    const text = part % 7 === 0 ? `\n\n## Part ${part / 7 + 1}\n\n` : part % 7 === 6 ? `\n\n${parts[1 + (Math.floor(part / 7) % 3)]}\n\n` : (parts[0] ?? "");
    for (const token of text.match(/\s*\S+|\s+$/g) ?? []) {
      if (sent++ >= tokens) return;
      yield token;
    }
  }
}

interface Frames {
  deltas: number[];
  busy: number;
}

/** Frame times by requestAnimationFrame, and the time that the main thread was at work, over a stretch. */
async function watch(page: Page, ms: number): Promise<Frames> {
  const client = await page.context().newCDPSession(page);
  await client.send("Performance.enable");
  const task = async () => (await client.send("Performance.getMetrics")).metrics.find((metric) => metric.name === "TaskDuration")?.value ?? 0;
  const before = await task();
  const deltas = await page.evaluate(
    (stretch) =>
      new Promise<number[]>((done) => {
        const times: number[] = [];
        const begun = performance.now();
        const frame = (now: number) => {
          times.push(now);
          if (now - begun < stretch) requestAnimationFrame(frame);
          else done(times.slice(1).map((time, index) => time - (times[index] ?? time)));
        };
        requestAnimationFrame(frame);
      }),
    ms,
  );
  const busy = ((await task()) - before) / (ms / 1000);
  await client.detach();
  return { deltas, busy };
}

function share(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

test("an answer of 10 000 tokens streams at 60 frames a second, and its end is as fast as its beginning", async ({ page, ground }) => {
  test.setTimeout(180_000);
  const every = 2.5;
  ground.far.script = () => ({ pieces: long(10_000), every });
  await newChat(page, "far");
  await say(page, "Tell me all of it.");
  await expect(answersOf(page).last()).toContainText("Part 2");
  const begin = await watch(page, 5000);
  // Near its end: nine tenths are there.
  await page.waitForTimeout(Math.max(0, 10_000 * every * 0.75 - 6000));
  const end = await watch(page, 5000);
  for (const [name, frames] of Object.entries({ begin, end })) {
    console.log(`${name}: ${(1000 / share(frames.deltas, 0.5)).toFixed(1)} frames/s by the median, 95 % within ${share(frames.deltas, 0.95).toFixed(1)} ms, longest ${Math.max(...frames.deltas).toFixed(0)} ms, main thread busy ${(frames.busy * 100).toFixed(0)} %`);
  }
  expect(share(end.deltas, 0.5), "median frame near the end").toBeLessThan(17.5);
  expect(share(end.deltas, 0.95), "95 % of frames near the end").toBeLessThan(34);
  expect(end.busy, "work of the main thread near the end").toBeLessThan(Math.max(0.6, begin.busy * 1.6));
  await ended(page);
  // The whole of it is there, and can be scrolled through without a stumble.
  const scroller = page.getByRole("region", { name: "Messages" });
  const scrolled = page.evaluate(() => {
    const element = document.querySelector<HTMLElement>('[role="region"][aria-label="Messages"]');
    let left = 300;
    const step = () => {
      element?.scrollBy(0, -120);
      if (left-- > 0) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  const scroll = await watch(page, 4000);
  await scrolled;
  console.log(`scrolling: ${(1000 / share(scroll.deltas, 0.5)).toFixed(1)} frames/s by the median, 95 % within ${share(scroll.deltas, 0.95).toFixed(1)} ms`);
  expect(share(scroll.deltas, 0.5), "median frame while scrolling").toBeLessThan(17.5);
  await expect(scroller).toBeVisible();
});
