// How much of a text that is still being written can be read aloud already: whole sentences, and no half of a code block.

/** The end of the last sentence or line after `from`; all of it when the text is finished. */
export function ready(text: string, from: number, finished: boolean): number {
  if (finished) return text.length;
  const rest = text.slice(from);
  // An open block of code is read as one when it is closed.
  const fences = [...rest.matchAll(/^ {0,3}(```|~~~)/gm)];
  const until = fences.length % 2 === 1 ? (fences.at(-1)?.index ?? 0) : rest.length;
  let end = 0;
  for (const found of rest.slice(0, until).matchAll(/[.!?…。！？]["”’')\]]*\s|\n\s*\n/g)) end = found.index + found[0].length;
  return from + end;
}
