#!/usr/bin/env python3
"""Many clients at one `parasol serve` for minutes: random protocols, prompt and answer lengths, some of them hanging up.

Starts the server itself. Fails (exit code 1) when a request fails that was not given up on purpose, when the server's memory grows,
or when at the end something still runs, holds blocks of the cache or the cache's books are wrong. How to run it: bench/README.md.
"""

import argparse
import asyncio
import json
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

WORDS = """river stone window garden letter winter music table morning paper village forest silver engine teacher bridge market
island summer doctor candle mirror harbour blanket question answer number machine colour shadow orange pencil""".split()
# What a third of all prompts begin with, as chats share their system prompt.
SHARED = "You are a patient assistant who answers in plain words. " + " ".join(WORDS * 4) + "\n"


@dataclass
class Seen:
    """What the clients saw."""

    first: list = field(default_factory=list)  # seconds from the request to the first token
    between: list = field(default_factory=list)  # seconds between tokens of an answer
    done: Counter = field(default_factory=Counter)  # answers by protocol
    hung_up: int = 0
    hung_up_early: int = 0  # of these, before the first token
    prompt_tokens: int = 0
    generated: int = 0
    errors: list = field(default_factory=list)


def openai_chat(model, prompt, tokens, stream):
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": tokens, "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    return "/v1/chat/completions", body


def openai_completion(model, prompt, tokens, stream):
    body = {"model": model, "prompt": prompt, "max_tokens": tokens, "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    return "/v1/completions", body


def anthropic(model, prompt, tokens, stream):
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": tokens, "stream": stream}
    return "/v1/messages", body


def gemini(model, prompt, tokens, stream):
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    contents = [{"role": "user", "parts": [{"text": prompt}]}]
    body = {"contents": contents, "generationConfig": {"maxOutputTokens": tokens}}
    return f"/v1beta/models/{model}:{verb}", body


def ollama(model, prompt, tokens, stream):
    messages = [{"role": "user", "content": prompt}]
    return "/api/chat", {"model": model, "messages": messages, "options": {"num_predict": tokens}, "stream": stream}


PROTOCOLS = [openai_chat, openai_completion, anthropic, gemini, ollama]


def read(event):
    """(a piece of the answer came, why it ended or None, tokens of the prompt, tokens generated or None) of one event in any of the
    protocols; an error raises."""
    if "error" in event:
        raise RuntimeError(f"error in the stream: {event['error']}")
    piece, end, usage = False, None, {}
    if choices := event.get("choices"):  # OpenAI
        delta = choices[0].get("delta", choices[0])
        piece, end = bool(delta.get("content") or delta.get("text")), choices[0]["finish_reason"]
    elif candidates := event.get("candidates"):  # Gemini
        parts = candidates[0].get("content", {}).get("parts", [])
        piece, end = any(p.get("text") for p in parts), candidates[0].get("finishReason")
    elif "done" in event:  # Ollama
        piece, end = bool(event["message"]["content"]), event.get("done_reason")
    elif event.get("type") == "content_block_delta":  # Anthropic
        piece = True
    elif event.get("type") == "message_delta":
        end = event["delta"]["stop_reason"]
    elif event.get("type") == "message":
        end = event["stop_reason"]
    usage = event.get("usage") or event.get("usageMetadata") or event
    prompt = [usage[k] for k in ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_eval_count") if k in usage]
    made = [usage[k] for k in ("completion_tokens", "output_tokens", "candidatesTokenCount", "eval_count") if k in usage]
    cached = usage.get("cache_read_input_tokens", 0)  # Anthropic alone counts these apart
    return piece, end, prompt[0] + cached if prompt else None, made[0] if made else None


def events(line):
    """The JSON of a line of server-sent events or of newline-delimited JSON."""
    line = line.strip()
    if line.startswith(b"data:"):
        line = line[5:].strip()
    return json.loads(line) if line.startswith(b"{") else None


async def request(http, base, model, rng, seen, hang_up):
    """One request to its end, or to where this client gives up."""
    protocol, stream = rng.choice(PROTOCOLS), rng.random() < 0.9
    words, tokens = int(8 * 100 ** rng.random()), int(8 * 40 ** rng.random())  # 8 to 800 words, 8 to 320 tokens, mostly few
    prompt = SHARED * (rng.random() < 1 / 3) + "Tell a story about: " + " ".join(rng.choices(WORDS, k=words))
    path, body = protocol(model, prompt, tokens, stream)
    # Half of those who hang up do so after some pieces, the others after some time, whatever has come by then.
    leave_after = rng.randrange(1, 1 + tokens // 2) if hang_up and stream and rng.random() < 0.5 else None
    leave_at = rng.uniform(0, 3) if hang_up and leave_after is None else None
    begun = time.perf_counter()
    got = {"pieces": 0, "last": None, "end": None, "prompt": 0, "made": 0}
    try:
        async with asyncio.timeout(leave_at):
            async with http.post(base + path, json=body) as response:
                if response.status != 200:
                    raise RuntimeError(f"status {response.status}: {(await response.text())[:300]}")
                if not stream:
                    take(json.loads(await response.read()), got)
                async for line in response.content:
                    event = events(line)
                    if event is None:
                        continue
                    if take(event, got):
                        now = time.perf_counter()
                        if got["last"] is None:
                            seen.first.append(now - begun)
                        else:
                            seen.between.append(now - got["last"])
                        got["last"] = now
                        if leave_after is not None and got["pieces"] >= leave_after and got["end"] is None:
                            response.close()
                            raise TimeoutError
    except TimeoutError:
        seen.hung_up += 1
        seen.hung_up_early += got["pieces"] == 0
        seen.generated += got["pieces"]
        return
    except (aiohttp.ClientError, RuntimeError, KeyError, ValueError) as error:
        seen.errors.append(f"{protocol.__name__}: {type(error).__name__}: {error}")
        return
    seen.prompt_tokens += got["prompt"]
    seen.generated += got["made"]
    seen.done[protocol.__name__] += 1
    if got["end"] is None:
        seen.errors.append(f"{protocol.__name__}: the answer ended without saying why")
    if not 0 <= got["made"] <= tokens or (got["made"] == 0 and got["end"] in ("length", "max_tokens", "MAX_TOKENS")):
        seen.errors.append(f"{protocol.__name__}: {got['made']} tokens where at most {tokens} were asked for")


def take(event, got):
    """Adds an event to what came; whether it brought a piece of the answer."""
    piece, end, prompt, made = read(event)
    got["pieces"] += piece
    got["end"] = end or got["end"]
    got["prompt"] = prompt if prompt is not None else got["prompt"]
    got["made"] = made if made is not None else got["made"]
    return piece


async def client(number, options, base, seen, until):
    """One client: a request after the other until time is up."""
    rng = random.Random(f"{options.seed}/{number}")
    # Timing out would be a hang-up that nobody asked for: it counts as an error.
    timeout = aiohttp.ClientTimeout(total=None, sock_read=300)
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=2**20) as http:
        while time.monotonic() < until:
            await request(http, base, options.model, rng, seen, rng.random() < options.hang_up)
            await asyncio.sleep(rng.uniform(0, options.pause))


async def gauges(base):
    """The numbers of /metrics by name, summed over labels."""
    async with aiohttp.ClientSession() as http, http.get(base + "/metrics") as response:
        text = await response.text()
    found = Counter()
    for name, value in re.findall(r"^parasol_(\w+)(?:{[^}]*})? (\S+)$", text, re.M):
        found[name] += float(value)
    return found


def memory(pid):
    """(resident, of these not of files) MiB of a process."""
    text = open(f"/proc/{pid}/status").read()
    return tuple(int(re.search(rf"{name}:\s+(\d+)", text)[1]) / 1024 for name in ("VmRSS", "RssAnon"))


async def watch(pid, begun, samples):
    while True:
        samples.append((time.monotonic() - begun, *memory(pid)))
        await asyncio.sleep(1)


def around(samples, second, column):
    """The median of the samples within five seconds of a moment."""
    near = [s[column] for s in samples if abs(s[0] - second) <= 5] or [samples[-1][column]]
    return statistics.median(near)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


async def settled(base):
    """What /metrics tells once nothing runs, or after 30 seconds."""
    for _ in range(300):
        now = await gauges(base)
        if not (now["answers_open"] or now["running"] or now["queue"] or now["kv_blocks_used"] or now["model_in_use"]):
            break
        await asyncio.sleep(0.1)
    return now


def report(options, seen, samples, took, end, problems):
    ms = lambda values, share: f"{percentile(values, share) * 1000:.0f}"
    early, late = (around(samples, at, 1) for at in (min(60, took / 2), took - 5))
    early_anon, late_anon = (around(samples, at, 2) for at in (min(60, took / 2), took - 5))
    rows = [
        ("requests answered", f"{seen.done.total()} ({', '.join(f'{n} {c}' for n, c in sorted(seen.done.items()))})"),
        ("hung up", f"{seen.hung_up}, of these {seen.hung_up_early} before the first token"),
        ("errors nobody asked for", len(seen.errors)),
        ("first token, ms: p50, p99", f"{ms(seen.first, 0.5)}, {ms(seen.first, 0.99)}"),
        ("between tokens, ms: p50, p99", f"{ms(seen.between, 0.5)}, {ms(seen.between, 0.99)}"),
        ("generated tokens/s", f"{seen.generated / took:.0f}"),
        ("prompt tokens/s (with those found in the cache)", f"{seen.prompt_tokens / took:.0f}"),
        ("resident memory, MiB: at minute 1, at the end", f"{early:.0f}, {late:.0f}"),
        ("of these anonymous", f"{early_anon:.0f}, {late_anon:.0f}"),
        ("sequences preempted", f"{end['preemptions']:.0f}"),
        ("at the end: open, running, waiting", ", ".join(f"{end[n]:.0f}" for n in ("answers_open", "running", "queue"))),
        ("at the end: blocks held, book errors", f"{end['kv_blocks_used']:.0f}, {end['book_errors']:.0f}"),
    ]
    print(f"{options.clients} clients, {took:.0f} s, {100 * options.hang_up:.0f} % hanging up\n\n| | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")
    if late > early * (1 + options.growth):
        problems.append(f"memory grew from {early:.0f} to {late:.0f} MiB")
    for name in ("answers_open", "running", "queue", "kv_blocks_used", "model_in_use", "book_errors"):
        if end[name]:
            problems.append(f"at the end {name} is {end[name]:.0f}")
    problems += [f"{count} × {error}" for error, count in Counter(seen.errors).most_common(20)]
    if options.save:
        found = {"rows": rows, "memory": samples, "end": dict(end), "problems": problems}
        json.dump(found, open(options.save, "w"), indent=1)


async def run(options):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    command = [options.parasol, "serve", "--listen", f"127.0.0.1:{port}", "--log-level", "warn", *options.serve_option]
    server = subprocess.Popen(command)
    problems = []
    try:
        for _ in range(100):
            try:
                await gauges(base)
                break
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
        warm = Seen()
        await request(aiohttp_session := aiohttp.ClientSession(), base, options.model, random.Random(0), warm, False)
        await aiohttp_session.close()
        if warm.errors:
            sys.exit(f"the first request failed: {warm.errors[0]}")
        seen, samples, begun = Seen(), [], time.monotonic()
        watcher = asyncio.create_task(watch(server.pid, begun, samples))
        until = begun + options.seconds
        await asyncio.gather(*(client(n, options, base, seen, until) for n in range(options.clients)))
        took = time.monotonic() - begun
        end = await settled(base)
        watcher.cancel()
        report(options, seen, samples, took, end, problems)
        if server.poll() is not None:
            problems.append(f"the server ended with {server.returncode}")
    finally:
        server.send_signal(signal.SIGTERM)
        if server.wait(60) != 0:
            problems.append(f"the server's exit code was {server.returncode}")
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if problems else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parasol", default="target/release/parasol", help="the program")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--hang-up", type=float, default=0.2, help="share of requests that their client gives up")
    parser.add_argument("--pause", type=float, default=0.2, help="longest pause of a client between requests, seconds")
    parser.add_argument("--growth", type=float, default=0.05, help="share by which memory may grow after the first minute")
    parser.add_argument("--seed", default="parasol")
    parser.add_argument("--save", help="file for everything as JSON")
    parser.add_argument("--serve-option", action="append", default=[], help="an option for `parasol serve`; may be repeated")
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
