from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def english() -> list[str]:
    return _lines("wikitext-2/wiki.test.txt.gz")[:2500]


@pytest.fixture(scope="session")
def chinese() -> list[str]:
    return [line.split("\t")[0] for line in _lines("thucnews/subset_a/test.txt.gz")[:4000]]


@pytest.fixture(scope="session")
def awkward() -> list[str]:
    """The naughty strings, and the declaration of human rights in 23 languages, line by line."""
    strings: list[str] = json.loads((_data() / "naughty_strings" / "blns.json").read_text())
    with tarfile.open(_data() / "udhr" / "udhr.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                strings += file.read().decode(errors="replace").split("\n")
    return strings


def _data() -> Path:
    data = Path(__file__).parents[2].parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip(f"the shared data sets are not at {data}")
    return data


def _lines(name: str) -> list[str]:
    return gzip.decompress((_data() / name).read_bytes()).decode().split("\n")
