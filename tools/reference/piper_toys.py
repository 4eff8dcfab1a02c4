"""Toy voices of Piper's kind with several speakers, and their sound by onnxruntime, for `crates/audio/tests/piper_speakers.rs`.

    pip install piper-tts==1.8.0 onnx onnxruntime numpy torch
    python tools/reference/piper_toys.py

The networks are those of the package `piper-tts` with random weights, exported as its `train/export_onnx.py` does: the decoder without weight
norm, everything else with it, opset 15, by torch's TorchScript exporter (committed: of torch 1.13.1). Writes for each toy `NAME.onnx`,
`NAME.onnx.json` and the sound of PHONEMES by each speaker with its noise at 0 as little-endian half floats, `NAME.SPEAKER.f16`, under
`tests/fixtures/speech/piper`.

- `small`: three speakers; the decoder of Piper's x-low to medium voices, the stochastic duration predictor.
- `large`: two speakers; the decoder of its high voices (pairs of filters), the plain duration predictor.
"""

import inspect
import json
import pathlib

import numpy as np
import onnxruntime
import torch
from piper.train.vits.models import DurationPredictor, SynthesizerTrn

OUT = pathlib.Path(__file__).parents[2] / "tests/fixtures/speech/piper"
ALPHABET = "_^$ abdehklnoprstuwˈː.,"
PHONEMES = "hˈeloː wˈorld, an ˈaparaː."
SMALL = {
    "resblock": "2",
    "resblock_kernel_sizes": (3, 5, 7),
    "resblock_dilation_sizes": ((1, 2), (2, 6), (3, 12)),
    "upsample_rates": (8, 8, 4),
    "upsample_initial_channel": 24,
    "upsample_kernel_sizes": (16, 16, 8),
}
LARGE = {
    "resblock": "1",
    "resblock_kernel_sizes": (3, 7, 11),
    "resblock_dilation_sizes": ((1, 3, 5), (1, 3, 5), (1, 3, 5)),
    "upsample_rates": (8, 8, 2, 2),
    "upsample_initial_channel": 32,
    "upsample_kernel_sizes": (16, 16, 4, 4),
}
TOYS = {
    "small": (SMALL, True, {"ada": 0, "Bo": 1, "5": 2}, 16000),
    "large": (LARGE, False, {"cy": 1}, 22050),
}


def randomised(model: torch.nn.Module) -> None:
    """Every weight at random, those too that training begins with at 0: a speaker has to be heard."""
    for name, value in model.named_parameters():
        with torch.no_grad():
            if name.endswith(("weight_g", "gamma")):
                value.copy_(0.7 + 0.6 * torch.rand_like(value))
            elif value.dim() == 1 or name.startswith("dp.flows.0"):
                value.copy_(0.2 * torch.randn_like(value))
            elif name.startswith("emb_g"):
                value.copy_(torch.randn_like(value))
            else:
                value.copy_(torch.randn_like(value) * (0.9 / np.sqrt(value[0].numel())))
    # Some frames for each phoneme.
    with torch.no_grad():
        plain = getattr(model.dp, "proj", None)
        if plain is not None and plain.out_channels == 1:
            plain.bias.fill_(0.7)
        else:
            model.dp.flows[0].m.fill_(-1.2)


def network(decoder: dict, stochastic: bool, speakers: int) -> SynthesizerTrn:
    model = SynthesizerTrn(
        n_vocab=len(ALPHABET), spec_channels=17, segment_size=8, inter_channels=12, hidden_channels=12, filter_channels=20, n_heads=2,
        n_layers=2, kernel_size=3, p_dropout=0.1, n_speakers=speakers, gin_channels=6, use_sdp=stochastic, **decoder,
    )  # fmt: skip
    if not stochastic:
        # Of fewer channels than the package's 256, which would make most of the file.
        model.dp = DurationPredictor(12, 24, 3, 0.5, gin_channels=6)
    randomised(model)
    model.eval()
    with torch.no_grad():
        model.dec.remove_weight_norm()
    del model.enc_q
    return model


def export(model: SynthesizerTrn, path: pathlib.Path) -> None:
    def speak(text, lengths, scales, sid=None):
        sound = model.infer(text, lengths, noise_scale=scales[0], length_scale=scales[1], noise_scale_w=scales[2], sid=sid)
        return sound[0].unsqueeze(1)

    model.forward = speak
    text = torch.randint(0, len(ALPHABET), (1, 50))
    given = (text, torch.LongTensor([50]), torch.FloatTensor([0.667, 1.0, 0.8]), torch.LongTensor([0]))
    names = {"input_names": ["input", "input_lengths", "scales", "sid"], "output_names": ["output"]}
    axes = {"input": {0: "batch_size", 1: "phonemes"}, "input_lengths": {0: "batch_size"}, "output": {0: "batch_size", 2: "time"}}
    # Newer versions of torch have another exporter by default.
    old = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    torch.onnx.export(model, given, str(path), opset_version=15, dynamic_axes=axes, **names, **old)


def ids() -> np.ndarray:
    table = {c: i for i, c in enumerate(ALPHABET)}
    all_ids = [table["^"], table["_"]]
    for c in PHONEMES:
        all_ids += [table[c], table["_"]]
    return np.array([[*all_ids, table["$"]]], np.int64)


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for seed, (name, (decoder, stochastic, named, rate)) in enumerate(TOYS.items()):
        torch.manual_seed(seed)
        speakers = max(named.values()) + 1
        path = OUT / f"{name}.onnx"
        export(network(decoder, stochastic, speakers), path)
        config = {
            "audio": {"sample_rate": rate, "quality": name},
            "espeak": {"voice": "en-us"},
            "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
            "phoneme_type": "espeak",
            "phoneme_map": {},
            "phoneme_id_map": {c: [i] for i, c in enumerate(ALPHABET)},
            "num_symbols": len(ALPHABET),
            "num_speakers": speakers,
            "speaker_id_map": named,
            "piper_version": "1.0.0",
        }
        path.with_suffix(".onnx.json").write_text(json.dumps(config, ensure_ascii=False) + "\n", encoding="utf-8")
        session = onnxruntime.InferenceSession(str(path))
        for speaker in range(speakers):
            feed = {"input": ids(), "input_lengths": np.array([ids().shape[1]], np.int64)}
            feed |= {"scales": np.array([0.0, 1.0, 0.0], np.float32), "sid": np.array([speaker], np.int64)}
            sound = session.run(None, feed)[0].reshape(-1)
            print(name, speaker, len(sound), "samples, peak", np.abs(sound).max(), "rms", np.sqrt((sound**2).mean()))
            sound.astype("<f2").tofile(OUT / f"{name}.{speaker}.f16")


if __name__ == "__main__":
    main()
