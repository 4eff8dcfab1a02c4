// The server goes away: asked to, or killed in the middle of an answer. What was said and answered stays.
import { answersOf, chooseModel, counting, ended, expect, say, test, type Page } from "./ground";

test("killed in the middle of an answer, the server comes back with the text so far", async ({ page, ground, another }) => {
  const server = await another();
  ground.far.script = () => ({ pieces: counting(), every: 30 });
  await newChatAt(page, server.url);
  await say(page, "Count, and be interrupted.");
  await expect(answersOf(page).last()).toContainText("90 91 92");
  await server.kill();
  await expect(page.getByText("The server does not answer.")).toBeVisible();
  // What was on the page stays while nobody answers.
  await expect(answersOf(page).last()).toContainText("90 91 92");
  await server.run();
  await expect(page.getByText("The server does not answer.")).toBeHidden();
  await page.reload();
  const answer = answersOf(page).last();
  await expect(answer).toContainText("The server stopped while this was being written");
  // Saved about once a second: what was written two seconds before the end is there.
  await expect(answer).toContainText("20 21 22");
  // And it can be asked again.
  ground.far.script = () => ({ pieces: ["All of it this time."], every: 0 });
  await answer.getByRole("button", { name: /again/i }).first().click();
  await expect(answersOf(page).last()).toContainText("All of it this time.");
});

test("yesterday's conversation is there after a restart", async ({ page, another }) => {
  const server = await another();
  await newChatAt(page, server.url);
  await say(page, "Remember the lighthouse.");
  await ended(page);
  await server.restart();
  await page.goto(server.url);
  await page.getByRole("navigation", { name: "Conversations" }).getByRole("link", { name: /lighthouse/ }).click();
  await expect(page.locator("article.user")).toContainText("Remember the lighthouse.");
  await expect(answersOf(page).last()).toContainText("You said: Remember the lighthouse.");
});

async function newChatAt(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await chooseModel(page, "far");
}
