// How well a text answers what was typed: whole words' beginnings before letters in order. Pure, so that it can be tested alone.

/** Higher is better; 0 means that it does not fit. */
export function score(query: string, text: string): number {
  const want = query.trim().toLowerCase();
  if (!want) return 1;
  const have = text.toLowerCase();
  if (have.startsWith(want)) return 100;
  const parts = want.split(/\s+/);
  const words = have.split(/[^\p{L}\p{N}]+/u);
  if (parts.every((part) => words.some((word) => word.startsWith(part)))) return 80;
  if (parts.every((part) => have.includes(part))) return 50;
  return inOrder(want.replaceAll(" ", ""), have) ? 10 : 0;
}

/** Whether the letters appear in this order, starting at a word's beginning. */
function inOrder(letters: string, text: string): boolean {
  const start = text.search(new RegExp(`(?:^|[^\\p{L}\\p{N}])${escape(letters[0] ?? "")}`, "u"));
  if (start < 0) return false;
  let at = start;
  for (const letter of letters) {
    at = text.indexOf(letter, at);
    if (at < 0) return false;
    at += 1;
  }
  return true;
}

function escape(letter: string): string {
  return letter.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
