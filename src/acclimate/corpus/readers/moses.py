"""Parallel text: aligned lines of two or more files (Moses, OPUS), and pairs by tabs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, Fields, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus
from acclimate.corpus.sources.byte_blocks import COMPRESSED, BrokenStream
from acclimate.errors import UserError

_MOST_LINES = 20_000
"""Lines of a document at most, where files say nothing of where documents end."""

_MOST_COUNTED = 64 << 20
"""Stored bytes of files whose lines are counted before anything runs."""


class Parallel(StandardCorpus):
    """What readers of parallel text share."""

    sides: list[str] = Field(default=["en", "zh"], min_length=2)
    """The languages, by the names that the corpus gives them; records have a column for each."""
    use: list[str] | None = Field(default=None, min_length=1)
    """Of which sides documents are made; by default of all. The other sides stand in the documents' fields."""

    @model_validator(mode="after")
    def _of_the_sides(self) -> Parallel:
        if len(set(self.sides)) < len(self.sides):
            raise ValueError(f"sides: one stands twice in {', '.join(self.sides)}")
        for side in self.use or ():
            if side not in self.sides:
                raise ValueError(f"use: {side!r} is not among the sides {', '.join(self.sides)}")
        return self

    def pair(self, place: str, texts: Sequence[str]) -> Entry | Dropped:
        """The entry of one aligned line, its texts in the order of the sides."""
        record = dict(zip(self.sides, texts, strict=True))
        missing = [side for side, text in record.items() if not text or text.isspace()]
        if len(missing) == len(record):
            return Dropped("empty", place, "a blank line")
        if missing:
            return Dropped("one_sided", place, f"nothing stands on the side {', '.join(missing)}")
        documents = []
        for side in self.use or self.sides:
            others = {other: text for other, text in record.items() if other != side}
            documents.append({"text": record[side], "side": side, **others})
        return Entry(place, documents, (record,))


class Moses(Parallel):
    """Parallel text in one file a language, aligned by line: `train.en` and `train.zh`, or `en.txt` and `zh.txt`.

    `path` is a folder, or what the names begin with (`data/train`). Records: a column for each side. Lines with one
    side empty are dropped by reason `one_sided`, lines that the other file does not reach by `unaligned`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "moses")

    documents: Literal["line", "file"] = "line"
    """What one document is: a `line` of a side, or all lines of a `file`, where a file is an episode or a chapter."""

    def build(self) -> MosesReader:
        return MosesReader(self)


class Opensubtitles(Moses):
    """OpenSubtitles (Lison & Tiedemann 2016) as OPUS publishes it for Moses; a document is one film's side.

    Where films begin is read from the `.ids` file beside; without one a file is a film.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "opensubtitles")

    sides: list[str] = Field(default=["en", "zh_cn"], min_length=2)
    """The languages, by the names that the corpus gives them; records have a column for each."""
    documents: Literal["line", "file"] = "file"
    """What one document is: a `line` of a side, or all lines of a film (`file`)."""


class MosesReader(ShapedReader):
    def __init__(self, settings: Moses) -> None:
        super().__init__(settings)
        self.settings = settings
        self._ends = {side: (f".{side}", f".{side}.txt") for side in [*settings.sides, "ids"]}
        self.patterns = tuple(
            pattern
            for side, ends in self._ends.items()
            for pattern in (*(f"*{end}" for end in ends), side, f"{side}.txt")
        )

    def path(self) -> str:
        """`data/train` means `data/train.en` and what stands beside it."""
        place = Path(self.corpus.path)
        if not place.exists():
            for end in self._ends[self.settings.sides[0]]:
                for suffix in ("", *COMPRESSED):
                    if (begun := place.with_name(place.name + end + suffix)).is_file():
                        return str(begun)
        return self.corpus.path

    def choose(self, files: Sequence[CorpusFile]) -> list[CorpusFile]:
        """The files of the first side."""
        first = self.settings.sides[0]
        chosen = [file for file in files if self._of_side(file, first) is not None]
        if not chosen and files:
            raise UserError(
                f"{self.corpus.path}: expected files that end in .{first} (`sides:` names the endings), found "
                + ", ".join(file.name for file in files[:4])
            )
        return chosen

    def _of_side(self, file: CorpusFile, side: str) -> str | None:
        """The name of a side's file beside one of the first side; None where this one is no such file."""
        first, name = self.settings.sides[0], file.bare
        for mine, other in zip(self._ends[first], self._ends[side], strict=True):
            if name.endswith(mine):
                return name.removesuffix(mine) + other
        return {first: side, f"{first}.txt": f"{side}.txt"}.get(name)

    def _side(self, file: CorpusFile, side: str) -> CorpusFile | None:
        name = self._of_side(file, side)
        return file.beside(name) if name else None

    def _ids(self, file: CorpusFile) -> CorpusFile | None:
        """Of each line, from which film it is; only the OPUS corpora have it, and only films are asked for."""
        return self._side(file, "ids") if self.settings.documents == "file" else None

    def companions(self, file: CorpusFile) -> Sequence[CorpusFile]:
        found = [*(self._side(file, side) for side in self.settings.sides[1:]), self._ids(file)]
        return [one for one in found if one is not None]

    def misaligned(self) -> str | None:
        """Of which first file a side has another number of lines; None where none has, or they are too large for a
        look."""
        try:
            if (self.bytes_total() or _MOST_COUNTED) >= _MOST_COUNTED:
                return None
            with self._opened() as (_, files):
                for file in files:
                    lines = file.num_lines()
                    for side in self.settings.sides[1:]:
                        other = self._side(file, side)
                        if other is not None and (theirs := other.num_lines()) != lines:
                            return f"{file.stored.place} has {lines:,} lines, and {other.bare} beside it {theirs:,}"
        except BrokenStream:
            pass  # told when it is read
        finally:
            self.bytes_done = 0
        return None

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        sides = {side: self._side(file, side) for side in self.settings.sides[1:]}
        others = [one for one in sides.values() if one is not None]
        if len(others) < len(sides):
            missing = ", ".join(side for side, one in sides.items() if one is None)
            yield Dropped(
                "unpaired", file.stored.place, f"the file of the side {missing} is missing beside it"
            )
            return
        ids = self._ids(file)
        film = _Film(self.settings)
        names = ids.lines() if ids else iter(())
        for lines in zip_longest(file.lines(), *(other.lines() for other in others)):
            about = next(names, None)
            item = self._line(lines, file)
            if self.settings.documents == "line" or isinstance(item, Dropped):
                yield item
                continue
            yield from film.goes_on(_film_name(about))
            film.add(item)
            yield Entry(item.place, (), item.records)
        yield from film.goes_on(None, end=True)

    def _line(self, lines: Sequence[tuple[int, str] | Dropped | None], file: CorpusFile) -> Entry | Dropped:
        texts = []
        number = next((line[0] for line in lines if isinstance(line, tuple)), 0)
        for line in lines:
            if line is None:
                return Dropped("unaligned", file.place(number), "a file of another side has fewer lines")
            if isinstance(line, Dropped):
                return line
            texts.append(line[1])
        return self.settings.pair(file.place(number), texts)


def _film_name(line: tuple[int, str] | Dropped | None) -> str:
    """The first column of an `.ids` line: the file of the film in the first language."""
    return line[1].split("\t")[0] if isinstance(line, tuple) else ""


class _Film:
    """Lines that follow each other in one film or file."""

    def __init__(self, settings: Moses) -> None:
        self._settings = settings
        self._name: str | None = None
        self._lines: list[Fields] = []
        self._place = ""

    def goes_on(self, name: str | None, end: bool = False) -> Iterator[Entry]:
        """The documents of what was gathered, where another film begins."""
        if self._lines and (end or name != self._name or len(self._lines) == _MOST_LINES):
            documents = [
                {
                    "text": "\n".join(line[side] for line in self._lines),
                    "side": side,
                    "film": self._name or "",
                }
                for side in self._settings.use or self._settings.sides
            ]
            yield Entry(self._place, documents, ())
            self._lines = []
        self._name = name

    def add(self, item: Entry) -> None:
        if not self._lines:
            self._place = item.place
        self._lines.extend(item.records)


class TabPairs(Parallel):
    """Pairs of sentences a line by tabs, as Tatoeba's and News Commentary's: `English<TAB>Chinese`.

    Records: a column for each side. Columns behind the sides, such as Tatoeba's attribution, are left out.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "tab_pairs")

    def build(self) -> TabPairsReader:
        return TabPairsReader(self)


class TabPairsReader(ShapedReader):
    patterns = ("*.tsv", "*.txt")

    def __init__(self, settings: TabPairs) -> None:
        super().__init__(settings)
        self.settings = settings
        self._form = f"`{'<TAB>'.join(settings.sides)}`"

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        for line in file.lines():
            if isinstance(line, Dropped):
                yield line
                continue
            number, text = line
            cells = text.split("\t")
            if not text or text.isspace():
                yield Dropped("empty", file.place(number), "a blank line")
            elif len(cells) < len(self.settings.sides):
                yield wrong(file.place(number), self._form, text)
            else:
                yield self.settings.pair(file.place(number), cells[: len(self.settings.sides)])
