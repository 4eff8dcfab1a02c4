// Two models on one prompt: which second model a conversation asks, and which answers stand side by side.
import { SvelteMap } from "svelte/reactivity";
import type { Shown } from "./shown.svelte";
import type { Thread } from "./thread.svelte";

class Rivals {
  #second = new SvelteMap<string, string>();
  /** Prompts whose answers are shown side by side, or (false) one after the other. */
  #sideBySide = new SvelteMap<string, boolean>();

  second(conversation: string): string | null {
    return this.#second.get(conversation) ?? null;
  }

  choose(conversation: string, model: string | null): void {
    if (model === null) this.#second.delete(conversation);
    else this.#second.set(conversation, model);
  }

  /** Shows a prompt's answers side by side, or one at a time. */
  show(prompt: string, sideBySide: boolean): void {
    this.#sideBySide.set(prompt, sideBySide);
  }

  /** Whether an answer stands beside its sibling: asked for by hand, or both were made at once and nothing came after. */
  paired(thread: Thread, message: Shown): boolean {
    if (message.parent === null) return false;
    const asked = this.#sideBySide.get(message.parent);
    const pair = this.pair(thread, message);
    if (!pair) return false;
    return asked ?? (thread.head?.id === message.id && together(pair[0], pair[1]));
  }

  /** An answer and its nearest sibling, older first. */
  pair(thread: Thread, message: Shown): [Shown, Shown] | null {
    const { all, index } = thread.tree.siblings(message.id);
    const other = all[index + 1] ?? all[index - 1];
    if (!other) return null;
    const next = all[index + 1];
    const before = all[index - 1];
    // Of two neighbours, the one by another model is the one to compare with.
    const rival = [next, before].find((candidate) => candidate && candidate.stored.model !== message.stored.model) ?? other;
    return all.indexOf(rival) > index ? [message, rival] : [rival, message];
  }
}

/** Answers that were asked for in one go begin within a moment of each other. */
function together(a: Shown, b: Shown): boolean {
  return a.stored.model !== b.stored.model && Math.abs(Date.parse(a.created) - Date.parse(b.created)) < 3000;
}

/** What is compared on this page. */
export const rivals = new Rivals();
