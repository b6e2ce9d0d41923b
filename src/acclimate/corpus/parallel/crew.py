"""Who sifts the batches: this process alone, workers, a cluster. The answers come in the order of the batches, so
that no byte of the corpus depends on how many there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from acclimate.corpus.document import Document, Dropped
from acclimate.corpus.parallel.messages import Message, items_out, sifted_in
from acclimate.corpus.sieve import Sieve, Sifted
from acclimate.errors import UserError

_WORTH = 16_000_000
"""Bytes of input for which one more worker pays: starting it takes about a second."""


@dataclass(frozen=True)
class Batch:
    """A piece of what a reader gave, in its order."""

    source: int
    """Number of the source."""
    name: str
    """The reader's name."""
    items: Sequence[Document | Dropped]


class Crew(Protocol):
    """Whoever works is there until `close`."""

    def sifted(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Sifted]]: ...
    def close(self) -> None: ...


class Alone:
    """No processes at all."""

    def __init__(self, sieve: Sieve) -> None:
        self._sieve = sieve

    def sifted(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Sifted]]:
        for batch in batches:
            yield batch, self._sieve(batch.items, batch.name)

    def close(self) -> None:
        """Nothing to close."""


def worth(workers: int, size: float | None) -> int:
    """How many workers pay for an input of this many bytes (None: unknown); 1 means none but this process."""
    if size is None:
        return workers
    return max(1, min(workers, int(size // _WORTH)))


def in_order(
    batches: Iterator[Batch], submit: Callable[[Message], Future[Message]], ahead: int
) -> Iterator[tuple[Batch, Sifted]]:
    """Hands out batches, up to `ahead` at once, and gives back what came of them in their order."""
    waiting: deque[tuple[Batch, Future[Message]]] = deque()
    for batch in batches:
        waiting.append((batch, submit(items_out(batch.items, batch.name))))
        if len(waiting) >= ahead:
            yield _result(*waiting.popleft())
    while waiting:
        yield _result(*waiting.popleft())


def _result(batch: Batch, future: Future[Message]) -> tuple[Batch, Sifted]:
    header, buffers = future.result()
    if "user_error" in header:
        raise UserError(header["user_error"])
    if "bug" in header:
        raise RuntimeError(f"a worker failed:\n{header['bug']}")
    return batch, sifted_in((header, buffers))
