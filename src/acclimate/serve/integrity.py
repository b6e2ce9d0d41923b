"""Whether a run's models are still the files that the run wrote.

A run folder's `artifacts/` links to the stages' folders, each with a manifest of sizes and digests. Weights,
config, labels and tokenizer were written together, so they are checked together: the weights tell which
artifact they are from, and everything that lies beside them there must be the same here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from acclimate.artifacts.hashing import digest_file
from acclimate.artifacts.manifest import MANIFEST, read_manifest
from acclimate.errors import UserError
from acclimate.serve.layout import Layout

_LEVELS_UP = 3
"""How far above a model folder its own artifact's manifest is looked for."""


@dataclass(frozen=True)
class _Recorded:
    """A folder inside an artifact: name of each file → SHA-256."""

    artifact: Path
    files: dict[str, str]


def check_digests(layout: Layout) -> None:
    """Raises UserError for a served file that is not what the run's manifests say.

    Without manifests there is nothing to compare, and nothing is said.
    """
    in_run = [each for stage in sorted(layout.root.glob("artifacts/*")) for each in _recorded(stage)]
    for source in layout.sources:
        known = [*in_run, *_around(source.folder)]
        for weights in sorted(source.folder.glob("*.safetensors")):
            candidates = [one for one in known if weights.name in one.files]
            if not candidates:
                continue
            digest = digest_file(weights)
            origins = [one for one in candidates if one.files[weights.name] == digest]
            if not origins:
                raise UserError(
                    f"{weights}: not what the run wrote: its SHA-256 is {digest}, the manifest in "
                    f"{candidates[0].artifact} says {candidates[0].files[weights.name]}"
                )
            # Equal weights may stand in several artifacts; one of them must fit as a whole.
            problems = [_problem(source.folder, origin) for origin in origins]
            if all(problems):
                raise UserError(problems[0])


def _problem(folder: Path, origin: _Recorded) -> str | None:
    """What in the folder is not as its origin has it; None when all is."""
    for name, expected in sorted(origin.files.items()):
        file = folder / name
        if not file.is_file():
            return f"{file}: missing; the manifest in {origin.artifact} lists it beside the weights"
        if not name.endswith(".safetensors") and (digest := digest_file(file)) != expected:
            return (
                f"{file}: does not belong to the weights beside it: its SHA-256 is {digest}, "
                f"the manifest in {origin.artifact} says {expected}"
            )
    return None


def _recorded(artifact: Path) -> list[_Recorded]:
    """The folders that an artifact's manifest lists; none where there is no manifest."""
    if not (artifact / MANIFEST).is_file():
        return []
    folders: dict[PurePosixPath, dict[str, str]] = {}
    for place, entry in read_manifest(artifact).files.items():
        path = PurePosixPath(place)
        folders.setdefault(path.parent, {})[path.name] = entry.sha256
    return [_Recorded(artifact, files) for files in folders.values()]


def _around(folder: Path) -> list[_Recorded]:
    """What the artifact that the folder itself stands in records: the folder may be given without its run."""
    for above in (folder, *folder.parents[:_LEVELS_UP]):
        if (above / MANIFEST).is_file():
            return _recorded(above)
    return []
