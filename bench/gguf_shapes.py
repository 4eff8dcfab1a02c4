"""Just enough of GGUF to count a model's parameters, with the standard library only."""

import math
import struct
from pathlib import Path

_FIXED = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9


class _Reader:
    def __init__(self, file):
        self.file = file

    def number(self, form: str) -> int:
        return struct.unpack("<" + form, self.file.read(struct.calcsize(form)))[0]

    def string(self) -> str:
        return self.file.read(self.number("Q")).decode("utf-8", "replace")

    def skip_value(self, kind: int) -> None:
        if kind == _STRING:
            self.file.seek(self.number("Q"), 1)
        elif kind == _ARRAY:
            inner, count = self.number("I"), self.number("Q")
            if inner in _FIXED:
                self.file.seek(_FIXED[inner] * count, 1)
            else:
                for _ in range(count):
                    self.skip_value(inner)
        else:
            self.file.seek(_FIXED[kind], 1)


def tensor_shapes(path: Path) -> dict[str, list[int]]:
    """Name and shape of every tensor."""
    with open(path, "rb") as file:
        reader = _Reader(file)
        if file.read(4) != b"GGUF":
            raise ValueError(f"{path} is no GGUF file")
        reader.number("I")
        tensors, values = reader.number("Q"), reader.number("Q")
        for _ in range(values):
            reader.string()
            reader.skip_value(reader.number("I"))
        shapes = {}
        for _ in range(tensors):
            name = reader.string()
            shapes[name] = [reader.number("Q") for _ in range(reader.number("I"))]
            reader.number("I")
            reader.number("Q")
        return shapes


def prompt_parameters(path: Path) -> int:
    """Parameters that every prompt token is multiplied with: the layers' matrices, not the embedding or the output."""
    return sum(math.prod(shape) for name, shape in tensor_shapes(path).items() if name.startswith("blk.") and len(shape) == 2)
