"""The domains of a corpus, its tasks and another corpus, sampled so that their distances can be measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.choose.distances import Group, distances
from acclimate.corpus.choose.measuring import first_until, places_in
from acclimate.corpus.choose.text_sample import LOOK_AT, TextSample
from acclimate.corpus.document import Document
from acclimate.progress import Tell
from acclimate.recipe.corpus_section import Distances

if TYPE_CHECKING:
    from acclimate.corpus.pool import Pool

MOST = 16
"""Domains that are compared at most; of more sources those with most text."""


class Domains:
    """Measures the distances between what the training part holds of each source, the tasks' training texts and the
    base corpus; changes nothing."""

    def __init__(
        self,
        settings: Distances,
        sources: Sequence[str],
        tasks: Sequence[str],
        task_texts: Callable[[str], Iterable[str]],
        in_training: Callable[[Pool], NDArray[np.bool_]],
    ) -> None:
        self._settings, self._sources, self._tasks = settings, sources, tasks
        self._task_texts, self._in_training = task_texts, in_training

    def __call__(self, pool: Pool, tell: Tell) -> dict[str, Any]:
        groups = [*self._of_sources(pool), *self._others()]
        return distances([one for one in groups if one.texts][:MOST], tell)

    def _of_sources(self, pool: Pool) -> Iterator[Group]:
        trained = self._in_training(pool) & pool.alive
        places = places_in(pool)
        sizes = np.minimum(pool.characters, LOOK_AT)
        held = np.bincount(pool.source_numbers[trained], weights=sizes[trained], minlength=len(self._sources))
        room = max(1, MOST - len(self._tasks) - (self._settings.base is not None))
        for source in np.sort(np.argsort(-held, kind="stable")[:room]).tolist():
            own = np.flatnonzero(trained & (pool.source_numbers == source))
            order = own[np.argsort(places[own], kind="stable")]
            texts = pool.texts(first_until(order, sizes, self._settings.sample))
            yield Group(self._sources[source], "source", [text[:LOOK_AT] for text in texts])

    def _others(self) -> Iterator[Group]:
        size = self._settings.sample
        if self._settings.base is not None:
            reader = self._settings.base.build()
            texts = (one.text for one in reader.read() if isinstance(one, Document))
            yield Group(reader.name, "base", TextSample.of(texts, size).texts())
        for task in self._tasks:
            yield Group(task, "task", TextSample.of(self._task_texts(task), size).texts())
