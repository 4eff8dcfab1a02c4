// Words of a hostile model: nothing of them runs, loads, opens or leaves the page.
import { PAYLOADS } from "../payloads";
import { answersOf, ended, expect, newChat, say, test } from "./ground";

test("injection payloads in answers run nothing and load nothing", async ({ page, ground, faults }) => {
  test.setTimeout(180_000);
  const seen: string[] = [];
  page.on("dialog", (dialog) => {
    seen.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("popup", (popup) => seen.push(`popup ${popup.url()}`));
  page.on("framenavigated", (frame) => {
    if (!frame.url().startsWith(ground.server.url) && frame.url() !== "about:blank") seen.push(`went to ${frame.url()}`);
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      (globalThis as unknown as { violations: string[] }).violations ??= [];
      (globalThis as unknown as { violations: string[] }).violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  await newChat(page, "far");
  // Each streamed in small pieces, as a model would, so that halves of tags are drawn too.
  for (const [index, group] of chunks(PAYLOADS, 10).entries()) {
    ground.far.script = () => ({ pieces: pieces(group.join("\n\n")), every: 1 });
    await say(page, `payloads ${index}`);
    await ended(page);
  }
  const answers = answersOf(page);
  const bad = await answers.evaluateAll((articles) =>
    articles.flatMap((article) => {
      const found: string[] = [];
      for (const element of article.querySelectorAll("*")) {
        const name = element.localName;
        if (["script", "iframe", "object", "embed", "link", "meta", "base", "style", "form", "video", "audio"].includes(name)) found.push(name);
        for (const { name: attribute, value } of element.attributes) {
          if (attribute.startsWith("on") || attribute === "srcdoc") found.push(`${name} ${attribute}`);
          if ((attribute === "href" || attribute === "src") && !/^(https?:|mailto:|#|\/studio\/|data:image\/|blob:)/i.test(value)) found.push(`${name} ${attribute}=${value}`);
        }
      }
      return found;
    }),
  );
  expect(bad).toEqual([]);
  // Every link that is left is pressed, by keyboard's event, without going anywhere in this page.
  await answers.evaluateAll((articles) => articles.forEach((article) => article.querySelectorAll<HTMLElement>("[onclick], button[type=submit]").forEach((element) => element.click())));
  expect(seen).toEqual([]);
  expect(await page.evaluate(() => (globalThis as unknown as { violations?: string[] }).violations ?? [])).toEqual([]);
  expect(faults).toEqual([]);
});

test("a hostile title, as said by the person or an import, is text everywhere", async ({ page }) => {
  await newChat(page, "far");
  await say(page, "<img src=x onerror=alert(1)><b>bold</b>");
  await ended(page);
  await expect(page.getByRole("navigation", { name: "Conversations" })).toContainText("<img src=x");
  expect(await page.locator("img[src=x]").count()).toBe(0);
  await page.keyboard.press("Control+k");
  await expect(page.getByRole("option", { name: /<img src=x/ }).first()).toBeVisible();
  expect(await page.locator("img[src=x]").count()).toBe(0);
});

function chunks<T>(all: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size));
}

function* pieces(text: string): Generator<string> {
  const letters = [...text];
  for (let at = 0; at < letters.length; at += 3) yield letters.slice(at, at + 3).join("");
}
