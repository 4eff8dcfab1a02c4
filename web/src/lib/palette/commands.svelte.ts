// What the palette offers besides places: actions that rooms register while they are shown.
import { untrack, type Component } from "svelte";

export interface Command {
  id: string;
  title: string;
  icon?: Component<{ size?: number }>;
  /** Other words by which it is found. */
  words?: string;
  /** Shown beside it; the key itself is listened to by whoever owns the command. */
  keys?: string;
  run: () => void | Promise<void>;
}

class Commands {
  all = $state.raw<Command[]>([]);

  /** Offers commands; gives the function that takes them back (fit for an effect's return). */
  offer(...offered: Command[]): () => void {
    const ids = new Set(offered.map((command) => command.id));
    // An effect that offers must not begin again because of what others offer.
    const others = untrack(() => this.all.filter((command) => !ids.has(command.id)));
    this.all = [...others, ...offered];
    return () => {
      this.all = untrack(() => this.all.filter((command) => !offered.includes(command)));
    };
  }
}

export const commands = new Commands();
