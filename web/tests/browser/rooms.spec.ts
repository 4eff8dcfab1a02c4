// The system room, the settings, and the palette.
import { ended, expect, newChat, say, test } from "./ground";

test("the system room draws what happens and measures the machine", async ({ page, ground }) => {
  ground.far.script = (said) => ({ pieces: [said], every: 0 });
  await page.goto("/system");
  const charts = page.getByRole("figure");
  await expect(charts).toHaveCount(3);
  await expect(charts.first().getByRole("img")).toHaveAttribute("aria-label", /The last two minutes: Written/);
  await expect(page.getByRole("list", { name: "Kernels that it can run" })).toContainText("in use");
  await page.getByRole("button", { name: /^Measure/ }).click();
  await expect(page.getByRole("region", { name: "This processor" })).toContainText(/GB\/s/, { timeout: 60_000 });
  await expect(page.getByRole("button", { name: "Measure again" })).toBeVisible();
});

test("charts rest while nobody looks", async ({ page }) => {
  let asked = 0;
  page.on("request", (request) => (asked += Number(request.url().endsWith("/system/stats"))));
  await page.goto("/system");
  await expect.poll(() => asked).toBeGreaterThan(1);
  await page.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  const before = asked;
  await page.waitForTimeout(2500);
  expect(asked).toBeLessThanOrEqual(before + 1);
});

test("theme, text size and motion are kept in this browser", async ({ page }) => {
  await page.goto("/settings");
  const root = page.locator("html");
  await page.getByRole("radio", { name: "Dark" }).check();
  await expect(root).toHaveAttribute("data-theme", "dark");
  await page.getByRole("radio", { name: "Larger" }).check();
  await page.getByRole("radio", { name: "Keep it still" }).check();
  await page.reload();
  await expect(root).toHaveAttribute("data-theme", "dark");
  await expect(root).toHaveAttribute("data-motion", "less");
  expect(await root.evaluate((element) => getComputedStyle(element).fontSize)).toBe("20px");
});

test("presets are made, changed, deleted and brought back", async ({ page }) => {
  await page.goto("/settings");
  const part = page.getByRole("region", { name: "Presets" });
  await part.getByRole("button", { name: "New preset" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Name" }).fill("Editor");
  await dialog.getByRole("textbox", { name: "System prompt" }).fill("Mend the spelling.");
  await dialog.getByRole("spinbutton", { name: "Temperature" }).fill("0.2");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(part).toContainText("temperature 0.2");
  await part.getByRole("button", { name: "Edit Editor" }).click();
  await dialog.getByRole("textbox", { name: "Name" }).fill("Proofreader");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(part).toContainText("Proofreader");
  await expect(part).not.toContainText("Editor");
  await part.getByRole("button", { name: "Delete Proofreader" }).click();
  await expect(part).toContainText("No presets yet");
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(part).toContainText("Proofreader");
});

test("the server's settings tell where each comes from", async ({ page }) => {
  await page.goto("/settings");
  const part = page.getByRole("region", { name: "Server", exact: true });
  await part.getByRole("searchbox").fill("listen");
  await expect(part).toContainText("127.0.0.1:");
  await expect(part).toContainText(/flag/i);
  await part.getByText("How to change it").first().click();
  await expect(part).toContainText("PARASOL_LISTEN");
});

test("the palette goes everywhere by keyboard alone", async ({ page }) => {
  await newChat(page, "far");
  await say(page, "The heron waits at the weir");
  await ended(page);
  await page.keyboard.press("Control+k");
  const field = page.getByRole("combobox", { name: "Go to or do" });
  await expect(field).toBeFocused();
  await field.fill("system");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/system$/);
  await page.keyboard.press("Control+k");
  await field.fill("heron");
  await expect(page.getByRole("option", { name: /heron waits/ })).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/c\//);
  await page.keyboard.press("Control+k");
  await field.fill("smollm");
  await expect(page.getByRole("option", { name: /SmolLM2/ }).first()).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(field).toBeHidden();
  // The sheet of keys, where no text is written.
  await page.goto("/models");
  await expect(page.getByRole("heading", { name: "Models", level: 1 })).toBeVisible();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeHidden();
});
