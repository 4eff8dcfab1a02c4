#!/usr/bin/env python3
"""What llama.cpp makes of texts as vectors: the state of the last token, and the mean of all, of length 1.

    pip install llama-cpp-python numpy
    python tools/reference/llama_embeddings.py smollm2=model.gguf gemma3-270m=model.gguf

writes tests/fixtures/embeddings.json. The toy models of the fixtures are always among them.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import llama_cpp
import numpy as np

FIXTURES = Path(__file__).parents[2] / "tests/fixtures"
TOYS = ["toy-llama", "toy-qwen3", "toy-gemma3"]
TEXTS = [
    "A cat lies on the mat.",
    "Ein Kätzchen schläft auf dem Teppich – tief und fest.",
    "The treaty was signed in 1648, after thirty years of war.",
    "fn main() {\n    println!(\"{}\", 2 + 2);\n}",
    "x",
    "Rain fell on the roof all night, and in the morning the street was a river. " * 12,
]
POOLINGS = {"last": llama_cpp.LLAMA_POOLING_TYPE_LAST, "mean": llama_cpp.LLAMA_POOLING_TYPE_MEAN}


def vectors(path, pooling, texts):
    model = llama_cpp.Llama(
        str(path), embedding=True, pooling_type=pooling, n_ctx=512, n_batch=512, n_ubatch=512, verbose=False
    )
    out = []
    for text in texts:
        vector = np.array(model.embed(text), dtype=np.float64).reshape(-1)
        out.append([round(float(x), 6) for x in vector / np.linalg.norm(vector)])
    return out


def main():
    models = {name: FIXTURES / name / "model.gguf" for name in TOYS}
    models |= dict(pair.split("=", 1) for pair in sys.argv[1:])
    found = {}
    for name, path in models.items():
        # Toys have a context of 256 tokens, and a letter is a token to them.
        texts = TEXTS[:5] if name in TOYS else TEXTS
        found[name] = {how: vectors(path, pooling, texts) for how, pooling in POOLINGS.items()}
    made = f"llama-cpp-python {version('llama-cpp-python')}"
    fixture = {"made_by": made, "texts": TEXTS, "models": found}
    (FIXTURES / "embeddings.json").write_text(json.dumps(fixture, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
