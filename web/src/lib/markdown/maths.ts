// Draws formulas as MathML, which browsers lay out themselves. The library comes when the first formula does.
import { cleanMaths } from "./sanitise";

/** What a formula's own styles may set; everything else it asks for is left out. */
const STYLES = new Set([
  "padding-left",
  "padding-right",
  "padding-top",
  "padding-bottom",
  "padding",
  "color",
  "background-color",
  "text-align",
  "border-left",
  "border-right",
  "border-top",
  "border-bottom",
  "border",
  "vertical-align",
  "width",
  "margin-left",
  "margin-right",
  "font-weight",
  "font-style",
  "math-depth",
  "math-style",
]);
const HARMLESS = /^[-#.%\w\s,()]*$/;

let library: Promise<typeof import("temml")> | null = null;

/** Replaces the words of each `<code class="math">` in `root` by its drawing; a formula that is wrong stays as it was written. */
export async function drawMaths(root: ParentNode): Promise<void> {
  const places = [...root.querySelectorAll<HTMLElement>("code.math:not([data-drawn])")];
  if (places.length === 0) return;
  library ??= import("temml");
  const temml = (await library).default;
  for (const place of places) {
    if (!place.isConnected || place.dataset.drawn) continue;
    const source = place.textContent ?? "";
    place.dataset.drawn = "yes";
    place.title = source;
    try {
      const markup = temml.renderToString(source, {
        displayMode: place.classList.contains("display"),
        throwOnError: true,
        trust: false,
        maxExpand: 500,
      });
      // The page's policy ignores style attributes; the harmless ones are set one by one below.
      place.innerHTML = cleanMaths(markup.replaceAll(' style="', ' data-style="'));
      for (const element of place.querySelectorAll<HTMLElement>("[data-style]")) applyStyles(element);
    } catch {
      place.classList.add("wrong");
    }
  }
}

function applyStyles(element: HTMLElement | MathMLElement): void {
  for (const rule of (element.getAttribute("data-style") ?? "").split(";")) {
    const colon = rule.indexOf(":");
    if (colon < 0) continue;
    const name = rule.slice(0, colon).trim();
    const value = rule.slice(colon + 1).trim();
    if (STYLES.has(name) && HARMLESS.test(value)) element.style.setProperty(name, value);
  }
  element.removeAttribute("data-style");
}
