"""CSV and TSV as records, line by line with bounded memory."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.format import Choices, Format, Input, Lines, SourceFile, text_lines
from acclimate.corpus.sources.lines import BadLine, Line
from acclimate.errors import UserError

_LOOKED_AT = 100

Row = tuple[int, list[str]]
"""(number of its first line, cells)."""


def by_row(
    lines: Lines, file: SourceFile, *, delimiter: str, quoted: bool, header: bool, max_characters: int
) -> Iterator[Record | Dropped]:
    """A record a row. `quoted`: cells may stand in double quotes and then hold delimiters and line breaks.

    Rows with another number of cells than the header, or without one the usual number in the first hundred rows, are
    dropped by reason `ragged`.
    Raises UserError when the header itself cannot be read.
    """
    rows = (
        _quoted_rows(lines, file, delimiter, max_characters)
        if quoted
        else _plain_rows(lines, file, delimiter)
    )
    names: list[str] | None = None
    path, source = file.path, file.name
    if not header:
        first = list(islice(rows, _LOOKED_AT))
        names = [str(index) for index in range(_usual_width(first))]
        rows = chain(first, rows)
    for row in rows:
        if isinstance(row, Dropped):
            if header and names is None and row.reason != "empty":
                raise UserError(f"{row.place}: the header line cannot be read: {row.reason}: {row.detail}")
            yield row
            continue
        number, cells = row
        if names is None:
            names = _names(cells)
            continue
        if len(cells) != len(names):
            detail = f"{len(cells)} columns, expected {len(names)}"
            yield Dropped("ragged", f"{path}:{number}", detail)
        else:
            yield Record(source, f"{path}:{number}", dict(zip(names, cells, strict=True)))


def _usual_width(rows: list[Row | Dropped]) -> int:
    """The most frequent number of cells; of equally frequent ones the larger."""
    widths = Counter(len(row[1]) for row in rows if not isinstance(row, Dropped))
    return max(widths, key=lambda width: (widths[width], width), default=0)


def _names(cells: list[str]) -> list[str]:
    """Column names; an empty or repeated one is replaced by its number."""
    names: list[str] = []
    for index, cell in enumerate(cells):
        name = cell.strip()
        names.append(name if name and name not in names else str(index))
    return names


def _plain_rows(lines: Lines, file: SourceFile, delimiter: str) -> Iterator[Row | Dropped]:
    for chunk in lines:
        for line in chunk:
            if isinstance(line, BadLine):
                yield Dropped(line.reason, f"{file.path}:{line.number}", line.detail)
            elif line[1]:
                yield line[0], line[1].split(delimiter)
            else:
                yield Dropped("empty", f"{file.path}:{line[0]}", "a blank line")


class _Unusable(Exception):
    """The row that is being read cannot become one; the line that shows it."""

    def __init__(self, bad: BadLine) -> None:
        super().__init__(bad.detail)
        self.bad = bad


class _Feed:
    """Hands physical lines to the csv module and remembers what it saw since the last row."""

    def __init__(self, lines: Lines, max_characters: int) -> None:
        self._lines: Iterator[Line | BadLine] = (line for chunk in lines for line in chunk)
        self._max = max_characters
        self.begin()

    def begin(self) -> None:
        self.first = 0
        self.bad: BadLine | None = None
        self._characters = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        number, text = (line.number, line.text) if isinstance(line, BadLine) else line
        self.first = self.first or number
        self._characters += len(text)
        if isinstance(line, BadLine):
            self.bad = self.bad or line
            if line.reason == "too_long":
                raise _Unusable(line)
        if self._characters > self._max:
            raise _Unusable(BadLine(number, "too_long", f"a quoted row of more than {self._max} characters"))
        return text + "\n"

    def pass_over(self, delimiter: str, width: int) -> None:
        """Leaves out the rest of a row that was given up: to the line in which its quotation marks close, or up to one
        that is a row by itself, for most often nobody closed them."""
        if width < 2:
            return
        for line in self._lines:
            text = line.text if isinstance(line, BadLine) else line[1]
            if text.count('"') % 2:
                return
            if text and len(next(csv.reader([text], delimiter=delimiter))) == width:
                self._lines = chain([line], self._lines)
                return


def _quoted_rows(
    lines: Lines, file: SourceFile, delimiter: str, max_characters: int
) -> Iterator[Row | Dropped]:
    # The module's limit on a field is one for the whole process; ours, on the row, is the feed's.
    csv.field_size_limit(max(csv.field_size_limit(), 2 * max_characters))
    feed = _Feed(lines, max_characters)
    rows = csv.reader(feed, delimiter=delimiter)
    width = 0
    while True:
        feed.begin()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except (_Unusable, csv.Error) as error:
            bad = (
                error.bad
                if isinstance(error, _Unusable)
                else BadLine(feed.first, "malformed_csv", str(error))
            )
            yield Dropped(bad.reason, f"{file.path}:{feed.first}", bad.detail)
            if bad.number > feed.first:
                feed.pass_over(delimiter, width)
            rows = csv.reader(feed, delimiter=delimiter)
            continue
        if feed.bad is not None:
            yield Dropped(feed.bad.reason, f"{file.path}:{feed.bad.number}", feed.bad.detail)
        elif cells:
            width = width or len(cells)
            yield feed.first, cells
        else:
            yield Dropped("empty", f"{file.path}:{feed.first}", "a blank line")


def _read(file: SourceFile, input: Input, choices: Choices, delimiter: str) -> Iterator[Record | Dropped]:
    return by_row(
        text_lines(input, choices),
        file,
        delimiter=delimiter,
        quoted=delimiter == "," if choices.quoted is None else choices.quoted,
        header=choices.header,
        max_characters=choices.max_characters,
    )


_HEEDS = frozenset(("encoding", "header", "quoted"))
CSV = Format("csv", (".csv",), partial(_read, delimiter=","), columns="same", heeds=_HEEDS)
TSV = Format("tsv", (".tsv", ".tab"), partial(_read, delimiter="\t"), columns="same", heeds=_HEEDS)
