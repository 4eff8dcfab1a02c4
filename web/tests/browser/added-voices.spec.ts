// Added voices: consent before anything else, a file and the microphone, what is refused, and removing.
import { readFileSync, writeFileSync } from "node:fs";
import { expect, type Locator, type Page } from "./ground";
import { spoken, test } from "./ground/microphone";
import type { Server } from "./ground/server";

const VOICES = { also: ["hibari"] };

async function open(page: Page, server: Server): Promise<Locator> {
  await page.goto(`${server.url}/voices`);
  const form = page.getByRole("form", { name: "Add a voice" });
  await expect(form).toBeVisible();
  return form;
}

const kept = (page: Page) => page.getByRole("list", { name: "Added voices" }).getByRole("listitem");

test("a voice is added from a file with consent only, kept over a reload, and removed", async ({ page, another }) => {
  const server = await another(VOICES);
  const form = await open(page, server);
  const add = form.getByRole("button", { name: "Add the voice" });
  await expect(form).toContainText("only with the permission of the person who speaks");
  await form.getByRole("textbox", { name: "Name" }).fill("Anna");
  await form.getByLabel("Recording of a voice").setInputFiles(spoken("The parasol keeps the sun off the table.", "anna.wav"));
  await expect(form).toContainText("anna.wav");
  await expect(add).toBeDisabled();
  await form.getByRole("checkbox").check();
  await add.click();
  await expect(kept(page)).toHaveCount(1);
  await expect(kept(page)).toContainText("Anna");
  // The next voice needs a statement of its own.
  await expect(form.getByRole("checkbox")).not.toBeChecked();

  // The name is taken; the server says so, and nothing that was chosen is lost.
  await form.getByRole("textbox", { name: "Name" }).fill("anna");
  await form.getByLabel("Recording of a voice").setInputFiles(spoken("The parasol keeps the sun off the table.", "anna.wav"));
  await form.getByRole("checkbox").check();
  await add.click();
  await expect(form.getByRole("alert")).toContainText("already");
  await expect(form).toContainText("anna.wav");

  await page.reload();
  await expect(kept(page)).toHaveCount(1);
  await page.getByRole("button", { name: "Remove Anna" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(kept(page)).toHaveCount(0);
});

test("what is no recording of a voice is refused in words", async ({ page, another }, info) => {
  const server = await another(VOICES);
  const form = await open(page, server);
  await form.getByRole("textbox", { name: "Name" }).fill("Ben");
  await form.getByRole("checkbox").check();
  const text = info.outputPath("text.wav");
  writeFileSync(text, "This is no sound.");
  // A second of a sound that says it is one.
  const short = info.outputPath("short.wav");
  const whole = readFileSync(spoken("The parasol keeps the sun off the table.", "anna.wav"));
  const data = whole.indexOf("data") + 8;
  const cut = Buffer.from(whole.subarray(0, data + 2 * whole.readUInt32LE(24)));
  cut.writeUInt32LE(cut.length - 8, 4);
  cut.writeUInt32LE(cut.length - data, data - 4);
  writeFileSync(short, cut);
  for (const [file, says] of [[text, "cannot be read"], [short, "2 to 60 s"]] as const) {
    await form.getByLabel("Recording of a voice").setInputFiles(file);
    await form.getByRole("button", { name: "Add the voice" }).click();
    await expect(form.getByRole("alert")).toContainText(says);
  }
  await expect(kept(page)).toHaveCount(0);
});

test("a voice is added from the microphone", async ({ page, another }) => {
  const server = await another(VOICES);
  const form = await open(page, server);
  await form.getByRole("button", { name: "Record a voice" }).click();
  await expect(form.getByRole("timer", { name: "Recorded" })).toHaveText("0:04", { timeout: 20_000 });
  await form.getByRole("button", { name: "Stop" }).click();
  await expect(form).toContainText("Recording");
  await form.getByRole("textbox", { name: "Name" }).fill("Me");
  await form.getByRole("checkbox").check();
  await form.getByRole("button", { name: "Add the voice" }).click();
  await expect(kept(page)).toContainText("Me");
  await expect(kept(page)).toContainText(/[34](\.\d)? s/);
});
