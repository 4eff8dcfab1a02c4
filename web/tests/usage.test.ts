// The sums of the usage page: every day has its column, what is many is put together, and nothing is lost on the way.
import { expect, test } from "vitest";
import type { Spent, UsageReport } from "../src/lib/api/types";
import { money } from "../src/lib/format";
import { days, groups, series } from "../src/rooms/usage/report";

const spent = (cost: number, answers = 1): Spent => ({ answers, prompt_tokens: 10 * answers, cached_tokens: 0, generated_tokens: answers, cost_usd: cost, unpriced_answers: 0 });

function report(rows: UsageReport["rows"], by = "model"): UsageReport {
  return { from: "2026-02-26", to: "2026-03-02", by, rows, total: spent(0), budget: { day_usd: null, today_usd: 0, keys: [] } };
}

const row = (day: string, name: string, cost: number, title: string | null = null) => ({ day, name, title, ...spent(cost) });

test("every day has a column, over the end of a month too", () => {
  expect(days(report([]))).toEqual(["2026-02-26", "2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"]);
  expect(series(report([row("2026-03-01", "a", 2), row("2026-02-26", "a", 1), row("2026-03-01", "b", 5)]), "cost")).toEqual([
    { title: "b", values: [0, 0, 0, 5, 0] },
    { title: "a", values: [1, 0, 0, 2, 0] },
  ]);
});

test("names are summed up, what cost most first", () => {
  const sums = groups(report([row("2026-02-26", "a", 1), row("2026-02-27", "b", 5), row("2026-02-28", "a", 2)]));
  expect(sums.map(({ name, sum }) => [name, sum.cost_usd, sum.answers])).toEqual([["b", 5, 1], ["a", 3, 2]]);
  const keys = groups(report([row("2026-02-26", "local", 1), row("2026-02-26", "id", 2, "Phone")], "key"));
  expect(keys.map((key) => key.title)).toEqual(["Phone", "Command line"]);
  expect(groups(report([row("2026-02-26", "2026-02-26", 9), row("2026-03-01", "2026-03-01", 1)], "day")).map((day) => day.name)).toEqual(["2026-03-01", "2026-02-26"]);
});

test("of many names the small ones are one part, and nothing is lost", () => {
  const many = report(Array.from({ length: 9 }, (_, index) => row("2026-03-01", `m${index}`, index + 1)));
  const parts = series(many, "cost");
  expect(parts.map((part) => part.title)).toEqual(["m8", "m7", "m6", "m5", "m4", "Others"]);
  expect(parts.flatMap((part) => part.values).reduce((sum, value) => sum + value, 0)).toBe(45);
  expect(series(many, "tokens").flatMap((part) => part.values).reduce((sum, value) => sum + value, 0)).toBe(99);
  expect(series(report([row("2026-03-01", "2026-03-01", 3)], "day"), "cost")).toEqual([{ title: "All", values: [0, 0, 0, 3, 0] }]);
});

test("money has the digits that it needs", () => {
  expect([0, 1.5, 0.001234, 0.0000004].map(money)).toEqual(["$0.00", "$1.50", "$0.001234", "$0.00"]);
});
