// What a person has begun and not sent: words by conversation, and the settings of a conversation that does not exist yet.
import type { Parameters } from "$lib/api";

const WORDS = "parasol.draft.";
const MODEL = "parasol.model";

/** Unsent words, by conversation. */
export const words = {
  read: (id: string): string => get(sessionStorage, WORDS + id) ?? "",
  keep: (id: string, text: string): void => set(sessionStorage, WORDS + id, text || null),
};

/** The settings that the next new conversation begins with. */
class Fresh {
  model = $state<string | null>(get(localStorage, MODEL));
  system = $state<string | null>(null);
  parameters = $state.raw<Parameters>({});
  folder = $state<string | null>(null);

  /** Null goes back to the server's default. */
  choose(model: string | null): void {
    this.model = model;
    set(localStorage, MODEL, model);
  }

  /** After a conversation was made from them; the model stays. */
  clear(): void {
    this.system = null;
    this.parameters = {};
    this.folder = null;
  }
}

/** What the next new conversation begins with. */
export const fresh = new Fresh();

// A browser may forbid storage; then drafts live as long as the page.
const memory = new Map<string, string>();

function get(storage: Storage, key: string): string | null {
  try {
    return storage.getItem(key);
  } catch {
    return memory.get(key) ?? null;
  }
}

function set(storage: Storage, key: string, value: string | null): void {
  try {
    if (value === null) storage.removeItem(key);
    else storage.setItem(key, value);
  } catch {
    if (value === null) memory.delete(key);
    else memory.set(key, value);
  }
}
