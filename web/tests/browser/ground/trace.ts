// What Chromium's own trace says of a stretch of time: frames that reached the screen, those that were dropped, and the work of the
// page's main thread; and how much memory the page holds once its garbage is collected.
import type { Browser, Page } from "@playwright/test";

export interface Stretch {
  /** Frames drawn each second. */
  frames: number;
  /** Milliseconds from one frame to the next, in the middle and for 95 of 100. */
  typical: number;
  gap: number;
  /** Share of the frames that were wanted and came too late to be shown. */
  dropped: number;
  /** Share of the time in which the main thread was at work. */
  busy: number;
  /** The longest piece of its work, in milliseconds. */
  longest: number;
}

interface TraceEvent {
  name: string;
  ph: string;
  ts: number;
  dur?: number;
  pid: number;
  tid: number;
  args?: { name?: string; frame_reporter?: { state?: string } };
}

// Tasks of threads, and frames from the request for one to the screen.
const CATEGORIES = ["-*", "disabled-by-default-devtools.timeline", "disabled-by-default-devtools.timeline.frame"];

/** Traces the page for so long. */
export async function trace(browser: Browser, page: Page, ms: number): Promise<Stretch> {
  await browser.startTracing(page, { screenshots: false, categories: CATEGORIES });
  await page.waitForTimeout(ms);
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  return read(traceEvents);
}

function read(events: TraceEvent[]): Stretch {
  // Of several pages it is the one that draws.
  const drawn = events.filter((event) => event.name === "DrawFrame");
  const counts = new Map<number, number>();
  for (const { pid } of drawn) counts.set(pid, (counts.get(pid) ?? 0) + 1);
  const pid = [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0;
  const times = drawn.filter((event) => event.pid === pid).map((event) => event.ts / 1000).sort((a, b) => a - b);
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time));
  const main = events.find((event) => event.name === "thread_name" && event.pid === pid && event.args?.name === "CrRendererMain")?.tid;
  const tasks = events.filter((event) => event.name === "RunTask" && event.pid === pid && event.tid === main).map((event) => (event.dur ?? 0) / 1000);
  const span = (times.at(-1) ?? 0) - (times[0] ?? 0);
  const states = events.filter((event) => event.name === "PipelineReporter" && event.ph === "b" && event.pid === pid).map((event) => event.args?.frame_reporter?.state ?? "");
  const wanted = states.filter((state) => state !== "" && state !== "STATE_NO_UPDATE_DESIRED");
  return {
    frames: span > 0 ? (gaps.length * 1000) / span : 0,
    typical: share(gaps, 0.5),
    gap: share(gaps, 0.95),
    dropped: wanted.length > 0 ? wanted.filter((state) => state === "STATE_DROPPED").length / wanted.length : 0,
    busy: span > 0 ? tasks.reduce((sum, task) => sum + task, 0) / span : 0,
    longest: Math.max(0, ...tasks),
  };
}

function share(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

/** In words, for the log of the run. */
export function told(name: string, it: Stretch): string {
  return `${name}: ${it.frames.toFixed(1)} frames/s in the trace, one each ${it.typical.toFixed(1)} ms, 95 % within ${it.gap.toFixed(1)} ms, ${(it.dropped * 100).toFixed(1)} % dropped, main thread busy ${(it.busy * 100).toFixed(0)} %, longest task ${it.longest.toFixed(0)} ms`;
}

/** What the page holds after its garbage was collected: bytes of script objects, and elements. */
export async function held(page: Page): Promise<{ bytes: number; nodes: number }> {
  const client = await page.context().newCDPSession(page);
  await client.send("Performance.enable");
  for (let times = 0; times < 3; times += 1) await client.send("HeapProfiler.collectGarbage");
  const { metrics } = await client.send("Performance.getMetrics");
  await client.detach();
  const value = (name: string) => metrics.find((metric) => metric.name === name)?.value ?? 0;
  return { bytes: value("JSHeapUsedSize"), nodes: value("Nodes") };
}
