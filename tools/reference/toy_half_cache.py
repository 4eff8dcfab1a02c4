#!/usr/bin/env python3
"""Add to each toy model the logits that `transformers` computes when keys and values are kept in half precision.

Parasol, like llama.cpp, keeps them so. With the rounding taken into the reference, what is left of the difference must be
rounding in float32: the bound in the tests can be tight. Each folder toy-<name> in --out gets

    logits-half-cache.safetensors    `logits` (float32, [n, vocabulary]) for the `input_ids` of logits.safetensors

Needs: torch, transformers, safetensors (see README.md in this folder).

    python toy_half_cache.py --out ../../tests/fixtures
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, DynamicCache


class HalfCache(DynamicCache):
    """Keys (after the rotary embedding) and values as float16 holds them."""

    def update(self, key_states, value_states, *args, **kwargs):
        return super().update(key_states.half().float(), value_states.half().float(), *args, **kwargs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    for folder in sorted(parser.parse_args().out.glob("toy-*")):
        if not (folder / "config.json").exists():
            continue
        kept = load_file(folder / "logits.safetensors")
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        ids = kept["input_ids"].long()[None]
        with torch.no_grad():
            exact = model(ids).logits[0]
            logits = model(ids, past_key_values=HalfCache(config=model.config), use_cache=True).logits[0]
        most = exact.abs().max()
        assert (exact - kept["logits"]).abs().max() / most < 1e-5, f"{folder.name}: not the model of logits.safetensors"
        print(f"{folder.name}: half precision moves the logits by {(logits - exact).abs().max() / most:.1e}")
        save_file({"logits": logits.contiguous()}, folder / "logits-half-cache.safetensors")


if __name__ == "__main__":
    main()
