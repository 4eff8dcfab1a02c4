#!/usr/bin/env python3
"""Make the fixtures of the weight formats, tests/fixtures/formats/ (read by crates/kernels/tests/formats*.rs).

For each format, all numbers little-endian:

* <format>.bin: blocks of random bytes whose binary16 fields are finite, then the f32 values that `gguf.quants`
  dequantises them to. The number of blocks follows from the size.
* <format>.quantized.bin, for the formats whose quantiser has no search: the bytes that `gguf.quants` makes of
  inputs.bin. Where ggml's own library is present (from llama-cpp-python), it must give the same bytes.
* weights.bin: f32 values like those of weights, and errors.txt: for each format that searches for its scales, the
  root-mean-square error that ggml's quantiser (no importance matrix) makes on them.

Needs: gguf, numpy, llama-cpp-python (see README.md in this folder).

    python formats.py --out ../../tests/fixtures/formats
"""

import argparse
import ctypes
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import quants

# Byte offsets of the binary16 fields in a block.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
}
FLOATS = ["F32", "F16", "BF16"]
PLAIN = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]
SEARCHED = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]


def random_blocks(rng, name):
    """Random bytes of a few blocks, as (blocks, bytes per block)."""
    length, size = gguf.GGML_QUANT_SIZES[Type[name]]
    if name in FLOATS:
        values = rng.standard_normal(256).astype(np.float32)
        if name == "F32":
            return values.view(np.uint8).reshape(-1, 4)
        patterns = rng.integers(0, 1 << 16, 4096).astype(np.uint16)
        exponent = 0x7C00 if name == "F16" else 0x7F80
        return patterns[patterns & exponent != exponent].view(np.uint8).reshape(-1, 2)
    count = 4 if length == 256 else 16
    blocks = rng.integers(0, 256, (count, size)).astype(np.uint8)
    for at in HALVES[name]:
        halves = (rng.standard_normal((count, 1)) * 0.05).astype(np.float16)
        halves[-1] = np.float16(-3e-7)  # a subnormal one
        blocks[:, at : at + 2] = halves.view(np.uint8)
    return blocks


def inputs(rng):
    """Values for the quantisers without a search: several magnitudes, constants, zeros, ties, one-sided blocks."""
    rows = [rng.standard_normal(32) * s for s in (1.0, 0.02, 300.0, 1e-5) for _ in range(8)]
    rows += [np.zeros(32), np.full(32, 0.5), np.full(32, -0.25), np.arange(32) - 15.5, np.arange(32) / 4 - 4]
    rows += [abs(rng.standard_normal(32)), -abs(rng.standard_normal(32)), np.tile([1.0, -1.0], 16)]
    rows += [np.where(np.arange(32) == 7, 1.0, 0.0), np.where(np.arange(32) == 20, -60000.0, 1.0)]
    rows += [np.tile([-0.0, 0.0, 1e-9, -1e-9], 8)]
    return np.concatenate(rows).astype(np.float32)


def weights(rng):
    """Sixteen blocks of 256 with the distributions that weights have: normal, heavy-tailed, outliers, shifted."""
    normal = rng.standard_normal((6, 256)) * rng.uniform(0.005, 0.1, (6, 1))
    heavy = rng.laplace(0.0, 0.03, (4, 256))
    spiky = rng.standard_normal((3, 256)) * 0.02
    spiky[:, ::61] *= 12.0
    grouped = rng.standard_normal((2, 256)) * np.repeat(rng.uniform(0.01, 0.2, (2, 8)), 32, axis=1)
    shifted = rng.standard_normal((1, 256)) * 0.05 + 0.1
    return np.concatenate([normal, heavy, spiky, grouped, shifted]).astype(np.float32).ravel()


def ggml():
    """ggml's library as llama-cpp-python builds it."""
    import llama_cpp

    return ctypes.CDLL(str(Path(llama_cpp.__file__).parent / "lib" / "libggml-base.so"))


def ggml_quantize(library, name, values):
    """The bytes that ggml's reference quantiser makes of one row."""
    length, size = gguf.GGML_QUANT_SIZES[Type[name]]
    out = np.zeros(len(values) // length * size, np.uint8)
    chunk = library.ggml_quantize_chunk
    chunk.restype = ctypes.c_size_t
    chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    assert chunk(int(Type[name]), values.ctypes.data, out.ctypes.data, 0, 1, len(values), None) == out.size
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=20)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(args.seed)
    library = ggml()

    for name in FLOATS + list(HALVES):
        blocks = random_blocks(rng, name)
        values = quants.dequantize(blocks, Type[name]).astype("<f4").ravel()
        (args.out / f"{name}.bin").write_bytes(blocks.tobytes() + values.tobytes())

    values = inputs(rng)
    (args.out / "inputs.bin").write_bytes(values.astype("<f4").tobytes())
    for name in PLAIN:
        made = quants.quantize(values, Type[name]).tobytes()
        if name not in FLOATS and ggml_quantize(library, name, values).tobytes() != made:
            print(f"{name}: ggml's library and the gguf package differ; the fixture follows the package")
        (args.out / f"{name}.quantized.bin").write_bytes(made)

    values = weights(rng)
    (args.out / "weights.bin").write_bytes(values.astype("<f4").tobytes())
    lines = []
    for name in SEARCHED:
        row = quants.dequantize(ggml_quantize(library, name, values), Type[name])
        error = np.sqrt(np.mean((row.astype(np.float64) - values.astype(np.float64)) ** 2))
        lines.append(f"{name} {error:.6e}\n")
    (args.out / "errors.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
