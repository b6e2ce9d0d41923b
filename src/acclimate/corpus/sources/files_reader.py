"""The reader of files.

Streaming: at any time one block, one record and one batch are held, so memory does not grow with a file.
Files are read in the order of their names; the same files give the same records in the same order on every
machine. What is damaged costs itself and no more: its file's rest, its member of an archive, its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.corpus.document import Document, Dropped, Record, find_column
from acclimate.corpus.sources.byte_blocks import BrokenStream
from acclimate.corpus.sources.cells import NotText, Renamed
from acclimate.corpus.sources.file_list import Found, unknown_extension
from acclimate.corpus.sources.format import Input, SourceFile
from acclimate.corpus.sources.formats import FORMATS, known_format
from acclimate.corpus.sources.inputs import Opener
from acclimate.corpus.sources.remote import RemoteFile
from acclimate.errors import UserError
from acclimate.recipe.settings import nearest

if TYPE_CHECKING:
    from acclimate.corpus.sources.files import Files

_FILES = 20
"""How many files a check opens, as long as nothing can be read of them."""
_LOOK_AT = 100
"""How many records a check looks at."""
_ARCHIVES = ("tar", "zip")
_Part = tuple[SourceFile, Iterator[Record | Dropped]]
"""A file, or a member of an archive, with its records."""


class FilesReader:
    """Reads the files that `find` finds as a `Files` says. Raises UserError for what is missing or may not be
    opened."""

    def __init__(self, settings: Files, find: Callable[[], Found]) -> None:
        self.settings = settings
        paths = [settings.path] if isinstance(settings.path, str) else settings.path
        self.name = _called(paths[0]) + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
        self.bytes_done = 0
        self._only_file = False
        self._find = find

    def files(self) -> list[SourceFile]:
        """The files in reading order. Raises UserError when there are none or a setting does not fit them."""
        return self._found().files

    def _found(self) -> Found:
        found = self._find()
        for file in found.files:
            self._refuse_unfit(file)
        return found

    def _refuse_unfit(self, file: SourceFile) -> None:
        if file.format in _ARCHIVES:
            return
        format = FORMATS[file.format]
        try:
            self.settings.refuse_unfit(format)
        except ValueError as error:
            raise UserError(f"{file.path}: {error}") from error
        if format.needs and find_spec(format.needs[0]) is None:
            way = f"pip install 'acclimate[{format.needs[1]}]'"
            raise UserError(f"{file.path}: to read {format.name} files, install what they need: {way}")

    def records(self) -> Iterator[Record | Dropped]:
        """Every record with all its columns as strings, whether or not it has the text column."""
        for _, records in self._parts():
            yield from records

    def read(self) -> Iterator[Document | Dropped]:
        """Every record as a document. Raises UserError for a table without the text column that is the only file;
        beside others its records are dropped."""
        for file, records in self._parts():
            # JSON lines may each have other fields; the columns of a table are the same in all rows.
            columns = FORMATS[file.format].columns if file.format in FORMATS else "none"
            key = "text" if columns == "none" else None
            problem: str | None = None
            for record in records:
                if isinstance(record, Dropped):
                    yield record
                    continue
                fields = record.fields
                if columns == "each" or (key is None and problem is None):
                    key = find_column(fields, self.settings.text)
                    problem = self._column_problem(fields, columns)
                    if problem and columns == "same" and self._only_file:
                        raise UserError(f"{file.path}: {problem}")
                if key is None or problem is not None:
                    yield Dropped("no_text", record.place, problem or "there is no text")
                    continue
                text = fields.pop(key, "")
                if isinstance(text, NotText):
                    yield Dropped("no_text", record.place, f"{key!r} is {text.kind}, not text")
                elif text and not text.isspace():
                    yield Document(record.source, record.place, text, fields)
                else:
                    yield Dropped("no_text", record.place, f"{key!r} is empty")

    def _parts(self) -> Iterator[_Part]:
        self.bytes_done = 0
        found = self._found()
        self._only_file = len(found.files) == 1 and found.files[0].format not in _ARCHIVES
        with closing(Opener(self._count)) as opener:
            for file in found.files:
                before = self.bytes_done
                yield from self._parts_of(file, opener)
                self.bytes_done = before + (file.size() or self.bytes_done - before)
            for dropped in found.left_out:
                yield SourceFile(Path(dropped.place), dropped.place, ""), iter((dropped,))

    def _parts_of(self, file: SourceFile, opener: Opener) -> Iterator[_Part]:
        """The file itself, or the members of an archive."""
        if file.format not in _ARCHIVES:
            yield file, self._records_of(file, opener.open(file), opener)
            return
        empty = True
        try:
            for found, input in opener.members(file, self.settings.format, self.settings.members):
                empty = False
                if isinstance(input, Dropped):
                    yield file, iter((input,))
                    continue
                member = replace(found, format=self._member_format(found))
                self._refuse_unfit(member)
                yield member, self._records_of(member, input, opener)
        except BrokenStream as error:
            yield file, iter((Dropped(error.reason, str(file.path), error.detail),))
        else:
            if empty:
                yield file, iter((Dropped("empty", str(file.path), "the archive holds no file to read"),))

    def _member_format(self, member: SourceFile) -> str:
        format = known_format(member.name) if self.settings.format == "auto" else self.settings.format
        if format is None:
            raise UserError(f"{member.path}: {unknown_extension(member.name)}")
        return format

    def _records_of(self, file: SourceFile, input: Input, opener: Opener) -> Iterator[Record | Dropped]:
        format = FORMATS[file.format]
        choices = self.settings.choices(file.name)
        seen = False
        try:
            records = (
                opener.parsed(file, input, choices) if format.isolated else format.read(file, input, choices)
            )
            for record in records:
                seen = True
                yield record
        except BrokenStream as error:
            seen = True
            yield Dropped(error.reason, str(file.path), error.detail)
        if not seen:
            yield Dropped("empty", str(file.path), "the file holds nothing to read")

    def _count(self, size: int) -> None:
        self.bytes_done += size

    def _column_problem(self, fields: dict[str, str], columns: str) -> str | None:
        """What is wrong with the text column of these fields: it is not there, or it is there twice."""
        column = self.settings.text
        if columns == "none":
            return None
        if find_column(fields, column) is not None:
            twice = isinstance(column, str) and any(
                isinstance(name, Renamed) and name.own == column for name in fields
            )
            if not twice:
                return None
            return f"the header names the column {column!r} (text) more than once; choose one by its number"
        hint = (
            f"there are columns 0 to {len(fields) - 1}"
            if isinstance(column, int)
            else nearest(column, fields)
        )
        return f"there is no column {column!r} (text); {hint}"

    def bytes_total(self) -> int | None:
        """Stored size of all files; None where a store does not tell one."""
        sizes = [file.size() for file in self.files()]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """The files by name and digest, and the settings; not where the files are kept."""
        settings = self.settings.model_dump(mode="json", exclude={"path"})
        return {
            "reader": "files",
            "settings": settings,
            "files": [[file.name, _digest(file, digests)] for file in self.files()],
        }

    def check(self) -> list[str]:
        """Looks at which files there are and at the first records of the first one that any can be read of."""
        try:
            files = self.files()
            filled = [file for file in files if file.size() != 0]
            for file in files:
                if isinstance(file.path, Path):
                    with file.path.open("rb"):
                        pass
            if not filled:
                return [
                    f"{files[0].path}: the file is empty" + (", as all of them are" if len(files) > 1 else "")
                ]
            wrong: Dropped | None = None
            for file in filled[:_FILES]:
                seen = self._glance(file)
                if isinstance(seen, tuple):
                    return self._column_problems(*seen)
                wrong = wrong or seen
            if wrong is None:
                return []
            found = f"the first: {wrong.reason}: {wrong.detail}"
            return [f"{wrong.place}: none of the first records can be read; {found}"]
        except UserError as error:
            return [str(error)]
        except OSError as error:
            return [f"{error.filename}: cannot be read: {error.strerror}"]
        finally:
            self.bytes_done = 0

    def _glance(self, file: SourceFile) -> tuple[SourceFile, Record] | Dropped | None:
        """The first record that can be read, with the file it is from; else the first that is broken, if any."""
        bad: Dropped | None = None
        with closing(Opener(self._count)) as opener:
            found = ((part, record) for part, records in self._parts_of(file, opener) for record in records)
            for part, record in islice(found, _LOOK_AT):
                if isinstance(record, Record):
                    return part, record
                if record.reason not in ("empty", "unknown_format", "not_a_page"):
                    bad = bad or record
        return bad

    def _column_problems(self, file: SourceFile, record: Record) -> list[str]:
        problem = self._column_problem(record.fields, FORMATS[file.format].columns)
        return [] if problem is None else [f"{file.path}: {problem}"]


def _digest(file: SourceFile, digests: Callable[[Path], str]) -> str:
    if isinstance(file.path, Path):
        return digests(file.path)
    assert isinstance(file.path, RemoteFile)
    return file.path.digest()


def _called(path: str) -> str:
    """The last part of a path; of a glob the folder too, or every one would be called `*.txt`."""
    parts = Path(path).parts
    return "/".join(parts[-2:] if any(mark in parts[-1] for mark in "*?[") else parts[-1:])
