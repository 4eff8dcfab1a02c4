// A microphone that the page may not have: told, with the way out.
import { expect, test } from "./ground";
import { judge } from "./ground/looks";

test.use({ launchOptions: { executablePath: process.env.PARASOL_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-dev-shm-usage", "--use-fake-device-for-media-stream"] } });

test("dictation and recording say that the microphone is blocked", async ({ page, another }) => {
  const server = await another({ also: ["hibari", "whisper-base"] });
  await page.goto(server.url);
  await page.getByRole("button", { name: "Dictate" }).click();
  const trouble = page.locator('[data-trouble="refused"]');
  await expect(trouble).toContainText("The microphone is blocked");
  await expect(trouble.getByRole("button", { name: "Try again" })).toBeVisible();
  await judge(page, "refused-light");
  await trouble.getByRole("button", { name: "Close" }).click();
  await expect(trouble).toHaveCount(0);
  await page.goto(`${server.url}/voices`);
  await page.getByRole("button", { name: "Record", exact: true }).click();
  await expect(page.locator('[data-trouble="refused"]')).toBeVisible();
  await judge(page, "voices-refused-light");
});
