// Branches: which messages are shown, what stands beside each, where a branch leads.
import { expect, test } from "vitest";
import { Tree, type Leafy } from "../src/lib/chat/tree";
import { fullness, speed } from "../src/lib/chat/limits";
import { mark, pieces } from "../src/lib/chat/marks";
import { group } from "../src/lib/chat/list.svelte";
import type { FoundConversation } from "../src/lib/api";

let clock = 0;
function message(id: string, parent: string | null): Leafy {
  clock += 1;
  return { id, parent, created: new Date(clock * 1000).toISOString() };
}
const ids = (messages: readonly Leafy[]) => messages.map((one) => one.id);

// u1 ── a1 ── u2 ── a3
//    └─ a2 ── u3
//          └─ u4 ── a4
const all = [
  message("u1", null), message("a1", "u1"), message("a2", "u1"), message("u2", "a1"), message("a3", "u2"),
  message("u3", "a2"), message("u4", "a2"), message("a4", "u4"),
];
const tree = new Tree(all);

test("the path to a head", () => {
  expect(ids(tree.path("a3"))).toEqual(["u1", "a1", "u2", "a3"]);
  expect(ids(tree.path("u3"))).toEqual(["u1", "a2", "u3"]);
});

test("without a head, or with one that is gone, the newest branch is shown", () => {
  expect(ids(tree.path(null))).toEqual(["u1", "a2", "u4", "a4"]);
  expect(ids(tree.path("gone"))).toEqual(["u1", "a2", "u4", "a4"]);
  expect(new Tree([]).path(null)).toEqual([]);
});

test("siblings are in order and know their place, the first message too", () => {
  expect(tree.siblings("a2")).toMatchObject({ index: 1 });
  expect(ids(tree.siblings("a2").all)).toEqual(["a1", "a2"]);
  const edited = new Tree([...all, message("u9", null)]);
  expect(ids(edited.siblings("u1").all)).toEqual(["u1", "u9"]);
  expect(tree.siblings("gone")).toEqual({ all: [], index: -1 });
});

test("a branch is left where it was chosen, else at its newest leaf", () => {
  expect(tree.leaf("a2")).toBe("a4");
  expect(tree.leaf("a2", new Map([["a2", "u3"]]))).toBe("u3");
  expect(tree.leaf("a2", new Map([["a2", "gone"]]))).toBe("a4");
});

test("a missing parent leaves its children at the root; a circle ends", () => {
  expect(ids(new Tree([message("x", "gone")]).path("x"))).toEqual(["x"]);
  const round = new Tree([message("a", "b"), message("b", "a")]);
  expect(round.path("a").length).toBe(2);
  expect(round.leaf("a")).not.toBeUndefined();
});

test("equal times are ordered by id, the same way each time", () => {
  const same = ["c", "a", "b"].map((id) => ({ id, parent: null, created: "2026-01-01T00:00:00Z" }));
  expect(ids(new Tree(same).children(null))).toEqual(["a", "b", "c"]);
});

test("the meter warns before the context is full, and says when it is", () => {
  expect(fullness(1000, 8192, undefined)?.level).toBe("calm");
  expect(fullness(7100, 8192, undefined)?.level).toBe("near");
  expect(fullness(1700, 2048, undefined)?.level).toBe("near");
  expect(fullness(6000, 8192, 4000)?.level).toBe("calm");
  expect(fullness(6500, 8192, 4000)?.level).toBe("near");
  expect(fullness(8192, 8192, undefined)?.level).toBe("over");
  expect(fullness(null, 8192, undefined)).toBeNull();
  expect(fullness(10, null, undefined)).toBeNull();
});

test("speed is not told of a single token", () => {
  expect(speed(100, 2000)).toBe(50);
  expect(speed(1, 0)).toBeNull();
});

test("search hits are split at their marks, and titles marked by words", () => {
  expect(pieces("see \u0001bread\u0002 <b>")).toEqual([{ text: "see ", hit: false }, { text: "bread", hit: true }, { text: " <b>", hit: false }]);
  expect(mark("Why bread (rises)", "BREAD (")).toEqual([
    { text: "Why ", hit: false }, { text: "bread", hit: true }, { text: " ", hit: false }, { text: "(", hit: true }, { text: "rises)", hit: false },
  ]);
  expect(mark("Title", " ")).toEqual([{ text: "Title", hit: false }]);
});

test("the list: pinned, folders by name, then by time", () => {
  const now = Date.parse("2026-11-24T12:00:00");
  const item = (title: string, days: number, more: Partial<FoundConversation> = {}) =>
    ({ title, updated: new Date(now - days * 86_400_000).toISOString(), pinned: false, folder: null, ...more }) as FoundConversation;
  const groups = group([item("p", 9, { pinned: true, folder: "B" }), item("t", 0), item("w", 0, { folder: "B" }), item("y", 1), item("v", 0, { folder: "A" }), item("o", 90)], now);
  expect(groups.map((one) => [one.title, one.items.map((each) => each.title).join()])).toEqual([
    ["Pinned", "p"], ["A", "v"], ["B", "w"], ["Today", "t"], ["Yesterday", "y"], ["Earlier", "o"],
  ]);
});
