// A microphone that hears a file: what the program's own voice said, between two silences.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BIN } from "./server";
import { test as base } from "./index";

/** What is said into it. */
export const SAID = "The parasol keeps the sun off the table.";

/** A file that the voice reads, made once for each text. */
export function spoken(text: string, name: string): string {
  const folder = join(tmpdir(), `parasol-spoken-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  if (!existsSync(path)) execFileSync(BIN, ["speak", text, "--seed", "7", "-o", path], { stdio: ["ignore", "ignore", "inherit"] });
  return path;
}

/** The same with silence around it, so that a recording may begin early and end late. */
function surrounded(path: string): string {
  const sound = readFileSync(path);
  const data = sound.indexOf("data") + 8;
  const rate = sound.readUInt32LE(24);
  const body = Buffer.concat([Buffer.alloc(rate), sound.subarray(data), Buffer.alloc(rate * 60)]);
  const head = Buffer.from(sound.subarray(0, data));
  head.writeUInt32LE(data - 8 + body.length, 4);
  head.writeUInt32LE(body.length, data - 4);
  const out = path.replace(/\.wav$/, "-microphone.wav");
  writeFileSync(out, Buffer.concat([head, body]));
  return out;
}

/** Tests with a microphone that the page may have. */
export const test = base.extend<object, object>({
  launchOptions: [
    async ({ launchOptions }, use) => {
      const file = surrounded(spoken(SAID, "said.wav"));
      const args = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-audio-capture=${file}%noloop`, "--autoplay-policy=no-user-gesture-required"];
      await use({ ...launchOptions, args: [...(launchOptions.args ?? []), ...args] });
    },
    { scope: "worker" },
  ],
});
