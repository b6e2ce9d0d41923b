"""The reader of any corpus with a known shape. A shape says what its files are called and what stands in them.

Broken records in an otherwise good corpus are dropped by reason `wrong_shape`; a file that shows nothing of the
shape before anything good was seen is an error that names the first offending line.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from acclimate.corpus.document import Document, Dropped, Record
from acclimate.corpus.readers.corpus_file import MOST_CHARACTERS, CorpusFile
from acclimate.corpus.readers.entries import WRONG_SHAPE, Entry, Fields
from acclimate.corpus.readers.parts import PartName, files_of_part
from acclimate.corpus.readers.shelf import Shelf, Stored, away, opened
from acclimate.corpus.sources.byte_blocks import BrokenStream
from acclimate.corpus.sources.jsonl_format import unwritable
from acclimate.corpus.sources.remote import RemoteFile
from acclimate.errors import UserError
from acclimate.recipe.paths import SourcePath
from acclimate.recipe.settings import Component

_PATIENCE = 20
"""Wrong records at the beginning before the whole is taken for something else."""
_LOOK_AT = 100
"""How many entries a check looks at."""
_QUICK = 64 << 20
"""Stored bytes of archives that a check unpacks at most."""


class StandardCorpus(Component):
    """What all named readers share."""

    bare: ClassVar[str | None] = "path"

    path: SourcePath
    """The corpus' folder, its archive (tar or zip), a file of it, a glob, or a URL; each file may be compressed."""
    part: PartName | None = None
    """Of a folder or archive: `train`, `validation`, `test` by the files' names, or `all`; by default the first."""


class ShapedReader:
    """Reads a standard corpus. A shape sets `patterns` and `expected` and defines `entries`."""

    patterns: tuple[str, ...] = ("*",)
    """What the files in a folder are called, without a compression's suffix."""
    expected: ClassVar[str] = ""
    """The shape in words, for messages: `expected …`."""
    parts_by_bytes: ClassVar[bool] = False
    """Whether `part` means bytes of one file instead of files of a folder."""

    def __init__(self, settings: StandardCorpus) -> None:
        self.corpus = settings
        self.name = Path(settings.path).name
        self.bytes_done = 0
        self.for_tasks = False
        """Whether records are asked for now, or documents alone."""
        self._good = False

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        """What stands in a file. May raise BrokenStream."""
        raise NotImplementedError

    def path(self) -> str:
        """What `path` names."""
        return self.corpus.path

    def companions(self, file: CorpusFile) -> Sequence[CorpusFile]:
        """Other files that are read along with this one."""
        return ()

    def choose(self, files: Sequence[CorpusFile]) -> list[CorpusFile]:
        """Of the files that are called right, those to begin with; others are companions or of no use."""
        return list(files)

    def wanted(self, name: str) -> bool:
        """Whether a file of this bare name is of use."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.patterns)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Shelf, list[CorpusFile]]]:
        """The shelf, and the files to begin with, in reading order. Raises UserError when there are none."""
        with opened(self.path(), self.wanted, self._count) as shelf:
            yield shelf, self._chosen(shelf)

    def _chosen(self, shelf: Shelf) -> list[CorpusFile]:
        path, part = self.corpus.path, self.corpus.part
        # What was unpacked was counted then.
        count = self._uncounted if shelf.stored else self._count
        files = [CorpusFile(file, shelf, count) for file in shelf.files]
        if not shelf.whole:
            if part is not None and not self.parts_by_bytes:
                raise UserError(f"{path}: part: has no effect unless `path` is the corpus' folder or archive")
            return self.choose(files)
        chosen = self.choose([file for file in files if self.wanted(file.bare)])
        if not chosen:
            names = ", ".join(file.name for file in files[:4]) + (", …" if len(files) > 4 else "")
            raise UserError(
                f"{path}: expected files called {' or '.join(self.patterns)}, found {names or 'none'}"
            )
        return chosen if self.parts_by_bytes else files_of_part(path, chosen, part)

    def _uncounted(self, size: int) -> None:
        pass

    def records(self) -> Iterator[Record | Dropped]:
        """What tasks learn from, with all fields."""
        self.for_tasks = True
        for name, item in self._all():
            if isinstance(item, Dropped):
                yield item
            else:
                for place, fields in _placed(item.place, item.records):
                    yield self._sound(fields, place) or Record(name, place, dict(fields))

    def read(self) -> Iterator[Document | Dropped]:
        """The texts proper."""
        self.for_tasks = False
        for name, item in self._all():
            if isinstance(item, Dropped):
                yield item
                continue
            for place, fields in _placed(item.place, item.documents):
                text = fields["text"]
                if not text or text.isspace():
                    yield Dropped("no_text", place, "the text is empty")
                else:
                    others = {key: value for key, value in fields.items() if key != "text"}
                    yield self._sound(fields, place) or Document(name, place, text, others)

    def _sound(self, fields: Fields, place: str) -> Dropped | None:
        if (size := sum(map(len, fields.values()))) > MOST_CHARACTERS:
            return Dropped("too_long", place, f"{size} characters, more than {MOST_CHARACTERS}")
        # What escapes of JSON and XML can smuggle in.
        if reason := unwritable(fields):
            return Dropped(reason, place, "in one of its fields")
        return None

    def _all(self) -> Iterator[tuple[str, Entry | Dropped]]:
        self.bytes_done = 0
        self._good = False
        with self._opened() as (shelf, files):
            for dropped in shelf.left_out:
                yield self.name, dropped
            for file in files:
                for item in self._file_entries(file):
                    yield file.name, item
            self.bytes_done = self._size(shelf, files)

    def _file_entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        seen = False
        held: list[Dropped] = []
        try:
            for item in self.entries(file):
                seen = True
                if isinstance(item, Entry):
                    yield from held
                    held, self._good = [], True
                elif item.reason == WRONG_SHAPE and not self._good:
                    held.append(item)
                    if len(held) == _PATIENCE:
                        break
                    continue
                yield item
        except BrokenStream as error:
            seen = True
            yield Dropped(error.reason, file.stored.place, error.detail)
        if held:
            raise UserError(f"{held[0].place}: {held[0].detail}")
        if not seen:
            yield Dropped("empty", file.stored.place, "the file holds nothing to read")

    def _count(self, size: int) -> None:
        self.bytes_done += size

    def _used(self, files: Sequence[CorpusFile]) -> list[Stored]:
        """The files and their companions, each once."""
        used = (one.stored for file in files for one in (file, *self.companions(file)))
        return list(dict.fromkeys(used))

    def _size(self, shelf: Shelf, files: Sequence[CorpusFile]) -> int:
        if shelf.stored:
            return sum(file.size() or 0 for file in shelf.stored)
        return sum(one.path.stat().st_size for one in self._used(files))

    def bytes_total(self) -> int | None:
        """Stored size of all files; None where a URL's store does not tell it."""
        if distant := away(self.path()):
            sizes = [file.size() for file in distant]
            return None if None in sizes else sum(size or 0 for size in sizes)
        with self._opened() as (shelf, files):
            return self._size(shelf, files)

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """The files by name and digest, and the settings; not where the files are kept."""
        if distant := away(self.path()):
            found = [
                [
                    one.name,
                    one.path.digest() if isinstance(one.path, RemoteFile) else digests(Path(str(one.path))),
                ]
                for one in distant
            ]
        else:
            with self._opened() as (_, files):
                found = [[one.name, digests(one.path)] for one in self._used(files)]
        return {
            "reader": self.corpus.registered_as[1],
            "settings": self.corpus.model_dump(mode="json", exclude={"path"}),
            "files": found,
        }

    def check(self) -> list[str]:
        """Looks at which files there are and how the first one begins; only that a large archive is there."""
        try:
            if sum(file.size() or _QUICK for file in away(self.path())) > _QUICK:
                return []
            with self._opened() as (_, files):
                for file in self._used(files):
                    with file.path.open("rb"):
                        pass
                return self._check_entries(files[0])
        except UserError as error:
            return [str(error)]
        except OSError as error:
            return [f"{error.filename}: cannot be read: {error.strerror}"]
        finally:
            self.bytes_done = 0

    def _check_entries(self, file: CorpusFile) -> list[str]:
        self._good = False
        bad: Dropped | None = None
        for item in islice(self._file_entries(file), _LOOK_AT):
            if isinstance(item, Entry):
                return []
            bad = bad or item
        if bad is None:
            return []
        return [f"{bad.place}: none of the first records can be read; the first: {bad.reason}: {bad.detail}"]


def _placed(place: str, several: Sequence[Fields]) -> Iterator[tuple[str, Fields]]:
    """Each with a place of its own: `#2` for the second of several things at one place."""
    if len(several) == 1:
        yield place, several[0]
    else:
        yield from ((f"{place}#{number}", fields) for number, fields in enumerate(several, 1))
