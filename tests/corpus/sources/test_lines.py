from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from acclimate.corpus.sources import lines
from acclimate.corpus.sources.lines import BadLine, decoded_lines


@pytest.fixture(autouse=True, scope="module")
def _short_head() -> Iterator[None]:
    """The head of a file is joined to one block; short ones here, so that lines do cross the borders of blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "HEAD_BYTES", 4)
        yield


def cut(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read(data: bytes, size: int = 7, encoding: str | None = None, most: int = 1000) -> list[tuple[int, str]]:
    found = [line for chunk in decoded_lines(cut(data, size), encoding, most) for line in chunk]
    return [(line.number, f"<{line.reason}>") if isinstance(line, BadLine) else line for line in found]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-32-be", "gb18030", "big5", "iso2022_jp"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
def test_characters_across_block_borders_are_whole(encoding: str, size: int) -> None:
    text = "中文字句\nabc\n\n末尾一行"
    if encoding == "utf-8":
        text += "𠀀é"
    assert read(text.encode(encoding), size, encoding) == list(enumerate(text.split("\n"), 1))


def test_a_declared_or_found_mark_is_left_out() -> None:
    for codec in ("utf-8-sig", "utf-16", "utf-32"):
        assert read("甲\n乙\n".encode(codec), 3) == [(1, "甲"), (2, "乙")]


def test_only_line_feeds_end_lines() -> None:
    text = "a\x85b\u2028c\x0bd\re\r\nf\r\n"
    assert read(text.encode()) == [(1, "a\x85b\u2028c\x0bd\re"), (2, "f")]


@given(st.binary(max_size=200), st.integers(1, 50), st.integers(1, 30))
@example(b"\0\0\0\n\0\0\0\0\x80\n", 1, 1)
@example("\U00020000\r\n".encode(), 1, 1)
@example(b"\0\0\0\n\0\0\0\0\0\x80\n", 1, 1)
@settings(max_examples=300, deadline=None)
def test_every_line_comes_out_once_however_the_file_is_cut(data: bytes, size: int, most: int) -> None:
    whole = read(data, 1 << 20, "utf-8", most)
    assert read(data, size, "utf-8", most) == whole
    expected = data.removeprefix(b"\xef\xbb\xbf")
    count = expected.count(b"\n") + (not expected.endswith(b"\n")) if expected else 0
    assert [number for number, _ in whole] == list(range(1, count + 1))


def test_bad_lines_are_named_and_the_others_stay() -> None:
    data = "好\n".encode() + b"\xff bad\n" + b"nul\0\n" + b"x" * 21 + b"\n" + "一二三".encode() * 6 + b"\nend"
    found = read(data, 5, "utf-8", 17)
    reasons = ["好", "<invalid_encoding>", "<nul_bytes>", "<too_long>", "<too_long>", "end"]
    assert found == list(enumerate(reasons, 1))


def test_the_limit_is_in_characters() -> None:
    assert read("一二三四五".encode(), 4, "utf-8", 5) == [(1, "一二三四五")]
    assert read("一二三四五六".encode(), 4, "utf-8", 5) == [(1, "<too_long>")]
    assert read("𠀀𠀀".encode("utf-16-le"), 3, "utf-16-le", 2) == [(1, "𠀀𠀀")]


def test_half_a_surrogate_pair_drops_its_line_only() -> None:
    data = "a\n".encode("utf-16-le") + b"\x00\xd8" + "\nb".encode("utf-16-le")
    assert read(data, 1, "utf-16-le") == [(1, "a"), (2, "<invalid_encoding>"), (3, "b")]


def test_the_encoding_is_judged_on_more_than_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "HEAD_BYTES", 1 << 18)
    text = "abc\n" * 10 + "我们提出了一种新的方法，在两个数据集上取得了较好的结果。\n" * 5
    assert read(text.encode("gb18030"), 8)[-1] == (15, text.split("\n")[-2])


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_line_far_over_the_limit_is_one_line_that_takes_no_memory(size: int) -> None:
    data = "短\n".encode() + "长".encode() * 500 + "\n末\n".encode() + b"x" * 300
    assert read(data, size, "utf-8", 3) == [(1, "短"), (2, "<too_long>"), (3, "末"), (4, "<too_long>")]
