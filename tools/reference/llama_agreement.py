#!/usr/bin/env python3
"""How often llama.cpp agrees with itself: the same file and texts with flash attention and without it, or at another batch size.

That is the most that anybody else's numbers can be asked to agree with it. Needs `llama-cpp-python` and numpy:

    python tools/reference/llama_agreement.py MODEL.gguf TEXT... [--positions 2048] [--against flash_attn=0]
"""

import argparse
import pathlib

import llama_cpp
import numpy as np

WINDOW = 512
COLUMNS = 256


def numbers(path, texts, positions, **options):
    """For each text: top token, some columns of logits, and −log p of the next token."""
    settings = {"n_ctx": WINDOW, "n_batch": WINDOW, "n_ubatch": WINDOW, "n_threads": 2, "n_threads_batch": 2, "flash_attn": True}
    model = llama_cpp.Llama(path, logits_all=True, verbose=False, **(settings | options))
    begin = [model.token_bos()] if llama_cpp.llama_vocab_get_add_bos(llama_cpp.llama_model_get_vocab(model._model.model)) else []
    columns = np.random.default_rng(1).permutation(model.n_vocab())[:COLUMNS]
    found = {}
    for name, text in texts.items():
        ids = model.tokenize(text, add_bos=False, special=False)
        parts, room = [], WINDOW - len(begin)
        for at in range(0, len(ids), room):
            window = (begin + ids[at : at + room])[: positions - sum(len(part[0]) for part in parts)]
            if len(window) < 2:
                break
            model.reset()
            model.eval(window)
            logits = np.array(model.scores[: len(window)], dtype=np.float64)
            most = logits.max(1)
            total = most + np.log(np.exp(logits - most[:, None]).sum(1))
            told = total[:-1] - logits[np.arange(len(window) - 1), window[1:]]
            parts.append((logits.argmax(1), logits[:, columns], told))
        if parts:
            found[name] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("texts", nargs="+", type=pathlib.Path)
    parser.add_argument("--positions", type=int, default=2048, help="of each text")
    parser.add_argument("--against", default="flash_attn=0", help="NAME=NUMBER, an option of llama_cpp.Llama")
    options = parser.parse_args()
    texts = {text.name: text.read_bytes() for text in options.texts}
    option, _, value = options.against.partition("=")
    one = numbers(options.model, texts, options.positions)
    other = numbers(options.model, texts, options.positions, **{option: int(value)})
    print("| text | positions | the same top token | mean cosine | perplexity |\n|---|---|---|---|---|")
    for name, (top, logits, told) in one.items():
        top2, logits2, told2 = other[name]
        cosine = (logits * logits2).sum(1) / np.sqrt((logits**2).sum(1) * (logits2**2).sum(1))
        moved = 100 * (np.exp(told2.mean() - told.mean()) - 1)
        print(f"| {name} | {len(top)} | {100 * (top == top2).mean():.1f} % | {cosine.mean():.5f} | {moved:+.2f} % |")


if __name__ == "__main__":
    main()
