// Chatting: the first visit, stopping, branches, comparing, reloading and a second tab.
import { answersOf, composer, counting, ended, expect, newChat, say, test } from "./ground";

test("a first visit: a question is answered by the default model, and its cost is told", async ({ page, ground }) => {
  await page.goto("/");
  await expect(page.getByRole("heading", { name: /shade/i })).toBeVisible();
  await expect(composer(page)).toBeFocused();
  await say(page, "Say hello to the rain in one short sentence.");
  await ended(page);
  const answer = answersOf(page).last();
  await expect(answer).toContainText(/\w{3,}/);
  await expect(answer.getByText(/tok\/s/)).toBeVisible();
  // The conversation is in the list under its first words, and at its address after a reload.
  await expect(page.getByRole("navigation", { name: "Conversations" })).toContainText("Say hello to the rain");
  const words = await answer.innerText();
  await page.reload();
  await expect(answersOf(page).last()).toContainText(words.split("\n").find((line) => line.length > 20)?.slice(0, 20) ?? "");
  expect(ground.server.log).not.toContain("panicked");
});

test("the page is kept in by its policy and asks nobody else", async ({ page }) => {
  const response = await page.goto("/");
  const headers = response?.headers() ?? {};
  expect(headers["content-security-policy"]).toContain("default-src 'none'");
  expect(headers["content-security-policy"]).not.toContain("unsafe");
  expect(headers["x-content-type-options"]).toBe("nosniff");
  expect(headers["referrer-policy"]).toBe("no-referrer");
  expect(headers["cache-control"]).toContain("no-cache");
});

test("an answer can be stopped, and the far side hears of it", async ({ page, ground }) => {
  ground.far.script = () => ({ pieces: counting(), every: 40 });
  await newChat(page, "far");
  await say(page, "Count until I say stop.");
  await expect(answersOf(page).last()).toContainText("12");
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await ended(page);
  await expect(answersOf(page).last()).toContainText("Stopped.");
  await expect.poll(() => ground.far.running).toBe(0);
  // Escape does the same.
  await say(page, "And once more.");
  await expect(answersOf(page).last()).toContainText("5");
  await page.keyboard.press("Escape");
  await ended(page);
  await expect.poll(() => ground.far.running).toBe(0);
});

test("answering again and editing make branches that can be walked", async ({ page, ground }) => {
  let turn = 0;
  ground.far.script = (said) => ({ pieces: [`Answer ${++turn} to ${said}`], every: 0 });
  await newChat(page, "far");
  await say(page, "first");
  await ended(page);
  await answersOf(page).last().getByRole("button", { name: "Answer again" }).click();
  await expect(answersOf(page).last()).toContainText("Answer 2 to first");
  await ended(page);
  const versions = page.getByRole("group", { name: "Versions of this answer" });
  await expect(versions).toContainText("2/2");
  await versions.getByRole("button", { name: "Earlier answer" }).click();
  await expect(answersOf(page).last()).toContainText("Answer 1 to first");
  const user = page.locator("article.user").first();
  await user.hover();
  await user.getByRole("button", { name: "Edit and ask again" }).click();
  await user.getByRole("textbox").fill("second");
  await user.getByRole("textbox").press("Enter");
  await expect(answersOf(page).last()).toContainText("Answer 3 to second");
  await expect(page.getByRole("group", { name: "Versions of this message" })).toContainText("2/2");
  // The branch that is shown is kept by the server.
  await page.reload();
  await expect(answersOf(page).last()).toContainText("Answer 3 to second");
});

test("two models answer one prompt side by side, and one is taken", async ({ page, ground }) => {
  ground.far.script = () => ({ pieces: ["The far one says ", "this."], every: 5 });
  await newChat(page, "far");
  await page.getByRole("button", { name: "Ask two models side by side" }).click();
  await say(page, "Who are you?");
  await expect(answersOf(page)).toHaveCount(2);
  await ended(page);
  const pair = page.getByRole("group", { name: "Two answers side by side" });
  await expect(pair).toContainText("The far one says this.");
  await expect(pair.locator("article.assistant").nth(1)).toContainText(/\w{3,}/);
  await pair.getByRole("button", { name: "Go on with this one" }).first().click();
  await expect(answersOf(page)).toHaveCount(1);
  await expect(page.getByRole("group", { name: "Versions of this answer" })).toContainText("1/2");
});

test("a reload in the middle and a second tab join the running answer and lose nothing", async ({ page, context, ground }) => {
  ground.far.script = () => ({ pieces: counting(150), every: 40 });
  await newChat(page, "far");
  await say(page, "Count to a hundred and fifty.");
  await expect(answersOf(page).last()).toContainText("10 11 12");
  const second = await context.newPage();
  await second.goto(page.url());
  await expect(answersOf(second).last()).toContainText("10 11 12");
  await page.reload();
  await expect(answersOf(page).last()).toContainText("10 11 12");
  // The list says of it that it is being written, and no longer once it is not.
  const mark = page.getByRole("navigation", { name: "Conversations" }).getByRole("img", { name: "Answering" });
  await expect(mark).toBeVisible();
  const whole = [...counting(150)].join("").trim();
  for (const tab of [page, second]) {
    await ended(tab);
    await expect(answersOf(tab).last()).toContainText(whole);
  }
  await expect(mark).toHaveCount(0);
});

test("what one tab does the other shows", async ({ page, context }) => {
  await newChat(page, "far");
  await say(page, "A title that both see");
  await ended(page);
  const second = await context.newPage();
  await second.goto("/");
  await expect(second.getByRole("navigation", { name: "Conversations" })).toContainText("A title that both see");
  await newChat(second, "far");
  await say(second, "Begun in the second tab");
  await expect(page.getByRole("navigation", { name: "Conversations" })).toContainText("Begun in the second tab");
});
