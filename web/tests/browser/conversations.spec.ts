// Finding, deleting and moving conversations.
import { readFile, writeFile } from "node:fs/promises";
import { answersOf, ended, expect, newChat, say, test } from "./ground";

test("search finds words of questions and answers, and shows where", async ({ page, ground }) => {
  ground.far.script = (said) => ({ pieces: [said.includes("bird") ? "The kingfisher dives." : "Nothing of note."], every: 0 });
  for (const words of ["Tell me of a bird", "Tell me of a stone"]) {
    await newChat(page, "far");
    await say(page, words);
    await ended(page);
  }
  const list = page.getByRole("navigation", { name: "Conversations" });
  await list.getByRole("searchbox").fill("kingfisher");
  await expect(list.getByRole("link")).toHaveCount(2); // the new chat, and what was found
  await expect(list).toContainText("Tell me of a bird");
  await expect(list.locator("mark").first()).toHaveText(/kingfisher/i);
  await list.getByRole("link", { name: /bird/ }).click();
  await expect(answersOf(page).last()).toContainText("kingfisher");
});

test("what is deleted can be brought back at once", async ({ page }) => {
  await newChat(page, "far");
  await say(page, "Here by mistake");
  await ended(page);
  const list = page.getByRole("navigation", { name: "Conversations" });
  const row = list.getByRole("listitem").filter({ hasText: "Here by mistake" });
  await row.hover();
  await row.getByRole("button").last().click();
  await page.getByRole("menuitem", { name: /Delete/ }).click();
  await expect(row).toHaveCount(0);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(row).toHaveCount(1);
  await expect(answersOf(page).last()).toContainText("Here by mistake");
});

test("an export holds the branches, and another server takes it in", async ({ page, ground, another }, info) => {
  let turn = 0;
  ground.far.script = (said) => ({ pieces: [`Version ${++turn} of ${said}`], every: 0 });
  await newChat(page, "far");
  await say(page, "A thing to take along");
  await ended(page);
  await answersOf(page).last().getByRole("button", { name: "Answer again" }).click();
  await expect(answersOf(page).last()).toContainText("Version 2");
  await ended(page);
  await page.goto("/settings");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Export all" }).click()]);
  const file = info.outputPath("export.json");
  await download.saveAs(file);
  const text = await readFile(file, "utf8");
  expect(text).toContain("Version 1 of A thing to take along");
  expect(text).toContain("Version 2 of A thing to take along");

  const other = await another();
  await page.goto(`${other.url}/settings`);
  await page.getByLabel("File to import").setInputFiles(file);
  await expect(page.getByText(/conversations? imported/)).toBeVisible();
  await page.goto(other.url);
  await page.getByRole("link", { name: /A thing to take along/ }).click();
  await expect(page.getByRole("group", { name: "Versions of this answer" })).toContainText("2/2");
});

test("ChatGPT's and Open WebUI's files are taken in, and what is no such file is told", async ({ page, another }, info) => {
  const server = await another();
  const chatgpt = info.outputPath("conversations.json");
  const part = (id: string, parent: string | null, children: string[], role?: string, text?: string) => ({
    id,
    parent,
    children,
    message: role ? { id, author: { role }, content: { content_type: "text", parts: [text] }, create_time: 1_700_000_000 } : null,
  });
  await writeFile(chatgpt, JSON.stringify([{ title: "From elsewhere", create_time: 1_700_000_000, update_time: 1_700_000_100, current_node: "b", mapping: { r: part("r", null, ["a"]), a: part("a", "r", ["b"], "user", "Ahoy?"), b: part("b", "a", [], "assistant", "Ahoy!") } }]));
  const webui = info.outputPath("webui.json");
  const messages = { a: { id: "a", parentId: null, childrenIds: ["b"], role: "user", content: "Aloha?", timestamp: 1_700_000_000 }, b: { id: "b", parentId: "a", childrenIds: [], role: "assistant", content: "Aloha!", model: "m", timestamp: 1_700_000_001 } };
  await writeFile(webui, JSON.stringify([{ id: "x", title: "From the neighbour", created_at: 1_700_000_000, updated_at: 1_700_000_100, chat: { title: "From the neighbour", models: ["m"], history: { messages, currentId: "b" }, messages: Object.values(messages) } }]));
  const nonsense = info.outputPath("shopping.json");
  await writeFile(nonsense, '{"milk": 2}');
  await page.goto(`${server.url}/settings`);
  const input = page.getByLabel("File to import");
  for (const [file, title, words] of [[chatgpt, "From elsewhere", "Ahoy!"], [webui, "From the neighbour", "Aloha!"]] as const) {
    await page.goto(`${server.url}/settings`);
    await input.setInputFiles(file);
    await expect(page.getByText("1 conversation imported")).toBeVisible();
    await page.goto(server.url);
    await page.getByRole("link", { name: new RegExp(title) }).click();
    await expect(answersOf(page).last()).toContainText(words);
  }
  await page.goto(`${server.url}/settings`);
  await input.setInputFiles(nonsense);
  await expect(page.locator(".toast.error")).toBeVisible();
});
