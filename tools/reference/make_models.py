#!/usr/bin/env python3
"""Make the GGUF files that the benchmark and the logits check read.

Two groups are written into the folder given with --out:

* the default chat model (SmolLM2-135M-Instruct, a Q4_1 file given with --smollm2) requantised by llama.cpp's own
  quantiser into every weight format that Parasol reads: smollm2-<format>.gguf;
* the true shape of Qwen3-0.6B with random weights (speed does not read the values), as F16 and requantised:
  qwen3-0.6b-<format>.gguf. Its tokenizer is a valid byte-level BPE made of SmolLM2's tokens and merges, filled up to
  Qwen's vocabulary size with unused tokens.

A file that already exists is left alone unless --force is given.

Needs: llama-cpp-python, gguf, numpy (see README.md in this folder).

    python make_models.py --smollm2 SmolLM2-135M-Instruct.Q4_1.gguf --out models
"""

import argparse
import ctypes
import os
import sys
from pathlib import Path

import gguf
import numpy as np

from gguf_tokens import byte_alphabet, read_bpe_vocabulary

# llama.cpp's `llama_ftype` numbers, by the names that GGUF files carry.
FTYPES = {
    "f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9, "q2_k": 10, "q3_k_s": 11,
    "q3_k_m": 12, "q3_k_l": 13, "q4_k_s": 14, "q4_k_m": 15, "q5_k_s": 16, "q5_k_m": 17, "q6_k": 18,
    "iq4_nl": 25, "iq4_xs": 30, "bf16": 32,
}  # fmt: skip
SMOLLM2_FORMATS = ["q4_0", "q8_0", "q4_k_m", "f16", "f32", "bf16", "q5_0", "q5_1", "q2_k", "q3_k_m", "q5_k_m", "q6_k",
                   "iq4_nl", "iq4_xs"]  # fmt: skip
QWEN3_FORMATS = ["q4_0", "q8_0", "q4_k_m"]

QWEN3_06B = {
    "layers": 28, "hidden": 1024, "heads": 16, "kv_heads": 8, "head_dim": 128, "ffn": 3072, "vocab": 151936,
    "context": 40960, "rope_theta": 1e6, "rms_eps": 1e-6,
}  # fmt: skip
QWEN3_FIRST_SPECIAL = 151643
QWEN3_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

CHATML_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def quantise(source: Path, target: Path, fmt: str, threads: int) -> None:
    """Requantise `source` into `target` with llama.cpp; a refusal leaves no file behind and raises."""
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = FTYPES[fmt]
    params.allow_requantize = True
    params.nthread = threads
    partial = target.with_suffix(".partial")
    status = llama_cpp.llama_model_quantize(
        os.fsencode(source), os.fsencode(partial), ctypes.byref(params))
    if status != 0:
        partial.unlink(missing_ok=True)
        raise RuntimeError(f"llama.cpp cannot write {fmt} from {source.name} (status {status})")
    partial.rename(target)


def qwen3_vocabulary(smollm2: Path, size: int):
    """SmolLM2's ordinary tokens, Qwen's special tokens at their places, unused filler everywhere else."""
    tokens, types, merges = read_bpe_vocabulary(smollm2)
    specials = {QWEN3_FIRST_SPECIAL + i: t for i, t in enumerate(QWEN3_SPECIALS)}
    ordinary = [t for t, kind in zip(tokens, types) if kind == gguf.TokenType.NORMAL]
    # A byte-level BPE without all 256 byte tokens could not encode every input.
    known = set(ordinary)
    ordinary += [c for c in byte_alphabet() if c not in known]
    out_tokens, out_types = [], []
    for i in range(size):
        if i in specials:
            out_tokens.append(specials[i])
            out_types.append(gguf.TokenType.CONTROL)
        elif i < len(ordinary):
            out_tokens.append(ordinary[i])
            out_types.append(gguf.TokenType.NORMAL)
        else:
            out_tokens.append(f"[PAD{i}]")
            out_types.append(gguf.TokenType.UNUSED)
    return out_tokens, out_types, merges


def write_qwen3(target: Path, smollm2: Path, seed: int) -> None:
    """Write the Qwen3-0.6B shape with normal(0, 0.02) weights and norms of 1 as an F16 GGUF."""
    s = QWEN3_06B
    rng = np.random.default_rng(seed)
    partial = target.with_suffix(".partial")
    w = gguf.GGUFWriter(partial, "qwen3")
    w.add_name("Qwen3-0.6B shape, random weights")
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_context_length(s["context"])
    w.add_embedding_length(s["hidden"])
    w.add_block_count(s["layers"])
    w.add_feed_forward_length(s["ffn"])
    w.add_head_count(s["heads"])
    w.add_head_count_kv(s["kv_heads"])
    w.add_key_length(s["head_dim"])
    w.add_value_length(s["head_dim"])
    w.add_rope_freq_base(s["rope_theta"])
    w.add_layer_norm_rms_eps(s["rms_eps"])

    tokens, types, merges = qwen3_vocabulary(smollm2, s["vocab"])
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types(types)
    w.add_token_merges(merges)
    w.add_bos_token_id(QWEN3_FIRST_SPECIAL)
    w.add_eos_token_id(QWEN3_FIRST_SPECIAL + 2)
    w.add_pad_token_id(QWEN3_FIRST_SPECIAL)
    w.add_add_bos_token(False)
    w.add_chat_template(CHATML_TEMPLATE)

    def normal(rows: int, columns: int) -> np.ndarray:
        return (rng.standard_normal((rows, columns), dtype=np.float32) * 0.02).astype(np.float16)

    def ones(n: int) -> np.ndarray:
        return np.ones(n, dtype=np.float32)

    hidden, head_dim = s["hidden"], s["head_dim"]
    q_width, kv_width = s["heads"] * head_dim, s["kv_heads"] * head_dim
    w.add_tensor("token_embd.weight", normal(s["vocab"], hidden))
    w.add_tensor("output_norm.weight", ones(hidden))
    for i in range(s["layers"]):
        w.add_tensor(f"blk.{i}.attn_norm.weight", ones(hidden))
        w.add_tensor(f"blk.{i}.attn_q.weight", normal(q_width, hidden))
        w.add_tensor(f"blk.{i}.attn_k.weight", normal(kv_width, hidden))
        w.add_tensor(f"blk.{i}.attn_v.weight", normal(kv_width, hidden))
        w.add_tensor(f"blk.{i}.attn_output.weight", normal(hidden, q_width))
        w.add_tensor(f"blk.{i}.attn_q_norm.weight", ones(head_dim))
        w.add_tensor(f"blk.{i}.attn_k_norm.weight", ones(head_dim))
        w.add_tensor(f"blk.{i}.ffn_norm.weight", ones(hidden))
        w.add_tensor(f"blk.{i}.ffn_gate.weight", normal(s["ffn"], hidden))
        w.add_tensor(f"blk.{i}.ffn_up.weight", normal(s["ffn"], hidden))
        w.add_tensor(f"blk.{i}.ffn_down.weight", normal(hidden, s["ffn"]))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    partial.rename(target)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smollm2", type=Path, required=True, help="SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="only these files, e.g. smollm2-q4_0 qwen3-0.6b-f16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=20, help="seed of the random weights")
    parser.add_argument("--force", action="store_true", help="write files again that exist already")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    qwen3_f16 = args.out / "qwen3-0.6b-f16.gguf"
    jobs = [(f"smollm2-{f}", args.smollm2, f) for f in SMOLLM2_FORMATS]
    jobs += [("qwen3-0.6b-f16", None, "f16")]
    jobs += [(f"qwen3-0.6b-{f}", qwen3_f16, f) for f in QWEN3_FORMATS]
    failed = 0
    for name, source, fmt in jobs:
        target = args.out / f"{name}.gguf"
        if (args.only and name not in args.only) or (target.exists() and not args.force):
            continue
        try:
            if source is None:
                write_qwen3(target, args.smollm2, args.seed)
            else:
                quantise(source, target, fmt, args.threads)
            print(f"{target.name}: {target.stat().st_size} bytes", flush=True)
        except RuntimeError as error:
            failed += 1
            print(error, file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
