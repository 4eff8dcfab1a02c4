// What of an answer can be read aloud: its sentences, without the marks that only make sense to the eye.
import type { Token } from "markdown-it";
import { markdown } from "./parser";

/** Plain sentences, a line for each part of the text. Code and formulas are named, not spelt out. */
export function speakable(source: string): string {
  const lines: string[] = [];
  let row: string[] | null = null;
  for (const token of markdown.parse(source, {})) {
    if (token.type === "tr_open") row = [];
    else if (token.type === "tr_close") {
      if (row) lines.push(sentence(row.filter(Boolean).join(", ")));
      row = null;
    } else if (token.type === "fence" || token.type === "code_block") lines.push("Here stands code.");
    else if (token.type === "inline") {
      const text = inline(token.children ?? []).replace(/\s+/g, " ").trim();
      if (row) row.push(text);
      else lines.push(sentence(text));
    } else if (token.children === null && /^math/.test(token.type)) lines.push("Here stands a formula.");
  }
  return lines.filter(Boolean).join("\n");
}

function inline(tokens: Token[]): string {
  let text = "";
  let bare = false;
  for (const token of tokens) {
    if (token.type === "link_open") bare = token.markup === "linkify" || token.markup === "autolink";
    else if (token.type === "link_close") bare = false;
    else if (token.type === "softbreak" || token.type === "hardbreak") text += " ";
    else if (/^math/.test(token.type)) text += " a formula ";
    // An address alone is read by its host: the rest of it is for machines.
    else if (token.type === "text" && bare) text += host(token.content);
    else if (token.type === "text" || token.type === "code_inline" || token.type === "image") text += token.content;
  }
  return text.replace(/[*_#`~|]{2,}/g, " ");
}

function host(address: string): string {
  try {
    return new URL(address).hostname;
  } catch {
    return address;
  }
}

/** Headings and items have no full stop, and a voice needs one to lower itself. */
function sentence(text: string): string {
  return text === "" || /[\p{P}]$/u.test(text) ? text : `${text}.`;
}
