// Puts a floating element beside its anchor and keeps it inside the window. Positions are set through CSSOM, as the policy allows.

/** Where a floating element would like to be. */
export interface Placing {
  side: "below" | "above";
  /** `start` and `end` follow the writing direction. */
  align: "start" | "centre" | "end";
}

const GAP = 6;
const EDGE = 8;

/** Puts `floating` beside `anchor`, on the other side when there is more room. */
export function place(floating: HTMLElement, anchor: Element, { side, align }: Placing): void {
  const at = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = floating;
  const rtl = getComputedStyle(anchor).direction === "rtl";
  const room = { below: innerHeight - at.bottom, above: at.top };
  const other = side === "below" ? "above" : "below";
  const actual = room[side] < height + GAP + EDGE && room[other] > room[side] ? other : side;
  const top = actual === "below" ? at.bottom + GAP : at.top - GAP - height;
  const atLeft = align === "centre" ? at.left + (at.width - width) / 2 : (align === "start") !== rtl ? at.left : at.right - width;
  floating.style.position = "fixed";
  floating.style.inset = "auto";
  floating.style.margin = "0";
  floating.style.left = `${clamp(atLeft, EDGE, innerWidth - width - EDGE)}px`;
  floating.style.top = `${clamp(top, EDGE, innerHeight - height - EDGE)}px`;
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}
