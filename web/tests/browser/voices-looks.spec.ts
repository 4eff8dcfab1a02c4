// The voices in light, dark and phone width, in every state: judged as ground/looks does.
import { answersOf, chooseModel, composer, ended, expect, say } from "./ground";
import { judge, MODES } from "./ground/looks";
import { spoken, test } from "./ground/microphone";

const TALK = "Good morning. The parasol keeps the sun off the table. An umbrella keeps the rain off the road.";

for (const [mode, use] of Object.entries(MODES)) {
  test.describe(mode, () => {
    test.use(use);

    test(`voices look right (${mode})`, async ({ page, another }) => {
      const server = await another({ also: ["hibari", "whisper-base"] });
      await page.goto(`${server.url}/voices`);
      await expect(page.getByRole("button", { name: "Read aloud" })).toBeVisible();
      await judge(page, `voices-${mode}`);
      await page.getByRole("button", { name: "Read aloud" }).click();
      await expect(page.locator('[data-speech="ready"]')).toBeVisible();
      await page.getByLabel("Sound to write down", { exact: true }).setInputFiles(spoken(TALK, "talk.wav"));
      await expect(page.locator('[data-transcript="done"]')).toBeVisible({ timeout: 60_000 });
      await page.locator(".word").filter({ hasText: /parasol/i }).first().click();
      await page.waitForTimeout(300);
      await page.locator("[data-transcript]").getByRole("button", { name: "Pause" }).click();
      await judge(page, `voices-used-${mode}`);
      await page.locator("[data-transcript]").scrollIntoViewIfNeeded();
      await page.getByRole("button", { name: "Export" }).click();
      await judge(page, `voices-export-${mode}`);
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Record", exact: true }).click();
      await expect(page.getByRole("timer", { name: "Recorded" })).toHaveText("0:02", { timeout: 20_000 });
      await judge(page, `voices-record-${mode}`);
    });

    test(`voices look right on the first day (${mode})`, async ({ page }) => {
      await page.goto("/voices");
      await expect(page.getByText("First, a voice")).toBeVisible();
      await judge(page, `voices-first-${mode}`);
    });

    test(`talking looks right (${mode})`, async ({ page, ground, another }) => {
      const server = await another({ also: ["hibari", "whisper-base"] });
      ground.far.script = () => ({ pieces: ["Shade is free, ", "and so is the evening air on the terrace."], every: 0 });
      await page.goto(server.url);
      await chooseModel(page, "far");
      await page.getByRole("button", { name: "Dictate" }).click();
      await expect(page.getByRole("timer", { name: "Recorded" })).toHaveText("0:02", { timeout: 20_000 });
      await judge(page, `dictate-${mode}`);
      await page.getByRole("button", { name: "Throw away" }).click();
      await say(page, "What is shade?");
      await ended(page);
      await answersOf(page).last().getByRole("button", { name: "Read aloud" }).click();
      await expect(answersOf(page).last().getByRole("button", { name: "Stop reading" })).toBeVisible();
      await judge(page, `reading-${mode}`);
      await page.getByRole("button", { name: "Talk", exact: true }).click();
      await expect(page.locator("[data-talk=listening], [data-talk=hearing]")).toBeVisible();
      await judge(page, `talk-${mode}`);
      await expect(composer(page)).toBeAttached();
    });
  });
}
