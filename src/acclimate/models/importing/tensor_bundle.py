"""Reading the variables of a TensorFlow checkpoint without TensorFlow: `NAME.index` and `NAME.data-00000-of-00001`.

The index is a sorted table (`level_table.py`) of protocol buffers: under the empty key a header (field 1: shards,
2: byte order), under each variable's name its entry (1: type, 2: shape, 3: shard, 4: offset, 5: bytes, 6: checksum,
7: parts of a partitioned variable). The tensors stand in the shards as they are in memory.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.errors import UserError
from acclimate.models.importing.level_table import entries, masked_crc
from acclimate.tokenizer.sentencepiece.wire import fields

if TYPE_CHECKING:
    import torch

_TYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    19: "float16",
}
"""Numbers of TensorFlow's `DataType` → torch's names; strings, resources and complex numbers hold no weights."""
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


@dataclass(frozen=True)
class Entry:
    """Where a variable stands."""

    type: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int
    partitioned: bool

    @classmethod
    def parse(cls, data: bytes) -> Entry:
        found: dict[int, int | bytes] = {}
        for number, value in fields(data):
            found[number] = value
        crc = found.get(6, b"\0\0\0\0")
        if not isinstance(crc, bytes) or len(crc) != 4:
            raise ValueError("a checksum is no checksum")
        return cls(
            type=_number(found, 1),
            shape=_shape(found.get(2, b"")),
            shard=_number(found, 3),
            offset=_number(found, 4),
            size=_number(found, 5),
            crc=struct.unpack("<I", crc)[0],
            partitioned=7 in found,
        )


def _number(found: Mapping[int, int | bytes], field: int) -> int:
    value = found.get(field, 0)
    if not isinstance(value, int) or value >= 1 << 62:
        raise ValueError(f"field {field} of an entry is out of range")
    return value


def _shape(data: int | bytes) -> tuple[int, ...]:
    shape = []
    for number, dimension in fields(data) if isinstance(data, bytes) else ():
        if number == 2 and isinstance(dimension, bytes):  # a dimension of size 0 is written without its size
            shape.append(_number(dict(fields(dimension)), 1))
    return tuple(shape)


class TensorBundle(Mapping[str, "torch.Tensor"]):
    """Variable's name → its tensor, read and checked when asked for; kept by nobody."""

    def __init__(self, prefix: Path) -> None:
        """`prefix` is the path without `.index`. Raises UserError when it is no checkpoint or is damaged."""
        self.prefix = prefix
        index = prefix.with_name(prefix.name + ".index")
        try:
            table = dict(entries(index.read_bytes()))
            header = dict(fields(table.pop(b"", b"")))
            self._num_shards = _number(header, 1)
            if header.get(2):
                raise ValueError("its numbers are in the byte order of another kind of machine")
            if self._num_shards < 1:
                raise ValueError("it has no header")
            found = {name.decode(): Entry.parse(value) for name, value in table.items()}
        except OSError as error:
            raise UserError(f"{index}: cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise UserError(f"{index} is no index of a TensorFlow checkpoint: {error}") from error
        if _OBJECT_GRAPH in found:
            raise UserError(
                f"{index}: a checkpoint of TensorFlow 2 objects, whose variables bear no names of their own; "
                "import takes name-based ones, as the original releases of BERT, ALBERT and ELECTRA are"
            )
        self._entries = {name: one for name, one in found.items() if one.type in _TYPES}
        self.without_numbers = sorted(set(found) - set(self._entries))
        """Variables that hold no numbers, such as strings."""

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, name: str) -> torch.Tensor:
        """Raises UserError when it is damaged."""
        import torch

        one = self._entries[name]
        dtype: torch.dtype = getattr(torch, _TYPES[one.type])
        shard = self.prefix.with_name(f"{self.prefix.name}.data-{one.shard:05d}-of-{self._num_shards:05d}")
        if one.partitioned:
            raise UserError(f"{shard}: {name} is split into parts, which import does not join")
        if math.prod(one.shape) * dtype.itemsize != one.size:
            raise UserError(f"{shard}: {name} has {one.size:,} bytes, which do not fit its shape {one.shape}")
        try:
            with shard.open("rb") as file:
                if one.offset + one.size > file.seek(0, 2):
                    raise UserError(f"{shard}: the file ends before {name} does; it is not complete")
                file.seek(one.offset)
                data = file.read(one.size)
        except OSError as error:
            raise UserError(f"{shard}: cannot be read: {error.strerror or error}") from error
        if masked_crc(data) != one.crc:
            raise UserError(f"{shard}: {name} is damaged: its checksum differs")
        if not data:
            return torch.empty(one.shape, dtype=dtype)
        return torch.frombuffer(bytearray(data), dtype=dtype).reshape(one.shape)
