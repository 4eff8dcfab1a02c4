// Finds formulas in Markdown: $…$, $$…$$, \(…\) and \[…\]. They become <code class="math">, which maths.ts draws later.
import type { MarkdownIt, StateBlock, StateInline } from "markdown-it";

const DOLLAR = 0x24;
const BACKSLASH = 0x5c;

/** Where the formula's text begins and ends, and where what follows begins. */
interface Found {
  from: number;
  to: number;
  next: number;
  display: boolean;
}

/** Looks for a formula that begins at `at`. A single dollar follows Pandoc's rules, so that prices stay prices. */
export function findInline(text: string, at: number): Found | null {
  const code = text.charCodeAt(at);
  if (code === BACKSLASH) {
    const open = text[at + 1];
    const close = open === "(" ? "\\)" : open === "[" ? "\\]" : null;
    if (!close) return null;
    const end = text.indexOf(close, at + 2);
    return end < 0 ? null : { from: at + 2, to: end, next: end + 2, display: open === "[" };
  }
  if (code !== DOLLAR) return null;
  if (text.charCodeAt(at + 1) === DOLLAR) {
    const end = unescaped(text, "$$", at + 2);
    return end <= at + 2 ? null : { from: at + 2, to: end, next: end + 2, display: true };
  }
  if (/\s/.test(text[at + 1] ?? " ")) return null;
  for (let end = unescaped(text, "$", at + 1); end > 0; end = unescaped(text, "$", end + 1)) {
    if (/\s/.test(text[end - 1] ?? " ") || /\d/.test(text[end + 1] ?? "")) continue;
    return { from: at + 1, to: end, next: end + 1, display: false };
  }
  return null;
}

function unescaped(text: string, mark: string, from: number): number {
  for (let at = text.indexOf(mark, from); at >= 0; at = text.indexOf(mark, at + 1)) {
    if (text.charCodeAt(at - 1) !== BACKSLASH) return at;
  }
  return -1;
}

const inline = (state: StateInline, silent: boolean): boolean => {
  const found = findInline(state.src, state.pos);
  if (!found || found.next > state.posMax) return false;
  if (!silent) {
    const token = state.push(found.display ? "math_display" : "math", "code", 0);
    token.content = state.src.slice(found.from, found.to).trim();
  }
  state.pos = found.next;
  return true;
};

/** A formula that has lines of its own, from `$$` or `\[` to its end; an unfinished one takes the rest, as it is being written. */
const block = (state: StateBlock, startLine: number, endLine: number, silent: boolean): boolean => {
  if ((state.sCount[startLine] ?? 0) - state.blkIndent >= 4) return false;
  const first = line(startLine);
  const open = first.startsWith("$$") ? "$$" : first.startsWith("\\[") ? "\\[" : null;
  if (!open) return false;
  const close = open === "$$" ? "$$" : "\\]";
  const lines: string[] = [];
  let at = startLine;
  let text = first.slice(2);
  for (;;) {
    const end = text.indexOf(close);
    if (end >= 0) {
      // Words after the formula make it part of a paragraph.
      if (text.slice(end + 2).trim() !== "") return false;
      lines.push(text.slice(0, end));
      break;
    }
    lines.push(text);
    at += 1;
    if (at >= endLine) break;
    text = line(at);
  }
  if (silent) return true;
  const token = state.push("math_block", "code", 0);
  token.block = true;
  token.content = lines.join("\n").trim();
  token.map = [startLine, at + 1];
  state.line = at + 1;
  return true;

  function line(number: number): string {
    return state.src.slice((state.bMarks[number] ?? 0) + (state.tShift[number] ?? 0), state.eMarks[number]);
  }
};

/** Teaches a parser formulas. */
export function formulas(md: MarkdownIt): void {
  md.inline.ruler.before("escape", "math", inline);
  md.block.ruler.before("fence", "math_block", block, { alt: ["paragraph", "reference", "blockquote", "list"] });
  const escape = md.utils.escapeHtml;
  md.renderer.rules["math"] = (tokens, index) => `<code class="math">${escape(tokens[index]?.content ?? "")}</code>`;
  md.renderer.rules["math_display"] = (tokens, index) => `<code class="math display">${escape(tokens[index]?.content ?? "")}</code>`;
  md.renderer.rules["math_block"] = (tokens, index) => `<p><code class="math display">${escape(tokens[index]?.content ?? "")}</code></p>\n`;
}
