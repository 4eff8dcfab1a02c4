"""Speech beside onnxruntime: the same voice file, the same phonemes, the same threads, taking turns.

    pip install hibari-tts==0.2.1 onnxruntime numpy
    cargo build --release -p parasol-audio --example speech
    python bench/speak.py hibari FOLDER [--rounds 7] [--threads 2]
    python bench/speak.py piper VOICE.onnx --phonemes PHONEMES.txt
    python bench/speak.py kokoro FOLDER --phonemes PHONEMES.txt

FOLDER is the pulled model's folder, PHONEMES.txt has one sentence of phonemes a line (`parasol speak --phonemes`). Hibari is compared with
its own package, from phonemes to samples, and from text to samples; Piper's network with onnxruntime's on the same numbers, with its noise at
0; Kokoro's likewise, which has none. Prints the times of both, their ratio (above 1: Parasol is faster), how alike the sounds are, how soon
the first sound of a long text is there after loading, and the peak memory of each, the other not loaded.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

TEXT = (
    "The quick brown fox jumps over the lazy dog. She sells sea shells by the sea shore. "
    "On the third of March, a thousand people paid ten dollars each to hear it read at half past seven. "
    "Nobody had expected that so many would come, and the chairs were soon taken by those who arrived first."
)


def hibari(args):
    from hibari import Hibari

    voice = Hibari(threads=args.threads)
    sentences = voice.phonemize(TEXT)

    def run():
        return np.concatenate([voice.from_ids(voice.ids(s), 1.0, np.random.default_rng(7)) for s in sentences])

    def read(text):
        begun, first = time.perf_counter(), None
        for _ in voice.stream(text, seed=7):
            first = first or time.perf_counter() - begun
        return first, time.perf_counter() - begun

    return sentences, run, "loud", read


def open_session(args, path):
    import onnxruntime  # not where another bench takes its classes from here

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def kokoro(args):
    folder = pathlib.Path(args.voice)
    session = open_session(args, folder / "kokoro.onnx")
    table = json.loads((folder / "vocab.json").read_text())
    styles = np.fromfile(folder / "af_heart.bin", "<f4").reshape(-1, 256)
    sentences = pathlib.Path(args.phonemes).read_text().splitlines()
    feeds = []
    for sentence in sentences:
        ids = [table[c] for c in sentence if c in table]
        feed = {"tokens": np.array([[0, *ids, 0]], np.int64), "speed": np.array([1.0], np.float32)}
        feeds.append({**feed, "style": styles[len(ids) - 1 : len(ids)]})

    def run():
        return np.concatenate([session.run(None, feed)[0].reshape(-1) for feed in feeds])

    return sentences, run, "loud", None


def piper(args):
    session = open_session(args, args.voice)
    table = json.loads(pathlib.Path(args.voice + ".json").read_text())["phoneme_id_map"]
    sentences = pathlib.Path(args.phonemes).read_text().splitlines()

    def numbers(sentence):
        ids = []
        for c in "^" + sentence:
            if c in table:
                ids += table[c] + table["_"]
        return ids + table["$"]

    inputs = [np.array([numbers(s)], np.int64) for s in sentences]

    def run():
        sounds = []
        for ids in inputs:
            feed = {"input": ids, "input_lengths": np.array([ids.shape[1]], np.int64)}
            feed["scales"] = np.array([0.0, 1.0, 0.0], np.float32)
            sounds.append(session.run(None, feed)[0].reshape(-1))
        return np.concatenate(sounds)

    return sentences, run, "quiet", None


KINDS = {"hibari": hibari, "piper": piper, "kokoro": kokoro}


def peak(pid):
    """The most memory that a process has had, in MB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


class Ours:
    """The program with the voice loaded."""

    def __init__(self, args, lines, sound):
        command = [args.program, args.voice, str(lines), str(args.threads), str(sound)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        _, seconds, rate = self.process.stdout.readline().split()
        self.loaded, self.rate = float(seconds), int(rate)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return [float(word) for word in self.process.stdout.readline().split()]

    def end(self):
        memory = peak(self.process.pid)
        self.process.stdin.close()
        self.process.wait()
        return memory


def show(times):
    for name, values in times.items():
        low, high = min(values) * 1000, max(values) * 1000
        print(f"{name:12} median {statistics.median(values) * 1000:7.1f} ms, {low:.1f} to {high:.1f}")
    ratios = [b / a for a, b in zip(times["parasol"], times["onnxruntime"])]
    print(f"ratio        median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


def paired(rounds, ours, theirs):
    times = {"parasol": [], "onnxruntime": []}
    for turn in range(rounds + 1):
        spent = ours()
        begun = time.perf_counter()
        theirs()
        if turn:
            times["parasol"].append(spent)
            times["onnxruntime"].append(time.perf_counter() - begun)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("voice")
    parser.add_argument("--phonemes")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--program", default="target/release/examples/speech")
    parser.add_argument("--memory", action="store_true", help="only speak with onnxruntime and print its peak memory")
    args = parser.parse_args()
    if args.kind != "hibari" and not args.phonemes:
        parser.error(f"{args.kind} needs --phonemes")
    sentences, run, manner, read = KINDS[args.kind](args)
    if args.memory:
        for _ in range(3):
            run()
        print(peak(os.getpid()))
        return
    with tempfile.TemporaryDirectory() as folder:
        lines, sound = pathlib.Path(folder, "phonemes.txt"), pathlib.Path(folder, "sound.f32")
        long = pathlib.Path(folder, "long.txt")
        lines.write_text("\n".join(sentences) + "\n", encoding="utf-8")
        long.write_text((TEXT + "\n") * (5 if read else 1), encoding="utf-8")
        ours = Ours(args, lines, sound)
        reference = run()
        print(f"phonemes to samples: {len(reference) / ours.rate:.1f} s of sound, {args.threads} threads, loaded in {ours.loaded * 1000:.0f} ms")
        show(paired(args.rounds, lambda: ours.ask(manner)[0], run))
        print(f"peak memory: parasol {ours.end():.0f} MB", end=", ", flush=True)
        made = np.fromfile(sound, "<f4")
        alone = subprocess.run([sys.executable, *sys.argv, "--memory"], stdout=subprocess.PIPE, text=True, check=True)
        print(f"onnxruntime in Python {float(alone.stdout):.0f} MB")
        length = min(len(made), len(reference))
        alike = np.corrcoef(made[:length], reference[:length])[0, 1]
        print(f"correlation  {alike:.6f} over {length} samples; lengths {len(made)} and {len(reference)}")
        ours = Ours(args, lines, sound)
        firsts = [ours.ask(f"text {long}")[0]]
        if read:
            read("Warm up.")
            print(f"\ntext to samples: {long.stat().st_size} bytes of text")
            show(paired(max(args.rounds // 2, 1), lambda: firsts.append(ours.ask(f"text {long}")) or firsts[-1][1], lambda: read(long.read_text())))
        else:
            firsts += [ours.ask(f"text {long}") for _ in range(2)]
        rest = [answer[0] for answer in firsts[1:]]
        print(f"first sound: {firsts[0] * 1000:.1f} ms right after loading, then median {statistics.median(rest) * 1000:.1f} ms")
        ours.end()


if __name__ == "__main__":
    main()
