// How Markdown is read here: no HTML of its own, pictures become links, headings stand below the page's, tables align by class.
import MarkdownIt, { type Env } from "markdown-it";
import { formulas } from "./formulas";

/** The one parser. */
export const markdown = new MarkdownIt({ html: false, linkify: true, breaks: false, typographer: false });
markdown.use(formulas);
// Bare words such as `main.rs` or `node.js` are no addresses.
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false });

const rules = markdown.renderer.rules;
const escape = markdown.utils.escapeHtml;

/** A picture would be loaded from anywhere; a link leaves that to the reader. */
rules["image"] = (tokens, index) => {
  const token = tokens[index];
  const source = String(token?.attrGet("src") ?? "");
  const words = token?.content || source;
  return `<a class="picture" href="${escape(source)}">${escape(words)}</a>`;
};

/** What drawing one block tells the next. */
export interface Reading extends Env {
  /** The level of the last heading, as the page counts. */
  heading?: number;
}

/** The page's own headings end here: an answer stands below the second level. */
const ABOVE = 2;

/** A heading is at most one level below the one before it, however the text skips: screen readers walk along them. */
rules["heading_open"] = (tokens, index, _options, given) => {
  const env = reading(given);
  const level = Math.min(Number(tokens[index]?.tag.slice(1) ?? 1) + ABOVE, (env.heading ?? ABOVE) + 1, 6);
  env.heading = level;
  return `<h${level}>`;
};
rules["heading_close"] = (_tokens, _index, _options, given) => `</h${reading(given).heading ?? ABOVE + 1}>\n`;

function reading(env: Env | undefined): Reading {
  return env ?? {};
}

const ALIGN: Record<string, string> = { left: "start", center: "centre", right: "end" };
for (const name of ["th_open", "td_open"]) {
  rules[name] = (tokens, index, options, _env, self) => {
    const token = tokens[index];
    if (!token) return "";
    const align = /text-align:(\w+)/.exec(String(token.attrGet("style") ?? ""))?.[1];
    token.attrs = align ? [["class", ALIGN[align] ?? "start"]] : null;
    // An empty corner heads nothing.
    if (name === "th_open" && tokens[index + 1]?.content === "") token.tag = "td";
    return self.renderToken(tokens, index, options);
  };
}

rules["th_close"] = (tokens, index) => (tokens[index - 1]?.content === "" ? "</td>\n" : "</th>\n");

/** Code inside a list or a quotation; code on its own is a block of its own, see blocks.ts. */
rules["fence"] = (tokens, index) => {
  const token = tokens[index];
  const name = language(token?.info ?? "");
  return `<pre><code${name ? ` class="language-${escape(name)}"` : ""}>${escape(token?.content ?? "")}</code></pre>\n`;
};
rules["code_block"] = (tokens, index) => `<pre><code>${escape(tokens[index]?.content ?? "")}</code></pre>\n`;

/** The language that a fence names: `rust,ignore` and `rust title="x"` are Rust. */
export function language(info: string): string {
  return /^[\w+#.-]{1,40}/.exec(info.trim())?.[0]?.toLowerCase() ?? "";
}
