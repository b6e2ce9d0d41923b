"""The manifest of an artifact: what made it, and the size and digest of every file in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from acclimate.artifacts.hashing import digest_json
from acclimate.errors import UserError

MANIFEST = "manifest.json"
FORMAT = 1


class CorruptArtifact(UserError):
    """An artifact is not what was written: a file is missing, changed or added, or the manifest is torn."""


@dataclass(frozen=True)
class FileEntry:
    """One file of an artifact."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What an artifact is. Immutable; written as `manifest.json` beside the files it lists."""

    stage: str
    key: str
    """Hash of what decides the content: settings, inputs' digests, versions that matter."""
    settings: Any
    """The settings as JSON values."""
    inputs: Mapping[str, str]
    """Name → digest of each artifact or file that was read."""
    versions: Mapping[str, str]
    """Package → version."""
    files: Mapping[str, FileEntry]
    """Path inside the artifact, with `/`, → size and digest."""
    created: str
    """When, in UTC (ISO 8601); the one thing that is left out of the digest."""

    @cached_property
    def digest(self) -> str:
        """The digest of everything but the time: equal for equal content made in the same way."""
        return digest_json({name: value for name, value in self._content().items() if name != "created"})

    def _content(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "stage": self.stage,
            "key": self.key,
            "settings": self.settings,
            "inputs": dict(self.inputs),
            "versions": dict(self.versions),
            "files": {place: asdict(entry) for place, entry in self.files.items()},
            "created": self.created,
        }

    def to_json(self) -> dict[str, Any]:
        return {**self._content(), "digest": self.digest}


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact folder. Raises CorruptArtifact when it is missing, torn or changed."""
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise CorruptArtifact(f"{folder} is no artifact: it has no {MANIFEST}") from None
    except ValueError as error:
        raise CorruptArtifact(f"{path} is torn or was changed: {error}") from None
    try:
        if content["format"] != FORMAT:
            raise CorruptArtifact(
                f"{path} has format {content['format']!r}, this version of Acclimate reads format {FORMAT}"
            )
        manifest = Manifest(
            stage=content["stage"],
            key=content["key"],
            settings=content["settings"],
            inputs=content["inputs"],
            versions=content["versions"],
            files={
                place: FileEntry(int(e["size"]), str(e["sha256"])) for place, e in content["files"].items()
            },
            created=content["created"],
        )
        written, found = content["digest"], manifest.digest
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptArtifact(f"{path} was changed: it lacks or garbles {error}") from None
    if written != found:
        raise CorruptArtifact(f"{path} was changed: it says digest {written}, its content has {found}")
    return manifest
