// What is large, long, slow, missing or in another script: the page stays usable and loses nothing.
import { answersOf, chooseModel, composer, ended, expect, newChat, say, test, type Page } from "./ground";

const list = (page: Page) => page.getByRole("navigation", { name: "Conversations" });

/** A conversation as ChatGPT's export has it. */
function conversation(title: string, question = "Ahoy?", answer = "Ahoy!"): object {
  const message = (role: string, text: string) => ({ author: { role }, content: { content_type: "text", parts: [text] }, create_time: 1_700_000_000 });
  return { title, create_time: 1_700_000_000, mapping: { a: { message: message("user", question), children: ["b"] }, b: { parent: "a", message: message("assistant", answer) } }, current_node: "b" };
}

const narrow = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

test("five hundred conversations are listed page by page, with titles of every kind, and searching them is quick", async ({ page, another }) => {
  const server = await another();
  const odd = ["🌂☔️👩‍👩‍👧‍👦🇳🇴", "夏の傘はどこで買えますか、そして雨の日には", "مظلة صيفية كبيرة جدا للشاطئ", "x".repeat(200), "Ünïcödé\u202egpj.exe", "<b>no markup</b> & \"quotes\""];
  const all = Array.from({ length: 500 }, (_, index) => conversation(odd[index % 50] ?? `Conversation number ${index}`));
  await server.call("POST", "/conversations/import", all);
  await page.goto(server.url);
  const rows = list(page).getByRole("listitem");
  await expect(rows).toHaveCount(50);
  for (let shown = 100; shown <= 500; shown += 50) {
    await list(page).getByRole("button", { name: "Show older ones" }).click();
    await expect(rows).toHaveCount(shown);
  }
  await expect(list(page).getByRole("button", { name: "Show older ones" })).toHaveCount(0);
  expect(await narrow(page)).toBeLessThanOrEqual(0);
  expect(await rows.filter({ hasText: "x".repeat(200) }).first().evaluate((row) => row.scrollWidth <= row.clientWidth)).toBe(true);
  // Each title runs in its own direction.
  expect(await rows.filter({ hasText: "مظلة" }).first().locator(".title").evaluate((title) => getComputedStyle(title).direction)).toBe("rtl");
  for (const word of ["☔️", "傘", "مظلة", "number 499"]) {
    const begun = Date.now();
    await list(page).getByRole("searchbox").fill(word);
    await expect(list(page).locator("mark").first()).toBeVisible();
    expect(Date.now() - begun, word).toBeLessThan(1500);
  }
});

test("a page that listens is not overrun by an import of thousands", async ({ page, another }) => {
  const server = await another();
  await page.goto(server.url);
  await expect(composer(page)).toBeVisible();
  let asked = 0;
  page.on("request", (request) => (asked += Number(request.url().includes("/conversations?"))));
  await server.call("POST", "/conversations/import", Array.from({ length: 3000 }, (_, index) => conversation(`One of many ${index}`)));
  await expect(list(page)).toContainText("One of many");
  await page.waitForTimeout(1000);
  expect(asked).toBeLessThanOrEqual(3);
  await expect(page.getByText("The server does not answer.")).toBeHidden();
});

test("a megabyte that is pasted can be typed after, sent, folded and read", async ({ page, context, ground }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  ground.far.script = () => ({ pieces: ["Read."], every: 0 });
  await newChat(page, "far");
  const text = "A line of a long protocol, with numbers 0123456789.\n".repeat(20_000);
  await page.evaluate((words) => navigator.clipboard.writeText(words), text);
  await composer(page).focus();
  const pasted = Date.now();
  await page.keyboard.press("Control+v");
  await expect.poll(() => composer(page).evaluate((field: HTMLTextAreaElement) => field.value.length), { timeout: 30_000 }).toBe(text.length);
  console.log(`a megabyte is pasted within ${Date.now() - pasted} ms`);
  expect(Date.now() - pasted, "pasting").toBeLessThan(5000);
  const begun = Date.now();
  await page.keyboard.type("done");
  expect(Date.now() - begun, "four letters").toBeLessThan(3000);
  expect((await composer(page).inputValue()).length).toBe(text.length + 4);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await ended(page);
  const said = page.locator("article.user").last();
  await expect(said).toContainText("A line of a long protocol");
  await expect(answersOf(page).last()).toContainText("Read.");
  expect(await said.evaluate((article) => article.textContent?.length ?? 0)).toBeLessThan(5000);
  await said.getByRole("button", { name: /^Show all of it, 1(\.\d+)? MB$/ }).click();
  await expect.poll(() => said.evaluate((article) => article.textContent?.length ?? 0)).toBeGreaterThan(text.length);
  await said.getByRole("button", { name: "Show less" }).click();
  expect(await narrow(page)).toBeLessThanOrEqual(0);
});

test("every script is shown as it was written, and Enter takes a word that is being composed", async ({ page, ground }) => {
  ground.far.script = (words) => ({ pieces: [...words], every: 0 });
  await newChat(page, "far");
  await composer(page).fill("かさ");
  // As an input method sends it: the key that takes the word is no key that sends.
  await composer(page).dispatchEvent("keydown", { key: "Enter", isComposing: true });
  expect(new URL(page.url()).pathname).toBe("/");
  let count = 0;
  for (const words of ["👩‍👩‍👧‍👦 🇳🇴 ☔️ e\u0301", "雨が降っている。傘を持って。", "الشمس حارة اليوم، أين المظلة؟", "שמשייה גדולה", "ქოლგა зонт ร่ม छाता"]) {
    await say(page, words);
    await expect(answersOf(page)).toHaveCount((count += 1));
    await ended(page);
    await expect.poll(async () => (await answersOf(page).last().locator(".prose").textContent())?.trim()).toBe(words);
  }
  expect(await page.locator("article.user .said").filter({ hasText: "الشمس" }).evaluate((element) => getComputedStyle(element).direction)).toBe("rtl");
});

test("through a slow network the page comes, and words still arrive one by one", async ({ page, ground }) => {
  const client = await page.context().newCDPSession(page);
  await client.send("Network.enable");
  // A third-generation mobile network.
  await client.send("Network.emulateNetworkConditions", { offline: false, latency: 300, downloadThroughput: 90_000, uploadThroughput: 40_000 });
  ground.far.script = () => ({ pieces: Array.from({ length: 60 }, (_, index) => `${index} `), every: 60 });
  const begun = Date.now();
  await page.goto("/");
  await expect(composer(page)).toBeVisible({ timeout: 15_000 });
  console.log(`slow network: the field is there after ${Date.now() - begun} ms`);
  await chooseModel(page, "far");
  await say(page, "Slowly.");
  await expect(answersOf(page).last()).toContainText("10 ");
  await expect(page.getByRole("button", { name: "Stop", exact: true })).toBeVisible();
  await ended(page);
  await expect(answersOf(page).last()).toContainText("58 59");
});

test("while the server is away nothing that was written is lost, and it goes on when it is back", async ({ page, another }) => {
  const server = await another();
  await page.goto(server.url);
  await chooseModel(page, "far");
  await say(page, "Before.");
  await ended(page);
  await server.kill();
  await expect(page.getByText("The server does not answer.")).toBeVisible();
  await composer(page).fill("Written while nobody listens");
  await composer(page).press("Enter");
  await expect(page.locator(".toast.error")).toContainText("does not answer");
  await expect(composer(page)).toHaveValue("Written while nobody listens");
  // Other rooms say what is wrong instead of nothing.
  await page.getByRole("navigation", { name: "Rooms" }).getByRole("link", { name: "Models" }).click();
  await expect(page.getByRole("alert").first()).toBeVisible();
  await server.run();
  await expect(page.getByText("The server does not answer.", { exact: true })).toBeHidden({ timeout: 30_000 });
  await expect(page.locator("[data-model]").first()).toBeVisible({ timeout: 30_000 });
  await page.goBack();
  await expect(composer(page)).toHaveValue("Written while nobody listens");
  await composer(page).press("Enter");
  await ended(page);
  await expect(answersOf(page).last()).toContainText("You said: Written while nobody listens");
});

test("a conversation whose model is gone says so, and one deleted elsewhere is gone here too", async ({ page, context, ground }) => {
  const made = await ground.server.call<{ id: string }>("POST", "/conversations", { model: "a-model-that-left", title: "Orphan" });
  await ground.server.call("POST", `/conversations/${made.id}/messages`, { parent: null, content: "Anybody?" });
  await page.goto(`/c/${made.id}`);
  await expect(page.getByText("a-model-that-left is not among the models here.")).toBeVisible();
  await page.getByRole("button", { name: "Ask for an answer" }).click();
  await expect(page.getByText(/a-model-that-left/).nth(1)).toBeVisible();
  await chooseModel(page, "far");
  await expect(page.getByText("is not among the models here.")).toBeHidden();
  const second = await context.newPage();
  await second.goto(page.url());
  await expect(second.locator("article.user")).toContainText("Anybody?");
  await ground.server.call("DELETE", `/conversations/${made.id}`);
  for (const tab of [page, second]) await expect(tab.getByText("This conversation is not here")).toBeVisible();
});

test("ChatGPT's archive is taken as it was downloaded", async ({ page, another }) => {
  const server = await another();
  await page.goto(`${server.url}/settings`);
  await page.getByLabel("File to import").setInputFiles({ name: "chatgpt.zip", mimeType: "application/zip", buffer: stored({ "user.json": "{}", "conversations.json": `\ufeff${JSON.stringify([conversation("Half an emoji", "Cut: \ud83d", "Whole: ☔️")])}` }) });
  await expect(page.getByText("1 conversation imported")).toBeVisible();
  await expect(page.getByText(/half a character/)).toBeVisible();
  await page.goto(server.url);
  await page.getByRole("link", { name: /Half an emoji/ }).click();
  await expect(answersOf(page).last()).toContainText("Whole: ☔️");
});

/** A zip archive with files that are not compressed (PKWARE's APPNOTE, 4.3.6). */
function stored(files: Record<string, string>): Buffer {
  const heads: Buffer[] = [];
  const entries: Buffer[] = [];
  let at = 0;
  for (const [name, text] of Object.entries(files)) {
    const bytes = Buffer.from(text);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt32LE(crc(bytes), 10);
    fields.writeUInt32LE(bytes.length, 14);
    fields.writeUInt32LE(bytes.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const head = Buffer.concat([Buffer.from("PK\x03\x04"), fields, Buffer.from(name), bytes]);
    const place = Buffer.alloc(4);
    place.writeUInt32LE(at);
    entries.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00"), fields, Buffer.alloc(10), place, Buffer.from(name)]));
    heads.push(head);
    at += head.length;
  }
  const list = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...heads, list, end]);
}

function crc(bytes: Buffer): number {
  let value = -1;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return ~value >>> 0;
}
