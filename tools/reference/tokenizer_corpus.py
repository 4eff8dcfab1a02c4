#!/usr/bin/env python3
"""Write the tokenizer fixtures: a corpus of strings and the token ids that the reference tokenizers give for them.

Into the folder given with --out (tests/fixtures/tokenizers in this repository) go

* corpus.json: a list of {"group", "text"} or, where the bytes are no valid UTF-8, {"group", "hex"};
* smollm2.json, gemma3.json: llama.cpp's ids for the tokenizers of two published models (--smollm2, --gemma3);
* one folder for each toy tokenizer, trained here on the sample texts, with tokenizer.json (the Hugging Face form), vocab.gguf
  (a GGUF file that holds a vocabulary and no tensor) and expected.json (ids by Hugging Face's `tokenizers` from the former, by
  llama.cpp from the latter and, where it was trained with it, by `sentencepiece`). llama.cpp knows no unigram model with byte
  fallback, so toy-unigram has no vocab.gguf.

An ids file is an object:

    reference  which program gave `plain` and which `special`
    plain      for each string of the corpus its ids with special tokens in the text read as plain text and none added;
               null where the reference cannot read broken UTF-8 (llama.cpp aborts on code points above U+10FFFF)
    special    {index: ids}, with special tokens in the text recognised; only the strings where that changes the ids
    decoded    {index: hex}, the bytes that the reference makes of plain[index]; only where they are not those of the string
    added      {reference: ids} of the text "a" with the tokenizer's own additions (begin or end of text, if it adds them)
    differs    {reference: {"plain": {index: ids}, "special": {index: ids}}}, where another reference says something else

Needs: llama-cpp-python, tokenizers, sentencepiece, gguf (see README.md in this folder).
"""

import argparse
import ctypes
import io
import json
import os
import tempfile
from pathlib import Path

import gguf
import llama_cpp
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as spm_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import corpus
from gguf_tokens import byte_alphabet

LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CONTROL_TOKENS = ["<|begin|>", "<|end|>", "<|user|>"]
USER_TOKENS = ["<think>", "</think>"]


# ---------------------------------------------------------------- references

def survives(work, data: bytes) -> bool:
    """Whether `work` leaves its process alive: llama.cpp aborts on some byte strings that are no valid UTF-8."""
    try:
        data.decode("utf-8")
        return True
    except UnicodeDecodeError:
        pass
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


class LlamaCpp:
    """llama.cpp's tokenizer of one GGUF file."""

    def __init__(self, path: Path):
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        if not self.model:
            raise RuntimeError(f"llama.cpp cannot read the vocabulary of {path}")
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)

    def encode(self, data: bytes, special: bool, add: bool = False) -> list[int] | None:
        if not survives(lambda: self.encode_unguarded(data, special, add), data):
            return None
        return self.encode_unguarded(data, special, add)

    def encode_unguarded(self, data: bytes, special: bool, add: bool) -> list[int]:
        room = len(data) * 4 + 16
        ids = (llama_cpp.llama_token * room)()
        n = llama_cpp.llama_tokenize(self.vocab, data, len(data), ids, room, add, special)
        if n < 0:
            raise RuntimeError("llama_tokenize needs more room")
        return list(ids[:n])

    def decode(self, ids: list[int]) -> bytes:
        tokens = (llama_cpp.llama_token * max(1, len(ids)))(*ids)
        room = 64 * len(ids) + 64
        text = ctypes.create_string_buffer(room)
        n = llama_cpp.llama_detokenize(self.vocab, tokens, len(ids), text, room, False, True)
        return text.raw[:n]


class HuggingFace:
    """Hugging Face's `tokenizers`, reading a tokenizer.json."""

    def __init__(self, path: Path):
        self.tokenizer = Tokenizer.from_file(str(path))

    def encode(self, data: bytes, special: bool, add: bool = False) -> list[int] | None:
        self.tokenizer.encode_special_tokens = not special
        try:
            return self.tokenizer.encode(data.decode("utf-8"), add_special_tokens=add).ids
        except UnicodeDecodeError:
            return None

    def decode(self, ids: list[int]) -> bytes:
        return self.tokenizer.decode(ids, skip_special_tokens=False).encode("utf-8")


class SentencePiece:
    """The `sentencepiece` library; it never recognises control tokens in a text."""

    def __init__(self, model: bytes):
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    def encode(self, data: bytes, special: bool, add: bool = False) -> list[int] | None:
        try:
            return None if special else self.processor.encode(data.decode("utf-8"), add_bos=add)
        except UnicodeDecodeError:
            return None

    def decode(self, ids: list[int]) -> bytes:
        return self.processor.decode(ids).encode("utf-8")


def reference_ids(cases: list[dict], references: dict[str, object]) -> dict:
    """The content of an ids file. For each of `plain` and `special` the first reference that can answer is the main one."""
    data = [corpus.case_bytes(c) for c in cases]
    ids = {
        key: {name: [r.encode(d, special=special) for d in data] for name, r in references.items()}
        for key, special in (("plain", False), ("special", True))
    }
    main = {key: next(name for name, lists in ids[key].items() if any(l is not None for l in lists)) for key in ids}
    plain, special = (ids[key][main[key]] for key in ("plain", "special"))
    decoded = {}
    for i, tokens in enumerate(plain):
        if tokens is not None and (text := references[main["plain"]].decode(tokens)) != data[i]:
            decoded[str(i)] = text.hex()
    result = {
        "reference": main,
        "plain": plain,
        "special": {str(i): s for i, (p, s) in enumerate(zip(plain, special)) if p != s},
        "decoded": decoded,
        "added": {name: r.encode(b"a", special=False, add=True) for name, r in references.items() if name != "sentencepiece"},
    }
    differs = {}
    for name in references:
        changed = {}
        for key in ids:
            pairs = enumerate(zip(ids[key][main[key]], ids[key][name]))
            if different := {str(i): b for i, (a, b) in pairs if b is not None and a != b}:
                changed[key] = different
        if changed:
            differs[name] = changed
    if differs:
        result["differs"] = differs
    return result


# ---------------------------------------------------------------- toy tokenizers

def write_vocab_gguf(path: Path, model: str, pre: str, tokens: list[str], types: list[int], *, merges: list[str] | None = None,
                     scores: list[float] | None = None, space_prefix: bool | None = None, charsmap: bytes = b"",
                     remove_extra_whitespaces: bool | None = None, bos: int, eos: int, unk: int | None, add_bos: bool) -> None:
    """A GGUF file with a vocabulary and no tensor."""
    w = gguf.GGUFWriter(path, "llama")
    w.add_name(path.parent.name)
    w.add_tokenizer_model(model)
    w.add_tokenizer_pre(pre)
    w.add_token_list(tokens)
    if scores is not None:
        w.add_token_scores(scores)
    w.add_token_types(types)
    if merges is not None:
        w.add_token_merges(merges)
    w.add_bos_token_id(bos)
    w.add_eos_token_id(eos)
    if unk is not None:
        w.add_unk_token_id(unk)
    w.add_add_bos_token(add_bos)
    if space_prefix is not None:
        w.add_add_space_prefix(space_prefix)
    if remove_extra_whitespaces is not None:
        w.add_remove_extra_whitespaces(remove_extra_whitespaces)
    if charsmap:
        w.add_precompiled_charsmap(charsmap)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def byte_level(folder: Path, pre: str, pattern: str | None, *, nfc: bool, ignore_merges: bool, add_bos: bool, size: int) -> dict[str, object]:
    """A byte-level BPE; `pattern` None means GPT-2's own splitting."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    if pattern is None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=byte_alphabet(), show_progress=False)
    tokenizer.train_from_iterator(corpus.passages(), trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL_TOKENS])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in USER_TOKENS])
    if add_bos:
        begin = tokenizer.token_to_id("<|begin|>")
        template = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", begin)])
        tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)

    data = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    tokens = sorted(vocabulary, key=vocabulary.get)
    types = [
        gguf.TokenType.CONTROL if t in CONTROL_TOKENS else gguf.TokenType.USER_DEFINED if t in USER_TOKENS else gguf.TokenType.NORMAL
        for t in tokens
    ]
    merges = [" ".join(m) if isinstance(m, list) else m for m in data["model"]["merges"]]
    write_vocab_gguf(folder / "vocab.gguf", "gpt2", pre, tokens, types, merges=merges, bos=vocabulary["<|begin|>"],
                     eos=vocabulary["<|end|>"], unk=None, add_bos=add_bos)  # fmt: skip
    return {"tokenizers": HuggingFace(folder / "tokenizer.json"), "llama.cpp": LlamaCpp(folder / "vocab.gguf")}


SPM_GGUF_TYPES = {
    spm_pb2.ModelProto.SentencePiece.NORMAL: gguf.TokenType.NORMAL,
    spm_pb2.ModelProto.SentencePiece.UNKNOWN: gguf.TokenType.UNKNOWN,
    spm_pb2.ModelProto.SentencePiece.CONTROL: gguf.TokenType.CONTROL,
    spm_pb2.ModelProto.SentencePiece.USER_DEFINED: gguf.TokenType.USER_DEFINED,
    spm_pb2.ModelProto.SentencePiece.UNUSED: gguf.TokenType.UNUSED,
    spm_pb2.ModelProto.SentencePiece.BYTE: gguf.TokenType.BYTE,
}


def spm_merges(pieces: list[tuple[str, float]]) -> list[tuple[str, str]]:
    """The merges of a SentencePiece BPE model, as Hugging Face's converter derives them from the scores."""
    ids = {piece: i for i, (piece, _) in enumerate(pieces)}
    merges = []
    for piece, score in pieces:
        splits = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
        known = [(a, b) for a, b in splits if a in ids and b in ids]
        merges += [(a, b, score) for a, b in sorted(known, key=lambda s: (ids[s[0]], ids[s[1]]))]
    return [(a, b) for a, b, _ in sorted(merges, key=lambda m: m[2], reverse=True)]


def train_sentencepiece(kind: str, *, size: int, dummy_prefix: bool, remove_extra: bool, byte_fallback: bool,
                        texts: list[str], user_symbols: list[str], rules: dict[str, str] | None) -> bytes:
    """Train a SentencePiece model and return its serialised form; `rules` is a small custom normalisation."""
    model = io.BytesIO()
    with tempfile.TemporaryDirectory() as tmp:
        options = {"normalization_rule_name": "identity"}
        if rules:
            tsv = Path(tmp) / "rules.tsv"
            tsv.write_text("".join(
                f"{' '.join(f'{ord(c):X}' for c in a)}\t{' '.join(f'{ord(c):X}' for c in b)}\n" for a, b in sorted(rules.items())))
            options = {"normalization_rule_tsv": str(tsv)}
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([line for p in texts for line in p.splitlines()]), model_writer=model, model_type=kind,
            vocab_size=size, add_dummy_prefix=dummy_prefix, remove_extra_whitespaces=remove_extra, byte_fallback=byte_fallback,
            character_coverage=0.98, user_defined_symbols=user_symbols, control_symbols=CONTROL_TOKENS, num_threads=1,
            unk_id=0, bos_id=1, eos_id=2, minloglevel=2, hard_vocab_limit=False, **options)  # fmt: skip
    return model.getvalue()


def sentencepiece_toy(folder: Path, kind: str, *, size: int, dummy_prefix: bool, remove_extra: bool = False,
                      byte_fallback: bool = True, texts: list[str] | None = None, user_symbols: list[str] = USER_TOKENS, gemma: bool = False,
                      rules: dict[str, str] | None = None) -> dict[str, object]:
    """A SentencePiece tokenizer: `kind` is "bpe" or "unigram"; `gemma` writes the tokenizer.json that Gemma ships."""
    serialised = train_sentencepiece(kind, size=size, dummy_prefix=dummy_prefix, remove_extra=remove_extra,
                                     byte_fallback=byte_fallback, texts=texts or corpus.passages(), user_symbols=user_symbols, rules=rules)  # fmt: skip
    proto = spm_pb2.ModelProto.FromString(serialised)
    pieces = [(p.piece, p.score) for p in proto.pieces]
    charsmap = proto.normalizer_spec.precompiled_charsmap

    prefix = [normalizers.Prepend("▁")] if dummy_prefix else []
    if kind == "bpe":
        tokenizer = Tokenizer(models.BPE({p: i for i, (p, _) in enumerate(pieces)}, spm_merges(pieces), unk_token="<unk>",
                                         fuse_unk=True, byte_fallback=byte_fallback))  # fmt: skip
        tokenizer.normalizer = normalizers.Sequence([*prefix, normalizers.Replace(" ", "▁")])
        if gemma:
            tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    else:
        tokenizer = Tokenizer(models.Unigram(pieces, 0, byte_fallback))
        steps = [normalizers.Precompiled(charsmap)] if charsmap else []
        if remove_extra:
            steps += [normalizers.Replace(Regex(r"\A +| +\z"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
        tokenizer.normalizer = normalizers.Sequence(steps) if steps else None
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always" if dummy_prefix else "never", split=False)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if dummy_prefix else []))
    control = [p.piece for p in proto.pieces if SPM_GGUF_TYPES[p.type] in (gguf.TokenType.CONTROL, gguf.TokenType.UNKNOWN)]
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in control])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in user_symbols])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)

    spm, hf = SentencePiece(serialised), HuggingFace(folder / "tokenizer.json")
    # Hugging Face's unigram finds control tokens in plain text too, so there `sentencepiece` comes first.
    references = {"tokenizers": hf, "sentencepiece": spm} if kind == "bpe" else {"sentencepiece": spm, "tokenizers": hf}
    if kind == "unigram" and byte_fallback:
        return references
    write_vocab_gguf(folder / "vocab.gguf", "llama" if kind == "bpe" else "t5", "default", [p for p, _ in pieces],
                     [SPM_GGUF_TYPES[p.type] for p in proto.pieces], scores=[s for _, s in pieces], space_prefix=dummy_prefix,
                     charsmap=charsmap, remove_extra_whitespaces=remove_extra if kind == "unigram" else None, bos=1, eos=2,
                     unk=0, add_bos=True)  # fmt: skip
    return references | {"llama.cpp": LlamaCpp(folder / "vocab.gguf")}


WIDE_RULES = {chr(0xFF01 + i): chr(0x21 + i) for i in range(94)} | {"\u3000": " ", "ﬁ": "fi", "ﬂ": "fl", "e\u0301": "é", "…": "...", "½": "1/2", "\u00ad": ""}

TOYS = {
    "toy-gpt2": lambda f: byte_level(f, "gpt-2", None, nfc=False, ignore_merges=False, add_bos=False, size=700),
    "toy-llama3": lambda f: byte_level(f, "llama-bpe", LLAMA3_PATTERN, nfc=False, ignore_merges=True, add_bos=True, size=700),
    "toy-qwen2": lambda f: byte_level(f, "qwen2", QWEN2_PATTERN, nfc=True, ignore_merges=False, add_bos=False, size=700),
    "toy-spm-bpe": lambda f: sentencepiece_toy(f, "bpe", size=900, dummy_prefix=True),
    "toy-spm-gemma": lambda f: sentencepiece_toy(f, "bpe", size=900, dummy_prefix=False, gemma=True, user_symbols=[
        *USER_TOKENS, "\n", "\n\n", "\n\n\n", "\t", "\t\t", "▁▁", "▁▁▁", "▁▁▁▁"]),
    "toy-unigram": lambda f: sentencepiece_toy(f, "unigram", size=800, dummy_prefix=False),
    "toy-unigram-t5": lambda f: sentencepiece_toy(f, "unigram", size=800, dummy_prefix=True, remove_extra=True, byte_fallback=False,
                                                  rules=WIDE_RULES),
}  # fmt: skip


def write_json(path: Path, value) -> None:
    """JSON with one line for each member or element of the outermost levels, so that changes can be read."""
    def line(v):
        return json.dumps(v, ensure_ascii=False, separators=(",", ":"))

    if isinstance(value, list):
        text = "[\n" + ",\n".join(map(line, value)) + "\n]\n"
    else:
        members = []
        for key, v in value.items():
            if key == "plain":
                members.append(f'"{key}":[\n' + ",\n".join(map(line, v)) + "\n]")
            else:
                members.append(f'"{key}":{line(v)}')
        text = "{\n" + ",\n".join(members) + "\n}\n"
    path.write_text(text, "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smollm2", type=Path, help="any SmolLM2 GGUF file")
    parser.add_argument("--gemma3", type=Path, help="any Gemma 3 GGUF file")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="only these toy tokenizers")
    args = parser.parse_args()
    os.environ["GGML_NO_BACKTRACE"] = "1"
    args.out.mkdir(parents=True, exist_ok=True)

    cases = corpus.cases()
    write_json(args.out / "corpus.json", cases)
    for name, path in (("smollm2", args.smollm2), ("gemma3", args.gemma3)):
        if path:
            write_json(args.out / f"{name}.json", reference_ids(cases, {"llama.cpp": LlamaCpp(path)}))
    for name, make in TOYS.items():
        if args.only is not None and name not in args.only:
            continue
        folder = args.out / name
        folder.mkdir(exist_ok=True)
        write_json(folder / "expected.json", reference_ids(cases, make(folder)))
        print(name)


if __name__ == "__main__":
    main()
