// The last two minutes of figures, asked for each second while somebody looks.
import { api } from "$lib/api";
import type { Stats } from "$lib/api/types";

const EVERY = 1000;
const KEPT = 120;

class History {
  all = $state.raw<Stats[]>([]);
  error = $state.raw<unknown>(null);
  readonly last = $derived(this.all.at(-1) ?? null);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #gone: AbortController | null = null;

  /** Asks while the page is visible; gives the function that ends it. */
  start(): () => void {
    const turn = () => (document.visibilityState === "visible" ? this.#begin() : this.#rest());
    document.addEventListener("visibilitychange", turn);
    turn();
    return () => {
      document.removeEventListener("visibilitychange", turn);
      this.#rest();
    };
  }

  #begin(): void {
    if (this.#gone) return;
    this.#gone = new AbortController();
    void this.#ask(this.#gone.signal);
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#gone?.abort();
    this.#gone = null;
  }

  async #ask(signal: AbortSignal): Promise<void> {
    try {
      const stats = await api.get<Stats>("/system/stats", {}, signal);
      if (signal.aborted) return;
      this.all = [...this.all, stats].slice(-KEPT);
      this.error = null;
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
    }
    this.#timer = setTimeout(() => void this.#ask(signal), EVERY);
  }
}

export const history = new History();
