"""CSV and TSV as records, line by line with bounded memory."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.cells import Renamed
from acclimate.corpus.sources.format import Choices, Format, Input, Lines, SourceFile, text_lines
from acclimate.corpus.sources.lines import BadLine, Line
from acclimate.errors import UserError

_LOOKED_AT = 100
_LONG_LINES = 1_000
_LONG_CHARACTERS = 100_000
"""A quoted cell with more lines and more characters than these is looked at once: does it swallow rows?"""
_MOST_HELD = 500_000
"""Lines of a row that are held to be read again; their characters are bounded by those of a document."""
_PATIENCE = 20
"""How often the lines of a file are read again, on average, before rows are given up instead."""

Row = tuple[int, list[str]]
"""(number of its first line, cells)."""


def by_row(
    lines: Lines, file: SourceFile, *, delimiter: str, quoted: bool, header: bool, max_characters: int
) -> Iterator[Record | Dropped]:
    """A record a row. `quoted`: cells may stand in double quotes and then hold delimiters and line breaks.

    Rows with another number of cells than the header, or without one the usual number in the first hundred rows, are
    dropped by reason `ragged`. A quotation mark that is not closed by the end of the file, by the opening one of a
    later row, or in a long cell whose lines all look like rows, costs the row in which it stands, by reason
    `malformed_csv`; the lines after it are rows again.
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
    """Column names; an empty or repeated one is replaced by its number, which knows what it stands for."""
    names: list[str] = []
    for index, cell in enumerate(cells):
        name = cell.strip()
        names.append(name if name and name not in names else Renamed(str(index), name))
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
    """Hands physical lines to the csv module and remembers those since the last row, to read them again where a
    quotation mark turns out to be one that nobody closed."""

    def __init__(self, lines: Lines, max_characters: int, delimiter: str) -> None:
        self._lines: Iterator[Line | BadLine] = (line for chunk in lines for line in chunk)
        self._again: deque[Line | BadLine] = deque()
        self._repeated = 0
        self._max = max_characters
        self._delimiter = delimiter
        self.width = 0
        self.begin()

    def begin(self) -> None:
        self.first = 0
        self.last = 0
        self.bad: BadLine | None = None
        self.unclosed = False
        self._held: list[Line | BadLine] = []
        self._characters = 0
        self._judged = False

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = None if self._swallows_rows() else self._next()
        if line is None:
            self.unclosed = self.first > 0  # the csv module asks on only inside of a quoted cell
            raise StopIteration
        number, text = _number(line), _text(line)
        self.first = self.first or number
        self.last = number
        self._characters += len(text)
        if len(self._held) < _MOST_HELD:
            self._held.append(line)
        if isinstance(line, BadLine):
            self.bad = self.bad or line
            if line.reason == "too_long":
                raise _Unusable(line)
        if self._characters > self._max:
            raise _Unusable(BadLine(number, "too_long", f"a quoted row of more than {self._max} characters"))
        return text + "\n"

    def _next(self) -> Line | BadLine | None:
        return self._again.popleft() if self._again else next(self._lines, None)

    def _swallows_rows(self) -> bool:
        """Whether the cell is longer than most are and nearly all its lines would be rows by themselves."""
        if self._judged or len(self._held) <= _LONG_LINES or self._characters <= _LONG_CHARACTERS:
            return False
        self._judged = True
        filled = [line for line in self._held[1:] if _text(line)]
        return sum(map(self._is_row, filled)) > 0.9 * len(filled)

    def _is_row(self, line: Line | BadLine) -> bool:
        """Whether the line would be a row by itself; of a single column every line would be, which says nothing."""
        text = _text(line)
        if self.width < 2 or not text:
            return False
        try:
            return len(next(csv.reader([text], delimiter=self._delimiter))) == self.width
        except csv.Error:
            return False

    def closed_by_another(self) -> bool:
        """Whether the row ends in a line that is rather a row of its own, whose opening mark was taken for the
        closing one: such a mark has text behind it."""
        if self.last == self.first or self.last > _number(self._held[-1]) or not self._is_row(self._held[-1]):
            return False
        try:
            next(
                csv.reader(
                    (_text(line) + "\n" for line in self._held), delimiter=self._delimiter, strict=True
                )
            )
        except csv.Error:
            return True
        return False

    def opening(self) -> int:
        """How many lines of a row whose last cell is open are before the one in which that cell begins."""
        lines = self._held if self.unclosed else self._held[:-1]
        cells = next(csv.reader((_text(line) + "\n" for line in lines), delimiter=self._delimiter))
        if 0 < self.width < len(cells):  # cells of other rows, whose marks open and close the wrong way round
            return 0
        return max(0, len(lines) - cells[-1].count("\n"))

    def repeat(self, start: int) -> int:
        """Has the row's lines from this one on read again; gives how many lines are lost instead.

        They are lost where there were too many to hold, and where a file full of such marks would have every line
        read many times.
        """
        lost = self.last - _number(self._held[-1])
        lines = self._held[start:]
        if lost or self._repeated > _PATIENCE * self.last:
            return lost + len(lines)
        self._repeated += len(lines)
        self._again.extendleft(reversed(lines))
        return 0

    def pass_over(self) -> None:
        """Leaves out the rest of a row that was given up: to the line in which its quotation marks close, or up to one
        that is a row by itself, for most often nobody closed them."""
        if self.width < 2:
            return
        while (line := self._next()) is not None:
            if _text(line).count('"') % 2:
                return
            if self._is_row(line):
                self._again.appendleft(line)
                return


def _number(line: Line | BadLine) -> int:
    return line.number if isinstance(line, BadLine) else line[0]


def _text(line: Line | BadLine) -> str:
    return line.text if isinstance(line, BadLine) else line[1]


def _quoted_rows(
    lines: Lines, file: SourceFile, delimiter: str, max_characters: int
) -> Iterator[Row | Dropped]:
    # The module's limit on a field is one for the whole process; ours, on the row, is the feed's.
    csv.field_size_limit(max(csv.field_size_limit(), 2 * max_characters))
    feed = _Feed(lines, max_characters, delimiter)
    rows = csv.reader(feed, delimiter=delimiter)
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
                feed.pass_over()
            rows = csv.reader(feed, delimiter=delimiter)
            continue
        if feed.unclosed or feed.closed_by_another():
            yield _unclosed(feed, file)
            rows = csv.reader(feed, delimiter=delimiter)
        elif feed.bad is not None:
            yield Dropped(feed.bad.reason, f"{file.path}:{feed.bad.number}", feed.bad.detail)
        elif cells:
            feed.width = feed.width or len(cells)
            yield feed.first, cells
        else:
            yield Dropped("empty", f"{file.path}:{feed.first}", "a blank line")


def _unclosed(feed: _Feed, file: SourceFile) -> Dropped:
    """The row is lost up to the line in which the quotation mark stands; what follows is read again."""
    opening = feed.opening()
    number = feed.first + opening
    lost = feed.repeat(opening + 1)
    if feed.bad is not None and feed.bad.number <= number:
        return Dropped(feed.bad.reason, f"{file.path}:{feed.bad.number}", feed.bad.detail)
    detail = "an unclosed quotation mark opens a cell here"
    return Dropped(
        "malformed_csv",
        f"{file.path}:{number}",
        f"{detail}; the next {lost} lines are lost with it" if lost else detail,
    )


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
