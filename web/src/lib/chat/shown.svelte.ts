// A message as the page shows it: what the server stores, and while it is running what has come since.
import { listen } from "../api/sse";
import type { Message, ToolCall } from "../api/types";
import { answers } from "./routes";

type Delta = { part: "answer" | "reasoning"; text: string };
type CallPiece = { index: number; id?: string; name?: string; arguments?: string };

/** One message, live while it is being written. */
export class Shown {
  readonly id: string;
  readonly parent: string | null;
  readonly created: string;
  readonly role: Message["role"];
  stored = $state.raw<Message>() as Message;
  content = $state("");
  reasoning = $state("");
  calls = $state.raw<ToolCall[]>([]);
  /** How much of the prompt has been read, before the first word. */
  prefill = $state.raw<{ done: number; total: number } | null>(null);
  stats = $state.raw<{ generated_tokens: number; tokens_per_second: number } | null>(null);
  /** The line to the server broke; it is being joined again. */
  waiting = $state(false);

  #more: Record<Delta["part"], string> = { answer: "", reasoning: "" };
  #frame = 0;
  #leave: (() => void) | null = null;
  #onDone: (shown: Shown) => void;

  constructor(message: Message, onDone: (shown: Shown) => void) {
    this.id = message.id;
    this.parent = message.parent;
    this.created = message.created;
    this.role = message.role;
    this.#onDone = onDone;
    this.take(message);
  }

  get running(): boolean {
    return this.stored.state === "running";
  }

  /** Takes the server's version; joins the answer if it is still being made. */
  take(message: Message): void {
    // What came by the line is ahead of what is saved once a second.
    const ahead = this.#leave !== null && message.state === "running";
    this.stored = message;
    if (!ahead) this.#fill(message);
    if (message.state === "running") this.join();
    else this.leave();
  }

  join(): void {
    this.#leave ??= listen(answers.events(this.id), {
      on: (event, data) => this.#hear(event, data),
      connected: (yes) => (this.waiting = !yes),
      failed: (error) => {
        this.#leave = null;
        this.stored = { ...this.stored, state: "failed", error: error.message };
        this.#onDone(this);
      },
    });
  }

  leave(): void {
    this.#leave?.();
    this.#leave = null;
    this.waiting = false;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#more = { answer: "", reasoning: "" };
  }

  #hear(event: string, data: unknown): boolean | void {
    switch (event) {
      case "snapshot":
        this.stored = (data as { message: Message }).message;
        this.#more = { answer: "", reasoning: "" };
        this.#fill(this.stored);
        return;
      case "prefill":
        this.prefill = data as { done: number; total: number };
        return;
      case "delta":
        this.#grow(data as Delta);
        return;
      case "tool_call":
        this.#call(data as CallPiece);
        return;
      case "stats":
        this.stats = data as Shown["stats"];
        return;
      case "done": {
        const { message } = data as { message: Message };
        this.leave();
        this.stored = message;
        this.#fill(message);
        this.#onDone(this);
        return false;
      }
    }
  }

  #fill(message: Message): void {
    this.content = message.content;
    this.reasoning = message.reasoning ?? "";
    this.calls = message.tool_calls;
  }

  /** Pieces are shown once a frame, however many come. */
  #grow({ part, text }: Delta): void {
    this.#more[part] += text;
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.content += this.#more.answer;
      this.reasoning += this.#more.reasoning;
      this.#more = { answer: "", reasoning: "" };
      this.prefill = null;
    });
  }

  #call({ index, id, name, arguments: more }: CallPiece): void {
    const calls = [...this.calls];
    const call = calls[index] ?? { id: "", name: "", arguments: "" };
    calls[index] = { id: id ?? call.id, name: name ?? call.name, arguments: call.arguments + (more ?? "") };
    this.calls = calls;
  }
}
