#!/usr/bin/env python3
"""Write toy models with random weights and the logits that `transformers` computes from them.

For each model a folder toy-<name> in --out (tests/fixtures in this repository):

    config.json          as transformers 5 saves it (rope_parameters)
    config.hub.json      the same in the keys that most published files carry (rope_theta, rope_scaling, ...)
    model.safetensors    float32, the hub's tensor names
    tokenizer.json       a small tokenizer of the family's kind
    model.gguf           the same weights in llama.cpp's conventions, float32
    logits.safetensors   `input_ids` (int64, [n]) and `logits` (float32, [n, vocabulary]), all positions in one window

Every model is checked before it is kept: config.hub.json must give the same logits, and so must llama.cpp from model.gguf.
(The attention soft-cap that Gemma 3's configuration still names is read by neither program, so no fixture has one.)

Needs: torch, transformers, tokenizers, sentencepiece, gguf, llama-cpp-python (see README.md in this folder).
"""

import argparse
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

import corpus
from tokenizer_corpus import LLAMA3_PATTERN, QWEN2_PATTERN, byte_level, sentencepiece_toy

POSITIONS = 36


@dataclass
class Toy:
    """One toy model: transformers' class names, the hub's configuration keys, and how its tokenizer is made."""

    config_class: str
    architecture: str
    hub: dict
    tokenizer: object
    seed: int
    options: dict = field(default_factory=dict)


def byte_level_tokenizer(pre: str, pattern: str, nfc: bool, size: int):
    # Three control tokens and two user tokens come on top of the trained ones.
    return lambda folder: byte_level(folder, pre, pattern, nfc=nfc, ignore_merges=False, add_bos=False, size=size - 5)


def gemma_tokenizer(folder):
    plain = [p for p in corpus.passages() if sum(not c.isascii() for c in p) < 20]
    return sentencepiece_toy(folder, "bpe", size=512, dummy_prefix=False, gemma=True, texts=plain)


LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_act": "silu", "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "rope_scaling": None, "tie_word_embeddings": False, "vocab_size": 320, "attention_bias": False,
    "mlp_bias": False, "bos_token_id": 315, "eos_token_id": 316,
}  # fmt: skip
GEMMA3 = {
    "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 7,
    "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 16, "hidden_activation": "gelu_pytorch_tanh",
    "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "rope_scaling": None,
    "query_pre_attn_scalar": 24, "sliding_window": 8, "sliding_window_pattern": 6, "final_logit_softcapping": None,
    "attn_logit_softcapping": None, "tie_word_embeddings": True, "attention_bias": False, "vocab_size": 512, "bos_token_id": 1,
    "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
QWEN3 = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "hidden_act": "silu", "max_position_embeddings": 256,
    "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "rope_scaling": None, "tie_word_embeddings": False, "vocab_size": 320,
    "attention_bias": False, "use_sliding_window": False, "sliding_window": None, "max_window_layers": 3, "bos_token_id": 315,
    "eos_token_id": 316,
}  # fmt: skip
LLAMA3_ROPE = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}

TOYS = {
    "llama": Toy("LlamaConfig", "llama", LLAMA, byte_level_tokenizer("gpt-2", None, False, 320), 1),
    "llama3": Toy("LlamaConfig", "llama", LLAMA | {"num_hidden_layers": 2, "rope_scaling": LLAMA3_ROPE, "tie_word_embeddings": True},
                  byte_level_tokenizer("llama-bpe", LLAMA3_PATTERN, False, 320), 2),
    "gemma3": Toy("Gemma3TextConfig", "gemma3", GEMMA3, gemma_tokenizer, 3),
    "gemma3-softcap": Toy("Gemma3TextConfig", "gemma3", GEMMA3 | {"num_hidden_layers": 2, "final_logit_softcapping": 8.0,
                                                                  "query_pre_attn_scalar": 16}, gemma_tokenizer, 4),
    "qwen3": Toy("Qwen3Config", "qwen3", QWEN3, byte_level_tokenizer("qwen2", QWEN2_PATTERN, True, 320), 5),
}  # fmt: skip


def random_weights(model: torch.nn.Module, seed: int, gemma: bool) -> None:
    """Weights large enough that every part of the model shows in the logits, norms that differ from one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name:
                parameter.copy_((0.0 if gemma else 1.0) + 0.2 * noise)
            elif "embed" in name or "lm_head" in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(noise * 1.2 / parameter.shape[1] ** 0.5)


# ---------------------------------------------------------------- GGUF, in llama.cpp's conventions

TENSORS = {
    "model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight",
}  # fmt: skip
LAYER_TENSORS = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
LLAMA_NORMS = {"post_attention_layernorm": "ffn_norm"}
GEMMA_NORMS = {
    "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
}  # fmt: skip


def gguf_name(name: str, gemma: bool) -> str:
    if name in TENSORS:
        return TENSORS[name]
    _, _, layer, rest = name.removesuffix(".weight").split(".", 3)
    return f"blk.{layer}.{(LAYER_TENSORS | (GEMMA_NORMS if gemma else LLAMA_NORMS))[rest]}.weight"


def interleave_heads(weight: np.ndarray, heads: int) -> np.ndarray:
    """Llama's query and key rows as llama.cpp stores them: the two halves of each head interleaved."""
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def llama3_rope_factors(hub: dict) -> np.ndarray:
    """The divisors of the rotary frequencies that llama.cpp's converter stores as rope_freqs.weight."""
    scaling, size = hub["rope_scaling"], hub["hidden_size"] // hub["num_attention_heads"]
    factors = []
    for i in range(0, size, 2):
        wavelength = 2 * np.pi * hub["rope_theta"] ** (i / size)
        turns = scaling["original_max_position_embeddings"] / wavelength
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        if turns > high:
            factors.append(1.0)
        elif turns < low:
            factors.append(scaling["factor"])
        else:
            smooth = (turns - low) / (high - low)
            factors.append(1 / ((1 - smooth) / scaling["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def write_gguf(path: Path, toy: Toy, state: dict[str, torch.Tensor], vocabulary: Path) -> None:
    hub, arch = toy.hub, toy.architecture
    gemma = arch == "gemma3"
    head_dim = hub.get("head_dim", hub["hidden_size"] // hub["num_attention_heads"])
    w = gguf.GGUFWriter(path, arch)
    w.add_name(path.parent.name)
    w.add_file_type(gguf.LlamaFileType.ALL_F32)
    w.add_context_length(hub["max_position_embeddings"])
    w.add_embedding_length(hub["hidden_size"])
    w.add_block_count(hub["num_hidden_layers"])
    w.add_feed_forward_length(hub["intermediate_size"])
    w.add_head_count(hub["num_attention_heads"])
    w.add_head_count_kv(hub["num_key_value_heads"])
    w.add_layer_norm_rms_eps(hub["rms_norm_eps"])
    w.add_rope_freq_base(hub["rope_theta"])
    if "head_dim" in hub:
        w.add_key_length(head_dim)
        w.add_value_length(head_dim)
    if arch == "llama":
        w.add_rope_dimension_count(head_dim)
        w.add_vocab_size(hub["vocab_size"])
    if gemma:
        w.add_sliding_window(hub["sliding_window"])
        if hub["final_logit_softcapping"]:
            w.add_final_logit_softcapping(hub["final_logit_softcapping"])
    copy_vocabulary(w, vocabulary)

    for name, tensor in state.items():
        data = tensor.numpy().astype(np.float32)
        if arch == "llama" and name.endswith("q_proj.weight"):
            data = interleave_heads(data, hub["num_attention_heads"])
        if arch == "llama" and name.endswith("k_proj.weight"):
            data = interleave_heads(data, hub["num_key_value_heads"])
        if gemma and "norm" in name:
            data = data + 1
        if gemma and name.endswith("q_norm.weight"):
            # GGUF has no key for query_pre_attn_scalar: llama.cpp always divides by the root of the head size.
            data = data * np.float32((head_dim / hub["query_pre_attn_scalar"]) ** 0.5)
        w.add_tensor(gguf_name(name, gemma), np.ascontiguousarray(data))
    if hub["rope_scaling"]:
        w.add_tensor("rope_freqs.weight", llama3_rope_factors(hub))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def copy_vocabulary(writer: gguf.GGUFWriter, vocabulary: Path) -> None:
    """Every tokenizer field of a vocabulary file."""
    for name, source in gguf.GGUFReader(vocabulary).fields.items():
        if name.startswith("tokenizer."):
            array = source.types[1] if source.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, source.contents(), source.types[0], sub_type=array)


# ---------------------------------------------------------------- checks

def logits_of(model, ids: list[int]) -> np.ndarray:
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0].float().numpy()


def llama_cpp_logits(path: Path, ids: list[int]) -> np.ndarray:
    """The same through llama.cpp, with a float32 cache."""
    import llama_cpp

    model = llama_cpp.Llama(str(path), n_ctx=256, n_threads=1, logits_all=True, verbose=False, type_k=0, type_v=0, flash_attn=False)
    model.eval(ids)
    return np.array(model.scores[: len(ids)])


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference, relative to the largest value."""
    return float(np.abs(a - b).max() / np.abs(a).max())


def make(name: str, toy: Toy, out: Path) -> None:
    folder = out / f"toy-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp:
        vocabulary = Path(tmp)
        toy.tokenizer(vocabulary)
        tokens = len(gguf.GGUFReader(vocabulary / "vocab.gguf").fields["tokenizer.ggml.tokens"].data)
        (folder / "tokenizer.json").write_bytes((vocabulary / "tokenizer.json").read_bytes())
        toy.hub["vocab_size"] = tokens
        (folder / "config.hub.json").write_text(json.dumps(toy.hub | {"torch_dtype": "float32"}, indent=2) + "\n")

        config = getattr(transformers, toy.config_class)(**toy.hub)
        config._attn_implementation = "eager"
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        random_weights(model, toy.seed, toy.architecture == "gemma3")
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)

        rng = np.random.default_rng(toy.seed)
        ids = [int(i) for i in rng.integers(0, tokens, POSITIONS)]
        logits = logits_of(model, ids)
        save_file({"input_ids": torch.tensor(ids), "logits": torch.from_numpy(logits).contiguous()}, folder / "logits.safetensors")

        tied = toy.hub["tie_word_embeddings"]
        state = {n: t for n, t in model.state_dict().items() if not (tied and n == "lm_head.weight")}
        write_gguf(folder / "model.gguf", toy, state, vocabulary / "vocab.gguf")

    hub_config = AutoConfig.for_model(**json.loads((folder / "config.hub.json").read_text()))
    again = AutoModelForCausalLM.from_pretrained(folder, config=hub_config, dtype=torch.float32, attn_implementation="eager").eval()
    hub_distance = distance(logits, logits_of(again, ids))
    gguf_distance = distance(logits, llama_cpp_logits(folder / "model.gguf", ids))
    print(f"toy-{name}: {tokens} tokens, largest logit {np.abs(logits).max():.2f}, off by {hub_distance:.1e} through "
          f"config.hub.json and {gguf_distance:.1e} through llama.cpp")  # fmt: skip
    # llama.cpp looks its GELU up in a half-precision table, so Gemma is met less closely than the others.
    if hub_distance > 1e-6 or gguf_distance > (1e-3 if toy.architecture == "gemma3" else 1e-5):
        raise SystemExit(f"toy-{name}: the references disagree")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=TOYS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, toy in TOYS.items():
        if not args.only or name in args.only:
            make(name, toy, args.out)


if __name__ == "__main__":
    main()
