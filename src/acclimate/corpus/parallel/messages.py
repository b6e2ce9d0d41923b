"""What goes between processes: a line of JSON and buffers, documents as Arrow; nothing that could be run.

A message is the size of its header in 8 bytes, the header (JSON, with the sizes of the buffers), and the buffers.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa

from acclimate.corpus.document import Document, Dropped
from acclimate.corpus.sieve import Sifted

_SIZE = struct.Struct("<q")
_ITEMS = pa.schema(
    [(name, pa.large_string()) for name in ("source", "place", "text", "fields", "reason", "detail")]
)
Header = dict[str, Any]
Buffer = bytes | memoryview
Message = tuple[Header, Sequence[Buffer]]


def send(file: IO[bytes], message: Message) -> None:
    """Writes a message whole."""
    header, buffers = message
    views = [memoryview(one).cast("B") for one in buffers]
    head = json.dumps({**header, "sizes": [len(view) for view in views]}).encode()
    file.write(_SIZE.pack(len(head)) + head)
    for view in views:
        file.write(view)
    file.flush()


def receive(file: IO[bytes]) -> Message | None:
    """The next message, None at the end. Raises EOFError for half a message."""
    first = file.read(_SIZE.size)
    if not first:
        return None
    header = json.loads(_exactly(file, _SIZE.unpack(first)[0]))
    return header, [_exactly(file, size) for size in header.pop("sizes")]


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError(f"{len(data)} of {size} bytes came")
    return data


def items_out(items: Sequence[Document | Dropped], name: str) -> Message:
    """What a reader gave, as a message; `name` is the reader's."""
    columns: list[list[Any]] = [[] for _ in _ITEMS]
    for item in items:
        row: tuple[Any, ...]
        if isinstance(item, Document):
            fields = json.dumps(item.fields) if item.fields else None
            row = (item.source, item.place, item.text, fields, None, None)
        else:
            row = (None, item.place, None, None, item.reason, item.detail)
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    arrays = [pa.array(column, pa.large_string()) for column in columns]
    return {"name": name}, [_packed(pa.record_batch(arrays, schema=_ITEMS))]


def items_in(message: Message) -> tuple[list[Document | Dropped], str]:
    """The inverse of `items_out`."""
    header, (packed,) = message
    batch = _unpacked(packed)
    items: list[Document | Dropped] = []
    columns = (column.to_pylist() for column in batch.columns)
    for source, place, text, fields, reason, detail in zip(*columns, strict=True):
        if text is None:
            items.append(Dropped(reason, place, detail))
        else:
            items.append(Document(source, place, text, json.loads(fields) if fields else {}))
    return items, header["name"]


def sifted_out(sifted: Sifted) -> Message:
    """What came of a batch, as a message."""
    features = sifted.features
    header = {
        "read": sifted.read,
        "changed": dict(sifted.changed),
        "findings": sifted.findings,
        "features": {name: values.shape[1] for name, values in features.items()},
    }
    matrices = [np.ascontiguousarray(values).data.cast("B") for values in features.values()]
    return header, [_packed(sifted.documents), _packed(sifted.dropped), *matrices]


def sifted_in(message: Message) -> Sifted:
    """The inverse of `sifted_out`."""
    header, (documents, dropped, *matrices) = message
    features = {
        name: np.frombuffer(matrix, np.uint64).reshape(-1, width)
        for (name, width), matrix in zip(header["features"].items(), matrices, strict=True)
    }
    return Sifted(
        header["read"],
        _unpacked(documents),
        _unpacked(dropped),
        features,
        Counter(header["changed"]),
        header["findings"],
    )


def _packed(batch: Any) -> memoryview:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return memoryview(sink.getvalue())


def _unpacked(data: Buffer) -> Any:
    with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
        return reader.read_next_batch()
