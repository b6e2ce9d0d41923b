from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from acclimate.corpus.sources.byte_blocks import BLOCK, BrokenStream, blocks
from acclimate.errors import UserError

DATA = np.random.default_rng(0).integers(0, 40, 3_000_000, dtype=np.uint8).tobytes()


def whole(path: Path) -> tuple[bytes, str | None, int]:
    parts: list[bytes] = []
    stored = [0]

    def count(size: int) -> None:
        stored[0] += size

    try:
        for block in blocks(path, count):
            assert 0 < len(block) <= BLOCK
            parts.append(block)
    except BrokenStream as error:
        return b"".join(parts), error.reason, stored[0]
    return b"".join(parts), None, stored[0]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_reads_the_same_bytes_and_counts_the_stored_ones(tmp_path: Path, suffix: str) -> None:
    packed = {"": DATA, ".gz": gzip.compress(DATA, 1), ".zst": pa.compress(DATA, "zstd", asbytes=True)}[
        suffix
    ]
    path = tmp_path / f"data.txt{suffix}"
    path.write_bytes(packed)
    assert whole(path) == (DATA, None, len(packed))


def test_members_and_padding(tmp_path: Path) -> None:
    gz, zst = tmp_path / "a.gz", tmp_path / "a.zst"
    gz.write_bytes(gzip.compress(b"one ") + gzip.compress(b"two") + b"\0" * 512)
    zst.write_bytes(pa.compress(b"one ", "zstd", asbytes=True) + pa.compress(b"two", "zstd", asbytes=True))
    assert whole(gz)[:2] == whole(zst)[:2] == (b"one two", None)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_truncated_gzip_gives_all_that_was_there(tmp_path: Path, keep: float) -> None:
    packed = gzip.compress(DATA, 1)
    path = tmp_path / "a.gz"
    path.write_bytes(packed[: int(len(packed) * keep)])
    data, reason, _ = whole(path)
    assert reason == "truncated"
    assert DATA.startswith(data)
    assert len(data) > 0.9 * keep * len(DATA)


def test_truncated_zstd(tmp_path: Path) -> None:
    packed = pa.compress(DATA, "zstd", asbytes=True)
    path = tmp_path / "a.zst"
    path.write_bytes(packed[: len(packed) // 2])
    data, reason, _ = whole(path)
    assert reason == "truncated" and DATA.startswith(data) and len(data) > len(DATA) // 4


def test_a_small_truncated_gzip_loses_nothing_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress("一行\n".encode() * 9)[:-8])
    assert whole(path)[:2] == ("一行\n".encode() * 9, "truncated")


def test_not_what_the_name_says(tmp_path: Path) -> None:
    for suffix in (".gz", ".zst"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(b"plain text")
        assert whole(path)[:2] == (b"", "corrupt")
    damaged = bytearray(gzip.compress(DATA, 1))
    damaged[-6] ^= 1
    (tmp_path / "sum.gz").write_bytes(damaged)
    assert whole(tmp_path / "sum.gz")[1] == "corrupt"


def test_an_unreadable_file_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.txt: cannot be read: No such file"):
        whole(tmp_path / "no.txt")
    if os.geteuid():
        path = tmp_path / "secret.txt"
        path.write_bytes(b"x")
        path.chmod(0)
        with pytest.raises(UserError, match="Permission denied"):
            whole(path)
