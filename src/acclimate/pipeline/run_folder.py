"""The run folder: what one run of a recipe leaves behind, and how runs are found again.

<output>/<name>/<YYYYmmdd-HHMMSS>-<digest8>/    time in UTC, first 8 characters of the recipe's digest
    .run.json  .lock  recipe.resolved.yaml  events.jsonl  metrics.json  model/  tasks/  artifacts/
<output>/<name>/latest                          link to the newest finished one; before there is one, to the newest
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from acclimate.artifacts import durable
from acclimate.artifacts.locking import Lock, is_held, try_lock
from acclimate.errors import UserError

LATEST = "latest"
RECIPE, METRICS = "recipe.resolved.yaml", "metrics.json"
_IDENTITY, _LOCK = ".run.json", ".lock"


class RunFolder:
    """One run's folder, held by this process until `close` (or the end of a `with`)."""

    def __init__(self, path: Path, digest: str, lock: Lock, *, resumed: bool) -> None:
        self.path = path
        self.digest = digest
        """The recipe's full digest."""
        self.resumed = resumed
        """Whether an earlier, unfinished run is taken up again."""
        self._lock = lock

    @classmethod
    def create_or_resume(cls, output: Path, name: str, recipe_digest: str) -> RunFolder:
        """A new folder, or the newest unfinished one of the same recipe that nobody is at work on.

        Raises CannotWrite where the output cannot be written.
        """
        base = durable.new_folder(Path(output) / name)
        run = cls._resume(base, recipe_digest) or cls._create(base, recipe_digest)
        _point_latest(base)
        return run

    @classmethod
    def _resume(cls, base: Path, digest: str) -> RunFolder | None:
        for path in reversed(_run_folders(base)):
            if _identity(path).get("recipe_digest") != digest or _is_finished(path):
                continue
            lock = _try_lock_patiently(path / _LOCK)
            if lock is None:
                continue
            if not _is_finished(path):  # its holder may have finished between our look and our lock
                return cls(path, digest, lock, resumed=True)
            lock.release()
        return None

    @classmethod
    def _create(cls, base: Path, digest: str) -> RunFolder:
        locks = []

        def fill(folder: Path) -> None:
            # Locked before it gets its name, so that no other process takes it for an abandoned run.
            lock = try_lock(folder / _LOCK)
            assert lock is not None, "nobody else knows this folder yet"
            locks.append(lock)
            created = datetime.now(UTC).isoformat(timespec="seconds")
            durable.write_json(folder / _IDENTITY, {"recipe_digest": digest, "created": created})

        path = durable.place_folder(_free_names(base, digest), fill)
        return cls(path, digest, locks[0], resumed=False)

    @property
    def finished(self) -> bool:
        """Whether its metrics are written; a finished run is never taken up again."""
        return _is_finished(self.path)

    def write_recipe(self, text: str) -> None:
        """The resolved recipe, as YAML."""
        durable.write_text(self.path / RECIPE, text)

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """The final figures; with them the run is finished, and `latest` may point at it."""
        durable.write_json(self.path / METRICS, metrics)
        _point_latest(self.path.parent)

    def link_artifact(self, stage: str, artifact_folder: Path) -> Path:
        """`artifacts/<stage>` points at the stage's artifact, relatively: the output folder may be moved."""
        links = durable.new_folder(self.path / "artifacts")
        target = os.path.relpath(Path(artifact_folder).resolve(), links.resolve())
        durable.replace_symlink(links / stage, target)
        return links / stage

    def publish(self, folder_name: str, source_folder: Path) -> Path:
        """A folder of the run, such as `model` or `tasks/x/model`, becomes the source's content, in one step.

        The files are hard links (copies across file systems), so that a model is not stored twice.
        """
        target = self.path / folder_name
        durable.link_tree(source_folder, target)
        return target

    def close(self) -> None:
        self._lock.release()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Run:
    """What a list of runs says of one."""

    name: str
    path: Path
    started: str
    """UTC, ISO 8601."""
    recipe_digest: str
    state: Literal["finished", "running", "unfinished"]


def list_runs(output: Path) -> list[Run]:
    """All runs below the output folder, the oldest first."""
    runs = []
    for base in _children(Path(output)):
        for path in _run_folders(base):
            known = _identity(path)
            runs.append(Run(base.name, path, known["created"], known["recipe_digest"], _state(path)))
    return sorted(runs, key=lambda run: (run.path.name, run.name))


def find_run(path_or_name: str | Path, output: Path) -> Path:
    """The run folder that is meant: a path, `latest` (of all), a run's name (its latest), its folder's name, or both.

    Latest is the newest finished run; where none is finished, the newest. Raises UserError that lists what there is.
    """
    text = str(path_or_name).rstrip("/") or "/"
    for place in (Path(text), Path(output) / text):
        if _identity(place):
            return place.resolve()
        if place.is_dir() and (inside := _newest(place)):
            return inside.resolve()
    runs = list_runs(output)
    if text == LATEST and runs:
        return ([run for run in runs if run.state == "finished"] or runs)[-1].path.resolve()
    named = [run.path for run in runs if run.path.name == text or run.path.name.endswith(f"-{text}")]
    if named:
        return named[-1].resolve()
    raise UserError(_not_found(text, Path(output), runs))


def unfinished_after(path: Path) -> list[Path]:
    """Runs of the same name that were begun later and are not finished."""
    return [one for one in _run_folders(path.parent) if one.name > path.name and not _is_finished(one)]


def _not_found(text: str, output: Path, runs: list[Run]) -> str:
    if not runs:
        return f"no run {text!r}: there are no runs in {output.absolute()}"
    newest = [f"{run.name}/{run.path.name} ({run.state})" for run in reversed(runs[-10:])]
    more = f", and {len(runs) - len(newest)} earlier ones" if len(runs) > len(newest) else ""
    return f"no run {text!r} in {output.absolute()}; there are: {', '.join(newest)}{more}"


def _newest(base: Path) -> Path | None:
    """What `latest` points at; where that was removed, what it would point at."""
    latest = base / LATEST
    return latest if _identity(latest) else _leading(base)


def _leading(base: Path) -> Path | None:
    """The newest finished run of one name; where none is finished, the newest. A run that failed hides no good one."""
    found = _run_folders(base)
    return next(filter(_is_finished, reversed(found)), found[-1] if found else None)


def _point_latest(base: Path) -> None:
    link = base / LATEST
    # Once more where another run finished in between.
    while (leading := _leading(base)) and not (link.is_symlink() and link.readlink() == Path(leading.name)):
        durable.replace_symlink(link, leading.name)


def _free_names(base: Path, digest: str) -> Iterator[Path]:
    """Names from now on: of two runs in one second, the later takes the next second's, so that names stay in order."""
    now = datetime.now(UTC)
    while True:
        yield base / f"{now:%Y%m%d-%H%M%S}-{digest[:8]}"
        now += timedelta(seconds=1)


def _try_lock_patiently(path: Path) -> Lock | None:
    """The lock of an abandoned run; a list of runs that is being made holds it for an instant too."""
    for pause in (0.0, 0.02, 0.05):
        time.sleep(pause)
        if (lock := try_lock(path)) is not None:
            return lock
    return None


def _run_folders(base: Path) -> list[Path]:
    """The runs in the folder of one name, the oldest first."""
    return [path for path in _children(base) if _identity(path)]


def _children(folder: Path) -> list[Path]:
    """The folders in a folder, sorted; not links, nor what is hidden."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and not path.is_symlink() and path.is_dir()
    )


def _identity(path: Path) -> dict[str, str]:
    """What a run folder says of itself; empty for what is no run folder."""
    try:
        known = json.loads((path / _IDENTITY).read_text("utf-8"))
        return {"recipe_digest": str(known["recipe_digest"]), "created": str(known["created"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _is_finished(path: Path) -> bool:
    return (path / METRICS).is_file()


def _state(path: Path) -> Literal["finished", "running", "unfinished"]:
    if _is_finished(path):
        return "finished"
    return "running" if is_held(path / _LOCK) else "unfinished"
