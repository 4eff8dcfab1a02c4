// Speaking with a chat: what is said into the microphone stands in the field, and answers are read aloud.
import { answersOf, chooseModel, composer, ended, expect, newChat, say, type Page } from "./ground";
import { SAID, test } from "./ground/microphone";

const VOICES = { also: ["hibari", "whisper-base"] };

/** Notes the loudest sample that the page gives to be heard. */
async function listening(page: Page): Promise<() => Promise<number>> {
  await page.addInitScript(() => {
    const own = window as unknown as { heard: number };
    own.heard = 0;
    const copy = AudioBuffer.prototype.copyToChannel;
    AudioBuffer.prototype.copyToChannel = function (samples, ...rest) {
      for (const sample of samples) own.heard = Math.max(own.heard, Math.abs(sample));
      return copy.call(this, samples, ...rest);
    };
  });
  return () => page.evaluate(() => (window as unknown as { heard: number }).heard);
}

async function dictate(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Dictate" }).click();
  await expect(page.getByRole("timer", { name: "Recorded" })).toHaveText("0:04", { timeout: 20_000 });
}

test("what is said stands where the caret was, and is sent like typed words", async ({ page, another }) => {
  const server = await another(VOICES);
  await page.goto(server.url);
  await composer(page).fill("Tell me: . Thanks");
  await composer(page).evaluate((field: HTMLTextAreaElement) => field.setSelectionRange(8, 8));
  await dictate(page);
  await page.getByRole("button", { name: "Take it" }).click();
  await expect(composer(page)).toHaveValue(/^Tell me: .*parasol.*table.* Thanks$/i, { timeout: 60_000 });
  await expect(composer(page)).toBeFocused();
  // Thrown away, nothing changes; by keyboard, Enter takes it.
  const words = await composer(page).inputValue();
  await page.getByRole("button", { name: "Dictate" }).click();
  await expect(page.getByRole("timer", { name: "Recorded" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("button", { name: "Dictate" })).toBeVisible();
  await expect(composer(page)).toHaveValue(words);
  await composer(page).fill("");
  await dictate(page);
  await page.keyboard.press("Enter");
  await expect(composer(page)).toHaveValue(/parasol/i, { timeout: 60_000 });
  expect(SAID).toMatch(/parasol/);
});

test("an answer is read aloud, stopped, and read to its end", async ({ page, ground, another }) => {
  const server = await another(VOICES);
  const heard = await listening(page);
  ground.far.script = () => ({ pieces: ["**Shade** is `free`.\n\n", "```js\nalert(1)\n```\n"], every: 0 });
  await page.goto(server.url);
  await chooseModel(page, "far");
  await say(page, "What is shade?");
  await ended(page);
  const answer = answersOf(page).last();
  const asked = page.waitForRequest((request) => request.url().endsWith("/api/parasol/speech"));
  await answer.getByRole("button", { name: "Read aloud" }).click();
  // Words are read, marks are not.
  expect((await asked).postDataJSON()).toMatchObject({ text: "Shade is free.\nHere stands code." });
  await expect(answer.getByRole("button", { name: "Stop reading" })).toBeVisible();
  await expect.poll(heard).toBeGreaterThan(0.05);
  await answer.getByRole("button", { name: "Stop reading" }).click();
  await expect(answer.getByRole("button", { name: "Read aloud" })).toBeVisible();
  // To its end: then the sign is as before by itself.
  await answer.getByRole("button", { name: "Read aloud" }).click();
  await expect(answer.getByRole("button", { name: "Stop reading" })).toBeVisible();
  await expect(answer.getByRole("button", { name: "Read aloud" })).toBeVisible({ timeout: 30_000 });
});

test("talking goes round: heard, answered, read, and listening again", async ({ page, ground, another }) => {
  const server = await another(VOICES);
  const heard = await listening(page);
  ground.far.script = () => ({ pieces: ["Shade is free. ", "And it is cool."], every: 300 });
  await page.goto(server.url);
  await chooseModel(page, "far");
  await page.getByRole("button", { name: "Talk", exact: true }).click();
  // The file is said once; a second of silence ends it.
  await expect(page.locator("article.user")).toContainText(/parasol.*table/i, { timeout: 60_000 });
  await expect(page.locator("[data-talk=speaking]")).toBeVisible({ timeout: 30_000 });
  await expect.poll(heard).toBeGreaterThan(0.05);
  await expect(page.locator("[data-talk=speaking]")).toContainText("Shade is free.");
  await expect(page.locator("[data-talk=listening]")).toBeVisible({ timeout: 30_000 });
  await page.getByRole("button", { name: "End", exact: true }).click();
  await expect(page.locator("[data-talk]")).toHaveCount(0);
  await expect(answersOf(page).last()).toContainText("And it is cool.");
});

test("talking is interrupted, and the answer stops", async ({ page, ground, another }) => {
  const server = await another(VOICES);
  ground.far.script = () => ({ pieces: Array.from({ length: 60 }, (_, index) => `This is sentence number ${index}. `), every: 400 });
  await page.goto(server.url);
  await chooseModel(page, "far");
  await page.getByRole("button", { name: "Talk", exact: true }).click();
  await expect(page.locator("[data-talk=speaking]")).toBeVisible({ timeout: 60_000 });
  await page.getByRole("button", { name: "Interrupt" }).click();
  await expect(page.locator("[data-talk=listening]")).toBeVisible();
  await page.keyboard.press("Escape");
  await ended(page);
  await expect(answersOf(page).last()).not.toContainText("number 50");
});

test("a microphone that is given up before it is asked for stays off", async ({ page, another }) => {
  const server = await another(VOICES);
  await page.addInitScript(() => {
    const own = window as unknown as { asked: number };
    own.asked = 0;
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (wanted) => {
      own.asked += 1;
      return ask(wanted);
    };
  });
  // Which models there are is told late.
  let tell = (): void => {};
  const told = new Promise<void>((done) => (tell = done));
  await page.route("**/api/parasol/sound", async (route) => {
    await told;
    await route.continue();
  });
  await page.goto(server.url);
  await chooseModel(page, "far");
  await page.getByRole("button", { name: "Talk", exact: true }).click();
  await expect(page.locator("[data-talk=starting]")).toBeVisible();
  await page.getByRole("button", { name: "End", exact: true }).click();
  await expect(page.locator("[data-talk]")).toHaveCount(0);
  await page.getByRole("button", { name: "Dictate" }).click();
  // Leaving the page of the field gives the dictation up.
  await page.getByRole("link", { name: "Models" }).first().click();
  await expect(page.getByRole("heading", { name: "Models", level: 1 })).toBeVisible();
  const answer = page.waitForResponse("**/api/parasol/sound");
  tell();
  await answer;
  await page.waitForTimeout(500);
  expect(await page.evaluate(() => (window as unknown as { asked: number }).asked)).toBe(0);
});

test("talking says why there is no answer, and listens again", async ({ page, another }) => {
  const server = await another(VOICES);
  await page.goto(server.url);
  await chooseModel(page, "far");
  await page.route("**/api/parasol/conversations/*/answers", (route) =>
    route.fulfill({ status: 503, contentType: "application/json", body: JSON.stringify({ error: { code: "overloaded", message: "Nobody is free." } }) }),
  );
  await page.getByRole("button", { name: "Talk", exact: true }).click();
  await expect(page.locator("[data-talk] [role=alert]")).toContainText(/no answer|could not be sent/i, { timeout: 60_000 });
});

test("without the models both offer to fetch them", async ({ page, ground }) => {
  ground.far.script = () => ({ pieces: ["Shade is free."], every: 0 });
  await newChat(page, "far");
  await page.getByRole("button", { name: "Dictate" }).click();
  await expect(page.getByRole("dialog", { name: "Speaking instead of typing" })).toContainText("First, a model that listens");
  await page.keyboard.press("Escape");
  await say(page, "What is shade?");
  await ended(page);
  await answersOf(page).last().getByRole("button", { name: "Read aloud" }).click();
  await expect(page.getByRole("dialog", { name: "Reading aloud" })).toContainText("First, a voice");
});
