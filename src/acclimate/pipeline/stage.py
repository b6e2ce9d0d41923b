"""What a stage is: it reads artifacts, writes one, and can say without running whether it is up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from acclimate.artifacts.store import Artifact
from acclimate.engine.interrupt import StopRequest
from acclimate.recipe.sections import Hardware


class TellFigures(Protocol):
    """Progress with figures beside it: loss, tokens per second."""

    def __call__(self, done: float, total: float | None, unit: str, **figures: float) -> None: ...


class Emit(Protocol):
    """One event of the running stage."""

    def __call__(self, kind: str, **fields: Any) -> object: ...


@dataclass(frozen=True)
class Work:
    """What a running stage is handed."""

    folder: Path
    """The draft of its artifact; whatever is in it at the end is the artifact."""
    workspace: Path
    """Survives a crash: checkpoints and logs of unfinished work live here."""
    inputs: Mapping[str, Artifact]
    """Verified artifacts of the stages it needs, by stage name."""
    hardware: Hardware
    tell: TellFigures
    emit: Emit
    forget_after: Callable[[int], object]
    """Drop what the run's log tells of this stage after the given step: it will happen again."""
    stop: StopRequest
    """Whether the run was asked to stop; long trainings look at it."""


@dataclass(frozen=True)
class Stage:
    """A stage of one recipe."""

    name: str
    """Unique in the run, and the name of the link in the run folder: `task-topic-with-0`."""
    kind: str
    """What it does, and the first part of its folder's name in the store: `task`."""
    version: int
    """Raised whenever the stage's code changes what it writes, so that old artifacts are not taken for new ones."""
    settings: Any
    """JSON: all that decides the outcome besides the inputs."""
    run: Callable[[Work], None]
    needs: tuple[str, ...] = ()
    """Names of the stages whose artifacts it reads."""
    outside: Mapping[str, Any] = field(default_factory=dict)
    """JSON identities of what it reads from outside the store."""
    packages: tuple[str, ...] = ()
    """Installed packages whose version decides the outcome too."""
