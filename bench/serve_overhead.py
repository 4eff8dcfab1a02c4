#!/usr/bin/env python3
"""What `parasol serve` costs over its bare engine, and what its cache gains: speed with 1 and 8 clients beside `parasol bench` in turns,
memory without a model, the first token of a prompt met again, and long prompts against short ones.

Needs Python alone. The client is one thread on bare sockets, since it takes its time from the same cores. How to run it:
bench/README.md.
"""

import argparse
import json
import random
import re
import resource
import selectors
import signal
import socket
import statistics
import subprocess
import time

WORDS = """river stone window garden letter winter music table morning paper village forest silver engine teacher bridge market
island summer doctor candle mirror harbour blanket question answer number machine colour shadow orange pencil""".split()

# The default model's tokens that end an answer: all answers are to be of the same length.
NEVER = ("0", "2")


class Answer:
    """One streamed completion on a connection of its own."""

    def __init__(self, port, model, prompt, tokens, temperature=0):
        body = {"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": temperature, "stream": True, "seed": 1}
        # What is drawn evenly from all tokens hardly ever repeats itself: see --temperature.
        body |= {"top_p": 1, "top_k": 0, "min_p": 0}
        body["logit_bias"] = {token: -100 for token in NEVER}
        body = json.dumps(body | {"stream_options": {"include_usage": True}}).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.begun = time.perf_counter()
        self.socket.sendall(head.encode() + body)
        self.arrived, self.text, self.done = [], b"", False  # (when, pieces of the answer)

    def receive(self):
        data = self.socket.recv(1 << 16)
        now = time.perf_counter()
        if count := data.count(b'"text":"') - data.count(b'"text":""'):
            self.arrived.append((now, count))
        self.text += data
        self.done = b"[DONE]" in self.text[-64:] or not data

    def usage(self, name):
        found = re.findall(rb'"%s":(\d+)' % name.encode(), self.text)
        if not found:
            raise SystemExit(f"no answer: {self.text[:500]}")
        return int(found[-1])

    def first(self):
        return self.arrived[0][0] - self.begun


def together(port, model, prompts, tokens, temperature=0):
    """Asks all at once and reads to the end."""
    answers = [Answer(port, model, prompt, tokens, temperature) for prompt in prompts]
    with selectors.DefaultSelector() as ready:
        for answer in answers:
            ready.register(answer.socket, selectors.EVENT_READ, answer)
        while ready.get_map():
            for key, _ in ready.select():
                key.data.receive()
                if key.data.done:
                    ready.unregister(key.fileobj)
                    key.fileobj.close()
    return answers


def words(count, seed):
    return " ".join(random.Random(seed).choices(WORDS, k=count))


def sized(port, model, tokens, seed):
    """A prompt of as many tokens, within a few, that the cache does not know."""
    asked = words(tokens, seed)
    (answer,) = together(port, model, ["x " + asked], 1)
    return words(round(tokens * tokens / answer.usage("prompt_tokens")), seed + "/again")


def speed(answers):
    """Tokens per second of all while all generate."""
    begin = max(answer.arrived[0][0] for answer in answers)
    end = min(answer.arrived[-1][0] for answer in answers)
    return sum(n for a in answers for at, n in a.arrived if begin < at <= end) / (end - begin)


def engine(options, sequences):
    command = [options.parasol, "bench", options.model, "--json", "--quiet", "-p", "0", "-n", "128", "-d", "128", "-r", "1"]
    said = json.loads(subprocess.check_output(command + ["-s", str(sequences)]))
    return said["generate_tokens_per_second"]


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) / 1024


def spread(values, digits=0):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def overhead(options, port):
    print("| clients | engine alone, tokens/s | served | of the engine | client's processor time |\n|---|---|---|---|---|")
    for clients in (1, 8):
        prompts = [sized(port, options.model, 128, f"overhead {n}") for n in range(clients)]
        together(port, options.model, prompts, 1)  # the prompts are in the cache now, so that all begin to generate together
        bare, served, used = [], [], []
        for _ in range(options.repeat):
            bare.append(engine(options, clients))
            before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
            answers = together(port, options.model, prompts, 128, options.temperature)
            took, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
            used.append(100 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / took)
            served.append(speed(answers))
            short = [a.usage("completion_tokens") for a in answers if a.usage("completion_tokens") != 128]
            if short:
                print(f"(ended early: {short})")
        share = 100 * statistics.median(served) / statistics.median(bare)
        print(f"| {clients} | {spread(bare)} | {spread(served)} | {share:.1f} % | {statistics.median(used):.0f} % of a core |")


def prompts(options, port):
    cold, warm, rates = [], [], {512: [], 4000: []}
    for turn in range(options.repeat):
        prefix = sized(port, options.model, 1000, f"prefix {turn}")
        for times, question in ((cold, "first"), (warm, "second"), (warm, "third")):
            (answer,) = together(port, options.model, [f"{prefix} {question}"], 2)
            times.append(answer.first() * 1000)
        for tokens, found in rates.items():
            prompt = sized(port, options.model, tokens, f"long {turn} {tokens}")
            (answer,) = together(port, options.model, [prompt], 1)
            found.append((answer.usage("prompt_tokens") - answer.usage("cached_tokens")) / answer.first())
    share = 100 * statistics.median(warm) / statistics.median(cold)
    print("\n| | |\n|---|---|")
    print(f"| first token after 1 000 tokens, cold, ms | {spread(cold, 1)} |")
    print(f"| the same beginning met again, ms | {spread(warm, 1)}: {share:.1f} % |")
    for tokens, found in rates.items():
        print(f"| prompt of {tokens}, tokens/s to the first token | {spread(found)} |")
    share = 100 * statistics.median(rates[4000]) / statistics.median(rates[512])
    print(f"| long against short | {share:.0f} % |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parasol", default="target/release/parasol", help="the program")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument(
        "--temperature",
        type=float,
        default=2,
        help="how tokens are drawn where the server is compared with its engine. A greedy answer of a small model goes in circles, and "
        "the server guesses what follows in these, which the bare engine does not: at 0 the server may look faster than its engine",
    )
    options = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([options.parasol, "serve", "--quiet", "--listen", f"127.0.0.1:{port}", "--log-level", "warn"])
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        time.sleep(1)
        print(f"resident memory without a model: {resident(server.pid):.1f} MiB\n")
        together(port, options.model, ["warm up"], 16)
        overhead(options, port)
        prompts(options, port)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


if __name__ == "__main__":
    main()
