// Paths and patterns, links that stay in the page, and that each room's addresses lead to it.
import { afterEach, beforeEach, expect, test } from "vitest";
import { fill, match } from "../src/lib/router/match";
import { router } from "../src/lib/router/router.svelte";
import { find, rooms } from "../src/rooms";

test.each([
  ["/", "/", {}],
  ["/c/:id", "/c/abc", { id: "abc" }],
  ["/c/:id", "/c/abc/", { id: "abc" }],
  ["/c/:id", "/c/a%20b", { id: "a b" }],
  ["/models/*name", "/models/org%2Fname%3Atag", { name: "org/name:tag" }],
  ["/models/*name", "/models/org/name:tag", { name: "org/name:tag" }],
])("%s takes %s", (pattern, path, params) => {
  expect(match(pattern, path)).toEqual(params);
});

test.each([
  ["/", "/c"],
  ["/c/:id", "/c"],
  ["/c/:id", "/c/a/b"],
  ["/models", "/models/x"],
  ["/models/*name", "/models"],
  ["/c/:id", "/c/%E0%A4%A"],
])("%s does not take %s", (pattern, path) => {
  expect(match(pattern, path)).toBeNull();
});

test("filling a pattern is the way back", () => {
  const params = { name: "org/name:tag ü" };
  expect(match("/models/*name", fill("/models/*name", params))).toEqual(params);
});

test("every room leads home, and no address has two rooms", () => {
  expect(rooms.length).toBeGreaterThan(0);
  for (const room of rooms) expect(find(room.home)?.room.id).toBe(room.id);
  expect(find("/c/x")?.params).toEqual({ id: "x" });
  expect(find("/nowhere/at/all")).toBeNull();
});

let stop: () => void;
beforeEach(() => {
  history.replaceState(null, "", "/");
  stop = router.start();
});
afterEach(() => {
  stop();
  document.body.replaceChildren();
});

function click(html: string, init: MouseEventInit = {}): boolean {
  document.body.innerHTML = html;
  const event = new MouseEvent("click", { bubbles: true, cancelable: true, button: 0, ...init });
  // What the browser would do of itself is not wanted here.
  window.addEventListener("click", (late) => late.preventDefault(), { once: true });
  let followed = false;
  window.addEventListener("click", (late) => (followed = late.defaultPrevented), { once: true, capture: false });
  const before = router.path;
  document.querySelector("a")?.dispatchEvent(event);
  return router.path !== before || followed === undefined;
}

test("plain clicks on links of this page stay in it", () => {
  expect(click('<a href="/c/one"><b>x</b></a>')).toBe(true);
  expect(location.pathname).toBe("/c/one");
});

test.each([
  ['<a href="https://example.org/c/x">x</a>', {}],
  ['<a href="/c/x" target="_blank">x</a>', {}],
  ['<a href="/c/x" download>x</a>', {}],
  ['<a href="/api/parasol/conversations/export">x</a>', {}],
  ['<a href="/openapi.json">x</a>', {}],
  ['<a href="/c/x">x</a>', { ctrlKey: true }],
  ['<a href="/c/x">x</a>', { button: 1 }],
])("%s %o is left to the browser", (html, init) => {
  expect(click(html, init)).toBe(false);
});
