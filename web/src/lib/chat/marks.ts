// Splits a search hit at U+0001 and U+0002, which the server puts around what was found.

/** A stretch of text that is a hit as a whole or not at all. */
export interface Piece {
  text: string;
  hit: boolean;
}

/** A snippet's stretches. */
export function pieces(snippet: string): Piece[] {
  const out: Piece[] = [];
  let hit = false;
  for (const part of snippet.split(/([\u0001\u0002])/)) {
    if (part === "\u0001") hit = true;
    else if (part === "\u0002") hit = false;
    else if (part !== "") out.push({ text: part, hit });
  }
  return out;
}

/** Marks the words of a query in a title, which comes without marks. */
export function mark(text: string, query: string): Piece[] {
  const words = query
    .split(/\s+/)
    .filter((word) => word !== "")
    .map(escape);
  if (words.length === 0) return [{ text, hit: false }];
  return text
    .split(new RegExp(`(${words.join("|")})`, "giu"))
    .map((part, index) => ({ text: part, hit: index % 2 === 1 }))
    .filter((piece) => piece.text !== "");
}

function escape(word: string): string {
  return word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
