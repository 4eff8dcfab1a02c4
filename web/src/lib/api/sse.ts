// Server-sent events over fetch: a parser for the stream's lines, and a listener that joins again when the line breaks.
// EventSource is not used because it hides the status and the error body of a refused stream.
import { ApiError, send } from "./client";

/** One event as it stood in the stream. */
export interface ServerEvent {
  event: string;
  data: string;
  id: string | null;
}

/** Parses an event stream piece by piece, as the HTML standard describes it. */
export class SseParser {
  #rest = "";
  #event = "";
  #data: string[] = [];
  #id: string | null = null;
  #start = true;

  /** Takes the next piece of text; gives the events that are complete with it. */
  push(text: string): ServerEvent[] {
    if (this.#start && text !== "") {
      this.#start = false;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    const events: ServerEvent[] = [];
    this.#rest += text;
    for (;;) {
      const end = this.#rest.search(/[\r\n]/);
      if (end < 0) break;
      // A lone CR at the very end may be the first half of CR LF.
      if (this.#rest[end] === "\r" && end === this.#rest.length - 1) break;
      const line = this.#rest.slice(0, end);
      const skip = this.#rest[end] === "\r" && this.#rest[end + 1] === "\n" ? 2 : 1;
      this.#rest = this.#rest.slice(end + skip);
      const event = this.#line(line);
      if (event) events.push(event);
    }
    return events;
  }

  #line(line: string): ServerEvent | null {
    if (line === "") {
      const event = this.#data.length > 0 ? { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id } : null;
      this.#event = "";
      this.#data = [];
      return event;
    }
    if (line.startsWith(":")) return null;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }
}

/** Reads one response to its end, event by event. */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  if (!response.body) return;
  const parser = new SseParser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(value);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** What a listener is told. */
export interface ListenOptions {
  /** Handles an event; `false` ends the listening. */
  on: (event: string, data: unknown) => boolean | void;
  /** The line is there (again), or gone and being tried again. */
  connected?: (yes: boolean) => void;
  /** The server refused for good (not found, signed out …). */
  failed?: (error: ApiError) => void;
}

const FIRST_WAIT = 400;
const LONGEST_WAIT = 8000;

/** Listens until told to stop, joining again with growing pauses. Gives the function that stops it. */
export function listen(route: string, options: ListenOptions): () => void {
  const gone = new AbortController();
  void run();
  return () => gone.abort();

  async function run(): Promise<void> {
    let wait = FIRST_WAIT;
    while (!gone.signal.aborted) {
      try {
        const response = await send("GET", route, { signal: gone.signal, headers: { accept: "text/event-stream" } });
        options.connected?.(true);
        for await (const { event, data } of readEvents(response)) {
          wait = FIRST_WAIT;
          if (gone.signal.aborted) return;
          if (options.on(event, parse(data)) === false) return gone.abort();
        }
      } catch (error) {
        if (gone.signal.aborted) return;
        if (error instanceof ApiError && final(error)) return options.failed?.(error);
        if (!(error instanceof ApiError || error instanceof TypeError || error instanceof DOMException)) throw error;
      }
      if (gone.signal.aborted) return;
      options.connected?.(false);
      await pause(wait, gone.signal);
      wait = Math.min(wait * 2, LONGEST_WAIT);
    }
  }
}

/** Refusals that asking again does not change. */
function final(error: ApiError): boolean {
  return !error.unreachable && error.status >= 400 && error.status < 500 && error.status !== 408 && error.status !== 429;
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    // A machine that wakes up or gets its network back should not wait out the pause.
    window.addEventListener("online", done, { once: true });
    signal.addEventListener("abort", done, { once: true });
    function done() {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
