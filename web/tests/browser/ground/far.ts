// A model of another server that says what a test wants: thousands of tokens, hostile words, or slowly one after another.
// It speaks the completions protocol that `remote` models are asked in; Parasol between it and the page is the real one.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** What is said to a message, piece by piece, with a pause in milliseconds before each piece (or before the piece of this number). */
export type Script = (said: string) => { pieces: Iterable<string>; every: number | ((piece: number) => number) };

export class Far {
  script: Script = (said) => ({ pieces: [`You said: ${said}`], every: 0 });
  /** Answers under way. */
  running = 0;
  #server = createServer((request, response) => void this.#answer(request, response));

  static async start(): Promise<Far> {
    const far = new Far();
    await new Promise<void>((done) => far.#server.listen(0, "127.0.0.1", done));
    return far;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === "GET") {
      response.writeHead(200, { "content-type": "application/json" });
      response.end('{"object":"list","data":[{"id":"far","object":"model","created":0,"owned_by":"test"}]}');
      return;
    }
    let body = "";
    for await (const data of request) body += String(data);
    const { messages } = JSON.parse(body) as { messages: { role: string; content: string | { text?: string }[] }[] };
    const last = messages.findLast((message) => message.role === "user")?.content ?? "";
    const said = typeof last === "string" ? last : last.map((part) => part.text ?? "").join("");
    await this.#stream(said, response);
  }

  async #stream(said: string, response: ServerResponse): Promise<void> {
    response.writeHead(200, { "content-type": "text/event-stream" });
    let gone = false;
    response.on("close", () => (gone = true));
    this.running += 1;
    const chunk = (delta: object, finish: string | null) => {
      const data = { id: "far-1", object: "chat.completion.chunk", created: 0, model: "far", choices: [{ index: 0, delta, finish_reason: finish }] };
      response.write(`data: ${JSON.stringify(data)}\n\n`);
    };
    chunk({ role: "assistant", content: "" }, null);
    const { pieces, every } = this.script(said);
    let due = performance.now();
    let count = 0;
    for (const piece of pieces) {
      if (gone) break;
      due += typeof every === "number" ? every : every(count);
      count += 1;
      // Timers are too coarse for thousands a second: pieces that are due go together.
      const wait = due - performance.now();
      if (wait > 1) await pause(wait);
      chunk({ content: piece }, null);
    }
    if (!gone) {
      chunk({}, "stop");
      const usage = { prompt_tokens: 10, completion_tokens: count, total_tokens: 10 + count };
      response.write(`data: ${JSON.stringify({ id: "far-1", object: "chat.completion.chunk", created: 0, model: "far", choices: [], usage })}\n\n`);
      response.end("data: [DONE]\n\n");
    }
    this.running -= 1;
  }
}

/** Words for as long as somebody listens. */
export function* counting(most = 100_000): Generator<string> {
  for (let number = 1; number <= most; number += 1) yield `${number} `;
}
