// The server that the clients are pointed at: where it is, and what runs in it now.

import assert from "node:assert/strict";

export const URL = process.env.PARASOL_URL;
export const MODEL = process.env.PARASOL_MODEL;
export const KEY = process.env.PARASOL_KEY ?? "none";
export const LONG = "Tell a very long story.";
export const TOO_LONG = "word ".repeat(20_000);
export const BOTH_NUMBERS = /\d{5,} tokens .* \d{3,}/;

/** The sum of a metric over its labels; 0 while nothing has been counted. */
export async function metric(name) {
  const text = await (await fetch(`${URL}/metrics`)).text();
  const lines = text.split("\n").filter((l) => l.startsWith(`parasol_${name} `) || l.startsWith(`parasol_${name}{`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

/** Something is computed: the engine tells once a step is done, so a moment after its first token. */
export async function assertAtWork(within = 5) {
  const until = Date.now() + within * 1000;
  while ((await metric("running")) === 0) assert.ok(Date.now() < until, `nothing is computed ${within} s later`);
}

/** Nothing is computed, nothing waits and no cache block is held, `within` seconds from now at the latest. */
export async function assertIdle(within = 5) {
  const until = Date.now() + within * 1000;
  for (;;) {
    const busy = {};
    for (const name of ["answers_open", "running", "queue", "kv_blocks_used"]) busy[name] = await metric(name);
    if (Object.values(busy).every((count) => count === 0)) break;
    assert.ok(Date.now() < until, `still at work ${within} s later: ${JSON.stringify(busy)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(await metric("book_errors"), 0);
}
