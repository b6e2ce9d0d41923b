"""Where the files of a corpus stand: a folder, a file with those beside it, an archive, a URL.

What has no path of its own (members of archives, files of URLs) is copied to a scratch folder first, without its name;
shapes may then read files beside each other in any order.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from acclimate.artifacts.durable import scratch_folder
from acclimate.corpus.document import Dropped
from acclimate.corpus.sources import folder_walk
from acclimate.corpus.sources.byte_blocks import COMPRESSED, BrokenStream
from acclimate.corpus.sources.file_list import find_files
from acclimate.corpus.sources.format import SourceFile
from acclimate.corpus.sources.inputs import Opener
from acclimate.errors import UserError

_ARCHIVES = ("tar", "zip")


@dataclass(frozen=True)
class Stored:
    """A file of a corpus."""

    name: str
    """Path below the corpus' folder, with `/`; the same wherever the data are kept."""
    place: str
    """What messages call it."""
    path: Path
    """Where its bytes stand."""

    @property
    def bare(self) -> str:
        """The file's own name without a compression's suffix."""
        return bare_name(PurePosixPath(self.name).name)

    @property
    def folder(self) -> str:
        """What the folder is called in which it stands."""
        return PurePosixPath(self.place).parent.name


@dataclass
class Shelf:
    """The files of a corpus, sorted by name."""

    files: list[Stored]
    root: Path | None
    """Where further files may be looked up; None where `files` are all."""
    left_out: list[Dropped] = field(default_factory=list)
    """Members of archives that cannot be read, and why."""
    stored: list[SourceFile] = field(default_factory=list)
    """Archives and files of URLs, whose bytes are what is read."""
    whole: bool = True
    """Whether the path means a folder or an archive, of which a shape chooses its files by their names."""

    def __post_init__(self) -> None:
        self._by_name = {(*_folder(file.name), file.bare): file for file in self.files}

    def find(self, name: str) -> Stored | None:
        """The file with this path below the folder, plain or compressed."""
        found = self._by_name.get((*_folder(name), PurePosixPath(name).name))
        if found is not None or self.root is None:
            return found
        for suffix in ("", *COMPRESSED):
            if (path := self.root / (name + suffix)).is_file():
                return Stored(name + suffix, str(path), path)
        return None


def _folder(name: str) -> tuple[str, ...]:
    return PurePosixPath(name).parts[:-1]


def bare_name(name: str) -> str:
    """A name without a compression's suffix."""
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in COMPRESSED else name


def away(path: str) -> list[SourceFile]:
    """The archives and remote files that a path means, whose bytes must be copied before they are read."""
    if Path(path).is_dir():
        return []
    return [
        file
        for file in find_files(path, "text")
        if file.format in _ARCHIVES or not isinstance(file.path, Path)
    ]


@contextmanager
def opened(path: str, wanted: Callable[[str], bool], count: Callable[[int], None]) -> Iterator[Shelf]:
    """The files that a path means; of an archive those whose bare names are `wanted` have their bytes copied.

    `count` is told of the stored bytes of archives and URLs as they are copied. Raises UserError.
    """
    place = Path(path)
    if place.is_dir():
        yield _in_folder(place)
        return
    distant = away(path)
    names = {str(file.path) for file in distant}
    here = [
        Stored(file.name, str(file.path), file.path)
        for file in find_files(path, "text")
        if isinstance(file.path, Path) and str(file.path) not in names
    ]
    if not distant:
        yield Shelf(here, place.parent if place.is_file() else _root(here), whole=False)
        return
    with scratch_folder() as scratch:
        copied, left_out = _copied(distant, scratch, wanted, count)
        files = sorted([*here, *copied], key=lambda file: file.name)
        archives = any(file.format in _ARCHIVES for file in distant)
        alone = [str(file.path) for file in distant] == [path]
        yield Shelf(files, None, left_out, distant, archives or not (alone or glob.has_magic(path)))


def _in_folder(folder: Path) -> Shelf:
    files = [
        Stored(path.relative_to(folder).as_posix(), str(path), path)
        for path, dropped in folder_walk.files_below(folder)
        if dropped is None
    ]
    if not files:
        raise UserError(f"{folder}: the folder is empty")
    return Shelf(sorted(files, key=lambda file: file.name), folder)


def _root(files: Sequence[Stored]) -> Path | None:
    """The folder below which the names of a glob's matches begin."""
    first = files[0]
    return first.path.parents[len(PurePosixPath(first.name).parts) - 1]


def _copied(
    distant: Sequence[SourceFile], scratch: Path, wanted: Callable[[str], bool], count: Callable[[int], None]
) -> tuple[list[Stored], list[Dropped]]:
    """The bytes of archives' members and of remote files, each in a numbered file."""
    copied: list[Stored] = []
    left_out: list[Dropped] = []
    opener = Opener(count)

    def copy(file: SourceFile, name: str, blocks: Iterator[bytes]) -> None:
        path = scratch / str(len(copied))
        copied.append(Stored(bare_name(name), str(file.path), path))
        if file.format in _ARCHIVES and not wanted(bare_name(PurePosixPath(name).name)):
            return
        try:
            with path.open("wb") as written:
                for block in blocks:
                    written.write(block)
        except BrokenStream as error:  # what came before the break stays
            left_out.append(Dropped(error.reason, str(file.path), error.detail))

    try:
        for file in distant:
            if file.format not in _ARCHIVES:
                copy(file, file.name, opener.open(file).blocks())
                continue
            try:
                for member, input in opener.members(file, "text", "*"):
                    name = member.name.removeprefix(f"{file.name}/")
                    if not isinstance(input, Dropped):
                        copy(member, name, input.blocks())
                    elif wanted(bare_name(PurePosixPath(name).name)):
                        left_out.append(input)
            except BrokenStream as error:
                left_out.append(Dropped(error.reason, str(file.path), error.detail))
    finally:
        opener.close()
    return copied, left_out
