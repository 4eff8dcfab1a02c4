// Cuts Markdown into the blocks it is made of, so that while an answer grows only its last block is read and drawn again.
import type { Token } from "markdown-it";
import { language, markdown, type Reading } from "./parser";
import { cleanText } from "./sanitise";

/** A part that is drawn on its own. The id is its place, and stays. */
export type Block =
  { id: number; kind: "text"; html: string } | { id: number; kind: "code"; language: string; code: string; open: boolean };

/** A list that grows longer than this is cut after its finished items. */
const LONG_LIST = 2500;

/** What defines a link for the whole document; then blocks depend on each other. */
const DEFINITION = /^ {0,3}\[[^\]\n]+\]:/m;

/** A document that grows at its end. */
export class GrowingMarkdown {
  /** Blocks that no further text can change. */
  #settled: Block[] = [];
  /** Where in the source the unsettled rest begins. */
  #from = 0;
  #source = "";
  #next = 0;
  #finished = false;
  #env: Reading = {};
  /** The level of the last settled heading. */
  #heading: number | undefined;

  /** The blocks of `source`. When it continues what was given before, settled blocks are the same objects as then. */
  update(source: string, finished = false): Block[] {
    const goesOn = source.startsWith(this.#source) && (!this.#finished || source.length === this.#source.length);
    if (!goesOn || (finished && DEFINITION.test(source))) this.#restart();
    this.#source = source;
    this.#finished = finished;
    // Definitions anywhere hold for links everywhere, so that a finished text with some is read in one go.
    if (finished && this.#from === 0 && DEFINITION.test(source)) markdown.parse(source, this.#env);
    return this.#read(finished);
  }

  #restart(): void {
    this.#settled = [];
    this.#from = 0;
    this.#next = 0;
    this.#env = {};
    this.#heading = undefined;
  }

  #read(finished: boolean): Block[] {
    const rest = this.#source.slice(this.#from);
    const tokens = markdown.parse(rest, this.#env);
    const groups = group(tokens);
    const lines = lineStarts(rest);
    const blocks: Block[] = [];
    const settle = finished ? groups.length : settled(groups, lines.length - 1);
    this.#env.heading = this.#heading;
    for (const [index, tokensOf] of groups.entries()) {
      if (index === settle) this.#heading = this.#env.heading;
      const block = this.#draw(tokensOf, this.#next + index, rest, finished);
      if (index < settle) this.#settled.push(block);
      else blocks.push(block);
    }
    if (settle === groups.length) this.#heading = this.#env.heading;
    this.#next += settle;
    const first = groups[settle];
    if (finished) this.#from = this.#source.length;
    else this.#from += lines[first?.[0]?.map?.[0] ?? 0] ?? 0;
    if (!finished && first && settle === groups.length - 1 && this.#cutList(first)) return this.#read(finished);
    return [...this.#settled, ...blocks];
  }

  /** Settles all but the last item of a long list; the rest is read as a list that goes on counting. */
  #cutList(tokens: Token[]): boolean {
    const open = tokens[0];
    const rest = this.#source.slice(this.#from);
    if (rest.length < LONG_LIST || !open || !open.type.endsWith("_list_open")) return false;
    const items = tokens.filter((token) => token.type === "list_item_open" && token.level === 1);
    const lastItem = items.at(-1);
    const endLine = open.map ? open.map[0] + lineStarts(rest).length - 1 : 0;
    // An item whose first line is still being written may turn out to be a rule: `- - -`.
    if ((lastItem?.map?.[0] ?? 0) >= endLine) return false;
    if (items.length < 2 || !lastItem?.map || !open.map) return false;
    const cut = lineStarts(rest)[lastItem.map[0] - open.map[0]];
    if (!cut) return false;
    const head = markdown.parse(rest.slice(0, cut), this.#env);
    this.#env.heading = this.#heading;
    this.#settled.push(this.#draw(head, this.#next, rest, false));
    this.#heading = this.#env.heading;
    this.#next += 1;
    this.#from += cut;
    return true;
  }

  #draw(tokens: Token[], id: number, source: string, finished: boolean): Block {
    const first = tokens[0];
    if (first && (first.type === "fence" || first.type === "code_block")) {
      const closed = finished || first.type === "code_block" || isClosed(first, source);
      return { id, kind: "code", language: language(first.info), code: first.content.replace(/\n$/, ""), open: !closed };
    }
    return { id, kind: "text", html: cleanText(markdown.renderer.render(tokens, markdown.options, this.#env)) };
  }
}

/** The blocks of a text that is not growing. */
export function blocksOf(source: string): Block[] {
  return new GrowingMarkdown().update(source, true);
}

/**
 * How many blocks no further text can change: all but the last, which may go on. If the last one is only begun, in the line that is
 * still being written, it may yet turn out to belong to the one before (`3` becomes `3.` and goes on with a list), which stays open too.
 */
function settled(groups: Token[][], lastLine: number): number {
  const begun = (groups.at(-1)?.[0]?.map?.[0] ?? 0) >= lastLine;
  return Math.max(0, groups.length - (begun ? 2 : 1));
}

/** Tokens by the top-level block that they make. */
function group(tokens: Token[]): Token[][] {
  const groups: Token[][] = [];
  let current: Token[] = [];
  let depth = 0;
  for (const token of tokens) {
    current.push(token);
    depth += token.nesting;
    if (depth === 0) {
      groups.push(current);
      current = [];
    }
  }
  if (current.length > 0) groups.push(current);
  return groups;
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** Whether a fence's last line closes it. */
function isClosed(fence: Token, source: string): boolean {
  if (!fence.map) return true;
  const lines = source.split("\n").slice(fence.map[0], fence.map[1]);
  const last = lines.at(-1)?.trim() ?? "";
  const mark = fence.markup[0] ?? "`";
  return lines.length > 1 && last.length >= fence.markup.length && [...last].every((letter) => letter === mark);
}
