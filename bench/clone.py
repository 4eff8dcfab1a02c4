"""Pocket TTS beside its own package: the same files, the same text, as many threads, taking turns.

    pip install pocket-tts==4.0.1 torch sentencepiece tokenizers safetensors pyyaml numpy scipy
    python tools/reference/pocket_tts_true.py FOLDER
    cargo build --release -p parasol-audio --example speech
    python bench/clone.py FOLDER [--rounds 5] [--threads 2] [--int8]

FOLDER has a voice's files; those of random weights never end, so that both make as many frames for a text. The package computes
latents on one thread and sound on another, each single-threaded, which is how it is used. Prints the seconds of both for a text, how
fast that is beside the sound's own length, how soon the first sound is there, and the same with a voice that is heard for the first
time; and the peak memory of Parasol. `--int8`: the package's own quantisation.
"""

import argparse
import pathlib
import statistics
import tempfile
import time
import wave

import numpy as np
import torch
from pocket_tts import TTSModel
from speak import Ours

TEXT = "The quick brown fox jumps over the lazy dog, and nobody minded that it rained for hours."


class Theirs:
    def __init__(self, folder: pathlib.Path, int8: bool):
        begun = time.perf_counter()
        (config,) = folder.glob("*.yaml")
        self.model = TTSModel.load_model(config=config, quantize=int8)
        self.voice = self.model.get_state_for_audio_prompt(folder / "embeddings/alba.safetensors")
        self.loaded = time.perf_counter() - begun

    def read(self, sound=None):
        begun, first, samples = time.perf_counter(), None, 0
        voice = self.model.get_state_for_audio_prompt(sound) if sound else self.voice
        for piece in self.model.generate_audio_stream(voice, TEXT):
            first = first or time.perf_counter() - begun
            samples += len(piece)
        return first, time.perf_counter() - begun, samples / self.model.sample_rate


def tones(path: pathlib.Path, draw: int) -> None:
    """Ten seconds of something like a voice, another for each draw."""
    t = np.arange(240_000) / 24_000
    sound = 0.3 * np.sin((800 + 17 * draw) * t) * np.sin(4 * t)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(24_000)
        file.writeframes((sound * 32767).astype("<i2").tobytes())


def show(what, ours, theirs):
    median = lambda rows, column: statistics.median(row[column] for row in rows)
    for name, rows in (("parasol", ours), ("package", theirs)):
        low, high = min(row[1] for row in rows), max(row[1] for row in rows)
        seconds, total = median(rows, 2), median(rows, 1)
        print(f"{what:10} {name:8} {total:6.2f} s ({low:.2f}–{high:.2f}) for {seconds:.1f} s of sound: "
              f"{seconds / total:5.2f}× its pace; first sound after {median(rows, 0) * 1000:6.0f} ms")
    paces = [b[1] / b[2] * a[2] / a[1] for a, b in zip(ours, theirs)]
    print(f"{what:10} ratio    {statistics.median(paces):.2f} ({min(paces):.2f}–{max(paces):.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voice", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--program", default="target/release/examples/speech")
    args = parser.parse_args()
    theirs = Theirs(args.voice, args.int8)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        (scratch / "lines").write_text("")
        (scratch / "text").write_text(TEXT)
        args.voice = str(args.voice)
        ours = Ours(args, scratch / "lines", scratch / "sound")
        print(f"loaded: parasol {ours.loaded:.2f} s, package {theirs.loaded:.2f} s; torch {torch.__version__}")
        for what in ("own voice", "imitated"):
            rows = []
            for turn in range(args.rounds + 1):
                sound = scratch / f"{what[0]}{turn}.wav"
                tones(sound, turn)
                ask = f"text {scratch / 'text'}" if what == "own voice" else f"as {sound} {scratch / 'text'}"
                pair = ours.ask(ask), theirs.read(None if what == "own voice" else sound)
                rows += [pair] if turn else []
            show(what, [row[0] for row in rows], [row[1] for row in rows])
        print(f"peak memory: parasol {ours.end():.0f} MB")


if __name__ == "__main__":
    main()
