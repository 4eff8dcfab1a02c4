#!/usr/bin/env python3
"""Parasol against faster-whisper and whisper.cpp: the same weights, sound and threads, taking turns, each in a process of its own.

What is timed is a transcription without the loading of the model: reading the file, features, encoder, text. Voice activity is off on
all sides, the language is given, temperature 0 without fallback, so that all do the same work. Prints a table for each beam size:
medians with their spread, the ratio, peak memory of the process, and how alike the texts are.

    pip install faster-whisper pywhispercpp
    python tools/reference/whisper_formats.py CTRANSLATE2_FOLDER OUT          # the ggml file for whisper.cpp
    python bench/transcribe.py --parasol target/release/parasol --sound talk.wav --model CTRANSLATE2_FOLDER --ggml OUT/ggml.bin
"""

import argparse
import difflib
import json
import os
import resource
import statistics
import subprocess
import sys
import time


def faster_whisper(args) -> dict:
    from faster_whisper import WhisperModel

    model = WhisperModel(args.model, device="cpu", compute_type=args.compute_type, cpu_threads=args.threads)
    start = time.perf_counter()
    segments, info = model.transcribe(
        args.sound, language="en", beam_size=args.beam, temperature=0.0, condition_on_previous_text=False
    )
    text = "".join(segment.text for segment in segments)
    return {"seconds": time.perf_counter() - start, "sound": info.duration, "text": text}


def whisper_cpp(args) -> dict:
    from pywhispercpp.model import Model

    beam = {"strategy": 1, "beam_search": {"beam_size": args.beam, "patience": -1.0}} if args.beam > 1 else {"strategy": 0}
    model = Model(args.ggml, params_sampling_strategy=beam.pop("strategy"), n_threads=args.threads, print_progress=False,
                  print_realtime=False, language="en", no_context=True, temperature=0.0, temperature_inc=0.0, **beam)  # fmt: skip
    start = time.perf_counter()
    segments = model.transcribe(args.sound)
    return {"seconds": time.perf_counter() - start, "text": "".join(s.text + " " for s in segments)}


def parasol(args) -> dict:
    command = [args.parasol, "transcribe", args.sound, "--model", args.model, "--format", "json", "--language", "en",
               "--beam", str(args.beam), "--temperature", "0", "--no-voice-activity", "--threads", str(args.threads)]  # fmt: skip
    process = subprocess.Popen([*command, "--quiet"], stdout=subprocess.PIPE)
    answer = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    took = lambda name: answer["timings"][name]["secs"] + answer["timings"][name]["nanos"] / 1e9
    seconds = sum(map(took, ("listen", "encode", "decode")))
    return {"seconds": seconds, "sound": answer["usage"]["seconds"], "text": answer["text"], "memory": usage.ru_maxrss * 1024}


def run(side: str, args) -> dict:
    if side == "parasol":
        return parasol(args)
    command = [sys.executable, __file__, *sys.argv[1:], "--only", side, "--beam", str(args.beam)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{side} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parasol", default="target/release/parasol")
    parser.add_argument("--model", required=True, help="a CTranslate2 folder")
    parser.add_argument("--ggml", help="the same weights for whisper.cpp")
    parser.add_argument("--sound", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--beam", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--compute-type", default="int8")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        result = {"faster-whisper": faster_whisper, "whisper.cpp": whisper_cpp}[args.only](args)
        result["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(result))
        return
    sides = ["parasol", "faster-whisper", *(["whisper.cpp"] if args.ggml else [])]
    for args.beam in args.beams:
        runs = {side: [] for side in sides}
        for _ in range(args.repeat):
            for side in sides:
                runs[side].append(run(side, args))
        ours = runs["parasol"][0]
        print(f"\n{args.model}, {ours['sound']:.1f} s of sound, beam {args.beam}, {args.threads} threads, {args.repeat} turns\n")
        print("| | seconds: median (least–most) | times real time | Parasol is faster by | peak memory, MB | text like Parasol's |")
        print("|---|---|---|---|---|---|")
        best = statistics.median(r["seconds"] for r in runs["parasol"])
        for side in sides:
            took = sorted(r["seconds"] for r in runs[side])
            median = statistics.median(took)
            alike = difflib.SequenceMatcher(None, ours["text"].split(), runs[side][0]["text"].split()).ratio()
            memory = max(r["memory"] for r in runs[side]) / 1e6
            print(f"| {side} | {median:.3f} ({took[0]:.3f}–{took[-1]:.3f}) | {ours['sound'] / median:.0f} | "
                  f"{median / best:.2f} | {memory:.0f} | {alike:.1%} |")  # fmt: skip


if __name__ == "__main__":
    main()
