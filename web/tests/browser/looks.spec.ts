// Every page in light, dark and phone width, as ground/looks judges it. Windows and states are windows.spec's.
import { answersOf, composer, ended, expect, newChat, say, test } from "./ground";
import { judge, MODES } from "./ground/looks";

const ANSWER = `A parasol keeps the sun off; an umbrella keeps the rain off. In numbers:

| | parasol | umbrella |
|---|---|---|
| weight | 380 g | 450 g |
| cloth | cotton | nylon |

The area of shade is $A = \\pi r^2 \\sin\\theta$, so at noon it is widest:

$$\\int_0^{\\pi} \\sin\\theta \\, d\\theta = 2$$

\`\`\`python
def shade(radius: float, height: float) -> float:
    """Square metres of shade."""
    return 3.14159 * radius**2 * height
\`\`\`

1. Open it **before** you sit down.
2. Lean it *against* the sun.
`;

for (const [mode, use] of Object.entries(MODES)) {
  test.describe(mode, () => {
    test.use(use);

    test(`chat looks right (${mode})`, async ({ page, ground }) => {
      ground.far.script = () => ({ pieces: ANSWER.match(/[^]{1,9}/g) ?? [], every: 1 });
      await page.goto("/");
      await expect(composer(page)).toBeVisible();
      await judge(page, `new-${mode}`);
      await newChat(page, "far");
      await say(page, "What is the difference between a parasol and an umbrella?");
      await ended(page);
      await expect(answersOf(page).last()).toContainText("Lean it");
      await judge(page, `chat-${mode}`);
      await page.getByRole("button", { name: "Instructions and settings" }).click();
      await expect(page.getByRole("dialog")).toBeVisible();
      await judge(page, `tuning-${mode}`);
    });

    test(`rooms look right (${mode})`, async ({ page }) => {
      for (const [name, path, heading] of [["models", "/models", "Models"], ["model", "/models/smollm2", "SmolLM2"], ["system", "/system", "System"], ["settings", "/settings", "Settings"]] as const) {
        await page.goto(path);
        await expect(page.getByRole("heading", { name: new RegExp(heading) }).first()).toBeVisible();
        if (name === "system") await expect(page.getByRole("figure").first()).toBeVisible();
        if (name === "models") await expect(page.locator("[data-model]").first()).toBeVisible();
        await judge(page, `${name}-${mode}`);
      }
      await page.goto("/models");
      await page.getByRole("button", { name: "Pull by name" }).first().click();
      await judge(page, `pull-${mode}`);
      await page.keyboard.press("Escape");
      await page.goto("/settings");
      await page.getByRole("button", { name: "New key" }).click();
      await judge(page, `key-${mode}`);
      await page.keyboard.press("Escape");
      await page.keyboard.press("Control+k");
      await expect(page.getByRole("combobox", { name: "Go to or do" })).toBeVisible();
      await judge(page, `palette-${mode}`);
    });

    test(`signing in looks right (${mode})`, async ({ page, another }) => {
      const server = await another();
      await server.command("keys", "create", "somebody");
      await server.restart();
      await page.goto(server.url);
      await expect(page.getByLabel("API key")).toBeVisible();
      await judge(page, `signin-${mode}`);
    });

    test(`the first day looks right (${mode})`, async ({ page, another }) => {
      const server = await another({ empty: true, models: undefined });
      await page.goto(server.url);
      await expect(page.getByText("First, a model")).toBeVisible();
      await judge(page, `first-${mode}`);
    });
  });
}

test("right-to-left text stands on its side", async ({ page, ground }) => {
  ground.far.script = () => ({ pieces: ["مرحبا بالعالم، هذا نص طويل بما يكفي ليملأ سطرا."], every: 0 });
  await newChat(page, "far");
  await say(page, "قل مرحبا");
  await ended(page);
  const direction = await answersOf(page).last().getByText("مرحبا").first().evaluate((element) => getComputedStyle(element).direction);
  expect(direction).toBe("rtl");
});

test("with reduced motion nothing glides", async ({ page }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.goto("/models");
  await expect(page.locator("[data-model]").first()).toBeVisible();
  const slow = await page.evaluate(() => [...document.querySelectorAll("*")].filter((element) => getComputedStyle(element).transitionDuration.split(",").some((time) => Number.parseFloat(time) > 0.01)).map((element) => element.className.toString()));
  expect(slow).toEqual([]);
});
