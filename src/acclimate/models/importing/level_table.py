"""Reading the sorted table of LevelDB (Dean & Ghemawat 2011), in which TensorFlow keeps the index of a checkpoint.

A file is: data blocks, an index block that says where they are, and a footer of 48 bytes that says where the index
block is. A block is its entries, its restart points, one byte for the compression and a checksum of four bytes. An
entry shares the beginning of its key with the key before it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from acclimate.tokenizer.sentencepiece.wire import varint

_FOOTER = 48
_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_TRAILER = 5
_PLAIN, _SNAPPY = 0, 1
_LARGEST_BLOCK = 1 << 26


def masked_crc(data: bytes) -> int:
    """CRC-32C as LevelDB stores it: rotated and shifted, so that the checksum of data that hold one stays useful."""
    import google_crc32c

    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def entries(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) in the order of the keys. Raises ValueError when the data are no table or are damaged."""
    if len(data) < _FOOTER or data[-8:] != _MAGIC:
        raise ValueError("it does not end as a table does")
    footer = data[-_FOOTER:]
    _, at = _handle(footer, 0)
    place, _ = _handle(footer, at)
    for _, where in _in_block(_block(data, *place)):
        place, _ = _handle(where, 0)
        yield from _in_block(_block(data, *place))


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """((first byte, length) of a block, where the handle ends)."""
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return (offset, size), at


def _block(data: bytes, offset: int, size: int) -> bytes:
    end = offset + size
    if end + _TRAILER > len(data):
        raise ValueError(f"a block at byte {offset} of {size} bytes goes beyond the end")
    kind = data[end]
    (crc,) = struct.unpack_from("<I", data, end + 1)
    if masked_crc(data[offset : end + 1]) != crc:
        raise ValueError(f"the block at byte {offset} is damaged: its checksum differs")
    if kind == _PLAIN:
        return data[offset:end]
    if kind == _SNAPPY:
        import pyarrow as pa

        length, _ = varint(data, offset)
        if length > _LARGEST_BLOCK:
            raise ValueError(f"the block at byte {offset} would unpack to {length:,} bytes")
        try:
            return pa.decompress(  # type: ignore[no-any-return]
                data[offset:end], decompressed_size=length, codec="snappy", asbytes=True
            )
        except OSError as error:
            raise ValueError(f"the block at byte {offset} cannot be unpacked") from error
    raise ValueError(f"the block at byte {offset} is compressed in an unknown way ({kind})")


def _in_block(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(block) < 4:
        raise ValueError("a block is too short")
    (restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise ValueError("a block has more restart points than bytes")
    key, at = b"", 0
    while at < end:
        shared, at = varint(block, at)
        own, at = varint(block, at)
        size, at = varint(block, at)
        if shared > len(key) or at + own + size > end:
            raise ValueError("an entry goes beyond its block")
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + size]
        at += own + size
