"""The books of a corpus: what was read is what was kept and what was dropped, exactly."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

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

    def __init__(self, names: Iterable[str], write: Callable[[Any], None] = lambda dropped: None) -> None:
        """`write` gets everything that is dropped, as batches of the schema `sieve.DROPPED`."""
        self.sources = [SourceAccount(name) for name in names]
        self._write = write
        self._samples: list[dict[str, str]] = []
        self._sampled: Counter[str] = Counter()

    def drop(self, source: int, dropped: Any) -> None:
        """Books a batch of the schema `sieve.DROPPED`, all of one source."""
        counts = {one["values"]: one["counts"] for one in pc.value_counts(dropped["reason"]).to_pylist()}
        self.sources[source].dropped.update(counts)
        self._write(dropped)
        if any(self._wants(reason) for reason in counts):
            columns = (dropped[name].to_pylist() for name in ("reason", "place", "detail"))
            for reason, place, detail in zip(*columns, strict=True):
                if self._wants(reason):
                    self._sampled[reason] += 1
                    self._samples.append({"reason": reason, "place": place, "detail": detail[:500]})

    def _wants(self, reason: str) -> bool:
        return self._sampled[reason] < _SAMPLES_OF_REASON and len(self._samples) < MAX_SAMPLES

    def example(self) -> str:
        """The first thing that was dropped, for a message; empty when nothing was."""
        first = next(iter(self._samples), None)
        return f"{first['place']}: {first['reason']}: {first['detail']}" if first else ""

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
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self._samples)
