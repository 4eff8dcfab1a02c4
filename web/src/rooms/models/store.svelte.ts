// The models, the machine's memory and the pulls, kept up by events.
import { api, hub, type Machine, type Model, type ModelList, type Pull } from "$lib/api";

/** A running pull is told of more often than this. */
const SILENT = 2000;

class ModelStore {
  all = $state.raw<Model[]>([]);
  machine = $state.raw<Machine | null>(null);
  pulls = $state.raw<Pull[]>([]);
  ready = $state(false);
  error = $state.raw<unknown>(null);
  #users = 0;
  #ends: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #heard = 0;

  /** Follows the server while a page looks; gives the function that ends it. */
  start(): () => void {
    if (this.#users++ === 0) {
      this.#ends = [
        hub.on("models", () => this.#soon()),
        hub.on("pull", (pull) => {
          this.#heard = Date.now();
          this.take(pull);
        }),
        hub.onAgain(() => void this.read()),
        this.#ask(),
      ];
    }
    void this.read();
    return () => {
      if (--this.#users > 0) return;
      for (const end of this.#ends) end();
      this.#ends = [];
    };
  }

  async read(): Promise<void> {
    try {
      const [list, pulls] = await Promise.all([api.get<ModelList>("/models"), api.get<{ pulls: Pull[] } | Pull[]>("/pulls")]);
      this.all = list.models;
      this.machine = list.machine;
      this.pulls = Array.isArray(pulls) ? pulls : pulls.pulls;
      this.error = null;
      this.ready = true;
    } catch (error) {
      this.error = error;
    }
  }

  /** A pull as it is now: new, further, ended. */
  take(pull: Pull): void {
    const known = this.pulls.some((other) => other.id === pull.id);
    this.pulls = known ? this.pulls.map((other) => (other.id === pull.id ? pull : other)) : [...this.pulls, pull];
    if (pull.state === "done") this.#soon();
  }

  /** Where events do not come through (proxies hold streams back), progress is asked for. */
  #ask(): () => void {
    const timer = setInterval(() => {
      const running = this.pulls.some((pull) => pull.state === "running");
      if (running && Date.now() - this.#heard > SILENT && document.visibilityState === "visible") void this.read();
    }, SILENT);
    return () => clearInterval(timer);
  }

  forget(id: string): void {
    this.pulls = this.pulls.filter((pull) => pull.id !== id);
  }

  named(name: string): Model | undefined {
    return this.all.find((model) => model.name === name);
  }

  /** What is under way for a model, if anything is. */
  pullOf(name: string): Pull | undefined {
    return this.pulls.find((pull) => pull.model === name && pull.state !== "done");
  }

  /** Several events in a moment are one reading. */
  #soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.read(), 150);
  }
}

export const store = new ModelStore();
