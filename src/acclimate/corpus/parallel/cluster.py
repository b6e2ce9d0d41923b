"""The sieve on a Ray cluster: actors on its nodes do what workers on this machine do, and answer in the same order."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

from acclimate.artifacts.durable import new_folder, scratch_folder, write_bytes
from acclimate.corpus.parallel.crew import Batch, in_order
from acclimate.corpus.parallel.messages import Message
from acclimate.corpus.parallel.worker import Hand
from acclimate.corpus.sieve import Sifted
from acclimate.errors import UserError

_TRIES = 2
"""How often Ray starts an actor anew whose node was lost, and gives it the batch once more."""


class Cluster:
    """One actor for each processor of the cluster, or as many as asked for; in flight are two batches an actor.

    The cluster is the one that `RAY_ADDRESS` names, or that this process is connected to; else one is started here.
    Sources are read in this process; what the sieve needs besides (`folder`) is carried to the nodes. Files that a
    recipe's cleaners name must be there for all nodes.
    """

    def __init__(self, count: int | None, description: Mapping[str, Any], folder: Path) -> None:
        ray = _ray()
        self._started = not ray.is_initialized()
        if self._started:
            # A cluster that is there knows its processors.
            own = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": max(2, count or os.cpu_count() or 2)}
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="error", **own)
        self._ray = ray
        self._count = count or max(1, int(ray.cluster_resources().get("CPU", 1)))
        hand = ray.remote(num_cpus=1, max_restarts=_TRIES, max_task_retries=_TRIES)(_Actor)
        # Kept, for an actor that is started anew.
        self._luggage = ray.put({str(file.relative_to(folder)): file.read_bytes() for file in _files(folder)})
        text = json.dumps(dict(description))
        self._hands = [hand.remote(text, str(folder), self._luggage) for _ in range(self._count)]

    def sifted(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Sifted]]:
        turns = cycle(self._hands)

        def submit(message: Message) -> Future[Message]:
            header, buffers = message
            return next(turns).answer.remote(header, [bytes(one) for one in buffers]).future()  # type: ignore[no-any-return]

        try:
            yield from in_order(batches, submit, 2 * self._count)
        except self._ray.exceptions.RayActorError as error:
            raise UserError(
                f"corpus: an actor of the Ray cluster was lost, {_TRIES + 1} times: {error}"
            ) from error

    def close(self) -> None:
        """Ends the actors, and the cluster if it was started here."""
        for hand in self._hands:
            self._ray.kill(hand)
        if self._started:
            self._ray.shutdown()


class _Actor:
    """What stands on a node, with a folder of its own."""

    def __init__(self, description: str, folder: str, luggage: dict[str, bytes]) -> None:
        self._open = ExitStack()
        own = self._open.enter_context(scratch_folder())
        for name, data in luggage.items():
            place = own / name
            new_folder(place.parent)
            write_bytes(place, data)
        self._hand = Hand(json.loads(description.replace(_quoted(folder), _quoted(str(own)))))

    def answer(self, header: dict[str, Any], buffers: list[bytes]) -> Message:
        answer, parts = self._hand.answer((header, buffers))
        return answer, [bytes(one) for one in parts]


def _quoted(text: str) -> str:
    """As it stands inside JSON."""
    return json.dumps(text)[1:-1]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _ray() -> Any:
    """The library, with its reports to its makers switched off. Raises UserError where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise UserError("hardware.cluster: Ray is not installed; pip install 'acclimate[ray]'") from None
    return ray
