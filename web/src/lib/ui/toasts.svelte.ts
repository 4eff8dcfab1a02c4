// Short notices at the page's edge. One with an undo stays longer, and none goes while the pointer or the focus is on it.
import { words } from "../api/client";

/** One notice. */
export interface Toast {
  id: number;
  text: string;
  kind: "plain" | "error";
  undo?: () => void | Promise<void>;
}

const STAYS = 5_000;
const STAYS_WITH_UNDO = 10_000;

class Toasts {
  all = $state<Toast[]>([]);
  #next = 1;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();

  say(text: string, options: { undo?: Toast["undo"] } = {}): void {
    this.#add({ id: this.#next++, text, kind: "plain", ...options });
  }

  /** Shows a failure; takes any thrown thing. */
  fail(error: unknown): void {
    this.#add({ id: this.#next++, text: words(error), kind: "error" });
  }

  close(id: number): void {
    this.hold(id);
    this.all = this.all.filter((toast) => toast.id !== id);
  }

  async undo(toast: Toast): Promise<void> {
    this.close(toast.id);
    try {
      await toast.undo?.();
    } catch (error) {
      this.fail(error);
    }
  }

  hold(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  release(toast: Toast): void {
    this.hold(toast.id);
    const stays = toast.undo || toast.kind === "error" ? STAYS_WITH_UNDO : STAYS;
    this.#timers.set(
      toast.id,
      setTimeout(() => this.close(toast.id), stays),
    );
  }

  #add(toast: Toast): void {
    // The same failure said twice is one notice.
    this.all = [...this.all.filter((other) => other.text !== toast.text), toast].slice(-3);
    this.release(toast);
  }
}

/** The page's notices. */
export const toasts = new Toasts();
