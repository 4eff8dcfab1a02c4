#!/usr/bin/env python3
"""Write what llama.cpp computes for a published model on the sample texts, as a compact fixture.

The positions come in independent windows of at most 512 tokens, each beginning with the model's begin-of-text token if the
model adds one. Two kinds: the sample texts of this folder, cut up; and the model's own answers, sampled here at temperature 0.7
from a few prompts. Every window is evaluated by itself: flash attention on, 2 threads, 512 tokens at once. With --exact, a
float32 file of the same (dequantised) weights, the same is computed without quantised activations: how far llama.cpp itself is
from that tells how much agreement can be asked for. (On SmolLM2 Q4_1 and the sample texts it has the same top token in 96 % of
positions, and no more than that with itself once flash attention is off; the rest are near ties.)

--out becomes a safetensors file with, for n positions in all windows together:

    tokens         int32 [n]      the token at each position
    windows        int32 [w + 1]  where each window starts; the last entry is n
    own            uint8 [w]      1 where the window is the model's own answer, 0 where it is a sample text
    top            int32 [n]      the most likely next token after each position
    runner_up_gap  float16 [n]    how far the second most likely lies below it
    columns        int32 [48]     the vocabulary ids of which logits are kept, the same at each position
    logits         float16 [n, 48]  their logits, less the logsumexp of the position (so they are log-probabilities)
    logsumexp      float32 [n]    log-sum-exp of all logits at each position
    nll            float32 [n]    negative log-likelihood of the next token; 0 at a window's last position
    exact_top      int32 [n]      the most likely next token by the float32 file (with --exact)

The file's metadata holds the perplexity of the sample texts (exp of the mean nll over positions that have a next token), the
same by the float32 file, the model file's SHA-256, llama.cpp's version and its processor features.

Needs: llama-cpp-python, numpy, safetensors (see README.md in this folder).

    python llama_logits.py smollm2-q4_1.gguf --exact smollm2-q4_1-f32.gguf --out logits-smollm2.safetensors
"""

import argparse
import hashlib
from pathlib import Path

import llama_cpp
import numpy as np
from safetensors.numpy import save_file

import corpus

WINDOW = 512
COLUMNS = 48
TEXTS = ("prose.txt", "facts.txt", "code.txt", "languages.txt")
OWN_WINDOWS = 4
TEMPERATURE, TOP_K = 0.7, 40
QUESTIONS = [
    "Explain how rain forms.", "Write a short story about a lighthouse keeper.", "What is the difference between a list and a tuple in Python?",
    "Give me a recipe for pancakes.", "Who was Marie Curie?", "List five tips for learning a language.", "Why is the sky blue?",
    "Write a function that reverses a string.", "Plan a day in Paris.", "What is photosynthesis?", "Tell me about the Roman Empire.",
    "How does a bicycle stay upright?",
]  # fmt: skip
OPENINGS = [
    "The history of the railway begins", "Once upon a time, in a small village by the sea,", "Photosynthesis is the process by which",
    "def fibonacci(n):\n", "The capital of France is", "In 1865 the American Civil War", "To bake a simple loaf of bread,",
    "The solar system consists of",
]  # fmt: skip


class Model:
    """One GGUF file in llama.cpp, giving the logits of whole windows."""

    def __init__(self, path: Path, threads: int):
        self.llama = llama_cpp.Llama(str(path), n_ctx=WINDOW, n_batch=WINDOW, n_ubatch=WINDOW, n_threads=threads,
                                     n_threads_batch=threads, flash_attn=True, logits_all=True, verbose=False)  # fmt: skip
        vocabulary = llama_cpp.llama_model_get_vocab(self.llama._model.model)
        self.begin = [self.llama.token_bos()] if llama_cpp.llama_vocab_get_add_bos(vocabulary) else []
        self.is_end = lambda token: llama_cpp.llama_vocab_is_eog(vocabulary, token)

    def tokenize(self, text: bytes, special: bool = False) -> list[int]:
        return self.llama.tokenize(text, add_bos=False, special=special)

    def evaluate(self, window: list[int]) -> dict[str, np.ndarray]:
        """All logits, their log-sum-exp and the negative log-likelihoods of one window."""
        self.llama.reset()
        self.llama.eval(window)
        logits = np.array(self.llama.scores[: len(window)], dtype=np.float64)
        largest = logits.max(axis=1)
        logsumexp = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
        next_logits = logits[np.arange(len(window) - 1), np.array(window[1:])]
        return {"logits": logits, "logsumexp": logsumexp, "nll": np.append(logsumexp[:-1] - next_logits, 0)}


def text_windows(model: Model) -> list[list[int]]:
    """The sample texts as windows of tokens; a text longer than a window goes on in the next one."""
    room = WINDOW - len(model.begin)
    windows = []
    for file in TEXTS:
        tokens = model.tokenize((corpus.TEXTS / file).read_bytes())
        windows += [model.begin + tokens[i : i + room] for i in range(0, len(tokens), room)]
    return windows


def own_windows(model: Model, rng: np.random.Generator) -> list[list[int]]:
    """What the model answers (a chat model) or how it goes on (a base model); an ended answer is followed by the next prompt."""
    if "tokenizer.chat_template" in model.llama.metadata:
        prompts = [f"<|im_start|>user\n{q}<|im_end|>\n<|im_start|>assistant\n" for q in QUESTIONS]
    else:
        prompts = OPENINGS
    windows, asked = [], 0
    while len(windows) < OWN_WINDOWS:
        window = list(model.begin)
        model.llama.reset()
        pending = window.copy()
        ended = True
        while len(window) < WINDOW:
            if ended:
                prompt = model.tokenize(prompts[asked % len(prompts)].encode(), special=True)
                asked += 1
                window += prompt
                pending += prompt
                ended = False
            model.llama.eval(pending[: WINDOW - model.llama.n_tokens])
            logits = model.llama.scores[model.llama.n_tokens - 1].astype(np.float64)
            best = np.argsort(logits)[-TOP_K:]
            weights = np.exp((logits[best] - logits[best].max()) / TEMPERATURE)
            token = int(rng.choice(best, p=weights / weights.sum()))
            window.append(token)
            pending = [token]
            ended = model.is_end(token)
        windows.append(window[:WINDOW])
    return windows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--exact", type=Path, help="the same weights dequantised to float32")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=9, help="seed of the sampled answers and of the choice of columns")
    args = parser.parse_args()

    rng = np.random.default_rng(args.seed)
    model = Model(args.model, args.threads)
    texts, own = text_windows(model), own_windows(model, rng)
    windows = texts + own
    # Half of the columns are tokens that occur, so that likely tokens are among them.
    used = rng.permutation(np.unique(np.concatenate(windows)))[: COLUMNS // 2]
    rest = rng.permutation(np.setdiff1d(np.arange(model.llama.n_vocab()), used))[: COLUMNS - len(used)]
    columns = np.sort(np.concatenate([used, rest])).astype(np.int32)

    kept = {name: [] for name in ("tokens", "top", "runner_up_gap", "logits", "logsumexp", "nll")}
    for window in windows:
        result = model.evaluate(window)
        two_best = np.partition(result["logits"], -2, axis=1)[:, -2:]
        kept["tokens"].append(np.array(window, dtype=np.int32))
        kept["top"].append(result["logits"].argmax(axis=1).astype(np.int32))
        kept["runner_up_gap"].append((two_best[:, 1] - two_best[:, 0]).astype(np.float16))
        kept["logits"].append((result["logits"][:, columns] - result["logsumexp"][:, None]).astype(np.float16))
        kept["logsumexp"].append(result["logsumexp"].astype(np.float32))
        kept["nll"].append(result["nll"].astype(np.float32))
    metadata = {
        "perplexity": f"{perplexity(kept['nll'][: len(texts)]):.6f}",
        "model_sha256": hashlib.sha256(args.model.read_bytes()).hexdigest(),
        "llama_cpp_python": llama_cpp.__version__,
        "processor": llama_cpp.llama_print_system_info().decode().strip(),
    }
    if args.exact:
        del model
        exact = Model(args.exact, args.threads)
        results = [exact.evaluate(window) for window in windows]
        kept["exact_top"] = [r["logits"].argmax(axis=1).astype(np.int32) for r in results]
        metadata["exact_perplexity"] = f"{perplexity([r['nll'] for r in results[: len(texts)]]):.6f}"

    tensors = {name: np.ascontiguousarray(np.concatenate(parts)) for name, parts in kept.items()}
    tensors["columns"] = columns
    tensors["windows"] = np.cumsum([0, *map(len, windows)]).astype(np.int32)
    tensors["own"] = np.array([0] * len(texts) + [1] * len(own), dtype=np.uint8)
    save_file(tensors, args.out, metadata=metadata)

    print(f"{args.out.name}: {len(tensors['tokens'])} positions in {len(texts)} + {len(own)} windows, perplexity "
          f"{metadata['perplexity']}, {args.out.stat().st_size} bytes")  # fmt: skip
    if args.exact:
        same = tensors["top"] == tensors["exact_top"]
        cut = tensors["windows"][len(texts)]
        print(f"llama.cpp's own top token is that of the float32 file in {same[:cut].mean():.2%} of the texts' positions, "
              f"{same[cut:].mean():.2%} of its answers'; perplexity there {metadata['exact_perplexity']}")  # fmt: skip


def perplexity(windows: list[np.ndarray]) -> float:
    """From the negative log-likelihoods; a window's last position predicts nothing."""
    total = sum(w[:-1].astype(np.float64).sum() for w in windows)
    return float(np.exp(total / sum(len(w) - 1 for w in windows)))


if __name__ == "__main__":
    main()
