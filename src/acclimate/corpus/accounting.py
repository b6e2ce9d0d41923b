"""The books of a corpus: what was read is what was kept and what was dropped, exactly."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from acclimate.corpus.document import Dropped

MAX_SAMPLES = 1000
_SAMPLES_OF_REASON = 100


@dataclass
class SourceAccount:
    """What became of the records of one source."""

    name: str
    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        """Raises AssertionError when a record was lost or counted twice; that would be our bug."""
        total = self.kept + sum(self.dropped.values())
        if self.read != total:
            raise AssertionError(
                f"{self.name}: read {self.read}, kept and dropped {total}: {dict(self.dropped)}"
            )

    def as_dict(self) -> dict[str, Any]:
        return {
            "source": self.name,
            "read": self.read,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
        }


class Account:
    """The accounts of all sources, and samples of what was dropped: the first hundred of each reason."""

    def __init__(self, names: Iterable[str]) -> None:
        self.sources = [SourceAccount(name) for name in names]
        self._samples: list[Dropped] = []
        self._sampled: Counter[str] = Counter()

    def drop(self, source: int, dropped: Dropped) -> None:
        self.sources[source].dropped[dropped.reason] += 1
        if self._sampled[dropped.reason] < _SAMPLES_OF_REASON and len(self._samples) < MAX_SAMPLES:
            self._sampled[dropped.reason] += 1
            self._samples.append(dropped)

    def example(self) -> str:
        """The first thing that was dropped, for a message; empty when nothing was."""
        first = next(iter(self._samples), None)
        return f"{first.place}: {first.reason}: {first.detail}" if first else ""

    def totals(self) -> dict[str, Any]:
        """`read`, `kept`, `dropped` over all sources, and each source's own. Checks every account."""
        dropped: Counter[str] = Counter()
        for source in self.sources:
            source.check()
            dropped.update(source.dropped)
        return {
            "read": sum(source.read for source in self.sources),
            "kept": sum(source.kept for source in self.sources),
            "dropped": dict(sorted(dropped.items())),
            "sources": [source.as_dict() for source in self.sources],
        }

    def samples_jsonl(self) -> str:
        """The samples as JSON lines, in the order of dropping."""
        lines = (
            {"reason": one.reason, "place": one.place, "detail": one.detail[:500]} for one in self._samples
        )
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
