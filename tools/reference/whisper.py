"""What faster-whisper computes in float32, and the published Silero network in numpy: tests/fixtures/whisper.

    python whisper.py TINY_FOLDER BASE_FOLDER SILERO_SAFETENSORS

Both are CTranslate2 folders (`parasol pull whisper-tiny whisper-base` makes them). The speech is Debian's espeak-ng reading the
beginning of texts/prose.txt (Carroll, 1865). Needs: pip install faster-whisper safetensors soundfile; apt install espeak-ng.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import soundfile
from faster_whisper import WhisperModel
from faster_whisper.audio import decode_audio
from safetensors.numpy import load_file

HERE = pathlib.Path(__file__).parent
OUT = HERE.parent.parent / "tests" / "fixtures" / "whisper"
RATE = 16_000


def speech() -> pathlib.Path:
    """Two sentences with a pause between them, 16 kHz mono FLAC."""
    text = (HERE / "texts" / "prose.txt").read_text(encoding="utf-8")[:296]
    path = OUT / "speech.flac"
    with tempfile.TemporaryDirectory() as folder:
        wav = f"{folder}/a.wav"
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", "150", "-w", wav, text], check=True)
        sound = decode_audio(wav, sampling_rate=RATE)
    soundfile.write(path, numpy.concatenate([numpy.zeros(RATE, "float32"), sound]), RATE, subtype="PCM_16")
    return path


def numbers(values) -> list[float]:
    return [round(float(x), 6) for x in values]


def model(name: str, folder: str, sound: numpy.ndarray) -> None:
    whisper = WhisperModel(folder, device="cpu", compute_type="float32", cpu_threads=2)
    features = whisper.feature_extractor(sound)
    frames = features.shape[-1] - 1
    window = numpy.zeros((features.shape[0], 3000), dtype="float32")
    window[:, :frames] = features[:, :frames]
    encoded = numpy.array(whisper.encode(window))[0]
    segments, _ = whisper.transcribe(
        sound, language="en", beam_size=1, temperature=0.0, condition_on_previous_text=False, word_timestamps=True
    )
    at = [0, 1, 99, 500, frames - 1]
    rows = [0, 1, 250, 700, 1499]
    (OUT / f"{name}.json").write_text(
        json.dumps(
            {
                "mel_frames": at,
                "mel": [numbers(window[:, i]) for i in at],
                "encoder_rows": rows,
                "encoder": [numbers(encoded[i, :64]) for i in rows],
                "segments": [
                    {
                        "start": s.start,
                        "end": s.end,
                        "tokens": s.tokens,
                        "text": s.text,
                        "words": [[w.word, round(w.start, 2), round(w.end, 2)] for w in s.words],
                    }
                    for s in segments
                ],
            }
        )
        + "\n"
    )


def voice_activity(path: str, sound: numpy.ndarray) -> list[float]:
    """The network of silero_vad/tinygrad_model.py, with its published weights."""
    it = load_file(path)
    sigmoid = lambda x: 1 / (1 + numpy.exp(-x))
    hidden, cell, context, found = numpy.zeros(128), numpy.zeros(128), numpy.zeros(64), []
    for chunk in numpy.pad(sound, (0, -len(sound) % 512)).reshape(-1, 512):
        x = numpy.pad(numpy.concatenate([context, chunk]), (0, 64), "reflect")
        context = chunk[-64:]
        frames = numpy.stack([it["stft_conv.weight"][:, 0] @ x[n * 128 : n * 128 + 256] for n in range(4)], 1)
        x = numpy.hypot(frames[:129], frames[129:])
        for n, stride in ((1, 1), (2, 2), (3, 2), (4, 1)):
            weight, bias = it[f"conv{n}.weight"], it[f"conv{n}.bias"]
            x = numpy.pad(x, ((0, 0), (1, 1)))
            steps = range(0, x.shape[1] - 2, stride)
            x = numpy.stack([numpy.maximum((weight * x[:, at : at + 3]).sum((1, 2)) + bias, 0) for at in steps], 1)
        gates = it["lstm_cell.weight_ih"] @ x[:, 0] + it["lstm_cell.bias_ih"]
        gates += it["lstm_cell.weight_hh"] @ hidden + it["lstm_cell.bias_hh"]
        enter, forget, new, leave = gates.reshape(4, 128)
        cell = sigmoid(forget) * cell + sigmoid(enter) * numpy.tanh(new)
        hidden = sigmoid(leave) * numpy.tanh(cell)
        found.append(sigmoid(it["final_conv.weight"][0, :, 0] @ numpy.maximum(hidden, 0) + it["final_conv.bias"][0]))
    return found


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    sound = decode_audio(str(speech()), sampling_rate=RATE)
    model("tiny", sys.argv[1], sound)
    model("base", sys.argv[2], sound)
    (OUT / "voice_activity.json").write_text(json.dumps(numbers(voice_activity(sys.argv[3], sound))) + "\n")


if __name__ == "__main__":
    main()
