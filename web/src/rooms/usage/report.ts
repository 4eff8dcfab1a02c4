// The sums of the report, put together for the table and for the chart.
import type { Spent, UsageReport } from "$lib/api/types";

/** What the chart shows of answers. */
export type Measure = "cost" | "tokens" | "answers";

/** Answers that have a name in common, over all days. */
export interface Group {
  name: string;
  title: string;
  sum: Spent;
}

/** The parts of the chart's columns, from the bottom up. */
export interface Series {
  title: string;
  /** One for each day. */
  values: number[];
}

/** Series of their own, before the rest is put into one. */
const MOST_SERIES = 5;

export function measured(sum: Spent, measure: Measure): number {
  if (measure === "cost") return sum.cost_usd;
  return measure === "answers" ? sum.answers : sum.prompt_tokens + sum.generated_tokens;
}

const none = (): Spent => ({ answers: 0, prompt_tokens: 0, cached_tokens: 0, generated_tokens: 0, cost_usd: 0, unpriced_answers: 0 });

function add(to: Spent, more: Spent): void {
  for (const field of Object.keys(none()) as (keyof Spent)[]) to[field] += more[field];
}

/** The command line asks under a name that no key has. */
function called(name: string, title: string | null | undefined, by: string): string {
  return title ?? (by === "key" && name === "local" ? "Command line" : name);
}

/** The names with their sums: what cost most first, of days the newest. */
export function groups(report: UsageReport): Group[] {
  const found = new Map<string, Group>();
  for (const row of report.rows) {
    const group = found.get(row.name) ?? { name: row.name, title: called(row.name, row.title, report.by), sum: none() };
    add(group.sum, row);
    found.set(row.name, group);
  }
  const all = [...found.values()];
  if (report.by === "day") return all.sort((a, b) => b.name.localeCompare(a.name));
  const tokens = (group: Group): number => measured(group.sum, "tokens");
  return all.sort((a, b) => b.sum.cost_usd - a.sum.cost_usd || tokens(b) - tokens(a) || a.name.localeCompare(b.name));
}

/** Every day of the report, also those without answers. */
export function days(report: UsageReport): string[] {
  const all: string[] = [];
  for (let at = Date.parse(report.from); at <= Date.parse(report.to); at += 86_400_000) all.push(new Date(at).toISOString().slice(0, 10));
  return all;
}

/** What the columns are made of: the largest names, and all others together. */
export function series(report: UsageReport, measure: Measure): Series[] {
  const at = new Map(days(report).map((day, index) => [day, index]));
  const empty = (): number[] => Array<number>(at.size).fill(0);
  // Days are the columns already.
  const names = report.by === "day" ? [] : groups(report).sort((a, b) => measured(b.sum, measure) - measured(a.sum, measure));
  const own = names.length > MOST_SERIES + 1 ? names.slice(0, MOST_SERIES) : names;
  const parts = new Map(own.map((group) => [group.name, { title: group.title, values: empty() }]));
  const rest: Series = { title: report.by === "day" ? "All" : "Others", values: empty() };
  for (const row of report.rows) {
    const part = parts.get(row.name) ?? rest;
    const index = at.get(row.day);
    if (index !== undefined) part.values[index] = (part.values[index] ?? 0) + measured(row, measure);
  }
  const all = [...parts.values()];
  return own.length < names.length || names.length === 0 ? [...all, rest] : all;
}

/** A day as people write it. */
export function dayName(day: string): string {
  return new Date(`${day}T00:00:00Z`).toLocaleDateString(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
}
