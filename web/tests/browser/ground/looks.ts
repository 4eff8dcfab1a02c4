// How pages are judged: axe finds no serious or moderate fault, nothing runs over the edge, and a picture is taken into shots/ for
// people to look at.
import AxeBuilder from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";
import { mkdirSync } from "node:fs";

const SHOTS = new URL("../../../shots/", import.meta.url).pathname;

export const MODES = {
  light: { viewport: { width: 1280, height: 860 }, colorScheme: "light" },
  dark: { viewport: { width: 1280, height: 860 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: "light", isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
} as const;

export async function judge(page: Page, name: string): Promise<void> {
  await page.waitForTimeout(400);
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: `${SHOTS}${name}.png`, animations: "disabled" });
  const { violations } = await new AxeBuilder({ page }).analyze();
  const grave = violations.filter(({ impact }) => impact !== "minor").map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map((node) => node.target.join(" ")).join(" | ")}`);
  expect(grave, name).toEqual([]);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(over, `${name} runs over its edge`).toBeLessThanOrEqual(0);
  // The way to every room is in sight.
  const hidden = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('nav[aria-label="Rooms"] li')].filter((entry) => {
      const { left, right } = entry.getBoundingClientRect();
      return left < -1 || right > innerWidth + 1;
    }).length,
  );
  expect(hidden, `${name}: rooms out of sight`).toBe(0);
}
