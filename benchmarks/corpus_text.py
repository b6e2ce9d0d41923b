"""Text by the gigabyte for measuring corpora: documents put together from sentences of real ones.

Two thirds English (IMDb), one third Chinese (Wikipedia, statutes, CLUECorpusSmall). Of a hundred documents
some four repeat an earlier one exactly, eight nearly, and six are no prose (too short, symbols, one line again and
again); the others share sentences, with some words replaced, and stay well below the usual threshold of similarity.
The same seed and size give the same bytes.
"""

from __future__ import annotations

import io
import json
import random
import re
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa

from acclimate.artifacts import durable

FILE = 250_000_000
"""Bytes of a file; larger corpora are several files."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_CHINESE_SENTENCE = re.compile(r"(?<=[。！？])")
_REMEMBERED = 2000
CHINESE = 0.34


def _unpacked(path: Path) -> str:
    with pa.input_stream(str(path), compression="detect") as stream:
        return stream.read().decode("utf-8")


@cache
def sentences(data: Path) -> tuple[list[str], list[str]]:
    """(English, Chinese), each once, in a fixed order."""
    reviews = "".join(_unpacked(data / "imdb" / f"{part}.jsonl.zst") for part in ("unsup", "train", "test"))
    english = [json.loads(line)["text"] for line in reviews.split("\n") if line]
    (clue,) = (data / "cluecorpussmall_sample").iterdir()
    chinese = [_unpacked(clue)]
    chinese += [_unpacked(path) for path in sorted((data / "zhwiki").iterdir())]
    with tarfile.open(data / "chinese_law" / "laws.tar.gz") as laws:
        members = sorted(member.name for member in laws if member.isfile())
        chinese += [io.TextIOWrapper(laws.extractfile(name), "utf-8").read() for name in members]  # type: ignore[arg-type]
    split = [part.strip() for text in english for part in _SENTENCE.split(text.replace("<br />", " "))]
    parts = [
        part.strip() for text in chinese for part in _CHINESE_SENTENCE.split(re.sub(r"<[^>]+>", "", text))
    ]
    return (
        list(dict.fromkeys(part for part in split if 30 < len(part) < 400)),
        list(dict.fromkeys(part for part in parts if 10 < len(part) < 200 and "\n" not in part)),
    )


def documents(data: Path, seed: int, chinese: float = CHINESE) -> Iterator[str]:
    """Documents without end, this share of them Chinese."""
    source = random.Random(seed)
    english, han = sentences(data)
    words = [word for sentence in english[::50] for word in sentence.split()]
    characters = "".join(han[::100])
    earlier: list[str] = []
    while True:
        kind = source.random()
        if earlier and kind < 0.04:
            yield source.choice(earlier)
            continue
        if earlier and kind < 0.12:
            yield _nearly(source.choice(earlier), source)
            continue
        if kind < 0.18:
            yield _no_prose(source)
            continue
        if source.random() < chinese:
            text = _chinese(source, han, characters)
        else:
            text = _english(source, english, words)
        if len(earlier) < _REMEMBERED:
            earlier.append(text)
        else:
            earlier[source.randrange(_REMEMBERED)] = text
        yield text


def _english(source: random.Random, pool: list[str], words: list[str]) -> str:
    picked = " ".join(source.choices(pool, k=source.randint(6, 40))).split(" ")
    for at in source.choices(range(len(picked)), k=len(picked) // 8):
        picked[at] = source.choice(words)
    ends = sorted(source.sample(range(1, len(picked)), k=min(4, len(picked) - 1)))
    return "\n".join(" ".join(picked[a:b]) for a, b in zip([0, *ends], [*ends, len(picked)], strict=True))


def _chinese(source: random.Random, pool: list[str], characters: str) -> str:
    lines = []
    for _ in range(source.randint(2, 6)):
        line = list("".join(source.choices(pool, k=source.randint(2, 8))))
        for at in source.choices(range(len(line)), k=len(line) // 10):
            line[at] = source.choice(characters)
        lines.append("".join(line))
    return "\n".join(lines)


def _nearly(text: str, source: random.Random) -> str:
    """Some characters in one place are others; the shingles around it are the only ones that differ."""
    at = source.randrange(len(text))
    return text[:at] + source.choice(("Also ", "同样", "neu ", "\n")) + text[at:]


def _no_prose(source: random.Random) -> str:
    return source.choice(
        (
            "Click here " * source.randint(1, 10),
            "# " * source.randint(50, 300),
            "\n".join(
                ["Home | About | Contact the people that have to be with the news and more of it"] * 20
            ),
            " ".join(str(source.randrange(10**6)) for _ in range(200)),
            "点击这里" * source.randint(2, 60),
        )
    )


def write(folder: Path, size: int, data: Path, *, seed: int = 1, chinese: float = CHINESE) -> list[Path]:
    """About so many bytes of JSON lines with `id` and `text` in files of FILE bytes; the files."""
    durable.new_folder(folder)
    files: list[Path] = []
    number, left = 0, size
    source = documents(data, seed, chinese)
    while left > 0:
        path = folder / f"part-{len(files):03d}.jsonl"
        files.append(path)
        written = 0
        with durable.appender(path) as file:
            while written < min(FILE, left):
                line = (
                    json.dumps({"id": str(number), "text": next(source)}, ensure_ascii=False).encode() + b"\n"
                )
                file.write(line)
                written += len(line)
                number += 1
        left -= written
    return files
