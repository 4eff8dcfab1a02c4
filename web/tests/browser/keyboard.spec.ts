// Without a mouse: the order in which Tab goes, whether one sees where one is, and everything done by keys alone.
import { answersOf, chooseModel, composer, counting, ended, expect, newChat, say, test, type Page } from "./ground";

interface Stop {
  name: string;
  seen: boolean;
  inside: string;
}

/** What has the focus: its name, whether one sees that it has, and what part of the page it is in. */
function focused(page: Page): Promise<Stop> {
  return page.evaluate(() => {
    const element = document.activeElement as HTMLElement;
    const style = getComputedStyle(element);
    const framed = (of: Element | null): boolean => {
      if (!of) return false;
      const look = getComputedStyle(of);
      return (look.outlineStyle !== "none" && Number.parseFloat(look.outlineWidth) > 0) || look.boxShadow !== "none";
    };
    const box = element.getBoundingClientRect();
    const labelled = element.getAttribute("aria-labelledby");
    const name = element.getAttribute("aria-label") ?? (labelled ? document.getElementById(labelled)?.textContent : null) ?? (element as HTMLInputElement).labels?.[0]?.textContent ?? element.textContent ?? "";
    const part = element.closest("dialog, nav, form, section, main, header, [role=region]");
    return {
      name: name.trim().replace(/\s+/g, " ").slice(0, 60),
      seen: box.width > 0 && box.height > 0 && style.visibility === "visible" && (framed(element) || framed(element.closest(".search, .composer, .line"))),
      inside: part?.getAttribute("aria-label") ?? part?.localName ?? "",
    };
  });
}

/** Puts the place that Tab goes on from before everything. */
async function toStart(page: Page): Promise<void> {
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
  });
}

async function tabbed(page: Page, times: number): Promise<Stop[]> {
  const stops: Stop[] = [];
  for (let count = 0; count < times; count += 1) {
    await page.keyboard.press("Tab");
    // At the end the browser's own bar has its turn.
    if (await page.evaluate(() => document.activeElement === document.body)) break;
    stops.push(await focused(page));
  }
  return stops;
}

test("Tab goes through the chat in the order in which one reads it, and one sees where one is", async ({ page }) => {
  await newChat(page, "far");
  await say(page, "Something to walk over");
  await ended(page);
  await page.reload();
  await expect(answersOf(page).last()).toBeVisible();
  await toStart(page);
  // Enough to pass by the conversations of all plays before this one.
  const stops = await tabbed(page, 400);
  for (const stop of stops) {
    expect(stop.name, JSON.stringify(stop)).not.toBe("");
    expect(stop.seen, JSON.stringify(stop)).toBe(true);
  }
  const names = stops.map((stop) => stop.name);
  const order = ["Skip to the content", "Chat", "Voices", "Models", "Find", "System", "Settings", "New chat", "Search conversations", "Rename", "Instructions and settings", "Messages", "Copy", "Read aloud", "Answer again", "Message", "Model: far", "Dictate", "Talk"];
  let at = -1;
  for (const name of order.filter((one) => one !== "Rename")) {
    const next = names.findIndex((stop, index) => index > at && stop.startsWith(name));
    expect(next, `${name} comes after ${names[at] ?? "the beginning"} in ${names.join(" | ")}`).toBeGreaterThan(at);
    at = next;
  }
  // The first stop leads past all that.
  await page.goto("/models");
  await expect(page.locator("[data-model]").first()).toBeVisible();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  expect((await focused(page)).name).toBe("Pull by name");
});

test("a conversation from its first word to its branches, by keys alone", async ({ page, ground }) => {
  let turn = 0;
  ground.far.script = (words) => (words === "count" ? { pieces: counting(), every: 30 } : { pieces: [`Turn ${++turn}: ${words}`], every: 0 });
  await page.goto("/");
  await expect(composer(page)).toBeFocused();
  // The model: from the field two steps on.
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("option").first()).toBeVisible();
  for (let tries = 0; tries < 6 && !(await focused(page)).name.includes("far"); tries += 1) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "Model: far" })).toBeFocused();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.type("one");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("two");
  await page.keyboard.press("Enter");
  await expect(answersOf(page).last()).toContainText("Turn 1: one");
  await ended(page);
  await expect(composer(page)).toBeFocused();
  // What was said last is changed with the arrow.
  await page.keyboard.press("ArrowUp");
  await expect(page.locator("article.user").getByRole("textbox")).toBeFocused();
  await page.keyboard.press("Control+a");
  await page.keyboard.type("three");
  await page.keyboard.press("Enter");
  await expect(answersOf(page).last()).toContainText("Turn 2: three");
  await expect(composer(page)).toBeFocused();
  await page.keyboard.type("count");
  await page.keyboard.press("Enter");
  await expect(answersOf(page).last()).toContainText("5 6");
  await page.keyboard.press("Escape");
  await ended(page);
  await expect(answersOf(page).last()).toContainText("Stopped.");
  // Back to the first branch.
  const earlier = page.getByRole("button", { name: "Earlier message" });
  await earlier.focus();
  await page.keyboard.press("Enter");
  await expect(page.locator("article.user")).toContainText("one");
  await expect(answersOf(page).last()).toContainText("Turn 1");
});

test("menus and windows give the focus back to where it came from, and keep it while they are open", async ({ page }) => {
  await newChat(page, "far");
  await say(page, "A row with a menu");
  await ended(page);
  const menu = page.getByRole("listitem").filter({ hasText: "A row with a menu" }).getByRole("button", { name: /^Actions for/ });
  await menu.focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("menuitem").first()).toBeFocused();
  await page.keyboard.press("ArrowUp");
  await expect(page.getByRole("menuitem", { name: "Delete" })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(menu).toBeFocused();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Rename" });
  await expect(dialog.getByRole("textbox")).toBeFocused();
  for (let times = 0; times < 8; times += 1) {
    await page.keyboard.press("Tab");
    // The browser's own bar is part of the circle.
    expect(await page.evaluate(() => document.activeElement === document.body || !!document.activeElement?.closest("dialog"))).toBe(true);
  }
  await page.keyboard.press("Escape");
  await expect(menu).toBeFocused();
  const tuning = page.getByRole("button", { name: "Instructions and settings" });
  await tuning.focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog").getByRole("textbox", { name: "Instructions" })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(tuning).toBeFocused();
});

test("the palette does everything that the open conversation can have done to it", async ({ page, ground }) => {
  let turn = 0;
  ground.far.script = () => ({ pieces: [`Take ${++turn}`], every: 0 });
  await newChat(page, "far");
  await say(page, "Palette conversation");
  await ended(page);
  const field = page.getByRole("combobox", { name: "Go to or do" });
  const run = async (words: string, option: RegExp) => {
    await page.keyboard.press("Control+k");
    await expect(field).toBeFocused();
    await field.fill(words);
    const found = page.getByRole("option", { name: option }).first();
    await expect(found).toBeVisible();
    await expect(found).toHaveAttribute("aria-selected", "true");
    await page.keyboard.press("Enter");
    await expect(field).toBeHidden();
  };
  await run("answer again", /^Answer again/);
  await expect(answersOf(page).last()).toContainText("Take 2");
  await ended(page);
  await run("rename", /^Rename this/);
  await page.keyboard.press("Control+a");
  await page.keyboard.type("Named by keys");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Named by keys");
  await run("pin", /^Pin this/);
  const list = page.getByRole("navigation", { name: "Conversations" });
  await expect(list.getByRole("heading", { name: "Pinned" })).toBeVisible();
  await run("folder", /^Move this/);
  await page.keyboard.type("Shelf");
  await page.keyboard.press("Enter");
  await run("unpin", /^Unpin this/);
  await expect(list.locator("summary").filter({ hasText: "Shelf" })).toBeVisible();
  const [download] = await Promise.all([page.waitForEvent("download"), run("markdown", /as Markdown/)]);
  expect(download.suggestedFilename()).toBe("Named by keys.md");
  await run("system prompt", /^Instructions and settings/);
  await expect(page.getByRole("dialog", { name: "How it answers" })).toBeVisible();
  await page.keyboard.press("Escape");
  await run("search conv", /^Search conversations/);
  await expect(list.getByRole("searchbox")).toBeFocused();
  await run("delete", /^Delete this/);
  await expect(page).toHaveURL(/\/$/);
  await expect(list).not.toContainText("Named by keys");
  // Other rooms' parts and models, from here.
  await run("your data", /^Settings: Your data/);
  await expect(page).toHaveURL(/\/settings#data$/);
  await run("chat with smol", /^Chat with SmolLM2/);
  await expect(page.getByRole("button", { name: /^Model: SmolLM2/ })).toBeVisible();
  await chooseModel(page, "far");
  // The mouse has a way to it too.
  await page.getByRole("button", { name: "Find", exact: true }).click();
  await expect(field).toBeFocused();
});
