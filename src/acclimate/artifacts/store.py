"""The store: finished artifacts by stage and key, each written once, whole or not at all.

<root>/<stage>/<key>/              a finished artifact, with its manifest.json; its files are read-only
<root>/<stage>/.work-<key>/        work in progress that survives a crash; gone when the artifact is there
<root>/<stage>/<key>.corrupt-<n>/  an artifact that was found damaged and set aside
<root>/.locks/<stage>-<key>        who is at work on it
<root>/.digests.json               digests of files by size, time and inode
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from os import stat_result
from pathlib import Path
from typing import Any, Literal

from acclimate.artifacts import durable, temporary
from acclimate.artifacts.faults import explained
from acclimate.artifacts.hashing import FileDigests, digest_file
from acclimate.artifacts.locking import hold
from acclimate.artifacts.manifest import MANIFEST, CorruptArtifact, FileEntry, Manifest, read_manifest
from acclimate.errors import UserError

Verify = bool | Literal["changed", "sizes"]
"""How far an artifact is checked when it is opened. True: every byte. "changed": every byte of the files whose
size, time or inode is not the one last verified, which is instant where nobody touched them. "sizes" or False:
names and sizes."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")


@dataclass(frozen=True)
class Artifact:
    """A finished artifact folder."""

    folder: Path
    manifest: Manifest

    @property
    def digest(self) -> str:
        return self.manifest.digest

    def verify(self, verify: Verify = True, digests: FileDigests | None = None) -> None:
        """Raises CorruptArtifact naming the first file that is not as written. "changed" needs `digests`."""
        present = {place: status.st_size for place, status in _files(self.folder) if place != MANIFEST}
        expected = self.manifest.files
        for place in sorted(expected.keys() - present.keys()):
            raise CorruptArtifact(f"{self.folder / place} is missing from the artifact")
        for place in sorted(present.keys() - expected.keys()):
            raise CorruptArtifact(f"{self.folder / place} does not belong to the artifact")
        for place, entry in sorted(expected.items()):
            if present[place] != entry.size:
                raise CorruptArtifact(
                    f"{self.folder / place} has {present[place]} bytes, the manifest says {entry.size}"
                )
        if verify in (False, "sizes"):
            return
        digest_of = digest_file if verify is True or digests is None else digests
        for place, entry in sorted(expected.items()):
            self._compare(place, entry, digest_of)

    def _compare(self, place: str, entry: FileEntry, digest_of: Callable[[Path], str]) -> None:
        path = self.folder / place
        try:
            found = digest_of(path)
        except PermissionError:
            raise UserError(f"cannot read {path}: permission denied") from None
        except OSError as error:
            raise CorruptArtifact(f"{path} cannot be read: {error.strerror}") from error
        if found != entry.sha256:
            raise CorruptArtifact(
                f"{path} was changed: its digest is {found}, the manifest says {entry.sha256}"
            )


def read_artifact(folder: Path, verify: Verify = True, digests: FileDigests | None = None) -> Artifact:
    """The artifact in a folder, verified. Raises CorruptArtifact."""
    folder = Path(folder)
    artifact = Artifact(folder, read_manifest(folder))
    artifact.verify(verify, digests)
    return artifact


def _quiet(message: str) -> None:
    pass


class Store:
    """Artifacts below one folder, shared by all runs and safe for several processes at once.

    `warn` gets one line when a damaged artifact is set aside.
    """

    def __init__(self, root: Path, *, warn: Callable[[str], None] = _quiet) -> None:
        self.root = Path(root)
        self.digests = FileDigests(self.root / ".digests.json")
        self._warn = warn

    def folder(self, stage: str, key: str) -> Path:
        """Where the artifact stands, or would."""
        for name in (stage, key):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot name a folder of the store")
        return self.root / stage / key

    def find(self, stage: str, key: str, *, verify: Verify = True) -> Artifact | None:
        """The finished artifact, or None. A damaged one is set aside with a warning, and None returned.

        With "changed", call `digests.save()` in the end, so that the next process knows too what was verified.
        """
        folder = self.folder(stage, key)
        if not folder.is_dir():
            return None
        try:
            artifact = read_artifact(folder, verify, self.digests)
            if (artifact.manifest.stage, artifact.manifest.key) != (stage, key):
                raise CorruptArtifact(
                    f"{folder} holds {artifact.manifest.stage} {artifact.manifest.key}: it was moved"
                )
        except CorruptArtifact as error:
            aside = self._move_aside(folder)
            self._warn(f"{error}; the artifact is set aside as {aside} and will be made again")
            return None
        if self._work(stage, key).exists():  # the process was killed between finishing the artifact and this
            durable.remove(self._work(stage, key))
        return artifact

    def set_aside(self, artifact: Artifact) -> Path:
        """Takes a damaged artifact out of the store's way; where it went."""
        return self._move_aside(artifact.folder)

    def _move_aside(self, folder: Path) -> Path:
        number = 1
        while True:
            aside = folder.with_name(f"{folder.name}.corrupt-{number}")
            try:
                durable.move(folder, aside)
            except FileExistsError:
                number += 1
            except FileNotFoundError:  # another process set it aside too and was faster
                return aside
            else:
                return aside

    @contextmanager
    def lock(self, stage: str, key: str, *, on_wait: Callable[[str], None] = _quiet) -> Iterator[None]:
        """Held by one process at a time; others wait, and `on_wait` is told "held by pid 123 on host since …".

        Not reentrant: taking it twice at once waits for ever.
        """
        folder = self.folder(stage, key)
        with hold(durable.new_folder(self.root / ".locks") / f"{stage}-{folder.name}", on_wait=on_wait):
            yield

    def workspace(self, stage: str, key: str) -> Path:
        """A folder for work in progress that survives a crash; removed when the artifact is written."""
        self.folder(stage, key)
        return durable.new_folder(self._work(stage, key))

    def _work(self, stage: str, key: str) -> Path:
        return self.root / stage / f".work-{key}"

    def write(
        self,
        stage: str,
        key: str,
        *,
        settings: Any,
        inputs: Mapping[str, str],
        versions: Mapping[str, str],
        fill: Callable[[Path], None],
    ) -> Artifact:
        """Makes the artifact: `fill` gets an empty folder and fills it; it is sealed and takes its place.

        Raises CannotWrite on a full disk or a read-only store (also from inside `fill`); nothing of the draft
        stays, the workspace does. Where another process has written the same artifact meanwhile, that one stays
        and is returned.
        """
        folder = self.folder(stage, key)
        durable.new_folder(folder.parent)
        temporary.sweep(folder.parent)
        kept = f"nothing of it stays; finished artifacts and {self._work(stage, key).name} are unchanged"
        with explained(folder, kept=kept), temporary.claimed(folder, folder=True) as draft:
            with explained(folder, draft=draft, kept=kept):
                fill(draft)
                manifest = Manifest(
                    stage=stage,
                    key=key,
                    settings=settings,
                    inputs=dict(inputs),
                    versions=dict(versions),
                    files=_seal(draft),
                    created=datetime.now(UTC).isoformat(timespec="seconds"),
                )
                durable.write_json(draft / MANIFEST, manifest.to_json())
                (draft / MANIFEST).chmod(0o444)
                temporary.sync_tree(draft)
            artifact = self._take_place(draft, folder, manifest)
        for place, entry in artifact.manifest.files.items():
            self.digests.remember(folder / place, entry.sha256)
        self.digests.save()
        durable.remove(self._work(stage, key))
        return artifact

    def _take_place(self, draft: Path, folder: Path, manifest: Manifest) -> Artifact:
        while True:
            try:
                durable.move(draft, folder)
                return Artifact(folder, manifest)
            except FileExistsError:
                # Another process finished it meanwhile, or a damaged one stands there and is set aside.
                found = self.find(manifest.stage, manifest.key)
                if found is not None:
                    return found


def _seal(draft: Path) -> dict[str, FileEntry]:
    """Makes the files read-only, has them reach the disk, and lists them."""
    entries = {}
    for place, status in _files(draft):
        path = draft / place
        if path.is_symlink():
            raise ValueError(f"an artifact holds plain files only, {place} is a link")
        path.chmod(status.st_mode & 0o555 | 0o444)
        temporary.sync(path)
        entries[place] = FileEntry(status.st_size, digest_file(path))
    return entries


def _files(folder: Path) -> Iterator[tuple[str, stat_result]]:
    """(path inside the folder with /, status) of each file below it."""
    for path in temporary.files_below(folder):
        yield path.relative_to(folder).as_posix(), path.lstat()
