"""Read a vocabulary out of a GGUF file (shared by the scripts of this folder)."""

from pathlib import Path

import gguf


def read_bpe_vocabulary(path: Path) -> tuple[list[str], list[int], list[str]]:
    """Tokens, token types and merges of a GGUF file with a byte-level BPE tokenizer."""
    fields = gguf.GGUFReader(path).fields

    def strings(key: str) -> list[str]:
        field = fields[key]
        return [bytes(field.parts[i]).decode("utf-8") for i in field.data]

    types = [int(fields["tokenizer.ggml.token_type"].parts[i][0]) for i in fields["tokenizer.ggml.token_type"].data]
    return strings("tokenizer.ggml.tokens"), types, strings("tokenizer.ggml.merges")


def byte_alphabet() -> list[str]:
    """The 256 characters by which byte-level BPE writes the bytes 0 to 255 (GPT-2's table)."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    alphabet, extra = [], 0
    for byte in range(256):
        alphabet.append(chr(byte if byte in printable else 256 + extra))
        extra += byte not in printable
    return alphabet
