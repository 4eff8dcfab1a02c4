// Windows, menus and states of the pages, in light, dark and phone width, as ground/looks judges them.
import { answersOf, chooseModel, composer, ended, expect, test, type Page } from "./ground";
import { judge, MODES } from "./ground/looks";
import type { Server } from "./ground/server";

interface Made {
  conversation: object;
  messages: object[];
}

/** A file of ours with everything that an answer can be. */
function everything(): { format: string; version: number; conversations: Made[] } {
  const at = (second: number) => `2026-11-01T10:00:${String(second).padStart(2, "0")}Z`;
  const message = (id: string, parent: string | null, role: string, content: string, more: object = {}) => ({ id, parent, role, content, reasoning: null, tool_calls: [], model: role === "assistant" ? "smollm2" : null, created: at(Number(id.slice(1))), state: "complete", error: null, finish_reason: role === "assistant" ? "stop" : null, usage: null, timings: null, ...more });
  const conversation = (title: string, head: string, more: object = {}) => ({ id: title, title, folder: null, pinned: false, created: at(0), updated: at(30), model: "smollm2", system: null, parameters: {}, head, ...more });
  const call = { id: "call_1", name: "weather", arguments: '{"city":"Oslo","days":[1,2,3]}' };
  return {
    format: "parasol-conversations",
    version: 1,
    conversations: [
      {
        conversation: conversation("Thinking and tools", "m8", { system: "Answer in plain English.", pinned: true }),
        messages: [
          message("m1", null, "user", "Is it going to rain in Oslo?"),
          message("m2", "m1", "assistant", "Let me look.", { reasoning: "The user asks about the weather.\n\nA tool can tell.", tool_calls: [call] }),
          message("m3", "m2", "user", "And then?"),
          message("m4", "m3", "assistant", "First I", { state: "interrupted" }),
          message("m5", "m4", "user", "Go on."),
          message("m6", "m5", "assistant", "", { state: "failed", error: "the request needs 9120 tokens and the context holds 8192: shorten it or raise --context" }),
          message("m7", "m6", "user", "Shorter, please."),
          message("m8", "m7", "assistant", "Rain from noon, then", { finish_reason: "length" }),
        ],
      },
      { conversation: conversation("Receipts for the tax office", "m2", { folder: "House" }), messages: [message("m1", null, "user", "Where?"), message("m2", "m1", "assistant", "There.")] },
      { conversation: conversation("A title that goes on and on until it no longer fits into any list that a page could have beside it", "m2", { folder: "House" }), messages: [message("m1", null, "user", "Long?"), message("m2", "m1", "assistant", "Yes.")] },
    ],
  };
}

async function showList(page: Page, phone: boolean): Promise<void> {
  if (phone) await page.getByRole("button", { name: "Conversations", exact: true }).click();
  await expect(page.getByRole("navigation", { name: "Conversations" })).toBeVisible();
}

async function prepare(server: Server): Promise<void> {
  await server.call("POST", "/conversations/import", everything());
  await server.call("PUT", "/presets/Editor", { model: null, system: "Mend the spelling.", parameters: { temperature: 0.2 } });
}

for (const [mode, use] of Object.entries(MODES)) {
  const phone = mode === "phone";

  test.describe(mode, () => {
    test.use(use);

    test(`states of a conversation look right (${mode})`, async ({ page, another, ground }) => {
      test.setTimeout(120_000);
      const server = await another();
      await prepare(server);
      await page.goto(server.url);
      await showList(page, phone);
      await judge(page, `list-${mode}`);
      const row = page.getByRole("listitem").filter({ hasText: "Receipts" });
      await row.hover();
      await row.getByRole("button", { name: /^Actions for/ }).click();
      await expect(page.getByRole("menuitem", { name: "Delete" })).toBeVisible();
      await judge(page, `menu-${mode}`);
      await page.getByRole("menuitem", { name: /^Move to/ }).click();
      await judge(page, `move-${mode}`);
      await page.keyboard.press("Escape");
      await page.getByRole("searchbox", { name: "Search conversations" }).fill("rain");
      await expect(page.locator("mark").first()).toBeVisible();
      await judge(page, `found-${mode}`);
      await page.getByRole("searchbox", { name: "Search conversations" }).fill("");
      await page.getByRole("link", { name: /Thinking and tools/ }).click();
      await expect(answersOf(page)).toHaveCount(4);
      await judge(page, `states-${mode}`);
      await page.getByText("Asked for").first().click();
      await page.getByText("Thoughts", { exact: true }).first().click();
      await page.getByRole("region", { name: "Messages" }).evaluate((element) => element.scrollTo(0, 0));
      await judge(page, `tools-${mode}`);
      await page.goto(`${server.url}/c/0123`);
      await expect(page.getByText("This conversation is not here")).toBeVisible();
      await judge(page, `gone-${mode}`);
      await page.goto(`${server.url}/models/nowhere`);
      await expect(page.getByRole("alert")).toBeVisible();
      await judge(page, `nomodel-${mode}`);
      // With the server away.
      await page.goto(server.url);
      await expect(composer(page)).toBeVisible();
      ground.far.script = () => ({ pieces: ["x"], every: 0 });
      await server.kill();
      await expect(page.getByText("The server does not answer.")).toBeVisible();
      await judge(page, `away-${mode}`);
    });

    test(`windows of the chat look right (${mode})`, async ({ page, another, ground }) => {
      test.setTimeout(120_000);
      const server = await another();
      await prepare(server);
      ground.far.script = () => ({ pieces: ["The far one says **this**, and a little more, so that there are two lines of it to look at."], every: 0 });
      await page.goto(server.url);
      await chooseModel(page, "far");
      await page.getByRole("button", { name: /^Model: / }).click();
      await judge(page, `picker-${mode}`);
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Ask two models side by side" }).click();
      await composer(page).fill("Which of you is the faster one?");
      await page.getByRole("button", { name: "Send", exact: true }).click();
      await expect(answersOf(page)).toHaveCount(2);
      await ended(page);
      await judge(page, `pair-${mode}`);
      await page.getByRole("button", { name: "Go on with this one" }).last().click();
      await expect(answersOf(page)).toHaveCount(1);
      await page.getByRole("button", { name: /tok\/s|tokens?$/ }).last().click();
      await expect(page.getByRole("dialog", { name: "Figures of this answer" })).toBeVisible();
      await judge(page, `figures-${mode}`);
      await page.keyboard.press("Escape");
      await chooseModel(page, "SmolLM2");
      const meter = page.getByRole("button", { name: /^Context: / });
      await composer(page).fill("word ".repeat(7000));
      await expect(meter).toContainText("full");
      await meter.click();
      await judge(page, `meter-${mode}`);
      await page.keyboard.press("Escape");
      await composer(page).fill("");
      const question = page.locator("article.user").first();
      await question.hover();
      await question.getByRole("button", { name: "Edit and ask again" }).click();
      await judge(page, `edit-${mode}`);
      await page.keyboard.press("Escape");
      if (!phone) {
        await page.getByRole("heading", { level: 1 }).click();
        await page.keyboard.press("Escape");
        await page.getByRole("region", { name: "Messages" }).focus();
        await page.keyboard.press("?");
        await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
        await judge(page, `keys-${mode}`);
      }
    });

    test(`windows of the other rooms look right (${mode})`, async ({ page, another }) => {
      test.setTimeout(120_000);
      const server = await another();
      await prepare(server);
      await page.goto(`${server.url}/models`);
      const smol = page.locator('[data-model="smollm2"]');
      await smol.getByRole("button", { name: /^Load/ }).click();
      await expect(smol).toContainText("Loaded", { timeout: 30_000 });
      await expect(page.locator(".toast")).toBeVisible();
      await judge(page, `loaded-${mode}`);
      await smol.getByRole("button", { name: /^More for/ }).click();
      await judge(page, `more-${mode}`);
      await page.getByRole("menuitem", { name: "Remove" }).click();
      await judge(page, `remove-${mode}`);
      await page.keyboard.press("Escape");
      await page.locator('[data-model="gemma3-270m"]').getByRole("button", { name: /^Pull/ }).click();
      await expect(page.getByRole("dialog", { name: "Accept the licence?" })).toBeVisible();
      await judge(page, `licence-${mode}`);
      await page.keyboard.press("Escape");
      await page.getByRole("searchbox", { name: "Search models" }).fill("zzz");
      await judge(page, `none-${mode}`);
      await page.goto(`${server.url}/settings#presets`);
      await page.getByRole("region", { name: "Presets" }).getByRole("button", { name: "Edit Editor" }).click();
      await judge(page, `preset-${mode}`);
      await page.keyboard.press("Escape");
      await page.getByLabel("File to import").setInputFiles({ name: "old.json", mimeType: "application/json", buffer: Buffer.from('[{"title":"Good","mapping":{"a":{"message":{"author":{"role":"user"},"content":{"parts":["x"]}}}}},{"title":"In a circle","mapping":{"a":{"parent":"a"}}}]') });
      await expect(page.getByText("1 conversation imported")).toBeVisible();
      await page.getByText("1 conversation imported").scrollIntoViewIfNeeded();
      await judge(page, `imported-${mode}`);
      await page.goto(`${server.url}/system`);
      await server.call("POST", "/system/measure");
      await page.reload();
      await expect(page.getByRole("region", { name: "This processor" })).toContainText(/GB\/s/);
      await page.waitForTimeout(3000);
      await judge(page, `busy-${mode}`);
    });
  });
}

test("pages look right with the largest text, on the smallest phone, and turned to the right", async ({ page, another }) => {
  const server = await another();
  await prepare(server);
  await page.setViewportSize({ width: 320, height: 568 });
  for (const path of ["/", "/models", "/models/smollm2", "/voices", "/system", "/settings"]) {
    await page.goto(server.url + path);
    await page.evaluate(() => (document.documentElement.style.fontSize = "20px"));
    await page.waitForTimeout(600);
    await judge(page, `small${path.replaceAll("/", "-").replace(/-$/, "")}`);
  }
  await page.setViewportSize({ width: 1280, height: 860 });
  await page.goto(server.url);
  await page.getByRole("link", { name: /Thinking and tools/ }).click();
  await page.evaluate(() => (document.documentElement.dir = "rtl"));
  await judge(page, "turned");
});
