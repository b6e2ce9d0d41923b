"""Bringing stages up to date: skip what is there, run what is not, never twice at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib import metadata
from typing import Any, Protocol

from acclimate.artifacts.hashing import digest_json
from acclimate.artifacts.manifest import CorruptArtifact
from acclimate.artifacts.store import Artifact, Store
from acclimate.engine.interrupt import StopRequest
from acclimate.pipeline.events import EventLog
from acclimate.pipeline.memory import PeakMemory
from acclimate.pipeline.stage import Stage, Work
from acclimate.recipe.sections import Hardware


class Listener(Protocol):
    """Who watches a run: the console, or nobody."""

    def stage_started(self, stage: str) -> None: ...
    def stage_skipped(self, stage: str) -> None: ...
    def stage_ended(self, stage: str, seconds: float) -> None: ...
    def tell(self, stage: str, done: float, total: float | None, unit: str, **figures: float) -> None: ...
    def note(self, text: str) -> None: ...


class Runner:
    """Runs the stages of one plan against a store."""

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        store: Store,
        log: EventLog,
        listener: Listener,
        hardware: Hardware,
        stop: StopRequest,
    ) -> None:
        self.stages = {stage.name: stage for stage in stages}
        self.costs: dict[str, dict[str, Any]] = {}
        """Per stage: seconds, peak_memory_bytes, skipped."""
        self._store, self._log, self._listener = store, log, listener
        self._hardware, self.stop = hardware, stop
        self._ready: dict[str, Artifact] = {}

    def bring_up_to_date(self, name: str) -> Artifact:
        """The stage's artifact, made now or earlier; what it needs is brought up to date first."""
        if name in self._ready:
            return self._ready[name]
        stage = self.stages[name]
        inputs = {need: self.bring_up_to_date(need) for need in stage.needs}
        found = self._find(stage, self._key(stage, inputs))
        if found is None:
            found = self._run_locked(stage)
        else:
            self._skipped(stage)
        self._ready[name] = found
        return found

    def _key(self, stage: Stage, inputs: dict[str, Artifact]) -> str:
        return digest_json(
            {
                "kind": stage.kind,
                "version": stage.version,
                "settings": stage.settings,
                "outside": dict(stage.outside),
                # What the inputs hold, not how they came to it: one made anew to the same bytes redoes nothing.
                "inputs": {name: _content(artifact) for name, artifact in inputs.items()},
                "packages": _versions(stage.packages),
            }
        )

    def _find(self, stage: Stage, key: str) -> Artifact | None:
        # Files that nobody touched since their digest was last checked are taken at their word.
        return self._store.find(stage.kind, key, verify="changed")

    def _run_locked(self, stage: Stage) -> Artifact:
        inputs = self._verified(stage)
        key = self._key(stage, inputs)
        with self._store.lock(
            stage.kind, key, on_wait=lambda holder: self._listener.note(f"{stage.name}: {holder}")
        ):
            found = self._find(stage, key)
            if found is not None:  # whoever held the lock has made it meanwhile
                self._skipped(stage)
                return found
            return self._run(stage, key, inputs)

    def _verified(self, stage: Stage) -> dict[str, Artifact]:
        """The inputs, checked once more; one that was damaged meanwhile is named, set aside and made again."""
        for need in stage.needs:
            try:
                self._ready[need].verify("changed", self._store.digests)
            except CorruptArtifact as error:
                self._listener.note(f"{error}; it is made again")
                self._store.set_aside(self._ready.pop(need))
                self.bring_up_to_date(need)
        return {need: self._ready[need] for need in stage.needs}

    def _run(self, stage: Stage, key: str, inputs: dict[str, Artifact]) -> Artifact:
        if "torch" in stage.packages:
            # Loaded before the clock starts: which stage of a run happens to come first is nothing that it costs.
            from acclimate.pipeline.setup_torch import prepare

            prepare(self._hardware)
        self._listener.stage_started(stage.name)
        self._log.emit(stage.name, "stage_start")
        began = time.perf_counter()
        with PeakMemory() as memory:
            workspace = self._store.workspace(stage.kind, key)

            def fill(folder: Any) -> None:
                stage.run(
                    Work(
                        folder=folder,
                        workspace=workspace,
                        inputs=inputs,
                        hardware=self._hardware,
                        tell=lambda done, total, unit, **figures: self._listener.tell(
                            stage.name, done, total, unit, **figures
                        ),
                        emit=lambda kind, **fields: self._emit(stage.name, kind, **fields),
                        forget_after=lambda step: self._forget(stage.name, step),
                        stop=self.stop,
                    )
                )

            artifact = self._store.write(
                stage.kind,
                key,
                settings=stage.settings,
                inputs={name: one.digest for name, one in inputs.items()},
                versions=_versions(stage.packages),
                fill=fill,
            )
        seconds = time.perf_counter() - began
        self.costs[stage.name] = {"seconds": seconds, "peak_memory_bytes": memory.peak, "skipped": False}
        self._log.emit(stage.name, "stage_end", seconds=seconds, peak_memory_bytes=memory.peak)
        self._listener.stage_ended(stage.name, seconds)
        return artifact

    def _emit(self, stage: str, kind: str, **fields: Any) -> None:
        """Into the log; what is worth a line is for whoever watches, too."""
        self._log.emit(stage, kind, **fields)
        if kind in ("warning", "note"):
            self._listener.note(f"{stage}: {fields['message']}")
        elif kind == "accounting":
            self._listener.note(f"{stage}: {_accounted(fields)}")
        elif kind == "resumed":
            self._listener.note(f"{stage}: going on after step {fields['step']:,}")
        elif kind == "grown":
            words, layers = f"stage {fields['phase']} of {fields['phases']}", fields["layers"]
            self._listener.note(f"{stage}: {words}, the model has {layers} layer{'s' if layers > 1 else ''}")

    def _forget(self, stage: str, step: int) -> None:
        for kind in ("step", "validation", "checkpoint", "grown"):
            self._log.forget(stage, kind, step)

    def _skipped(self, stage: Stage) -> None:
        self.costs[stage.name] = {"seconds": 0.0, "peak_memory_bytes": 0, "skipped": True}
        self._log.emit(stage.name, "stage_skipped")
        self._listener.stage_skipped(stage.name)


def _accounted(counts: dict[str, Any]) -> str:
    """`read 100 = kept 1 + dropped 99 (nul_bytes 50, exact_duplicate 49)`"""
    dropped = sorted(counts["dropped"].items(), key=lambda one: (-one[1], one[0]))
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in dropped)
    total = sum(number for _, number in dropped)
    return f"read {counts['read']:,} = kept {counts['kept']:,} + dropped {total:,}" + (
        f" ({reasons})" if reasons else ""
    )


def _content(artifact: Artifact) -> str:
    return digest_json({place: entry.sha256 for place, entry in artifact.manifest.files.items()})


def _versions(packages: Sequence[str]) -> dict[str, str]:
    return {name: _version(name) for name in packages}


def _version(package: str) -> str:
    """None of one that is not there: the stage that needs it says so."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"
