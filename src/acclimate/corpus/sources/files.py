"""The settings of the reader of files: which files, what they hold, and what a document is."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from acclimate.corpus.sources.encodings import normal_name
from acclimate.corpus.sources.file_list import find
from acclimate.corpus.sources.files_reader import FilesReader
from acclimate.corpus.sources.format import Choices, Format
from acclimate.corpus.sources.formats import FORMATS, FormatName
from acclimate.recipe.paths import SourcePaths
from acclimate.recipe.settings import Component, nearest
from acclimate.recipe.units import Count

_ENCODINGS = (
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


class Files(Component):
    """Text from files: plain text, JSON lines, CSV, TSV, Parquet, Arrow (what `datasets` saves, too), HTML, WARC and
    WET, PDF; each also `.gz`, `.zst`, `.xz` or `.bz2`, or in a `.tar` or `.zip`."""

    registered_as: ClassVar[tuple[str, str]] = ("reader", "files")
    bare: ClassVar[str | None] = "path"

    path: SourcePaths
    """A file, a glob (`**` for any depth), or a folder: then every file below it with a known extension; a URL such as
    `s3://bucket/*.jsonl`; `@list.txt`, a file with a path a line; or a list of all these."""
    text: str | int = "text"
    """The column that holds the text, by name or by number from 0. Only records with columns have one."""
    documents: Literal["file", "line", "paragraph", "page", "record"] | None = None
    """What one document is: of plain text a `file` (the default), a `line` or a `paragraph`; of PDF a `file` (the
    default) or a `page`; of HTML a `file`; else a `record`."""
    format: FormatName = "auto"
    """What the files hold; `auto` goes by the extension."""
    encoding: str = "auto"
    """The encoding of text files, such as `utf-8`, `gb18030`, `utf-16`; `auto` judges each file by its
    head."""
    encodings: dict[str, str] = Field(default_factory=dict)
    """Encodings of some of the files, by a glob for their names below the folder, or in the archive:
    `{"*-koi8.txt": koi8-r}`. The first that matches counts, `encoding` for all others."""
    members: str | None = None
    """Which members of archives are read, by a glob for their path in it (`*` goes over `/`); by default all with a
    known extension."""
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
            raise ValueError(f"unknown encoding {value!r}; {nearest(value, _ENCODINGS)}")
        return value

    @field_validator("encodings")
    @classmethod
    def _known_encodings(cls, value: dict[str, str]) -> dict[str, str]:
        for encoding in value.values():
            cls._known_encoding(encoding)
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
            self.refuse_unfit(FORMATS[self.format])
        return self

    def refuse_unfit(self, format: Format) -> None:
        """Raises ValueError for a setting that has no meaning for the format."""
        name = "plain text" if format.name == "text" else format.name
        if self.documents is not None and self.documents not in format.units:
            if self.documents == "record":
                raise ValueError(f"documents: {name} has no records; {nearest('record', format.units)}")
            raise ValueError(
                f"documents: a document of {name} is a {format.units[0]}, not a {self.documents}"
            )
        for setting in ("header", "quoted", "encoding", "encodings"):
            heeded = setting.removesuffix("s") in format.heeds
            if not heeded and getattr(self, setting) != type(self).model_fields[setting].get_default(
                call_default_factory=True
            ):
                raise ValueError(f"{setting}: has no effect on {name}")
        if format.columns == "none" and self.text != "text":
            raise ValueError(f"text: has no effect on {name}; say `format:` if it holds columns")
        if format.columns == "each" and isinstance(self.text, int):
            raise ValueError(f"text: columns of JSON lines have names, found the number {self.text}")

    def choices(self, name: str) -> Choices:
        """What the settings say to the format of a file of this name."""
        declared = next(
            (encoding for glob, encoding in self.encodings.items() if fnmatchcase(name, glob)), self.encoding
        )
        return Choices(
            documents=self.documents,
            encoding=None if declared == "auto" else normal_name(declared),
            header=self.header,
            quoted=self.quoted,
            max_characters=self.max_document,
        )

    def build(self) -> FilesReader:
        return FilesReader(self, lambda: find(self.path, self.format))
