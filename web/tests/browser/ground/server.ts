// The real `parasol serve` on a port and in a home folder of its own, with the default model in it.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

export const BIN = resolve(process.env.PARASOL_BIN ?? new URL("../../../../target/release/parasol", import.meta.url).pathname);
/** The user's own store, from which the default model is linked. */
const STORE = process.env.PARASOL_HOME ?? join(process.env.XDG_DATA_HOME ?? join(homedir(), ".local/share"), "parasol");
const MODEL = "smollm2";

export interface ServerOptions {
  /** Address of the hub that pulls ask. */
  hub: string;
  /** Models of other servers, as `--models` takes them. */
  models?: unknown[];
  /** Without the default model, as on a first day. */
  empty?: boolean;
  /** More models that lie in it from the start. */
  also?: string[];
  /** Whether it may fetch models from packages; otherwise no test reaches a network. */
  fetches?: boolean;
}

export class Server {
  readonly home = mkdtempSync(join(tmpdir(), "parasol-browser-"));
  port = 0;
  #child: ChildProcess | null = null;

  private constructor(readonly options: ServerOptions) {}

  static async start(options: ServerOptions): Promise<Server> {
    if (!existsSync(BIN)) throw new Error(`${BIN} is missing: run \`cargo build --release\`, or name the program by PARASOL_BIN`);
    const server = new Server(options);
    server.port = await freePort();
    for (const model of [...(options.empty ? [] : [MODEL]), ...(options.also ?? [])]) await server.#provide(model);
    await server.run();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get log(): string {
    return readFileSync(join(this.home, "serve.log"), "utf8");
  }

  /** Starts the program and waits until it answers. */
  async run(): Promise<void> {
    const log = openSync(join(this.home, "serve.log"), "a");
    const args = ["serve", "--listen", `127.0.0.1:${this.port}`];
    if (this.options.models) args.push("--models", JSON.stringify(this.options.models));
    const child = spawn(BIN, args, { env: this.env(), stdio: ["ignore", log, log] });
    this.#child = child;
    for (let tries = 0; tries < 300; tries += 1) {
      if (child.exitCode !== null) break;
      const answer = await fetch(`${this.url}/healthz`).catch(() => null);
      if (answer?.ok) return;
      await pause(100);
    }
    throw new Error(`parasol serve did not come up:\n${this.log}`);
  }

  /** Ends it at once, as a power cut would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Asks it to end, and starts it again on the same port. */
  async restart(): Promise<void> {
    await this.#end("SIGTERM");
    await this.run();
  }

  async stop(): Promise<void> {
    await this.#end("SIGKILL");
    rmSync(this.home, { recursive: true, force: true });
  }

  /** A figure of `/metrics`, added up over all models. */
  async figure(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const values = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return values.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }

  /** Calls a route of the studio's, and gives what it answers. */
  async call<T>(method: string, route: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.url}/api/parasol${route}`, { method, headers: { "content-type": "application/json" }, body: body === undefined ? undefined : JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${route}: ${answer.status} ${await answer.text()}`);
    return (answer.status === 204 ? undefined : await answer.json()) as T;
  }

  /** Runs a command of the program in the same home, and gives what it printed. */
  async command(...args: string[]): Promise<string> {
    const child = spawn(BIN, args, { env: this.env(), stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout.on("data", (data: Buffer) => (out += data.toString()));
    child.stderr.on("data", (data: Buffer) => (err += data.toString()));
    const [code] = (await once(child, "close")) as [number];
    if (code !== 0) throw new Error(`parasol ${args.join(" ")}: ${err}`);
    return out;
  }

  /** Nothing of the machine's own settings, and no way to the network. */
  env(): NodeJS.ProcessEnv {
    const kept = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PARASOL_") && !name.startsWith("HF_")));
    return {
      ...kept,
      PARASOL_HOME: this.home,
      ...(this.options.fetches ? {} : { PARASOL_PIP: "/nonexistent" }),
      XDG_CONFIG_HOME: join(this.home, "config"),
      HF_ENDPOINT: this.options.hub,
      HF_HUB_CACHE: join(this.home, "cache"),
    };
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** A model, linked from the user's store, or pulled when it is not there. */
  async #provide(model: string): Promise<void> {
    const from = join(STORE, "models", model);
    const to = join(this.home, "models", model);
    if (!existsSync(join(from, "model.json"))) {
      const child = spawn(BIN, ["pull", model], { env: { ...process.env, PARASOL_HOME: this.home }, stdio: "inherit" });
      const [code] = (await once(child, "exit")) as [number];
      if (code !== 0) throw new Error(`${model} could not be pulled`);
      return;
    }
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(from)) {
      try {
        linkSync(join(from, name), join(to, name));
      } catch {
        // Another disk: links do not cross it.
        copyFileSync(join(from, name), join(to, name));
      }
    }
  }

  /** The default model's file. */
  get modelFile(): string {
    const folder = join(this.home, "models", MODEL);
    const file = readdirSync(folder).find((name) => name.endsWith(".gguf"));
    if (!file) throw new Error(`${folder} holds no model`);
    return join(folder, file);
  }
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const probe = createServer();
    probe.once("error", fail);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => (address && typeof address === "object" ? done(address.port) : fail(new Error("no port"))));
    });
  });
}
