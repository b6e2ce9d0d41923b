"""Tokenizers side by side: every tokenizer over every text, by domain and by language."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from acclimate.errors import UserError
from acclimate.progress import Tell, silent
from acclimate.tokenizer.compare.subjects import Subject
from acclimate.tokenizer.compare.tally import RENYI_ORDER, Tally, measures, tallied
from acclimate.tokenizer.pieces import Segment
from acclimate.tokenizer.word_starts import words_of

_AT_ONCE = 500_000
"""Characters that are looked at together."""
_TIMED = 4_000_000
"""Characters that the speed is measured on, at most."""


@dataclass(frozen=True)
class Text:
    """A text to measure on, and what it counts for."""

    domain: str
    language: str
    text: str


def compare(
    subjects: Sequence[Subject], texts: Iterable[Text], *, segment: Segment | None = None, tell: Tell = silent
) -> dict[str, Any]:
    """The measures of each tokenizer: over all texts, for each domain, and for each language.

    With `segment` words of Chinese are what it cuts, else every character is a word. Speed is that of one thread.
    Raises UserError when there is no text.
    """
    tallies: list[dict[tuple[str, str], Tally]] = [defaultdict(Tally) for _ in subjects]
    seconds = [0.0] * len(subjects)
    timed = read = 0
    for group, batch in _batches(texts):
        words = words_of(batch, segment)
        size = sum(map(len, batch))
        with _one_thread():
            for number, one in enumerate(subjects):
                if timed < _TIMED:
                    start = time.perf_counter()
                    one.encoder.encode(batch)
                    seconds[number] += time.perf_counter() - start
                tallies[number][group] += tallied(one, batch, words)
        if timed < _TIMED:
            timed_bytes = sum(len(text.encode()) for text in batch)
            timed += size
            read += timed_bytes
        tell(sum(one.texts for one in tallies[0].values()), None, "texts")
    if not any(one.characters for one in tallies[0].values()):
        raise UserError("there is no text to compare tokenizers on: the files hold nothing but white space")
    return {
        "renyi_order": RENYI_ORDER,
        "chinese_words": segment is not None,
        "tokenizers": [
            {
                "name": one.name,
                "algorithm": one.algorithm,
                "vocabulary": one.vocabulary,
                "megabytes_per_second": read / 1e6 / spent if spent else None,
                **_by_group(found, one.vocabulary),
            }
            for one, found, spent in zip(subjects, tallies, seconds, strict=True)
        ],
    }


def _by_group(tallies: dict[tuple[str, str], Tally], vocabulary: int) -> dict[str, Any]:
    domains: dict[str, Tally] = defaultdict(Tally)
    languages: dict[str, Tally] = defaultdict(Tally)
    for (domain, language), one in tallies.items():
        domains[domain] += one
        languages[language] += one
    everything = sum(tallies.values(), Tally())
    by_size = sorted(languages, key=lambda name: (-languages[name].bytes, name))
    return {
        "all": measures(everything, vocabulary),
        "domains": {name: measures(one, vocabulary) for name, one in domains.items()},
        "languages": {name: measures(languages[name], vocabulary) for name in by_size},
    }


def _batches(texts: Iterable[Text]) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """Texts of one domain and language together, in lists of bounded size; white space alone is no text."""
    waiting: dict[tuple[str, str], list[str]] = defaultdict(list)
    sizes: dict[tuple[str, str], int] = defaultdict(int)
    for one in texts:
        if not one.text.strip():
            continue
        group = (one.domain, one.language)
        waiting[group].append(one.text)
        sizes[group] += len(one.text)
        if sizes[group] >= _AT_ONCE:
            yield group, waiting.pop(group)
            del sizes[group]
    yield from waiting.items()


@contextmanager
def _one_thread() -> Iterator[None]:
    """The library spreads a batch over all cores unless the environment forbids it."""
    name = "TOKENIZERS_PARALLELISM"
    before = os.environ.get(name)
    os.environ[name] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
