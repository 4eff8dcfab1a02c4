// The list of conversations: searched, paged, kept up by events, and what is done to one from the list.
import { hub, type Conversation, type Folder, type FoundConversation } from "$lib/api";
import { toasts } from "../ui/toasts.svelte";
import { router } from "../router";
import { conversations, type ConversationChange } from "./routes";

const PAGE = 50;

/** Conversations under one heading. */
export interface Group {
  title: string;
  /** A folder can be folded. */
  folder: boolean;
  items: FoundConversation[];
}

class ConversationList {
  items = $state.raw<FoundConversation[]>([]);
  folders = $state.raw<Folder[]>([]);
  query = $state("");
  state = $state<"starting" | "ready" | "failed">("starting");
  error = $state.raw<unknown>(null);
  next = $state<string | null>(null);
  /** Conversations with an answer under way. */
  busy = $state.raw<ReadonlySet<string>>(new Set());
  readonly groups = $derived(this.query ? [{ title: "Found", folder: false, items: this.items }] : group(this.items, Date.now()));
  #asked = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Answers under way, and the conversations that they stand in. */
  #running = new Map<string, string>();
  /** How many events told of answers. */
  #told = 0;

  /** Begins to follow the server; gives the function that ends it. */
  start(): () => void {
    void this.read();
    const ends = [
      hub.on("conversation", () => this.#soon()),
      hub.on("answer", ({ conversation, message, state }) => {
        this.#told += 1;
        const others = [...this.#running].filter(([id]) => id !== message);
        this.#answering(state === "running" ? [...others, [message, conversation]] : others);
      }),
      hub.onAgain(() => void this.read()),
    ];
    return () => ends.forEach((end) => end());
  }

  search(query: string): void {
    this.query = query;
    this.#soon();
  }

  #answering(running: [message: string, conversation: string][]): void {
    this.#running = new Map(running);
    this.busy = new Set(this.#running.values());
  }

  /** Several events in a moment are one reading. */
  #soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.read(), 150);
  }

  async read(): Promise<void> {
    const asked = ++this.#asked;
    const told = this.#told;
    try {
      // What was paged in stays paged in.
      const limit = Math.min(200, Math.max(PAGE, this.items.length));
      const page = await conversations.list({ query: this.query.trim(), limit });
      if (asked !== this.#asked) return;
      this.items = page.conversations;
      this.folders = page.folders;
      this.next = page.next;
      // What events told meanwhile is newer. A page that was just opened has heard of none.
      if (told === this.#told) this.#answering(page.running.map(({ message, conversation }) => [message, conversation]));
      this.state = "ready";
      this.error = null;
    } catch (error) {
      if (asked !== this.#asked) return;
      this.error = error;
      if (this.state === "starting") this.state = "failed";
    }
  }

  async more(): Promise<void> {
    if (!this.next) return;
    const asked = this.#asked;
    try {
      const page = await conversations.list({ query: this.query.trim(), limit: PAGE, before: this.next });
      if (asked !== this.#asked) return;
      const known = new Set(this.items.map((item) => item.id));
      this.items = [...this.items, ...page.conversations.filter((item) => !known.has(item.id))];
      this.next = page.next;
    } catch (error) {
      toasts.fail(error);
    }
  }

  async change(id: string, change: ConversationChange): Promise<void> {
    this.items = this.items.map((item) => (item.id === id ? { ...item, ...change, head: change.head ?? item.head } : item));
    try {
      await conversations.change(id, change);
    } catch (error) {
      toasts.fail(error);
    }
    await this.read();
  }

  /** Deletes at once and offers the way back. */
  async delete(item: Conversation): Promise<void> {
    const here = router.path === `/c/${item.id}`;
    try {
      await conversations.delete(item.id);
    } catch (error) {
      toasts.fail(error);
      return;
    }
    this.items = this.items.filter((other) => other.id !== item.id);
    if (here) router.go("/", { replace: true });
    toasts.say(`Deleted “${item.title}”`, {
      undo: async () => {
        await conversations.restore(item.id);
        await this.read();
        if (here) router.go(`/c/${item.id}`);
      },
    });
  }

  async import(files: Iterable<File>): Promise<void> {
    for (const file of files) {
      try {
        const { imported, skipped } = await conversations.import(file);
        const what = `${imported} ${imported === 1 ? "conversation" : "conversations"} imported from ${file.name}`;
        const first = skipped[0];
        if (!first) toasts.say(`${what}.`);
        else toasts.say(`${what}, ${skipped.length} left out. “${first.title}”: ${first.why}`);
      } catch (error) {
        toasts.fail(new Error(`${file.name} could not be imported. ${error instanceof Error ? error.message : ""}`));
      }
    }
    await this.read();
  }
}

const DAY = 86_400_000;

/** Pinned first, then folders by name, then the rest by when it was last touched. */
export function group(items: readonly FoundConversation[], now: number): Group[] {
  const pinned = items.filter((item) => item.pinned);
  const folders = new Map<string, FoundConversation[]>();
  const times = new Map<string, FoundConversation[]>();
  for (const item of items) {
    if (item.pinned) continue;
    const [map, key] = item.folder ? [folders, item.folder] : ([times, period(item.updated, now)] as const);
    const list = map.get(key);
    if (list) list.push(item);
    else map.set(key, [item]);
  }
  return [
    ...(pinned.length > 0 ? [{ title: "Pinned", folder: false, items: pinned }] : []),
    ...[...folders].sort(([a], [b]) => a.localeCompare(b)).map(([title, list]) => ({ title, folder: true, items: list })),
    ...[...times].map(([title, list]) => ({ title, folder: false, items: list })),
  ];
}

function period(time: string, now: number): string {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const then = Date.parse(time);
  if (Number.isNaN(then)) return "Earlier";
  if (then >= midnight) return "Today";
  if (then >= midnight - DAY) return "Yesterday";
  if (then >= midnight - 6 * DAY) return "This week";
  if (then >= midnight - 29 * DAY) return "This month";
  return "Earlier";
}

/** The page's one list. */
export const list = new ConversationList();
