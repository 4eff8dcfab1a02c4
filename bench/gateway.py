#!/usr/bin/env python3
"""What passing an answer through `parasol serve` costs, paired with the LiteLLM proxy on the same upstream in the same run: requests a
second, latency and time to the first token over the upstream's own, memory, and processor time at a given rate of tokens.

The upstream is a server of this file's own, without a model: it answers at once or at a steady pace, in one process. The client is one
process, too. Needs Python alone, and the `litellm` command for the comparison. How to run it: bench/README.md.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import secrets
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

def chunk(text):
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"content": text}}]}


END = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}}
WHOLE = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "word " * 5}}], "usage": USAGE["usage"]}
# The proxy wants a key; a Parasol that has none made takes any.
KEY = f"sk-{secrets.token_hex(32)}"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def event(value):
    data = f"data: {json.dumps(value)}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


# Different ones: LiteLLM takes a word that comes again and again for a fault.
WORDS = [event(chunk(f"word{i} ")) for i in range(10)]
TAIL = event(END) + event(USAGE) + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


async def upstream(reader, writer):
    """Answers chats on one connection; `max_tokens` words, `seed` of them a second (0: at once)."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.I)
            if not length:
                # LiteLLM asks once which models there are.
                writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                continue
            body = json.loads(await reader.readexactly(int(length[1])))
            words, rate = body.get("max_tokens") or body.get("max_completion_tokens") or 5, body.get("seed") or 0
            if not body.get("stream"):
                text = json.dumps(WHOLE).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text))
            elif not rate:
                writer.write(HEAD + b"".join(WORDS[i % 10] for i in range(words)) + TAIL)
            else:
                writer.write(HEAD)
                begun = time.perf_counter()
                for i in range(words):
                    writer.write(WORDS[i % 10])
                    await writer.drain()
                    await asyncio.sleep(max(0, begun + (i + 1) / rate - time.perf_counter()))
                writer.write(TAIL)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def serve_upstream(port):
    async def run():
        async with await asyncio.start_server(upstream, "127.0.0.1", port) as server:
            await server.serve_forever()

    asyncio.run(run())


class Connection:
    """One kept connection; tells when the first word came and when the answer ended."""

    def __init__(self, port):
        self.port, self.reader = port, None

    async def ask(self, words, rate, stream=True):
        if self.reader is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        body = {"model": "up", "messages": [{"role": "user", "content": "Hello, how are you?"}], "max_tokens": words, "stream": stream}
        if rate:
            body["seed"] = rate
        text = json.dumps(body).encode()
        begun = time.perf_counter()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
        self.writer.write(head.encode() + text)
        seen, first = b"", None
        while True:
            data = await self.reader.read(1 << 16)
            if not data:
                raise SystemExit(f"the connection closed: {seen[-500:]}")
            seen = seen[-4096:] + data
            if first is None and (b"word" in seen or b'"error"' in seen):
                first = time.perf_counter() - begun
            if (stream and seen.endswith(b"0\r\n\r\n")) or (not stream and b'"usage"' in seen):
                break
        if b'"error"' in seen:
            raise SystemExit(f"an error: {seen[-500:]}")
        return first, time.perf_counter() - begun


async def one_by_one(port, count):
    connection = Connection(port)
    await connection.ask(5, 0)
    taken = [await connection.ask(5, 0) for _ in range(count)]
    return [first for first, _ in taken], [whole for _, whole in taken]


async def rate_of(port, clients, seconds):
    """Answers a second of so many clients that ask again and again."""
    until, done = time.perf_counter() + seconds, 0

    async def client():
        nonlocal done
        connection = Connection(port)
        while time.perf_counter() < until:
            await connection.ask(5, 0)
            done += 1

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return done / (time.perf_counter() - begun)


async def steady(port, streams, rate, words):
    await asyncio.gather(*(Connection(port).ask(words, rate) for _ in range(streams)))


def processor(pid):
    """Seconds of processor time of a process and those that it began."""
    total = 0.0
    for child in family(pid):
        fields = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def family(pid):
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def resident(pid):
    return sum(int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{p}/status").read_text())[1]) for p in family(pid)) / 1024


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def await_port(port, process, log):
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"a server ended before it began: {log.read_text()[-2000:] if log.exists() else ''}")
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("a server does not listen")


def start_parasol(options, home, up):
    models = [{"name": "up", "remote": [{"url": f"http://127.0.0.1:{up}/v1", "model": "up"}], "limits": {"health_interval": 0}}]
    port = free_port()
    command = [options.parasol, "serve", "--quiet", "--listen", f"127.0.0.1:{port}", "--log-level", "warn", "--models", json.dumps(models)]
    return port, subprocess.Popen(command, env=os.environ | {"PARASOL_HOME": str(home)})


def start_litellm(options, home, up):
    port = free_port()
    entry = {"model_name": "up", "litellm_params": {"model": "openai/up", "api_base": f"http://127.0.0.1:{up}/v1", "api_key": "none"}}
    (home / "litellm.yaml").write_text(json.dumps({"model_list": [entry], "litellm_settings": {"telemetry": False}}))
    command = [options.litellm, "--config", str(home / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    env = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": KEY}
    with open(home / "litellm.log", "w") as log:
        return port, subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)


def middle(values, scale=1.0):
    return statistics.median(values) * scale


def measure(name, port, pid, options):
    """The figures of one gateway; `pid` is None for the upstream itself."""
    asyncio.run(rate_of(port, 4, 1))  # warm
    first, whole = [], []
    for _ in range(options.repeat):
        a, b = asyncio.run(one_by_one(port, options.requests))
        first += a
        whole += b
    rates = [asyncio.run(rate_of(port, clients, options.seconds)) for clients in (1, 16)]
    row = {"name": name, "first": middle(first, 1e3), "whole": middle(whole, 1e3), "rates": rates}
    if pid:
        row["memory"] = resident(pid)
        before, begun = processor(pid), time.perf_counter()
        asyncio.run(steady(port, options.streams, options.tokens // options.streams, options.tokens // options.streams * options.seconds))
        took = time.perf_counter() - begun
        row["processor"] = 100 * (processor(pid) - before) / took
        row["pace"] = options.tokens * options.seconds / took
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parasol", default="target/release/parasol", help="the program")
    parser.add_argument("--litellm", help="the `litellm` command; without it Parasol is measured alone")
    parser.add_argument("--requests", type=int, default=200, help="requests one after the other, each turn")
    parser.add_argument("--repeat", type=int, default=3, help="turns")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=2000, help="tokens a second in total for the processor time")
    parser.add_argument("--streams", type=int, default=20, help="streams that they are shared by")
    options = parser.parse_args()
    up = free_port()
    source = multiprocessing.Process(target=serve_upstream, args=(up,), daemon=True)
    source.start()
    started = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            ports = [("upstream alone", up, None)]
            home = Path(folder)
            for name, start in (("Parasol", start_parasol), ("LiteLLM proxy", start_litellm if options.litellm else None)):
                if start:
                    port, process = start(options, home, up)
                    started.append(process)
                    await_port(port, process, home / "litellm.log")
                    ports.append((name, port, process.pid))
            time.sleep(2)
            rows = [measure(name, port, pid, options) for name, port, pid in ports]
        finally:
            for process in started:
                process.send_signal(signal.SIGTERM)
            for process in started:
                process.wait(30)
            source.terminate()
    bare = rows[0]
    print("| | first token, ms | added | whole answer, ms | added | answers/s, 1 client | 16 clients | memory, MiB | of a core at "
          f"{options.tokens} tokens/s |\n|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        added = [row[what] - bare[what] for what in ("first", "whole")]
        tail = f"{row['memory']:.0f} | {row['processor']:.1f} % ({row['pace']:.0f} tokens/s) |" if "memory" in row else "| |"
        print(f"| {row['name']} | {row['first']:.2f} | {added[0]:+.2f} | {row['whole']:.2f} | {added[1]:+.2f} | {row['rates'][0]:.0f} | {row['rates'][1]:.0f} | {tail}")
    if len(rows) == 3:
        ours, theirs = rows[1], rows[2]
        print(f"\nanswers/s with 16 clients {ours['rates'][1] / theirs['rates'][1]:.1f}×, added latency 1/{(theirs['whole'] - bare['whole']) / max(1e-6, ours['whole'] - bare['whole']):.1f}, "
              f"memory 1/{theirs['memory'] / ours['memory']:.1f}")


if __name__ == "__main__":
    main()
