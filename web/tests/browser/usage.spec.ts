// Money: what an answer cost beside its figures, the usage room with its chart, and that `parasol usage` says the same.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { answersOf, chooseModel, ended, expect, say, test, type Page } from "./ground";
import { judge, MODES } from "./ground/looks";
import type { Server } from "./ground/server";

interface Sums {
  answers: number;
  cost_usd: number;
  prompt_tokens: number;
  generated_tokens: number;
}
const printed = async (server: Server, by: string) => JSON.parse(await server.command("usage", "--json", "--by", by)) as { rows: (Sums & Record<string, string>)[]; total: Sums };

/** A far model with a price: the script tells of 10 prompt tokens, and one for each piece. */
const dear = (url: string) => ({ name: "dear", remote: [{ url, model: "far" }], price: { input: 100, output: 1000, dated: "2026-11-27" } });

async function cells(page: Page, name: string): Promise<string[]> {
  return page.getByRole("row").filter({ has: page.getByRole("rowheader", { name, exact: true }) }).getByRole("cell").allTextContents();
}

test("what an answer cost stands beside its figures and in the usage room", async ({ page, ground, another }) => {
  const server = await another({ models: [dear(ground.far.url), { name: "unpriced", remote: [{ url: ground.far.url, model: "far" }] }] });
  ground.far.script = () => ({ pieces: ["One ", "two ", "three."], every: 0 });
  await page.goto(`${server.url}/usage`);
  await expect(page.getByText("Nothing was asked of providers in this time")).toBeVisible();
  await page.goto(`${server.url}/`);
  await chooseModel(page, "dear");
  await say(page, "Count");
  await ended(page);
  // 10 tokens at a ten-thousandth of a dollar and three at a thousandth.
  const figures = answersOf(page).last().getByRole("button", { name: /3 tokens/ });
  await expect(figures).toContainText("$0.004");
  await figures.click();
  await expect(page.getByRole("dialog", { name: "Figures of this answer" })).toContainText("Cost $0.004");
  await page.keyboard.press("Escape");
  // It is kept with the answer.
  await page.reload();
  await expect(figures).toContainText("$0.004");

  await page.goto(`${server.url}/usage`);
  await expect(page.getByRole("figure").getByRole("img")).toHaveAttribute("aria-label", /30 days to .*: \$0\.004 in all/);
  await expect.poll(() => cells(page, "dear")).toEqual(["1", "10", "0", "3", "$0.004"]);
  const usage = await printed(server, "model");
  expect(usage.rows).toEqual([expect.objectContaining({ model: "dear", answers: 1, prompt_tokens: 10, generated_tokens: 3, cost_usd: 0.004 })]);

  // An answer that ends while the page is open is counted in it.
  await server.call("POST", "/conversations", { model: "unpriced" }).then(async (made) => {
    const { id } = made as { id: string };
    const said = await server.call<{ id: string }>("POST", `/conversations/${id}/messages`, { parent: null, content: "Count" });
    await server.call("POST", `/conversations/${id}/answers`, { parent: said.id });
  });
  await expect.poll(() => cells(page, "Total")).toEqual(["2", "20", "0", "6", "$0.004"]);
  await expect(page.getByText("One answer has no known price")).toBeVisible();
  expect(await cells(page, "unpriced")).toEqual(["1", "10", "0", "3", "not known"]);
  expect((await printed(server, "day")).total).toEqual(expect.objectContaining({ answers: 2, prompt_tokens: 20, cost_usd: 0.004, unpriced_answers: 1 }));
  await page.getByLabel("Chart").selectOption("answers");
  await expect(page.getByRole("figure")).toContainText("2 in all");
  await page.getByLabel("Told apart by").selectOption("key");
  await expect.poll(() => cells(page, "127.0.0.1")).toEqual(["2", "20", "0", "6", "$0.004"]);
});

/** A book of some weeks, and budgets. */
function wellUsed(server: Server): void {
  const folder = join(server.home, "usage");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(server.home, "remote.toml"), "[budget]\nday = 2.5\nkey_day = 2\nkeys = { local = 0.5 }\n");
  const models = [["gpt-5", "openai", 0.08], ["claude-sonnet-4.6", "anthropic", 0.12], ["gemini-2.5-flash", "google", 0.02], ["deepseek-chat", "deepseek", 0.004]] as const;
  const books = new Map<string, string>();
  for (let ago = 27; ago >= 0; ago -= 1) {
    const at = new Date(Date.now() - ago * 86_400_000).toISOString();
    for (const [place, [model, provider, cost]] of models.entries()) {
      for (let answer = 0; answer < (ago * 7 + place * 5) % 9; answer += 1) {
        const usage = { prompt_tokens: 900, cached_tokens: 300, generated_tokens: 400, reasoning_tokens: 0, cache_written_tokens: 0, cost: Math.round(cost * 1e9) };
        const month = at.slice(0, 7);
        books.set(month, `${books.get(month) ?? ""}${JSON.stringify({ at, client: place % 2 ? "127.0.0.1" : "local", model, provider, usage })}\n`);
      }
    }
  }
  for (const [month, book] of books) writeFileSync(join(folder, `${month}.jsonl`), book);
}

for (const [mode, use] of Object.entries(MODES)) {
  test.describe(mode, () => {
    test.use(use);

    test(`the usage room looks right (${mode})`, async ({ page, another }) => {
      const server = await another();
      wellUsed(server);
      await server.restart();
      await page.goto(`${server.url}/usage`);
      await expect(page.getByRole("figure")).toBeVisible();
      await expect(page.getByRole("heading", { name: "Budgets of today" })).toBeVisible();
      const usage = await printed(server, "provider");
      await expect(page.getByRole("figure")).toContainText(`$${usage.total.cost_usd.toFixed(6).replace(/0{1,4}$/, "")} in all`);
      await judge(page, `usage-${mode}`);
      await page.getByLabel("Time").selectOption("7");
      await page.getByLabel("Told apart by").selectOption("day");
      await page.getByLabel("Chart").selectOption("tokens");
      await expect(page.getByRole("columnheader", { name: "Day" })).toBeVisible();
      await judge(page, `usage-days-${mode}`);
    });
  });
}
