"""The wire format of Protocol Buffers, as much of it as SentencePiece's files use."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_WIDTHS = {FIXED64: 8, FIXED32: 4}


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) in the order of the message: integers as they are, all else as its bytes.

    Raises ValueError when the bytes are no message.
    """
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if not number:
            raise ValueError(f"a field without a number at byte {at}")
        if kind == VARINT:
            value, at = varint(data, at)
            yield number, value
            continue
        if kind == BYTES:
            width, at = varint(data, at)
        elif kind in _WIDTHS:
            width = _WIDTHS[kind]
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        if at + width > len(data):
            raise ValueError(f"a field of {width} bytes at byte {at}, where {len(data) - at} are left")
        yield number, data[at : at + width]
        at += width


def varint(data: bytes, at: int) -> tuple[int, int]:
    """(the number that begins at this byte, where it ends). Raises ValueError when the bytes are none."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("the data end within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"a number of more than ten bytes at byte {at}")


def signed(value: int | bytes) -> int:
    """An int32 field: negative numbers are written as 64 bits."""
    if not isinstance(value, int):
        raise ValueError("a number was expected")
    return value - 2**64 if value >= 2**63 else value


def integer(number: int, value: int) -> bytes:
    """A field that holds an integer or a truth value."""
    return _packed(number << 3 | VARINT) + _packed(value % 2**64)


def content(number: int, value: bytes) -> bytes:
    """A field that holds a string, bytes or a message."""
    return _packed(number << 3 | BYTES) + _packed(len(value)) + value


def single(number: int, value: bytes) -> bytes:
    """A field that holds the four bytes of a float."""
    return _packed(number << 3 | FIXED32) + value


def _packed(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
