from __future__ import annotations

import gzip
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def english() -> list[str]:
    return _lines("wikitext-2/wiki.test.txt.gz")[:2500]


@pytest.fixture(scope="session")
def chinese() -> list[str]:
    return [line.split("\t")[0] for line in _lines("thucnews/subset_a/test.txt.gz")[:4000]]


def _lines(name: str) -> list[str]:
    data = Path(__file__).parents[2].parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip(f"the shared data sets are not at {data}")
    return gzip.decompress((data / name).read_bytes()).decode().split("\n")
