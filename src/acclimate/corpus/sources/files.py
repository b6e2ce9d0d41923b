"""The reader of files: plain text, JSON lines, CSV, TSV and Parquet, each also compressed.

Streaming: at any time one block, one record and one batch are held, so memory does not grow with a file.
Files are read in the order of their names; the same files give the same records in the same order on every
machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from acclimate.corpus.document import Document, Dropped, Record, find_column
from acclimate.corpus.sources.byte_blocks import BrokenStream, blocks
from acclimate.corpus.sources.encodings import normal_name
from acclimate.corpus.sources.file_list import SourceFile, find_files
from acclimate.corpus.sources.lines import decoded_lines
from acclimate.errors import UserError
from acclimate.recipe.paths import DataPath
from acclimate.recipe.settings import Component, nearest
from acclimate.recipe.units import Count

_TEXT_UNITS = ("file", "line", "paragraph")
_LOOK_AT = 100
"""How many records a check looks at."""


class Files(Component):
    """Text from files: plain text, JSON lines, CSV, TSV, Parquet; each also `.gz` or `.zst`."""

    registered_as: ClassVar[tuple[str, str]] = ("reader", "files")
    bare: ClassVar[str | None] = "path"

    path: DataPath
    """A file, a glob (`**` for any depth), or a folder: then every file below it with a known extension."""
    text: str | int = "text"
    """The column that holds the text, by name or by number from 0. Plain text has none."""
    documents: Literal["file", "line", "paragraph", "record"] | None = None
    """What one document is: of plain text a `file` (the default), a `line` or a `paragraph`; else a
    `record`."""
    format: Literal["auto", "text", "jsonl", "csv", "tsv", "parquet"] = "auto"
    """What the files hold; `auto` goes by the extension."""
    encoding: str = "auto"
    """The encoding of text files, such as `utf-8`, `gb18030`, `utf-16`; `auto` judges each file by its
    head."""
    header: bool = True
    """Whether the first row of CSV and TSV files names the columns; without it they are called 0, 1, …"""
    quoted: bool | None = None
    """Whether cells of CSV and TSV may stand in double quotes and hold line breaks then; by default CSV yes,
    TSV no."""
    max_document: Count = Field(default=20_000_000, ge=1)
    """Characters; a longer line, record or document is dropped by reason `too_long` without being loaded
    whole."""

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        if value != "auto" and normal_name(value) is None:
            known = (
                "auto",
                "utf-8",
                "utf-16",
                "utf-32",
                "gb18030",
                "big5",
                "latin-1",
                "cp1252",
                "shift_jis",
                "euc_kr",
            )
            raise ValueError(f"unknown encoding {value!r}; {nearest(value, known)}")
        return value

    @field_validator("text")
    @classmethod
    def _from_zero(cls, value: str | int) -> str | int:
        if isinstance(value, int) and value < 0:
            raise ValueError(f"columns are numbered from 0, found {value}")
        return value

    @model_validator(mode="after")
    def _fitting(self) -> Files:
        if self.format != "auto":
            self._refuse_unfit(self.format)
        return self

    def _refuse_unfit(self, format: str) -> None:
        """Raises ValueError for a setting that has no meaning for the format."""
        if format == "text":
            if self.documents == "record":
                raise ValueError(f"documents: plain text has no records; {nearest('record', _TEXT_UNITS)}")
            for name, value in (("header", self.header), ("quoted", self.quoted), ("text", self.text)):
                if value != type(self).model_fields[name].default:
                    raise ValueError(
                        f"{name}: has no effect on plain text; say `format:` if it holds columns"
                    )
        elif self.documents in _TEXT_UNITS:
            raise ValueError(f"documents: a document of {format} is a record, not a {self.documents}")
        if format in ("jsonl", "parquet") and (not self.header or self.quoted is not None):
            raise ValueError(f"{'quoted' if self.header else 'header'}: has no effect on {format}")
        if format == "jsonl" and isinstance(self.text, int):
            raise ValueError(f"text: columns of JSON lines have names, found the number {self.text}")
        if format == "parquet" and self.encoding != "auto":
            raise ValueError("encoding: has no effect on parquet")

    def build(self) -> FilesReader:
        return FilesReader(self)


class FilesReader:
    """Reads the files of a `Files`. Raises UserError for what is missing or cannot be opened."""

    def __init__(self, settings: Files) -> None:
        self.settings = settings
        self.name = Path(settings.path).name
        self.bytes_done = 0
        self._encoding = None if settings.encoding == "auto" else _codec(settings.encoding)

    def files(self) -> list[SourceFile]:
        """The files in reading order. Raises UserError when there are none or a setting does not fit them."""
        found = find_files(self.settings.path, self.settings.format)
        for file in found:
            try:
                self.settings._refuse_unfit(file.format)
            except ValueError as error:
                raise UserError(f"{file.path}: {error}") from error
        return found

    def records(self) -> Iterator[Record | Dropped]:
        """Every record with all its columns as strings, whether or not it has the text column."""
        self.bytes_done = 0
        for file in self.files():
            yield from self._file_records(file)

    def read(self) -> Iterator[Document | Dropped]:
        """Every record as a document. Raises UserError for a table without the text column."""
        self.bytes_done = 0
        for file in self.files():
            key = "text" if file.format == "text" else None
            for record in self._file_records(file):
                if isinstance(record, Dropped):
                    yield record
                    continue
                fields = record.fields
                # JSON lines may each have other fields; the columns of a table are the same in all rows.
                if key is None or file.format == "jsonl":
                    key = self._text_key(file, fields)
                text = fields.pop(key, None)
                if text and not text.isspace():
                    yield Document(record.source, record.place, text, fields)
                elif text is None:
                    yield Dropped("no_text", record.place, f"there is no {key!r}; {nearest(key, fields)}")
                else:
                    yield Dropped("no_text", record.place, f"{key!r} is empty")

    def _file_records(self, file: SourceFile) -> Iterator[Record | Dropped]:
        before = self.bytes_done
        seen = False
        try:
            for record in self._format_records(file):
                seen = True
                yield record
        except BrokenStream as error:
            seen = True
            yield Dropped(error.reason, str(file.path), error.detail)
        if not seen:
            yield Dropped("empty", str(file.path), "the file holds nothing to read")
        self.bytes_done = before + file.path.stat().st_size

    def _format_records(self, file: SourceFile) -> Iterator[Record | Dropped]:
        settings = self.settings
        if file.format == "parquet":
            from acclimate.corpus.sources.parquet_format import by_parquet_row

            return by_parquet_row(file, self._count, settings.max_document)
        lines = decoded_lines(blocks(file.path, self._count), self._encoding, settings.max_document)
        if file.format == "jsonl":
            from acclimate.corpus.sources.jsonl_format import by_object

            return by_object(lines, file)
        if file.format in ("csv", "tsv"):
            from acclimate.corpus.sources.table_format import by_row

            return by_row(
                lines,
                file,
                delimiter="," if file.format == "csv" else "\t",
                quoted=file.format == "csv" if settings.quoted is None else settings.quoted,
                header=settings.header,
                max_characters=settings.max_document,
            )
        from acclimate.corpus.sources import text_format

        if settings.documents == "line":
            return text_format.by_line(lines, file)
        if settings.documents == "paragraph":
            return text_format.by_paragraph(lines, file, settings.max_document)
        return text_format.by_file(lines, file, settings.max_document)

    def _count(self, size: int) -> None:
        self.bytes_done += size

    def _text_key(self, file: SourceFile, fields: dict[str, str]) -> str:
        key = find_column(fields, self.settings.text)
        if key is not None:
            return key
        if file.format == "jsonl":
            return str(self.settings.text)
        raise UserError(self._absent(file, fields))

    def _absent(self, file: SourceFile, fields: dict[str, str]) -> str:
        column = self.settings.text
        hint = (
            f"there are columns 0 to {len(fields) - 1}"
            if isinstance(column, int)
            else nearest(column, fields)
        )
        return f"{file.path}: there is no column {column!r} (text); {hint}"

    def bytes_total(self) -> int | None:
        """Stored size of all files."""
        return sum(file.path.stat().st_size for file in self.files())

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """The files by name and digest, and the settings; not where the files are kept."""
        settings = self.settings.model_dump(mode="json", exclude={"path"})
        return {
            "reader": "files",
            "settings": settings,
            "files": [[file.name, digests(file.path)] for file in self.files()],
        }

    def check(self) -> list[str]:
        """Looks at which files there are and at the first records of the first one that is not empty."""
        try:
            files = self.files()
            filled = [file for file in files if file.path.stat().st_size > 0]
            for file in files:
                with file.path.open("rb"):
                    pass
            if not filled:
                return [
                    f"{files[0].path}: the file is empty" + (", as all of them are" if len(files) > 1 else "")
                ]
            return self._check_records(filled[0])
        except UserError as error:
            return [str(error)]
        except OSError as error:
            return [f"{error.filename}: cannot be read: {error.strerror}"]
        finally:
            self.bytes_done = 0

    def _check_records(self, file: SourceFile) -> list[str]:
        bad: Dropped | None = None
        for record in islice(self._file_records(file), _LOOK_AT):
            if isinstance(record, Record):
                if file.format != "text" and find_column(record.fields, self.settings.text) is None:
                    return [self._absent(file, record.fields)]
                return []
            if record.reason != "empty":
                bad = bad or record
        if bad is None:
            return []
        return [f"{bad.place}: none of the first records can be read; the first: {bad.reason}: {bad.detail}"]


def _codec(encoding: str) -> str:
    name = normal_name(encoding)
    if name is None:
        raise UserError(f"unknown encoding {encoding!r}")
    return name
