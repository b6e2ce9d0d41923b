"""Which of the corpus's sources each document of a token store is from.

Files beside the store's: `sources.bin`: uint16 [D]; `sources.json`: the sources' names, by number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acclimate.artifacts import durable
from acclimate.batching.packed import Sequences
from acclimate.batching.sequence_store import TextStore
from acclimate.errors import UserError
from acclimate.recipe.settings import nearest

_NAMES, _NUMBERS = "sources.json", "sources.bin"


def write_sources(sources: Iterator[list[str]], folder: Path) -> None:
    """Write the source of each document, in the documents' order, into the folder of a token store."""
    known: dict[str, int] = {}
    with durable.appender(folder / _NUMBERS) as file:
        for batch in sources:
            numbers = [known.setdefault(name, len(known)) for name in batch]
            file.write(np.array(numbers, dtype="<u2").tobytes())
    durable.write_json(folder / _NAMES, list(known))


class SourcedStore:
    """The sequences of another store, with a number that their document's source decides in `by_sequence[name]`."""

    def __init__(
        self, store: TextStore, folder: Path, name: str, numbers: Mapping[str, int], *, setting: str
    ) -> None:
        """`folder` is the token store's; `numbers` gives each source its number.

        Raises UserError for a source without one; `setting` is where they stand in the recipe.
        """
        self._store, self._name = store, name
        self.lengths = store.lengths
        known = json.loads((folder / _NAMES).read_text(encoding="utf-8"))
        for source in known:
            if source not in numbers:
                raise UserError(
                    f"{setting}: the corpus has a source {source!r}, for which nothing is given; "
                    f"{nearest(source, numbers)}"
                )
        by_source = np.array([numbers[source] for source in known], dtype=np.int64)
        self._numbers: NDArray[np.int64] = by_source[np.fromfile(folder / _NUMBERS, dtype="<u2")]

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of all documents."""
        return self._store.num_bytes

    @property
    def num_tokens(self) -> int:
        """Tokens of all documents, special ones left out."""
        return self._store.num_tokens

    def document_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B] number of the document that each sequence [B] is from."""
        return self._store.document_of(ids)

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The sequences [B] in one row."""
        found = self._store.fetch(ids, epochs)
        told = self._numbers[self._store.document_of(ids)]
        return replace(found, by_sequence={**found.by_sequence, self._name: told})
