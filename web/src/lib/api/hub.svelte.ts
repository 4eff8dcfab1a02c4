// One line to GET /events for the whole page: who wants to know of a change subscribes here.
// Browsers allow six connections to a server, so a page that nobody looks at gives its line back.
import { listen } from "./sse";
import type { HubEvents } from "./types";

type Name = keyof HubEvents;
type Handler<N extends Name> = (data: HubEvents[N]) => void;

const HIDDEN_FOR = 15_000;

class Hub {
  /** `starting` until the first answer; `lost` makes the banner appear. */
  line = $state<"starting" | "live" | "lost">("starting");
  #handlers = new Map<string, Set<(data: never) => void>>();
  #again = new Set<() => void>();
  #stop: (() => void) | null = null;
  #hidden: ReturnType<typeof setTimeout> | undefined;
  #missed = false;

  /** Opens the line; safe to call again. */
  start(): void {
    document.addEventListener("visibilitychange", this.#visible);
    this.#open();
  }

  stop(): void {
    document.removeEventListener("visibilitychange", this.#visible);
    this.#stop?.();
    this.#stop = null;
    this.line = "starting";
  }

  /** Tries at once instead of waiting out the pause. */
  retry(): void {
    this.#stop?.();
    this.#stop = null;
    this.#open();
  }

  /** Subscribes; gives the function that ends the subscription (fit for an effect's return). */
  on<N extends Name>(name: N, handler: Handler<N>): () => void {
    const set = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, set);
    set.add(handler);
    return () => set.delete(handler);
  }

  /** Calls back when events may have been missed, so that what is shown must be read anew. */
  onAgain(handler: () => void): () => void {
    this.#again.add(handler);
    return () => this.#again.delete(handler);
  }

  #open(): void {
    if (this.#stop) return;
    this.#stop = listen("/events", {
      on: (event, data) => {
        for (const handler of this.#handlers.get(event) ?? []) handler(data as never);
      },
      connected: (yes) => {
        this.line = yes ? "live" : "lost";
        if (!yes) this.#missed = true;
        else if (this.#missed) {
          this.#missed = false;
          for (const handler of this.#again) handler();
        }
      },
      failed: () => {
        this.#stop = null;
        this.#missed = true;
      },
    });
  }

  #visible = (): void => {
    clearTimeout(this.#hidden);
    if (document.visibilityState === "visible") this.#open();
    else
      this.#hidden = setTimeout(() => {
        this.#stop?.();
        this.#stop = null;
        this.#missed = true;
      }, HIDDEN_FOR);
  };
}

/** The page's one line. */
export const hub = new Hub();
