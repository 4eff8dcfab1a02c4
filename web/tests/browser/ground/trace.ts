// What Chromium's own trace says of a stretch of time: frames that reached the screen, those that were dropped, and the work of the
// page's main thread for each; and how much memory the page holds once its garbage is collected.
import type { Browser, Page } from "@playwright/test";

export interface Stretch {
  /** Frames drawn each second. */
  frames: number;
  /** Milliseconds from one frame to the next, in the middle and for 95 of 100. */
  typical: number;
  gap: number;
  /** Share of the frames that were wanted and came too late to be shown. */
  dropped: number;
  /** Milliseconds of processor time that the main thread took for a frame, on average and for 95 of 100. */
  work: number;
  most: number;
  /** The longest piece of its work, in milliseconds of processor time. */
  longest: number;
}

interface TraceEvent {
  name: string;
  ph: string;
  ts: number;
  dur?: number;
  /** Processor time of the thread, where the system tells it. */
  tdur?: number;
  pid: number;
  tid: number;
  args?: { name?: string; frame_reporter?: { state?: string } };
}

// Tasks of threads, and frames from the request for one to the screen.
const CATEGORIES = ["-*", "disabled-by-default-devtools.timeline", "disabled-by-default-devtools.timeline.frame"];

/** Traces the page for so long, while `act` goes on in it. */
export async function trace(browser: Browser, page: Page, ms: number, act?: () => Promise<unknown>): Promise<Stretch> {
  await browser.startTracing(page, { screenshots: false, categories: CATEGORIES });
  await Promise.all([page.waitForTimeout(ms), act?.()]);
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
  const tasks = events.filter((event) => event.name === "RunTask" && event.pid === pid && event.tid === main);
  const costs = tasks.map((event) => (event.tdur ?? event.dur ?? 0) / 1000);
  const perFrame = between(times, tasks.map((event) => event.ts / 1000), costs);
  const span = (times.at(-1) ?? 0) - (times[0] ?? 0);
  const states = events.filter((event) => event.name === "PipelineReporter" && event.ph === "b" && event.pid === pid).map((event) => event.args?.frame_reporter?.state ?? "");
  const wanted = states.filter((state) => state !== "" && state !== "STATE_NO_UPDATE_DESIRED");
  return {
    frames: span > 0 ? (gaps.length * 1000) / span : 0,
    typical: share(gaps, 0.5),
    gap: share(gaps, 0.95),
    dropped: wanted.length > 0 ? wanted.filter((state) => state === "STATE_DROPPED").length / wanted.length : 0,
    work: perFrame.reduce((sum, work) => sum + work, 0) / Math.max(1, perFrame.length),
    most: share(perFrame, 0.95),
    longest: Math.max(0, ...costs),
  };
}

/** The sum of the costs that fall between each frame and the next. */
function between(frames: number[], when: number[], costs: number[]): number[] {
  const sums = frames.slice(1).map(() => 0);
  const order = when.map((_, index) => index).sort((a, b) => (when[a] ?? 0) - (when[b] ?? 0));
  let frame = 0;
  for (const index of order) {
    const time = when[index] ?? 0;
    if (time < (frames[0] ?? 0)) continue;
    while (frame < sums.length && time >= (frames[frame + 1] ?? 0)) frame += 1;
    if (frame >= sums.length) break;
    sums[frame] = (sums[frame] ?? 0) + (costs[index] ?? 0);
  }
  return sums;
}

function share(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

/** In words, for the log of the run. */
export function told(name: string, it: Stretch): string {
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  return (
    `${name}: ${it.frames.toFixed(1)} frames/s, one each ${ms(it.typical)}, 95 % within ${ms(it.gap)}, ${(it.dropped * 100).toFixed(1)} % dropped; ` +
    `main thread ${ms(it.work)} a frame, 95 % within ${ms(it.most)}, longest task ${ms(it.longest)}`
  );
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
