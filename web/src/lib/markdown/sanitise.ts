// The last gate before anything a model wrote becomes elements: a short list of tags, attributes and classes, and nothing else.
// What passes can neither run nor load anything; links are the only way out, and they open apart and say nothing of this page.
import DOMPurify, { type Config } from "dompurify";

const TAGS = [
  "a",
  "b",
  "blockquote",
  "br",
  "code",
  "del",
  "dd",
  "dl",
  "dt",
  "em",
  "h3",
  "h4",
  "h5",
  "h6",
  "hr",
  "i",
  "kbd",
  "li",
  "mark",
  "ol",
  "p",
  "pre",
  "s",
  "span",
  "strong",
  "sub",
  "sup",
  "table",
  "tbody",
  "td",
  "th",
  "thead",
  "tr",
  "ul",
];
const CLASSES = /^(?:math|display|start|centre|end|task|done|picture|language-[\w+#.-]{1,40}|hljs(?:-[a-z_]+)?|[a-z]+_)$/;
const SAFE_LINK = /^(?:https?:|mailto:|tel:)/i;

const TEXT: Config = {
  ALLOWED_TAGS: TAGS,
  ALLOWED_ATTR: ["class", "href", "start", "title", "dir", "target", "rel", "colspan", "rowspan"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: SAFE_LINK,
};

const MATHS: Config = {
  USE_PROFILES: { mathMl: true },
  ADD_ATTR: ["data-style"],
  FORBID_ATTR: ["style", "href", "xlink:href", "id", "src", "altimg", "cdgroup", "definitionurl"],
  FORBID_TAGS: ["annotation-xml", "semantics", "annotation", "mglyph", "maction"],
  ALLOW_DATA_ATTR: false,
};

const CODE: Config = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false };

const gate = DOMPurify();
gate.addHook("uponSanitizeAttribute", (element, data) => {
  if (data.attrName === "class" && !(element.namespaceURI ?? "").endsWith("MathML")) {
    data.attrValue = data.attrValue
      .split(/\s+/)
      .filter((name) => CLASSES.test(name))
      .join(" ");
    if (!data.attrValue) data.keepAttr = false;
  }
  if (data.attrName === "dir" && !/^(?:auto|ltr|rtl)$/.test(data.attrValue)) data.keepAttr = false;
});
gate.addHook("afterSanitizeAttributes", (element) => {
  if (element.nodeName !== "A") return;
  const href = element.getAttribute("href");
  // Addresses of this server would let a model's words call its routes with the reader's session.
  if (href === null || !SAFE_LINK.test(href) || ownOrigin(href)) {
    element.removeAttribute("href");
    element.removeAttribute("target");
    return;
  }
  element.setAttribute("target", "_blank");
  element.setAttribute("rel", "noopener noreferrer nofollow external");
});

function ownOrigin(href: string): boolean {
  try {
    return new URL(href).origin === location.origin;
  } catch {
    return true;
  }
}

/** Markdown's HTML, cleaned. */
export function cleanText(html: string): string {
  return gate.sanitize(html, TEXT) as unknown as string;
}

/** Highlighted code's HTML, cleaned: spans with classes. */
export function cleanCode(html: string): string {
  return gate.sanitize(html, CODE) as unknown as string;
}

/** A formula's MathML, cleaned; its styles are in `data-style`, see maths.ts. */
export function cleanMaths(markup: string): string {
  return gate.sanitize(markup, MATHS) as unknown as string;
}
