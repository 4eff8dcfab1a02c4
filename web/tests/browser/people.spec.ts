// Keys: made once shown, limits, signing in, and two people who do not see each other's conversations.
import { chooseModel, composer, ended, expect, say, test, type Page } from "./ground";

async function signIn(page: Page, url: string, key: string): Promise<void> {
  await page.goto(url);
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(composer(page)).toBeVisible();
}

test("two people with different keys don't see each other's conversations", async ({ page, browser, another }) => {
  const server = await another();
  await page.goto(`${server.url}/settings#keys`);
  const part = page.getByRole("region", { name: "Keys", exact: true });
  const make = async (name: string): Promise<string> => {
    await part.getByRole("button", { name: "New key" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("textbox", { name: "Name" }).fill(name);
    await dialog.getByRole("button", { name: "Make key" }).click();
    const secret = (await dialog.locator(".secret code").innerText()).trim();
    expect(secret.length).toBeGreaterThan(20);
    await dialog.getByRole("button", { name: "I have copied it" }).click();
    await expect(part).toContainText(name);
    await expect(page.getByText(secret)).toHaveCount(0);
    return secret;
  };
  const ada = await make("Ada");
  const ben = await make("Ben");
  await page.goto(server.url);
  await chooseModel(page, "far");
  await say(page, "Ada's secret garden");
  await ended(page);
  const address = page.url();

  const others = await browser.newContext();
  const his = await others.newPage();
  await his.goto(server.url);
  // A wrong key is refused in words.
  await his.getByLabel("API key").fill("parasol-wrong");
  await his.getByRole("button", { name: "Sign in" }).click();
  await expect(his.getByRole("alert")).toBeVisible();
  await signIn(his, server.url, ben);
  await expect(his.getByText("secret garden")).toHaveCount(0);
  await his.goto(address);
  await expect(his.getByText("This conversation is not here")).toBeVisible();
  await his.goto(server.url);
  await his.getByRole("searchbox", { name: "Search conversations" }).fill("garden");
  await expect(his.getByText(/Nothing found/)).toBeVisible();
  // Who is no administrator has no keys and no server settings before them.
  await his.goto(`${server.url}/settings`);
  await expect(his.getByRole("region", { name: "Appearance" })).toBeVisible();
  await expect(his.getByRole("region", { name: "Keys", exact: true })).toHaveCount(0);

  // Revoked, he is out.
  await page.goto(`${server.url}/settings#keys`);
  await part.getByRole("button", { name: "Revoke Ben" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke", exact: true }).click();
  await expect(part).not.toContainText("Ben");
  await expect(async () => {
    await his.goto(server.url);
    await expect(his.getByLabel("API key")).toBeVisible({ timeout: 2000 });
  }).toPass();
  await others.close();

  // Ada comes again with her key and finds what is hers.
  const again = await browser.newContext();
  const hers = await again.newPage();
  await signIn(hers, server.url, ada);
  await expect(hers.getByRole("navigation", { name: "Conversations" })).toContainText("secret garden");
  await again.close();
});
