from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.tokenizer.sentencepiece import wire


@given(
    st.lists(st.tuples(st.integers(1, 2**20), st.one_of(st.integers(0, 2**64 - 1), st.binary(max_size=300))))
)
def test_what_is_written_is_read(written: list[tuple[int, int | bytes]]) -> None:
    data = b"".join(
        wire.integer(number, value) if isinstance(value, int) else wire.content(number, value)
        for number, value in written
    )
    assert list(wire.fields(data)) == written


def test_floats_and_negative_numbers() -> None:
    assert list(wire.fields(wire.single(2, struct.pack("<f", -1.5)))) == [(2, struct.pack("<f", -1.5))]
    (_, value), *_ = wire.fields(wire.integer(41, -1))
    assert wire.signed(value) == -1 and wire.signed(7) == 7
    with pytest.raises(ValueError):
        wire.signed(b"x")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x0a\x05ab", "5 bytes"),
        (b"\x08", "end within"),
        (b"\x08" + b"\xff" * 12, "more than ten"),
        (b"\x00\x01", "without a number"),
        (b"\x0b", "wire type 3"),
        (b"\x15\x00", "4 bytes"),
    ],
)
def test_damaged_data_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(wire.fields(data))


@given(st.binary(max_size=200))
def test_any_bytes_end_in_fields_or_a_value_error(data: bytes) -> None:
    with suppress(ValueError):
        assert all(number > 0 for number, _ in wire.fields(data))
