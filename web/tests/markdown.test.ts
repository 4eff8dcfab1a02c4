// Markdown: hostile output comes out harmless, growing text ends as the whole does, and only its end is drawn again.
import { describe, expect, test } from "vitest";
import temml from "temml";
import { type Block, blocksOf, GrowingMarkdown } from "../src/lib/markdown/blocks";
import { findInline } from "../src/lib/markdown/formulas";
import { highlight } from "../src/lib/markdown/highlight";
import { drawMaths } from "../src/lib/markdown/maths";
import { cleanMaths, cleanText } from "../src/lib/markdown/sanitise";
import { PAYLOADS } from "./payloads";

const TAGS = /^(A|BLOCKQUOTE|BR|CODE|DEL|EM|H[3-6]|HR|LI|OL|P|PRE|S|SPAN|STRONG|TABLE|TBODY|TD|TH|THEAD|TR|UL)$/;
const MATHS_TAGS = /^(math|m[a-z]+)$/;

/** Fails when anything in it could run, load, navigate unasked or pass for a part of the page. */
function expectHarmless(root: Element): void {
  for (const element of root.querySelectorAll("*")) {
    const inMaths = element.namespaceURI?.endsWith("MathML") ?? false;
    expect(element.tagName, root.innerHTML).toMatch(inMaths ? MATHS_TAGS : TAGS);
    for (const { name, value } of element.attributes) {
      expect(name, root.innerHTML).not.toMatch(/^on|^(src|srcset|style|id|name|action|formaction|srcdoc|data|poster|background|ping|xlink:href|tabindex)$/i);
      if (name === "href") expect(value).toMatch(/^(https?|mailto|tel):/i);
      if (name === "class" && !inMaths) expect(value).not.toMatch(/\brail\b/);
    }
    if (element.tagName === "A" && element.hasAttribute("href")) {
      expect(element.getAttribute("rel")).toContain("noopener");
      expect(element.getAttribute("target")).toBe("_blank");
      expect(new URL(element.getAttribute("href") ?? "", location.href).origin).not.toBe(location.origin);
    }
  }
}

async function draw(blocks: Block[]): Promise<HTMLElement> {
  const root = document.createElement("div");
  document.body.append(root);
  for (const block of blocks) {
    root.insertAdjacentHTML("beforeend", block.kind === "text" ? block.html : ((await highlight(block.code, block.language)) ?? ""));
  }
  await drawMaths(root);
  // Drawn formulas tell their source in a title, and their styles are set through CSSOM: both are the page's own doing.
  for (const code of root.querySelectorAll("code.math")) {
    code.removeAttribute("title");
    code.removeAttribute("data-drawn");
  }
  for (const element of root.querySelectorAll("math, math *")) element.removeAttribute("style");
  return root;
}

describe("injection", () => {
  test("there are enough payloads, all different", () => {
    expect(new Set(PAYLOADS).size).toBe(PAYLOADS.length);
    expect(PAYLOADS.length).toBeGreaterThanOrEqual(40);
  });

  test.each(PAYLOADS)("%j is harmless as Markdown", async (payload) => {
    expectHarmless(await draw(blocksOf(payload)));
  });

  test.each(PAYLOADS)("%j is harmless even if Markdown let HTML through", (payload) => {
    const root = document.createElement("div");
    root.innerHTML = cleanText(payload);
    expectHarmless(root);
  });

  test("every beginning of every payload is harmless while it streams", () => {
    for (const payload of PAYLOADS) {
      const growing = new GrowingMarkdown();
      for (let end = 1; end <= payload.length; end += 1) {
        const root = document.createElement("div");
        for (const block of growing.update(payload.slice(0, end))) if (block.kind === "text") root.insertAdjacentHTML("beforeend", block.html);
        expectHarmless(root);
      }
    }
  });

  test("formulas bring no links, no styles and no foreign markup", () => {
    for (const tex of ["\\href{https://evil.example}{x}", "\\color{red}x", "\\frac12", "\\begin{aligned}a&=b\\end{aligned}"]) {
      const markup = temml.renderToString(tex, { throwOnError: false, trust: true });
      const root = document.createElement("div");
      root.innerHTML = cleanMaths(markup);
      expectHarmless(root);
    }
    const root = document.createElement("div");
    root.innerHTML = cleanMaths('<math><annotation-xml encoding="text/html"><img src=x onerror=alert(1)></annotation-xml><maction actiontype="statusline" href="javascript:alert(1)"><mi>x</mi></maction></math>');
    expectHarmless(root);
    root.innerHTML = cleanMaths('<math><mtext><img src="https://evil.example/x.png"><a href="https://evil.example">x</a></mtext></math>');
    expectHarmless(root);
    expect(root.querySelector("a, img")).toBeNull();
  });

  test("links to this server itself lead nowhere: they would go with the reader's session", () => {
    for (const to of [`${location.origin}/api/parasol/conversations/export`, `${location.origin}/`]) {
      expect(blocksOf(`[x](${to})`)[0]).toMatchObject({ html: "<p><a>x</a></p>\n" });
    }
  });

  test("pictures become links", () => {
    expect(blocksOf("![A cat](https://example.org/cat.png)")[0]).toMatchObject({ html: expect.stringContaining('<a class="picture" href="https://example.org/cat.png"') });
  });
});

const SAMPLE = `# Title

Words with *emphasis*, \`code\` and a [link](https://example.org).
A second line.

Setext
======

1. one
2. two

   \`\`\`rust
   fn nested() {}
   \`\`\`
3. three
   - inner

| a | b |
|:--|--:|
| 1 | 2 |

\`\`\`python
print("hi")

# not a heading
\`\`\`

$$
x = \\frac{1}{2}
$$

> quoted
> more

Price: $5 and $6, sum $x^2$ and \\(y\\).

Last.`;

function plain(blocks: Block[]): string[] {
  return blocks.map((block) => (block.kind === "text" ? block.html : `${block.language}:${block.code}`));
}

describe("growing", () => {
  test("text that came letter by letter ends as the whole does", () => {
    const growing = new GrowingMarkdown();
    for (let end = 1; end < SAMPLE.length; end += 1) growing.update(SAMPLE.slice(0, end));
    expect(plain(growing.update(SAMPLE, true))).toEqual(plain(blocksOf(SAMPLE)));
  });

  test("settled blocks are the same objects, and ids are never given twice", () => {
    const growing = new GrowingMarkdown();
    let before: Block[] = [];
    for (let end = 40; end < SAMPLE.length; end += 7) {
      const now = growing.update(SAMPLE.slice(0, end));
      expect(new Set(now.map((block) => block.id)).size).toBe(now.length);
      before.slice(0, -2).forEach((block, index) => expect(now[index]).toBe(block));
      before = now;
    }
  });

  test("links that are defined at the end hold everywhere once it has ended", () => {
    const text = "See [it][1].\n\nMore.\n\n[1]: https://example.org";
    const growing = new GrowingMarkdown();
    for (let end = 1; end < text.length; end += 1) growing.update(text.slice(0, end));
    expect(plain(growing.update(text, true)).join()).toContain('href="https://example.org"');
  });

  test("another text begins anew", () => {
    const growing = new GrowingMarkdown();
    growing.update("one\n\ntwo\n\nthree");
    expect(plain(growing.update("four"))).toEqual(["<p>four</p>\n"]);
    growing.update("four", true);
    expect(plain(growing.update("four five", true))).toEqual(["<p>four five</p>\n"]);
  });

  test("a long list settles item by item and goes on counting", () => {
    const items = Array.from({ length: 200 }, (_, index) => `${index + 1}. item number ${index + 1} with some words`).join("\n");
    const growing = new GrowingMarkdown();
    let blocks: Block[] = [];
    for (let end = 100; end <= items.length; end += 100) blocks = growing.update(items.slice(0, end));
    expect(blocks.length).toBeGreaterThan(2);
    const last = blocks.at(-1);
    expect(last?.kind === "text" && last.html.length).toBeLessThan(5000);
    const all = plain(growing.update(items, true)).join("");
    expect(all.match(/<li>/g)).toHaveLength(200);
    for (const [, start] of all.matchAll(/<ol start="(\d+)">\s*<li>item number \1 /g)) expect(Number(start)).toBeGreaterThan(1);
    expect(new Set(blocks.map((block) => block.id)).size).toBe(blocks.length);
  });

  test("ten thousand tokens cost the last block only", () => {
    const text = `${SAMPLE}\n\n`.repeat(100);
    const growing = new GrowingMarkdown();
    const times: number[] = [];
    for (let end = 0; end < text.length; end += 30) {
      const begin = performance.now();
      growing.update(text.slice(0, end));
      times.push(performance.now() - begin);
    }
    const tenth = Math.floor(times.length / 10);
    const median = (part: number[]) => part.toSorted((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0;
    // The end of a long text may not cost more than a few times its beginning, whatever the machine.
    expect(median(times.slice(-tenth))).toBeLessThan(Math.max(5, median(times.slice(0, tenth)) * 5));
  });

  test("an open fence is open, a closed one is not", () => {
    const growing = new GrowingMarkdown();
    expect(growing.update("```rust\nfn a() {}\n")[0]).toMatchObject({ kind: "code", language: "rust", open: true });
    expect(growing.update("```rust\nfn a() {}\n```")[0]).toMatchObject({ code: "fn a() {}", open: false });
  });
});

describe("formulas", () => {
  test.each([
    ["$x$", "x"],
    ["$$x+1$$", "x+1"],
    ["\\(a\\)", "a"],
    ["\\[b\\]", "b"],
    ["$a \\$ b$", "a \\$ b"],
  ])("%s is one", (text, tex) => {
    const found = findInline(text, 0);
    expect(found && text.slice(found.from, found.to)).toBe(tex);
  });

  test.each(["$5 and $6", "$ x$", "$x $", "$100", "\\(open", "$$"])("%s is none", (text) => {
    expect(findInline(text, 0)).toBeNull();
  });

  test("they are drawn as MathML with their harmless styles, and wrong ones stay readable", async () => {
    const root = await draw(blocksOf("$$\\color{red}{x}$$ and $\\frac{1}{$ and $\\undefinedcommand x$"));
    expect(root.querySelector("math")?.getAttribute("display")).toBe("block");
    expect(root.textContent).toContain("\\undefinedcommand");
  });
});

test("code is coloured by class, by any of its names, and unknown languages stay plain", async () => {
  expect(await highlight("fn main() {}", "rs")).toContain('<span class="hljs-keyword">fn</span>');
  expect(await highlight("<b>", "html")).not.toContain("<b>");
  expect(await highlight("x", "constructor")).toBeNull();
  expect(await highlight("x".repeat(200_000), "rust")).toBeNull();
});

test("headings stand below the page's own, tables align by class", () => {
  expect(plain(blocksOf("# A"))).toEqual(["<h3>A</h3>\n"]);
  expect(plain(blocksOf("### A\n\n#### B\n\n# C\n\n###### D")).join("")).toBe("<h3>A</h3>\n<h4>B</h4>\n<h3>C</h3>\n<h4>D</h4>\n");
  const table = plain(blocksOf("| a | b |\n|:-:|--:|\n| 1 | 2 |")).join();
  expect(table).toContain('<th class="centre">');
  expect(table).toContain('<td class="end">');
});
