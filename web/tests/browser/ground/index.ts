// The ground that tests stand on: server, hub and far model for all of a file, and a page that tells of everything unseemly.
import { expect, test as base, type Locator, type Page } from "@playwright/test";
import { Far } from "./far";
import { Hub } from "./hub";
import { Server, type ServerOptions } from "./server";

export { expect, type Page, type Locator } from "@playwright/test";
export { counting } from "./far";

export interface Ground {
  server: Server;
  hub: Hub;
  far: Far;
}

interface Tests {
  /** Faults that pages reported: errors, refused loads, requests to elsewhere. */
  faults: string[];
  ground: Ground;
  /** Starts another server, ended with the test. */
  another: (options?: Partial<ServerOptions>) => Promise<Server>;
}

export const test = base.extend<Tests, { shared: Ground }>({
  shared: [
    async ({}, use) => {
      const [hub, far] = await Promise.all([Hub.start(), Far.start()]);
      const server = await Server.start({ hub: hub.url, models: [{ name: "far", remote: [{ url: far.url }] }] });
      await use({ server, hub, far });
      await server.stop();
      await Promise.all([hub.stop(), far.stop()]);
    },
    { scope: "worker" },
  ],
  ground: [
    async ({ shared }, use) => {
      // For every test, also one that does not look at it: what the test before set up is not for this one.
      shared.hub.mend();
      shared.hub.pace = 200_000_000;
      shared.far.script = (said) => ({ pieces: [`You said: ${said}`], every: 0 });
      await use(shared);
    },
    { auto: true },
  ],
  baseURL: async ({ shared }, use) => use(shared.server.url),
  another: async ({ shared }, use) => {
    const servers: Server[] = [];
    await use(async (options = {}) => {
      const server = await Server.start({ hub: shared.hub.url, models: shared.server.options.models, ...options });
      servers.push(server);
      return server;
    });
    await Promise.all(servers.map((server) => server.stop()));
  },
  faults: [
    async ({ context }, use) => {
      const faults: string[] = [];
      context.on("page", (page) => listen(page, faults));
      await use(faults);
      expect(faults, "what pages complained of").toEqual([]);
    },
    { auto: true },
  ],
});

/** What tests bring about themselves is no fault: a server that they killed, a route that they were refused. */
const EXPECTED = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_SOCKET|status of 4\d\d|status of 5\d\d/;

function listen(page: Page, faults: string[]): void {
  page.on("console", (message) => {
    if ((message.type() === "error" || message.type() === "warning") && !EXPECTED.test(message.text())) faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`thrown: ${error.message}`));
  page.on("request", (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (hostname !== "127.0.0.1" && protocol.startsWith("http")) faults.push(`asked ${request.url()}`);
  });
}

/** The field to write in. */
export const composer = (page: Page): Locator => page.getByRole("textbox", { name: "Message" });
/** Answers that are shown, the newest last. */
export const answersOf = (page: Page): Locator => page.locator("article.assistant");

/** Opens a new chat and chooses who answers. */
export async function newChat(page: Page, model?: string): Promise<void> {
  await page.goto("/");
  await expect(composer(page)).toBeVisible();
  if (model) await chooseModel(page, model);
}

export async function chooseModel(page: Page, model: string): Promise<void> {
  await page.getByRole("button", { name: /^(First m|M)odel: / }).click();
  await page.getByRole("option").filter({ hasText: model, visible: true }).first().click();
}

/** Says something and waits until an answer to it has begun. */
export async function say(page: Page, words: string): Promise<void> {
  await composer(page).fill(words);
  // Where people type with their thumbs, the key begins a new line.
  if (await page.evaluate(() => matchMedia("(pointer: coarse)").matches)) await page.getByRole("button", { name: "Send" }).click();
  else await composer(page).press("Enter");
  await expect(page).toHaveURL(/\/c\//);
  await expect(page.locator("article.user").filter({ hasText: words }).last()).toBeVisible();
  await expect(answersOf(page).last()).toBeVisible();
}

/** Waits until nothing is being answered. */
export async function ended(page: Page): Promise<void> {
  // What was just said and has no answer yet is about to get one.
  await expect(page.locator("article").last()).toHaveClass(/assistant/);
  await expect(page.locator('article[aria-busy="true"]')).toHaveCount(0, { timeout: 60_000 });
  await expect(page.getByRole("button", { name: "Send", exact: true })).toBeVisible();
}
