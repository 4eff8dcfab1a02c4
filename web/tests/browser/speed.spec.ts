// How much a first visit loads, and whether a very long answer keeps the page fast.
import { answersOf, ended, expect, newChat, say, test } from "./ground";
import { held, told, trace } from "./ground/trace";

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

test("an answer of 10 000 tokens streams and scrolls at 60 frames a second, and its end is as fast as its beginning", async ({ page, ground, browser }) => {
  test.setTimeout(180_000);
  const every = 2.5;
  ground.far.script = () => ({ pieces: long(10_000), every });
  await newChat(page, "far");
  await say(page, "Tell me all of it.");
  await expect(answersOf(page).last()).toContainText("Part 2");
  const begin = await trace(browser, page, 4000);
  // Near its end: nine tenths are there.
  await page.waitForTimeout(Math.max(0, 10_000 * every * 0.8 - 6000));
  const end = await trace(browser, page, 4000);
  console.log(told("begin", begin));
  console.log(told("end", end));
  for (const stretch of [begin, end]) {
    // Sixty a second, with room for what else the machine does: the models' engines, the server and the tests share its cores.
    expect(stretch.typical, "from frame to frame").toBeLessThan(17.5);
    expect(stretch.frames, "frames a second").toBeGreaterThan(50);
    expect(stretch.gap, "95 % of frames").toBeLessThan(34);
    expect(stretch.dropped, "share of dropped frames").toBeLessThan(0.1);
  }
  expect(end.busy, "work of the main thread near the end").toBeLessThan(Math.max(0.6, begin.busy * 1.6));
  await ended(page);
  // The whole of it is there, and can be scrolled through without a stumble.
  await expect(page.getByRole("region", { name: "Messages" })).toBeVisible();
  await page.evaluate(() => {
    const element = document.querySelector<HTMLElement>('[role="region"][aria-label="Messages"]');
    let left = 300;
    const step = () => {
      element?.scrollBy(0, -120);
      if (left-- > 0) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  const scroll = await trace(browser, page, 4000);
  console.log(told("scrolling", scroll));
  expect(scroll.typical, "from frame to frame while scrolling").toBeLessThan(17.5);
  expect(scroll.frames, "frames a second while scrolling").toBeGreaterThan(50);
  expect(scroll.dropped, "share of dropped frames while scrolling").toBeLessThan(0.1);
});

test("memory does not grow: not by opening conversations, not by answers that are gone", async ({ page, ground }) => {
  test.setTimeout(180_000);
  ground.far.script = () => ({ pieces: long(1500), every: 0 });
  await newChat(page, "far");
  await say(page, "A long one to come back to.");
  await ended(page);
  const address = new URL(page.url()).pathname;
  const round = async () => {
    // By the page's own links, so that it is one document all along.
    await page.getByRole("link", { name: "New chat" }).click();
    await expect(page.getByRole("heading", { name: /shade/i })).toBeVisible();
    await page.locator(`nav a[href="${address}"]`).click();
    await expect(answersOf(page).last()).toContainText("Part 2");
    for (const room of ["Models", "System", "Settings", "Chat"]) {
      await page.getByRole("navigation", { name: "Rooms" }).getByRole("link", { name: room, exact: true }).click();
      await expect(page.getByRole("heading", { level: room === "Chat" ? 2 : 1 }).first()).toBeVisible();
    }
    await page.locator(`nav a[href="${address}"]`).click();
    await expect(answersOf(page).last()).toContainText("Part 2");
  };
  for (let times = 0; times < 3; times += 1) await round();
  const before = await held(page);
  for (let times = 0; times < 8; times += 1) await round();
  const after = await held(page);
  console.log(`held: ${(before.bytes / 1e6).toFixed(1)} MB and ${before.nodes} nodes, then ${(after.bytes / 1e6).toFixed(1)} MB and ${after.nodes} nodes after eight more rounds`);
  expect(after.bytes).toBeLessThan(before.bytes * 1.15 + 500_000);
  expect(after.nodes).toBeLessThan(before.nodes * 1.15 + 200);
});
