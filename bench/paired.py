#!/usr/bin/env python3
"""Parasol against llama.cpp: the same file, the same threads, the same minutes, taking turns.

Every measurement is a process of its own, Parasol's and llama.cpp's alternating (A B A B ...), so that a slow phase of the
machine meets both. Prints a Markdown table for each quantity: both medians with their spread, the ratio, and how much
of the ceilings that `parasol bench` measures beside each timing ours reaches:

    generation  tokens per second x bytes read per token / read bandwidth
    prompt      2 x parameters in matrix products x tokens per second / int8 peak, or that of bfloat16 tiles where they are used

Run it with a Python that has llama-cpp-python (README.md in this folder says how to build it).

    python paired.py --parasol target/release/parasol models/smollm2-q4_0.gguf models/qwen3-0.6b-q4_0.gguf
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from gguf_shapes import prompt_parameters

WORKER = Path(__file__).with_name("llama_worker.py")
SIDES = ("parasol", "llama.cpp")


# ---------------------------------------------------------------- running one process

class Run:
    """What one finished process printed, and what it cost."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None, pass_start: bool = False):
        start = time.monotonic()
        if pass_start:
            command = [*command, "--started", repr(start)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={**os.environ, **(environment or {})})  # fmt: skip
        first = os.read(process.stdout.fileno(), 1 << 16)
        self.first_byte_seconds = time.monotonic() - start
        self.stdout = first + process.stdout.read()
        self.stderr = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.peak_memory_bytes = usage.ru_maxrss * 1024
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)}\nfailed ({process.returncode}): {self.stderr.decode(errors='replace').strip()}")


def run_speed(side: str, args, model: Path, depth: int) -> dict:
    """Prompt and generation speed at one depth."""
    common = ["--prompt", str(args.prompt), "--generate", str(args.generate), "--depth", str(depth),
              "--sequences", str(args.sequences), "--threads", str(args.threads), "--repeat", "1"]  # fmt: skip
    if side == "parasol":
        run = Run([args.parasol, "bench", str(model), *common, "--json"], parasol_environment(args))
    else:
        run = Run([args.peer_python, str(WORKER), str(model), *common], pass_start=True)
    result = json.loads(run.stdout)
    # `parasol bench` reads its own peak before it measures the ceilings, whose buffer is no part of running a model.
    if "interpreter_memory_bytes" in result or not result.get("peak_memory_bytes"):
        result["peak_memory_bytes"] = run.peak_memory_bytes - result.get("interpreter_memory_bytes", 0)
    return result


def run_first_token(side: str, args, model: Path, text: str) -> dict:
    """From the start of the process to the first byte of the answer; `text` is the prompt in the model's chat template."""
    if side == "parasol":
        command = [args.parasol, "run", str(model), "-n", "1", *args.run_option, args.text]
        return {"seconds": Run(command, parasol_environment(args)).first_byte_seconds}
    command = [args.peer_python, str(WORKER), str(model), "--threads", str(args.threads), "--first-token", text]
    run = Run(command, pass_start=True)
    return {"seconds": run.first_byte_seconds - json.loads(run.stderr)["interpreter_seconds"]}


def parasol_environment(args) -> dict[str, str]:
    return {"PARASOL_ISA": args.isa} if args.isa else {}


def wait_until_idle(limit: float) -> None:
    """Return once other programs leave the processor alone for half a second, or after `limit` seconds (Linux only)."""
    def busy_and_total() -> tuple[int, int]:
        ticks = [int(t) for t in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return sum(ticks) - ticks[3] - ticks[4], sum(ticks)

    deadline = time.monotonic() + limit
    before = busy_and_total()
    while time.monotonic() < deadline:
        time.sleep(0.5)
        now = busy_and_total()
        if now[0] - before[0] < 0.1 * (now[1] - before[1]):
            return
        before = now
    if limit:
        print(f"other programs kept the processor busy for {limit:.0f} s", file=sys.stderr)


# ---------------------------------------------------------------- figures

def median(values: list[float]) -> float:
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


class Column:
    """The repeats of one quantity on one side."""

    def __init__(self, runs: list[dict], key: str, scale: float = 1.0):
        self.values = [run[key] * scale for run in runs if run.get(key) is not None]

    def __bool__(self) -> bool:
        return bool(self.values)

    def median(self) -> float:
        return median(self.values)

    def text(self, digits: int) -> str:
        if not self:
            return "–"
        return f"{self.median():.{digits}f} ({min(self.values):.{digits}f}–{max(self.values):.{digits}f})"


def ratio(ours: Column, theirs: Column, smaller_is_better: bool = False) -> str:
    if not ours or not theirs:
        return "–"
    a, b = ours.median(), theirs.median()
    return f"{b / a:.2f}×" if smaller_is_better else f"{a / b:.2f}×"


def percent(values: list[float]) -> str:
    return f"{100 * median(values):.0f} %" if values else "–"


def generation_share(runs: list[dict]) -> list[float]:
    """Share of the read bandwidth that generation uses, run by run: the ceiling was measured beside each timing."""
    return [r["generate_tokens_per_second"] / r.get("sequences", 1) * r["bytes_per_token"] / (r["read_bandwidth_gb_per_s"] * 1e9)
            for r in runs if r.get("bytes_per_token") and r.get("generate_tokens_per_second")]  # fmt: skip


def prompt_share(runs: list[dict], parameters: int) -> list[float]:
    """Share of the peak of what computes a prompt: bfloat16 tiles where there are some, else int8 vectors."""
    return [2 * parameters * r["prompt_tokens_per_second"] / ((r.get("tile_peak_gflops") or r["int8_peak_gops"]) * 1e9)
            for r in runs if r.get("int8_peak_gops") and r.get("prompt_tokens_per_second")]  # fmt: skip


def table(title: str, header: list[str], rows: list[list[str]]) -> str:
    lines = [f"\n### {title}\n", "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


# ---------------------------------------------------------------- the whole pass

def measure(args) -> list[dict]:
    """Every model, every depth, the two sides alternating."""
    sides = [side for side in SIDES if side != "parasol" or args.parasol]
    results = []
    for model in args.models:
        entry = {"model": model.name, "bytes": model.stat().st_size, "prompt_parameters": prompt_parameters(model), "depths": {}, "first_token": {}}
        for depth in args.depths:
            runs = entry["depths"][depth] = {side: [] for side in sides}
            for repeat in range(args.repeat):
                for side in sides:
                    wait_until_idle(args.wait_idle)
                    runs[side].append(run_speed(side, args, model, depth))
                    note(f"{model.name} depth {depth} {side} {repeat + 1}/{args.repeat}", runs[side][-1])
        if not args.no_first_token:
            text = Run([args.peer_python, str(WORKER), str(model), "--render", args.text]).stdout.decode()
            entry["first_token"] = {side: [] for side in sides}
            for _ in range(args.repeat):
                for side in sides:
                    wait_until_idle(args.wait_idle)
                    entry["first_token"][side].append(run_first_token(side, args, model, text))
        results.append(entry)
        if args.save:
            args.save.write_text(json.dumps(results, indent=1))
    return results


def note(what: str, run: dict) -> None:
    speeds = [run.get("prompt_tokens_per_second"), run.get("generate_tokens_per_second")]
    print(what, *(f"{s:.1f}" for s in speeds if s is not None), file=sys.stderr, flush=True)


def report(args, results: list[dict]) -> str:
    """The Markdown tables."""
    out = [f"Load average {os.getloadavg()[0]:.2f}; {args.threads} threads; medians of {args.repeat} (smallest–largest)."]
    ours = [run for entry in results for depth in entry["depths"].values() for run in depth.get("parasol", [])]
    if ours:
        bandwidth, peak = Column(ours, "read_bandwidth_gb_per_s"), Column(ours, "int8_peak_gops")
        tiles = Column(ours, "tile_peak_gflops")
        out.append(f"ISA {ours[0].get('isa')}; ceilings measured beside the timings: read {bandwidth.text(1)} GB/s, int8 {peak.text(0)} GOP/s"
                   + (f", bfloat16 tiles {tiles.text(0)} GFLOP/s." if tiles else "."))  # fmt: skip
    for depth in args.depths:
        prompt_rows, generate_rows = [], []
        for entry in results:
            a, b = (entry["depths"][depth].get(side, []) for side in SIDES)
            pa, pb = Column(a, "prompt_tokens_per_second"), Column(b, "prompt_tokens_per_second")
            ga, gb = Column(a, "generate_tokens_per_second"), Column(b, "generate_tokens_per_second")
            prompt_rows.append([entry["model"], pa.text(0), pb.text(0), ratio(pa, pb), percent(prompt_share(a, entry["prompt_parameters"]))])
            generate_rows.append([entry["model"], ga.text(1), gb.text(1), ratio(ga, gb), percent(generation_share(a))])
        after = f", {depth} tokens in the context" if depth else ""
        if args.sequences > 1:
            after += f", {args.sequences} sequences together"
        header = ["file", "Parasol", "llama.cpp", "ratio"]
        if args.prompt:
            out.append(table(f"Prompt of {args.prompt}{after}, tokens per second", [*header, "share of the arithmetic peak"], prompt_rows))
        if args.generate:
            out.append(table(f"Generation of {args.generate}{after}, tokens per second", [*header, "share of the read bandwidth"], generate_rows))
    rows = []
    for entry in results:
        a, b = (entry["first_token"].get(side, []) for side in SIDES)
        ta, tb = Column(a, "seconds", 1e3), Column(b, "seconds", 1e3)
        a, b = (next(iter(entry["depths"].values())).get(side, []) for side in SIDES)
        ma, mb = Column(a, "peak_memory_bytes", 1e-6), Column(b, "peak_memory_bytes", 1e-6)
        rows.append([entry["model"], ta.text(0), tb.text(0), ratio(ta, tb, True), ma.text(0), mb.text(0), ratio(ma, mb, True)])
    header = ["file", "first token, ms: Parasol", "llama.cpp", "llama.cpp ÷ Parasol", "peak memory, MB: Parasol", "llama.cpp", "llama.cpp ÷ Parasol"]
    out.append(table(f"Process start to first token, and peak memory of the run at depth {args.depths[0]}", header, rows))
    return "\n".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="FILE", help="GGUF files")
    parser.add_argument("--parasol", help="the parasol binary; without it only llama.cpp is measured")
    parser.add_argument("--peer-python", default=sys.executable, help="a Python with llama-cpp-python (default: this one)")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--sequences", type=int, default=1,
                        help="sequences that generate together (use --prompt 0: only generation is batched)")
    parser.add_argument("--depths", type=int, nargs="+", default=[0, 512, 4096])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5, help="runs of each side (default 5)")
    parser.add_argument("--isa", help="force PARASOL_ISA on our side, e.g. avx2")
    parser.add_argument("--text", default="Write a haiku about rain", help="prompt of the first-token measurement")
    parser.add_argument("--run-option", action="append", default=[], help="further option for `parasol run`; may be repeated")
    parser.add_argument("--wait-idle", type=float, default=0, metavar="SECONDS",
                        help="before each run wait up to this long for other programs to leave the processor alone")
    parser.add_argument("--no-first-token", action="store_true")
    parser.add_argument("--save", type=Path, help="write every single figure to this JSON file")
    args = parser.parse_args()
    print(report(args, measure(args)))


if __name__ == "__main__":
    main()
