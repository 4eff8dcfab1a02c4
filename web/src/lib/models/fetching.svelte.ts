// Fetching the one model that something waits for: begun with a click, followed until it is here, found again after a reload.
import { api, path, session, type Model, type Pull, type PullList } from "$lib/api";
import { models } from "$lib/chat/models.svelte";

const EVERY = 700;

export class Fetching {
  pull = $state.raw<Pull | null>(null);
  /** The server is being asked to begin. */
  asking = $state(false);
  #wrong = $state<string | null>(null);
  readonly running = $derived(this.pull?.state === "running");
  /** Why it did not begin or broke off. */
  readonly failure = $derived(this.#wrong ?? (this.pull?.state === "failed" ? (this.pull.error ?? "Fetching it failed.") : null));
  #name: () => string | undefined;

  /** `name` says which model it is, as soon as that is known. */
  constructor(name: () => string | undefined) {
    this.#name = name;
  }

  /** Follows what is under way; gives the function that ends that. */
  start(): () => void {
    void this.#follow();
    const timer = setInterval(() => {
      if (this.running) void this.#follow();
    }, EVERY);
    return () => clearInterval(timer);
  }

  async #follow(): Promise<void> {
    if (!session.admin || (this.pull && !this.running)) return;
    try {
      const { pulls } = await api.get<PullList>("/pulls");
      const found = pulls.find((one) => (this.pull ? one.id === this.pull.id : one.model === this.#name() && one.state === "running"));
      if (found) this.pull = found;
      if (found?.state === "done") await models.read();
    } catch {
      // The banner tells when the server is gone; the next round asks again.
    }
  }

  /** Begins, or goes on where it broke off. */
  async fetch(model: Model): Promise<void> {
    this.asking = true;
    this.#wrong = null;
    try {
      this.pull =
        this.pull && this.pull.state !== "done"
          ? await api.post<Pull>(`/pulls${path(this.pull.id)}/resume`)
          : await api.post<Pull>("/pulls", { model: model.name, accept_licence: false });
    } catch (error) {
      this.#wrong = error instanceof Error ? error.message : String(error);
    } finally {
      this.asking = false;
    }
  }
}
