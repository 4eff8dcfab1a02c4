// The models room: pulling through a network that breaks, loading, pinning, removing.
import { expect, test, type Page } from "./ground";

const REPO = "someone/smollm2-copy";
const NAME = `hf:${REPO}`;

async function pullByName(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name: "Pull by name" }).first().click();
  const dialog = page.getByRole("dialog", { name: "Pull by name" });
  await dialog.getByRole("textbox", { name: "Model" }).fill(name);
  await dialog.getByRole("button", { name: "Pull", exact: true }).click();
}

test("a pull survives a network that breaks in the middle, goes on where it was, and the model loads", async ({ page, ground, another }) => {
  const server = await another();
  ground.hub.offer(REPO, "copy-Q4_1.gguf", server.modelFile);
  ground.hub.pace = 30_000_000;
  ground.hub.breaksAfter = 25_000_000;
  await page.goto(`${server.url}/models`);
  await pullByName(page, NAME);
  const row = page.locator(`[data-pull="${NAME}"]`);
  await expect(row).toBeVisible();
  await expect(row.getByRole("progressbar")).toHaveAttribute("aria-valuenow", /[1-9]/);
  // However often it is tried again, the line breaks; at last the page says so.
  await expect(row.getByRole("alert")).toBeVisible({ timeout: 60_000 });
  await expect(row.getByRole("button", { name: "Try again" })).toBeVisible();
  ground.hub.mend();
  const before = ground.hub.ranges.length;
  await row.getByRole("button", { name: "Try again" }).click();
  // Paused and taken up again.
  await row.getByRole("button", { name: /^Pause/ }).click();
  await expect(row.getByRole("button", { name: "Go on" })).toBeVisible();
  await expect(row).toContainText("paused");
  ground.hub.pace = 200_000_000;
  await row.getByRole("button", { name: "Go on" }).click();
  await expect(row).toHaveCount(0, { timeout: 60_000 });
  expect(ground.hub.ranges.slice(before).length, "it went on instead of beginning anew").toBeGreaterThan(0);

  const model = page.locator(`[data-model^="${NAME}"]`);
  await expect(model).toContainText("On this machine");
  await model.getByRole("button", { name: /^Load/ }).click();
  await expect(model).toContainText("Loaded", { timeout: 30_000 });
  await expect(page.getByRole("region", { name: "Memory" })).toContainText(/Smollm2/i);
  await model.getByRole("button", { name: /^More for/ }).click();
  await page.getByRole("menuitem", { name: /^Pin/ }).click();
  await expect(model).toContainText("Pinned");
  await model.getByRole("button", { name: /^Unload/ }).click();
  await expect(model).toContainText("On this machine");
  await model.getByRole("button", { name: /^More for/ }).click();
  await page.getByRole("menuitem", { name: "Remove" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await expect(model).toHaveCount(0);
});

test("a name that leads nowhere is told in the hub's words, and a licence is asked for", async ({ page, another }) => {
  const server = await another();
  await page.goto(`${server.url}/models`);
  await pullByName(page, "hf:nobody/nothing");
  await expect(page.getByText(/nobody\/nothing/).filter({ hasText: /not|no /i }).first()).toBeVisible();
  await page.keyboard.press("Escape");
  const gemma = page.locator('[data-model="gemma3-270m"]');
  await expect(gemma).toContainText("to be accepted");
  await gemma.getByRole("button", { name: /^Pull/ }).click();
  const dialog = page.getByRole("dialog", { name: "Accept the licence?" });
  await expect(dialog).toContainText("Gemma Terms of Use");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(page.locator('[data-pull="gemma3-270m"]')).toHaveCount(0);
});

test("goals, search and fit narrow the catalogue", async ({ page }) => {
  await page.goto("/models");
  const models = page.locator("[data-model]");
  await expect(models.first()).toBeVisible();
  const all = await models.count();
  await page.getByRole("searchbox", { name: "Search models" }).fill("gemma");
  await expect(models).toHaveCount(1);
  await page.getByRole("searchbox", { name: "Search models" }).fill("zzz");
  await expect(page.getByText("No model fits all of that")).toBeVisible();
  await page.getByRole("button", { name: "Show all" }).click();
  await expect(models).toHaveCount(all);
  await page.getByRole("group", { name: "What the model is for" }).getByRole("button", { name: "Chat" }).click();
  await expect(page.locator('[data-model="gemma3-270m"]')).toHaveCount(0);
  await page.getByRole("group", { name: "What the model is for" }).getByRole("button", { name: "Write down speech" }).click();
  await expect(models.first()).toContainText("Whisper");
});

test("details tell what a model is, what it takes, and how it is asked", async ({ page }) => {
  await page.goto("/models");
  await page.locator('[data-model="smollm2"]').getByRole("link").first().click();
  await expect(page).toHaveURL(/\/models\/smollm2$/);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("SmolLM2");
  await expect(page.getByRole("region", { name: "What it is" })).toContainText("Apache-2.0");
  await expect(page.getByRole("region", { name: "Memory by context" })).toContainText("tokens");
  await expect(page.getByRole("region", { name: "Chat template" })).toContainText("im_start");
  await page.getByRole("button", { name: "Chat with it" }).click();
  await expect(page.getByRole("button", { name: /^Model: SmolLM2/ })).toBeVisible();
});
