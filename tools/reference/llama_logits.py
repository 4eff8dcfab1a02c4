#!/usr/bin/env python3
"""Write what llama.cpp computes for a published model on the sample texts, as a compact fixture.

The text is cut into independent windows of at most 512 tokens; each begins with the model's begin-of-text token if the model
adds one. Every window is evaluated by itself: flash attention on, 2 threads, 512 tokens at once. --out becomes a safetensors
file with, for n positions in all windows together:

    tokens         int32 [n]      the token at each position
    windows        int32 [w + 1]  where each window starts; the last entry is n
    top            int32 [n]      the most likely next token after each position
    runner_up_gap  float16 [n]    how far the second most likely lies below it
    columns        int32 [64]     the vocabulary ids of which logits are kept, the same at each position
    logits         float16 [n, 64] their logits, less the logsumexp of the position (so they are log-probabilities)
    logsumexp      float32 [n]    log-sum-exp of all logits at each position
    nll            float32 [n]    negative log-likelihood of the next token; 0 at a window's last position

The file's metadata holds the perplexity (exp of the mean nll over positions that have a next token), the model file's
SHA-256, llama.cpp's version and its processor features.

Needs: llama-cpp-python, numpy, safetensors (see README.md in this folder).

    python llama_logits.py smollm2-q4_1.gguf --out logits-smollm2.safetensors
"""

import argparse
import hashlib
from pathlib import Path

import llama_cpp
import numpy as np
from safetensors.numpy import save_file

import corpus

WINDOW = 512
COLUMNS = 64


def windows_of(model: llama_cpp.Llama, files: tuple[str, ...]) -> list[list[int]]:
    """The sample texts as windows of tokens; a text longer than a window goes on in the next one."""
    begin = [model.token_bos()] if model.add_bos_token else []
    room = WINDOW - len(begin)
    windows = []
    for file in files:
        tokens = model.tokenize((corpus.TEXTS / file).read_bytes(), add_bos=False, special=False)
        windows += [begin + tokens[i : i + room] for i in range(0, len(tokens), room)]
    return windows


def logits_of(model: llama_cpp.Llama, window: list[int]) -> np.ndarray:
    model.reset()
    model.eval(window)
    return np.array(model.scores[: len(window)], dtype=np.float64)


class Llama(llama_cpp.Llama):
    """llama-cpp-python's model with what it knows about the begin-of-text token."""

    @property
    def add_bos_token(self) -> bool:
        return bool(llama_cpp.llama_vocab_get_add_bos(self._model.vocab))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=9, help="seed of the choice of columns")
    args = parser.parse_args()

    model = Llama(str(args.model), n_ctx=WINDOW, n_batch=WINDOW, n_ubatch=WINDOW, n_threads=args.threads, n_threads_batch=args.threads,
                  flash_attn=True, logits_all=True, verbose=False)  # fmt: skip
    windows = windows_of(model, ("prose.txt", "facts.txt", "code.txt", "languages.txt"))
    # Half of the columns are tokens that the texts use, so that likely tokens are among them.
    rng = np.random.default_rng(args.seed)
    used = rng.permutation(np.unique(np.concatenate(windows)))[: COLUMNS // 2]
    rest = rng.permutation(np.setdiff1d(np.arange(model.n_vocab()), used))[: COLUMNS - len(used)]
    columns = np.sort(np.concatenate([used, rest])).astype(np.int32)

    kept = {name: [] for name in ("tokens", "top", "runner_up_gap", "logits", "logsumexp", "nll")}
    for window in windows:
        logits = logits_of(model, window)
        largest = logits.max(axis=1)
        logsumexp = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
        following = np.arange(len(window) - 1), np.array(window[1:])
        kept["tokens"].append(np.array(window, dtype=np.int32))
        kept["top"].append(logits.argmax(axis=1).astype(np.int32))
        kept["runner_up_gap"].append((largest - np.partition(logits, -2, axis=1)[:, -2]).astype(np.float16))
        kept["logits"].append((logits[:, columns] - logsumexp[:, None]).astype(np.float16))
        kept["logsumexp"].append(logsumexp.astype(np.float32))
        kept["nll"].append(np.append((logsumexp[:-1] - logits[following]), 0).astype(np.float32))

    tensors = {name: np.ascontiguousarray(np.concatenate(parts)) for name, parts in kept.items()}
    tensors["columns"] = columns
    tensors["windows"] = np.cumsum([0, *map(len, windows)]).astype(np.int32)
    predicted = len(tensors["tokens"]) - len(windows)
    perplexity = float(np.exp(tensors["nll"].astype(np.float64).sum() / predicted))
    metadata = {
        "perplexity": f"{perplexity:.6f}",
        "model_sha256": hashlib.sha256(args.model.read_bytes()).hexdigest(),
        "llama_cpp_python": llama_cpp.__version__,
        "processor": llama_cpp.llama_print_system_info().decode().strip(),
    }
    save_file(tensors, args.out, metadata=metadata)
    print(f"{args.out.name}: {len(tensors['tokens'])} positions in {len(windows)} windows, perplexity {perplexity:.4f}, "
          f"{args.out.stat().st_size} bytes")  # fmt: skip


if __name__ == "__main__":
    main()
