// One open conversation: its messages, the branch that is shown, and everything that can be done with it.
import { ApiError, hub, words, type Conversation, type Message, type Parameters } from "$lib/api";
import { toasts } from "../ui/toasts.svelte";
import { conversations, answers, type ConversationChange } from "./routes";
import { Shown } from "./shown.svelte";
import { Tree } from "./tree";

/** An open conversation; `close` ends its listening. */
export class Thread {
  readonly id: string;
  conversation = $state.raw<Conversation | null>(null);
  error = $state.raw<ApiError | null>(null);
  /** What a screen reader says: finished answers, not tokens. */
  announcement = $state("");
  /** Something was sent and the server has not taken it yet. */
  sending = $state(false);
  #messages = $state.raw<ReadonlyMap<string, Shown>>(new Map());
  #head = $state<string | null>(null);
  #chosen = new Map<string | null, string>();
  #ends: (() => void)[] = [];
  #reading: Promise<void> | null = null;
  #again = false;
  /** Counts what was done here, so that a reading that was under way meanwhile is not believed. */
  #version = 0;

  readonly tree = $derived(new Tree(this.#messages.values()));
  readonly path = $derived(this.tree.path(this.#head));
  readonly head = $derived(this.path.at(-1) ?? null);
  readonly running = $derived([...this.#messages.values()].filter((message) => message.running));

  constructor(id: string) {
    this.id = id;
    void this.read();
    this.#ends.push(
      hub.on("answer", ({ conversation, message, state }) => {
        if (conversation !== this.id) return;
        const known = this.#messages.get(message);
        // An answer that this page listens to tells of its end itself.
        if (!known || (state !== "running" && !known.running)) void this.read();
      }),
      hub.on("conversation", ({ id: changed }) => {
        if (changed === this.id) void this.read();
      }),
      hub.onAgain(() => void this.read()),
    );
  }

  close(): void {
    for (const end of this.#ends) end();
    for (const message of this.#messages.values()) message.leave();
  }

  /** Reads the whole conversation; calls while one is under way are made up for by one more. */
  read(): Promise<void> {
    if (this.#reading) {
      this.#again = true;
      return this.#reading;
    }
    this.#reading = this.#fetch().finally(() => {
      this.#reading = null;
      if (this.#again) {
        this.#again = false;
        void this.read();
      }
    });
    return this.#reading;
  }

  async #fetch(): Promise<void> {
    const version = this.#version;
    try {
      const { conversation, messages } = await conversations.read(this.id);
      // After sending it is read again anyway.
      if (this.sending) return;
      if (version !== this.#version) {
        this.#again = true;
        return;
      }
      const next = new Map<string, Shown>();
      for (const message of messages) {
        const known = this.#messages.get(message.id);
        if (known) known.take(message);
        next.set(message.id, known ?? this.#show(message));
      }
      for (const [id, shown] of this.#messages) if (!next.has(id)) shown.leave();
      this.#messages = next;
      this.conversation = conversation;
      this.#head = conversation.head;
      this.error = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // While the server is gone, what is shown stays; what was deleted goes.
      if (error.status === 404) this.conversation = null;
      if (!this.conversation) this.error = error;
    }
  }

  #show(message: Message): Shown {
    return new Shown(message, (shown) => this.#done(shown));
  }

  #done(shown: Shown): void {
    const { state, error } = shown.stored;
    if (state === "failed") this.announcement = `The answer failed: ${error ?? "no reason given"}`;
    else if (state === "stopped") this.announcement = "The answer was stopped.";
    else this.announcement = `Answer: ${shown.content.slice(0, 600)}`;
  }

  #add(message: Message, asHead: boolean): Shown {
    this.#version += 1;
    const known = this.#messages.get(message.id);
    const shown = known ?? this.#show(message);
    if (!known) this.#messages = new Map(this.#messages).set(message.id, shown);
    if (asHead) {
      this.#head = message.id;
      this.#chosen.set(message.parent, message.id);
    }
    return shown;
  }

  /** Says something after the shown branch and asks one model or two for an answer. False when it could not be sent. */
  async send(content: string, models: string[]): Promise<boolean> {
    return this.#ask(this.head?.id ?? null, content, models);
  }

  /** Says a message differently: a branch beside it. */
  async edit(message: Shown, content: string, models: string[]): Promise<boolean> {
    return this.#ask(message.parent, content, models);
  }

  async #ask(parent: string | null, content: string, models: string[]): Promise<boolean> {
    return this.#busy(async () => {
      const said = await conversations.say(this.id, parent, content);
      this.#add(said, true);
      await this.#answer(said.id, models);
    });
  }

  /** Another answer to the same words. */
  async regenerate(message: Shown, models: string[]): Promise<boolean> {
    const parent = message.role === "assistant" ? message.parent : message.id;
    if (parent === null) return false;
    return this.#busy(() => this.#answer(parent, models));
  }

  async #answer(parent: string, models: string[]): Promise<void> {
    const asked = models.length > 0 ? models : [undefined];
    for (const [index, model] of asked.entries()) {
      const answer = await conversations.answer(this.id, { parent, model, ...(index > 0 ? { head: false } : {}) });
      this.#add(answer, index === 0);
    }
  }

  async #busy(work: () => Promise<void>): Promise<boolean> {
    this.sending = true;
    try {
      await work();
      return true;
    } catch (error) {
      toasts.fail(error);
      return false;
    } finally {
      this.sending = false;
      void this.read();
    }
  }

  /** Stops what is being written, all of it or one answer. */
  async stop(only?: Shown): Promise<void> {
    for (const message of only ? [only] : this.running) {
      try {
        message.take(await answers.stop(message.id));
        this.announcement = "The answer was stopped.";
      } catch (error) {
        toasts.fail(error);
      }
    }
  }

  /** Shows the branch that goes through a message. */
  async choose(id: string): Promise<void> {
    this.#chosen.set(this.tree.get(id)?.parent ?? null, id);
    const leaf = this.tree.leaf(id, this.#chosen);
    if (!leaf || leaf === this.#head) return;
    this.#version += 1;
    this.#head = leaf;
    await this.change({ head: leaf });
  }

  async change(change: ConversationChange): Promise<void> {
    const before = this.conversation;
    if (before) this.conversation = { ...before, ...change, head: change.head ?? before.head };
    this.#version += 1;
    try {
      this.conversation = await conversations.change(this.id, change);
      this.#version += 1;
    } catch (error) {
      this.conversation = before;
      toasts.fail(`Not saved: ${words(error)}`);
    }
  }

  get parameters(): Parameters {
    return this.conversation?.parameters ?? {};
  }
}
