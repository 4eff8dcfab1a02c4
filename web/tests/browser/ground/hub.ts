// A hub on the loopback interface, with a network's faults: it serves repositories, slowly if asked, and can break off.
import { createHash } from "node:crypto";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Transform } from "node:stream";

interface File {
  path: string;
  size: number;
  sha256: string;
}

export class Hub {
  /** Bytes each second of every answer. */
  pace = 200_000_000;
  /** When set, the next answer breaks off after this many bytes, and nothing comes through until the line is mended. */
  breaksAfter: number | null = null;
  #down = false;
  /** Ranges that were asked for, in order. */
  readonly ranges: string[] = [];
  #files = new Map<string, File>();
  #repos = new Map<string, string[]>();
  #server = createServer((request, response) => this.#answer(request, response));

  static async start(): Promise<Hub> {
    const hub = new Hub();
    await new Promise<void>((done) => hub.#server.listen(0, "127.0.0.1", done));
    return hub;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Offers a file of this machine as `owner/repo`, of its main branch or another version. */
  offer(repo: string, name: string, path: string, version = "main"): void {
    const sha256 = createHash("sha256").update(readFileSync(path)).digest("hex");
    this.#files.set(`/${repo}/resolve/${version}/${name}`, { path, size: statSync(path).size, sha256 });
    this.#repos.set(repo, [...(this.#repos.get(repo) ?? []), name]);
  }

  /** Everything comes through again. */
  mend(): void {
    this.breaksAfter = null;
    this.#down = false;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.#down) {
      request.destroy();
      return;
    }
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://hub").pathname);
    const repo = /^\/api\/models\/(.+)\/revision\/main$/.exec(path)?.[1];
    if (repo && this.#repos.has(repo)) return this.#list(repo, response);
    const file = this.#files.get(path);
    if (!file) {
      response.writeHead(404, { "content-type": "application/json" }).end('{"error":"Repository not found"}');
      return;
    }
    this.#send(file, request, response);
  }

  #list(repo: string, response: ServerResponse): void {
    const siblings = (this.#repos.get(repo) ?? []).map((name) => {
      const file = this.#files.get(`/${repo}/resolve/main/${name}`);
      return { rfilename: name, size: file?.size, lfs: { sha256: file?.sha256, size: file?.size } };
    });
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ id: repo, cardData: { license: "apache-2.0" }, siblings }));
  }

  #send(file: File, request: IncomingMessage, response: ServerResponse): void {
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
    const from = range ? Number(range[1]) : 0;
    if (request.headers.range) this.ranges.push(request.headers.range);
    response.writeHead(range ? 206 : 200, {
      "content-type": "application/octet-stream",
      "content-length": file.size - from,
      "accept-ranges": "bytes",
      etag: `"${file.sha256}"`,
      ...(range ? { "content-range": `bytes ${from}-${file.size - 1}/${file.size}` } : {}),
    });
    createReadStream(file.path, { start: from }).pipe(this.#network(response)).pipe(response);
  }

  /** Takes the time that the pace asks for, and breaks off where it is told to. */
  #network(response: ServerResponse): Transform {
    let sent = 0;
    return new Transform({
      transform: (data: Buffer, _encoding, done) => {
        sent += data.length;
        if (this.breaksAfter !== null && sent > this.breaksAfter) {
          this.#down = true;
          response.destroy();
          return;
        }
        setTimeout(() => done(null, data), (data.length / this.pace) * 1000);
      },
    });
  }
}
