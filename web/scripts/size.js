// Says how much a first visit loads, compressed, and fails above the limit.
// "First" is what index.html names, with everything those files import statically, and the fonts and icon of the start page.
import { readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const LIMIT = 300_000;
const AIM = 120_000;
const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));

/** The latin cuts of the two typefaces: the start page is drawn with both. */
const FIRST_FONTS = /(instrument-sans|young-serif)-latin-(wght|400)-normal.*\.woff2$/;

const files = new Set(["index.html"]);
function walk(key) {
  const chunk = manifest[key];
  if (!chunk || files.has(chunk.file)) return;
  files.add(chunk.file);
  for (const css of chunk.css ?? []) files.add(css);
  for (const asset of chunk.assets ?? []) if (FIRST_FONTS.test(asset) || asset.endsWith(".svg")) files.add(asset);
  for (const next of chunk.imports ?? []) walk(next);
}
for (const [key, chunk] of Object.entries(manifest)) if (chunk.isEntry) walk(key);
// The room that `/` opens is loaded at once as well.
for (const key of Object.keys(manifest)) if (key.endsWith("rooms/chat/ChatPage.svelte")) walk(key);

let total = 0;
for (const file of files) {
  const bytes = readFileSync(new URL(file, dist));
  const size = file.endsWith(".woff2") ? bytes.length : Math.min(brotliCompressSync(bytes).length, gzipSync(bytes).length);
  total += size;
  console.log(`${String(size).padStart(8)}  ${file}`);
}
console.log(`${String(total).padStart(8)}  first load, compressed (aim ${AIM}, limit ${LIMIT})`);
if (total > LIMIT) {
  console.error(`First load is ${total - LIMIT} bytes above the limit. Load something later.`);
  process.exit(1);
}
