#!/usr/bin/env python3
"""One measurement of llama.cpp, through the C interface that llama-cpp-python installs.

Prints one JSON object with the keys of `parasol bench --json` where they apply. What is timed is `llama_decode` alone, as
llama.cpp's own llama-bench times it: no sampling and no text. The process measures itself from outside the interpreter as
far as it can: only the thin ctypes layer is loaded, and the time and the memory that Python itself took are reported, so that
they can be taken off.

    python llama_worker.py model.gguf --prompt 512 --generate 128 --depth 0 --threads 2
    python llama_worker.py model.gguf --first-token "Write a haiku about rain"
    python llama_worker.py model.gguf --render "Write a haiku about rain"     # the prompt in the model's chat template
"""

import argparse
import ctypes
import importlib
import importlib.util
import json
import os
import random
import resource
import sys
import time
import types

UBATCH = 512
FLASH_ATTENTION_ON = 1


def load_binding():
    """llama_cpp.llama_cpp without the package's __init__, which would load numpy, jinja2 and more."""
    folder = importlib.util.find_spec("llama_cpp").submodule_search_locations
    package = types.ModuleType("llama_cpp")
    package.__path__ = list(folder)
    sys.modules["llama_cpp"] = package
    return importlib.import_module("llama_cpp.llama_cpp")


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Session:
    """A loaded model with one context."""

    def __init__(self, llama, path: str, context: int, threads: int, sequences: int = 1):
        self.llama = llama
        start = time.perf_counter()
        llama.llama_backend_init()
        self.model = llama.llama_model_load_from_file(os.fsencode(path), llama.llama_model_default_params())
        if not self.model:
            sys.exit(f"llama.cpp cannot load {path}")
        self.vocab = llama.llama_model_get_vocab(self.model)
        params = llama.llama_context_default_params()
        params.n_ctx = context * sequences
        params.n_seq_max = sequences
        params.kv_unified = sequences > 1
        params.n_batch = max(UBATCH, 2048)
        params.n_ubatch = UBATCH
        params.n_threads = threads
        params.n_threads_batch = threads
        params.flash_attn_type = FLASH_ATTENTION_ON
        params.no_perf = True
        self.context = llama.llama_init_from_model(self.model, params)
        if not self.context:
            sys.exit(f"llama.cpp cannot make a context of {context} tokens for {path}")
        self.memory = llama.llama_get_memory(self.context)
        self.load_seconds = time.perf_counter() - start

    def decode(self, tokens: list[int]) -> None:
        """Evaluate tokens after what the context holds; logits of the last one only."""
        for start in range(0, len(tokens), 2048):
            part = tokens[start : start + 2048]
            array = (self.llama.llama_token * len(part))(*part)
            if status := self.llama.llama_decode(self.context, self.llama.llama_batch_get_one(array, len(part))):
                sys.exit(f"llama_decode failed ({status})")
        self.llama.llama_synchronize(self.context)

    def decode_together(self, tokens: list[int], position: int) -> None:
        """Evaluate one token of each sequence, all at the same position; logits of every one."""
        batch = self.llama.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, position, 1, True
            batch.seq_id[i][0] = i
        if status := self.llama.llama_decode(self.context, batch):
            sys.exit(f"llama_decode failed ({status})")
        self.llama.llama_synchronize(self.context)
        self.llama.llama_batch_free(batch)

    def fill(self, sequence: int, tokens: list[int]) -> None:
        """Evaluate the first tokens of a sequence, without logits."""
        batch = self.llama.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, i, 1
            batch.seq_id[i][0], batch.logits[i] = sequence, i + 1 == len(tokens)
        if status := self.llama.llama_decode(self.context, batch):
            sys.exit(f"llama_decode failed ({status})")
        self.llama.llama_synchronize(self.context)
        self.llama.llama_batch_free(batch)

    def random_tokens(self, count: int, rng: random.Random) -> list[int]:
        size = self.llama.llama_vocab_n_tokens(self.vocab)
        return [rng.randrange(size) for _ in range(count)]

    def clear(self) -> None:
        self.llama.llama_memory_clear(self.memory, True)

    def cut(self, keep: int) -> bool:
        """Forget everything after the first `keep` tokens; False where the cache has dropped part of those (sliding window)."""
        if self.llama.llama_model_n_swa(self.model) > 0:
            return False
        return bool(self.llama.llama_memory_seq_rm(self.memory, 0, keep, -1))


def bench(llama, args, interpreter: dict) -> dict:
    """Time a prompt and a generation, each with `--depth` tokens in the context already."""
    rng = random.Random(1)
    session = Session(llama, args.model, args.depth + max(args.prompt, args.generate) + 8, args.threads)
    session.decode(session.random_tokens(32, rng))
    session.decode(session.random_tokens(1, rng))
    session.clear()

    before = session.random_tokens(args.depth, rng)
    session.decode(before)
    prompt_speeds, generate_speeds = [], []
    for repeat in range(args.repeat):
        if args.prompt:
            if repeat and not session.cut(args.depth):
                session.clear()
                session.decode(before)
            tokens = session.random_tokens(args.prompt, rng)
            start = time.perf_counter()
            session.decode(tokens)
            prompt_speeds.append(args.prompt / (time.perf_counter() - start))
        if args.generate:
            if not session.cut(args.depth):
                session.clear()
                session.decode(before)
            tokens = session.random_tokens(args.generate, rng)
            start = time.perf_counter()
            for token in tokens:
                session.decode([token])
            generate_speeds.append(args.generate / (time.perf_counter() - start))
    return {
        "prompt_tokens_per_second": median(prompt_speeds),
        "generate_tokens_per_second": median(generate_speeds),
        "depth": args.depth,
        "threads": args.threads,
        "isa": llama.llama_print_system_info().decode().strip(),
        "parameters": llama.llama_model_n_params(session.model),
        "peak_memory_bytes": peak_memory(),
        "load_seconds": session.load_seconds,
        **interpreter,
    }


def bench_together(llama, args, interpreter: dict) -> dict:
    """Time the generation of several sequences in common batches, each with `--depth` tokens in its context already."""
    rng = random.Random(1)
    session = Session(llama, args.model, args.depth + args.generate + 8, args.threads, args.sequences)
    speeds = []
    for _ in range(args.repeat + 1):  # the first one warms up
        session.clear()
        for sequence in range(args.sequences):
            session.fill(sequence, session.random_tokens(max(args.depth, 1), rng))
        start = time.perf_counter()
        for step in range(args.generate):
            session.decode_together(session.random_tokens(args.sequences, rng), max(args.depth, 1) + step)
        speeds.append(args.sequences * args.generate / (time.perf_counter() - start))
    return {
        "prompt_tokens_per_second": None,
        "generate_tokens_per_second": median(speeds[1:]),
        "depth": args.depth,
        "sequences": args.sequences,
        "threads": args.threads,
        "peak_memory_bytes": peak_memory(),
        "load_seconds": session.load_seconds,
        **interpreter,
    }


def median(values: list[float]) -> float | None:
    return sorted(values)[len(values) // 2] if values else None


def first_token(llama, args, interpreter: dict) -> dict:
    """Load, evaluate the prompt, print the most likely next token at once."""
    text = args.first_token.encode()
    session = Session(llama, args.model, args.context, args.threads)
    room = len(text) + 16
    array = (llama.llama_token * room)()
    count = llama.llama_tokenize(session.vocab, text, len(text), array, room, True, True)
    session.decode(list(array[:count]))
    size = llama.llama_vocab_n_tokens(session.vocab)
    logits = ctypes.cast(llama.llama_get_logits(session.context), ctypes.POINTER(ctypes.c_float * size)).contents[:]
    best = logits.index(max(logits))
    piece = ctypes.create_string_buffer(256)
    length = llama.llama_token_to_piece(session.vocab, best, piece, len(piece), 0, True)
    os.write(1, piece.raw[:length])
    return {"prompt_tokens": count, "load_seconds": session.load_seconds, "peak_memory_bytes": peak_memory(), **interpreter}


def render(llama, args) -> str:
    """The prompt as one user message in the model's chat template, or as it is where the model has none."""
    import jinja2.sandbox

    params = llama.llama_model_default_params()
    params.vocab_only = True
    model = llama.llama_model_load_from_file(os.fsencode(args.model), params)
    template = llama.llama_model_chat_template(model, None)
    if not template:
        return args.render
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template.decode()).render(
        messages=[{"role": "user", "content": args.render}], add_generation_prompt=True, bos_token="", eos_token="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--depth", type=int, default=0, help="tokens in the context before either measurement")
    parser.add_argument("--sequences", type=int, default=1, help="sequences that generate together")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--context", type=int, default=2048, help="context size for --first-token")
    parser.add_argument("--first-token", metavar="TEXT", help="print the first token after this text, figures on stderr")
    parser.add_argument("--render", metavar="TEXT", help="print this text in the model's chat template")
    parser.add_argument("--started", type=float, help="time.monotonic() of the caller when it started this process")
    parser.add_argument("--verbose", action="store_true", help="let llama.cpp log to stderr")
    args = parser.parse_args()

    llama = load_binding()
    interpreter = {"interpreter_memory_bytes": peak_memory()}
    if args.started is not None:
        interpreter["interpreter_seconds"] = time.monotonic() - args.started
    silent = llama.llama_log_callback(lambda level, text, data: None)
    if not args.verbose:
        llama.llama_log_set(silent, None)

    if args.render is not None:
        sys.stdout.write(render(llama, args))
    elif args.first_token is not None:
        json.dump(first_token(llama, args, interpreter), sys.stderr)
    elif args.sequences > 1:
        json.dump(bench_together(llama, args, interpreter), sys.stdout)
    else:
        json.dump(bench(llama, args, interpreter), sys.stdout)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # nothing is gained by tearing the model down


if __name__ == "__main__":
    main()
