// A tooltip for elements that show a sign only. One element serves the whole page; it stays out of the accessibility tree
// because the label is already the element's name.
import type { Attachment } from "svelte/attachments";
import { place } from "./place";

const DELAY = 450;
let bubble: HTMLElement | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;

function show(anchor: Element, text: string, keys?: string): void {
  bubble ??= make();
  bubble.replaceChildren(text);
  if (keys) {
    const key = document.createElement("kbd");
    key.textContent = keys;
    bubble.append(" ", key);
  }
  // Inside a modal dialog only its own descendants are drawn above it; popovers are in the top layer anyway.
  if (!bubble.isConnected) document.body.append(bubble);
  bubble.showPopover();
  place(bubble, anchor, { side: "below", align: "centre" });
}

function hide(): void {
  clearTimeout(timer);
  if (bubble?.matches(":popover-open")) bubble.hidePopover();
}

function make(): HTMLElement {
  const element = document.createElement("div");
  element.className = "tooltip";
  element.popover = "manual";
  element.setAttribute("aria-hidden", "true");
  return element;
}

/** Shows `text` (and the keys that do the same) when the pointer rests on the element or the keyboard reaches it. */
export function tooltip(text: string, keys?: string): Attachment<HTMLElement> {
  return (element) => {
    const enter = (event: PointerEvent) => {
      if (event.pointerType === "touch") return;
      clearTimeout(timer);
      timer = setTimeout(() => show(element, text, keys), DELAY);
    };
    const focus = () => {
      if (element.matches(":focus-visible")) timer = setTimeout(() => show(element, text, keys), DELAY);
    };
    element.addEventListener("pointerenter", enter);
    element.addEventListener("focus", focus);
    for (const end of ["pointerleave", "pointerdown", "blur", "keydown"]) element.addEventListener(end, hide);
    return () => {
      hide();
      element.removeEventListener("pointerenter", enter);
      element.removeEventListener("focus", focus);
      for (const end of ["pointerleave", "pointerdown", "blur", "keydown"]) element.removeEventListener(end, hide);
    };
  };
}
