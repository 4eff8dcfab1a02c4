// Messages as a tree: which of them are shown, what stands beside each, and where a branch leads. Pure; knows no server.

/** What the tree needs of a message. */
export interface Leafy {
  id: string;
  parent: string | null;
  created: string;
}

/** The messages of one conversation, by what they answer. */
export class Tree<M extends Leafy> {
  readonly #byId = new Map<string, M>();
  readonly #children = new Map<string | null, M[]>();

  constructor(messages: Iterable<M>) {
    for (const message of messages) this.#byId.set(message.id, message);
    for (const message of this.#byId.values()) {
      // A parent that is not there (an import gone wrong) leaves its children at the root rather than out of sight.
      const parent = message.parent !== null && this.#byId.has(message.parent) ? message.parent : null;
      const list = this.#children.get(parent);
      if (list) list.push(message);
      else this.#children.set(parent, [message]);
    }
    for (const list of this.#children.values()) list.sort(byTime);
  }

  get(id: string | null): M | undefined {
    return id === null ? undefined : this.#byId.get(id);
  }

  children(id: string | null): readonly M[] {
    return this.#children.get(id) ?? [];
  }

  /** The messages from the first to `head`. Without a head, along the newest branches. */
  path(head: string | null): M[] {
    const path: M[] = [];
    const seen = new Set<string>();
    let at = this.get(head) ?? this.get(this.leaf(null));
    while (at && !seen.has(at.id)) {
      seen.add(at.id);
      path.push(at);
      at = this.get(at.parent);
    }
    return path.reverse();
  }

  /** A message among those with the same parent, itself included, oldest first. */
  siblings(id: string): { all: readonly M[]; index: number } {
    const message = this.#byId.get(id);
    if (!message) return { all: [], index: -1 };
    const parent = message.parent !== null && this.#byId.has(message.parent) ? message.parent : null;
    const all = this.children(parent);
    return { all, index: all.indexOf(message) };
  }

  /** Where the branch through `id` ends, following what `chosen` remembers and else the newest. */
  leaf(id: string | null, chosen: ReadonlyMap<string | null, string> = new Map()): string | null {
    let at = id;
    const seen = new Set<string | null>();
    while (!seen.has(at)) {
      seen.add(at);
      const below = this.children(at);
      const next = below.find((child) => child.id === chosen.get(at)) ?? below.at(-1);
      if (!next) break;
      at = next.id;
    }
    return at;
  }
}

function byTime(a: Leafy, b: Leafy): number {
  return a.created < b.created ? -1 : a.created > b.created ? 1 : a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
