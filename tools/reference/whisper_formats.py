"""The same Whisper weights in the other two dresses: a ggml file as whisper.cpp reads it, and a Hugging Face folder.

    python whisper_formats.py CTRANSLATE2_FOLDER OUT

writes OUT/ggml.bin and OUT/huggingface/. Needs: pip install numpy safetensors. Formats: whisper.cpp's
models/convert-pt-to-ggml.py, transformers' WhisperForConditionalGeneration.
"""

import json
import pathlib
import shutil
import struct
import sys

import numpy
from safetensors.numpy import save_file

TYPES = {0: numpy.float32, 4: numpy.float16}


def read_ct2(path: pathlib.Path) -> dict[str, numpy.ndarray]:
    data = path.read_bytes()
    at = 0

    def take(form: str):
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values[0] if len(values) == 1 else values

    def text() -> str:
        nonlocal at
        length = take("H")
        at += length
        return data[at - length : at - 1].decode()

    take("I"), text(), take("I")
    tensors = {}
    for _ in range(take("I")):
        name = text()
        shape = [take("I") for _ in range(take("B"))]
        kind, size = take("B"), take("I")
        if shape:
            tensors[name] = numpy.frombuffer(data, TYPES[kind], size // TYPES[kind]().nbytes, at).reshape(shape)
        elif size <= 4:
            tensors[name] = int.from_bytes(data[at : at + size], "little")
        at += size
    return tensors


# Name of the role: (CTranslate2's tensor, its share, OpenAI's name, Hugging Face's name).
PARTS = [
    ("self_attention/layer_norm", (0, 1), "attn_ln", "self_attn_layer_norm"),
    ("self_attention/linear_0", (0, 3), "attn.query", "self_attn.q_proj"),
    ("self_attention/linear_0", (1, 3), "attn.key", "self_attn.k_proj"),
    ("self_attention/linear_0", (2, 3), "attn.value", "self_attn.v_proj"),
    ("self_attention/linear_1", (0, 1), "attn.out", "self_attn.out_proj"),
    ("attention/layer_norm", (0, 1), "cross_attn_ln", "encoder_attn_layer_norm"),
    ("attention/linear_0", (0, 1), "cross_attn.query", "encoder_attn.q_proj"),
    ("attention/linear_1", (0, 2), "cross_attn.key", "encoder_attn.k_proj"),
    ("attention/linear_1", (1, 2), "cross_attn.value", "encoder_attn.v_proj"),
    ("attention/linear_2", (0, 1), "cross_attn.out", "encoder_attn.out_proj"),
    ("ffn/layer_norm", (0, 1), "mlp_ln", "final_layer_norm"),
    ("ffn/linear_0", (0, 1), "mlp.0", "fc1"),
    ("ffn/linear_1", (0, 1), "mlp.2", "fc2"),
]


def named(tensors: dict) -> list[tuple[str, str, numpy.ndarray]]:
    """(OpenAI's name, Hugging Face's name, values)"""
    found = []
    for n in (1, 2):
        for suffix in ("weight", "bias"):
            found.append((f"encoder.conv{n}.{suffix}", f"model.encoder.conv{n}.{suffix}", tensors[f"encoder/conv{n}/{suffix}"]))
    for side, last in (("encoder", "ln_post"), ("decoder", "ln")):
        positions = tensors[f"{side}/position_encodings/encodings"]
        found.append((f"{side}.positional_embedding", f"model.{side}.embed_positions.weight", positions))
        for ours, suffix in (("gamma", "weight"), ("beta", "bias")):
            values = tensors[f"{side}/layer_norm/{ours}"]
            found.append((f"{side}.{last}.{suffix}", f"model.{side}.layer_norm.{suffix}", values))
        layer = 0
        while f"{side}/layer_{layer}/ffn/linear_0/weight" in tensors:
            for part, (index, of), openai, huggingface in PARTS:
                for suffix in ("weight", "bias"):
                    ours = {"weight": "gamma", "bias": "beta"}[suffix] if part.endswith("norm") else suffix
                    values = tensors.get(f"{side}/layer_{layer}/{part}/{ours}")
                    if values is None or (openai.endswith("key") and suffix == "bias"):
                        continue
                    rows = values.shape[0] // of
                    found.append(
                        (
                            f"{side}.blocks.{layer}.{openai}.{suffix}",
                            f"model.{side}.layers.{layer}.{huggingface}.{suffix}",
                            values[index * rows : (index + 1) * rows],
                        )
                    )
            layer += 1
    found.append(("decoder.token_embedding.weight", "model.decoder.embed_tokens.weight", tensors["decoder/embeddings/weight"]))
    return found


def alphabet() -> dict[str, int]:
    """GPT-2's printable characters for bytes."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(rest)}


def sizes(tensors: dict) -> dict[str, int]:
    width, mels = tensors["encoder/conv1/weight"].shape[:2]
    layers = lambda side: sum(f"{side}/layer_{n}/ffn/linear_0/weight" in tensors for n in range(256))
    return {
        "vocab_size": tensors["decoder/embeddings/weight"].shape[0],
        "max_source_positions": tensors["encoder/position_encodings/encodings"].shape[0],
        "d_model": width,
        "encoder_attention_heads": tensors["encoder/num_heads"],
        "encoder_layers": layers("encoder"),
        "max_target_positions": tensors["decoder/position_encodings/encodings"].shape[0],
        "decoder_attention_heads": tensors["decoder/num_heads"],
        "decoder_layers": layers("decoder"),
        "num_mel_bins": mels,
    }


def mel_filters(bands: int) -> numpy.ndarray:
    from faster_whisper.feature_extractor import FeatureExtractor

    return FeatureExtractor(feature_size=bands).mel_filters.astype(numpy.float32)


def write_ggml(folder: pathlib.Path, tensors: dict, out: pathlib.Path) -> None:
    it = sizes(tensors)
    with out.open("wb") as file:
        width = it["d_model"]
        file.write(struct.pack("<12i", 0x67676D6C, it["vocab_size"], it["max_source_positions"], width,
                               it["encoder_attention_heads"], it["encoder_layers"], it["max_target_positions"], width,
                               it["decoder_attention_heads"], it["decoder_layers"], it["num_mel_bins"], 1))  # fmt: skip
        filters = mel_filters(it["num_mel_bins"])
        file.write(struct.pack("<2i", *filters.shape) + filters.tobytes())
        vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
        bytes_of = alphabet()
        text = sorted((i, t) for t, i in vocabulary.items() if all(c in bytes_of for c in t) and not t.startswith("<|"))
        file.write(struct.pack("<i", len(text)))
        for _, token in text:
            data = bytes(bytes_of[c] for c in token)
            file.write(struct.pack("<i", len(data)) + data)
        for name, _, values in named(tensors):
            half = values.ndim > 1 and not name.endswith("positional_embedding")
            values = values.astype(numpy.float16 if half else numpy.float32)
            if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
                values = values.reshape(-1, 1)
            file.write(struct.pack("<3i", values.ndim, len(name), int(half)))
            file.write(struct.pack(f"<{values.ndim}i", *reversed(values.shape)) + name.encode() + values.tobytes())


def main() -> None:
    folder, out = map(pathlib.Path, sys.argv[1:3])
    tensors = read_ct2(folder / "model.bin")
    huggingface = out / "huggingface"
    huggingface.mkdir(parents=True, exist_ok=True)
    write_ggml(folder, tensors, out / "ggml.bin")
    save_file({name: numpy.ascontiguousarray(values) for _, name, values in named(tensors)}, huggingface / "model.safetensors")
    shutil.copy(folder / "tokenizer.json", huggingface)
    config = json.loads((folder / "config.json").read_text())
    heads = {"alignment_heads": config.get("alignment_heads")}
    (huggingface / "config.json").write_text(json.dumps({"model_type": "whisper"} | sizes(tensors)))
    (huggingface / "generation_config.json").write_text(json.dumps(heads))


if __name__ == "__main__":
    main()
