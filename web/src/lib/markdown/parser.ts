// How Markdown is read here: no HTML of its own, pictures become links, headings stand below the page's, tables align by class.
import MarkdownIt from "markdown-it";
import { formulas } from "./formulas";

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

rules["heading_open"] = (tokens, index) => `<${lower(tokens[index]?.tag)}>`;
rules["heading_close"] = (tokens, index) => `</${lower(tokens[index]?.tag)}>\n`;

function lower(tag = "h1"): string {
  return `h${Math.min(Number(tag.slice(1)) + 2, 6)}`;
}

const ALIGN: Record<string, string> = { left: "start", center: "centre", right: "end" };
for (const name of ["th_open", "td_open"]) {
  rules[name] = (tokens, index, options, _env, self) => {
    const token = tokens[index];
    if (!token) return "";
    const align = /text-align:(\w+)/.exec(String(token.attrGet("style") ?? ""))?.[1];
    token.attrs = align ? [["class", ALIGN[align] ?? "start"]] : null;
    return self.renderToken(tokens, index, options);
  };
}

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
