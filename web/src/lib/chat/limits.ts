// How full a model's context is, and what to say about it. Pure.

/** How much of a context is used, and how much that matters. */
export interface Fullness {
  used: number;
  context: number;
  share: number;
  level: "calm" | "near" | "over";
}

/** Room that an answer should have; less than this left is worth a warning. */
const ANSWER = 512;

/** Judges a prompt of `used` tokens, with an answer of at most `answer` to come; null while something is not known. */
export function fullness(used: number | null, context: number | null, answer: number | null | undefined): Fullness | null {
  if (used === null || context === null || context <= 0) return null;
  const share = used / context;
  const wanted = Math.min(answer ?? ANSWER, context / 4);
  const level = used >= context ? "over" : share >= 0.85 || used + wanted > context ? "near" : "calm";
  return { used, context, share, level };
}

/** About how many tokens a text takes, where the model cannot be asked: it is not in memory, or there is no conversation yet. */
export function estimate(text: string): number {
  return Math.ceil(new Blob([text]).size / 3.6);
}

/** The figures of a finished answer. */
export function speed(generated: number, decodeMs: number): number | null {
  // One token has no time between tokens.
  return generated > 1 && decodeMs > 0 ? (generated * 1000) / decodeMs : null;
}
