"""Plain text as records with the one field "text": a file, a line or a paragraph each."""

from __future__ import annotations

from collections.abc import Iterator

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.byte_blocks import BrokenStream
from acclimate.corpus.sources.format import Choices, Format, Input, Lines, SourceFile, text_lines
from acclimate.corpus.sources.lines import BadLine, Line


def by_line(lines: Lines, file: SourceFile) -> Iterator[Record | Dropped]:
    """A document a line; a blank line is dropped by reason `empty`."""
    path, name = file.path, file.name
    for chunk in lines:
        for line in chunk:
            if isinstance(line, BadLine):
                yield Dropped(line.reason, f"{path}:{line.number}", line.detail)
            elif line[1] and not line[1].isspace():
                yield Record(name, f"{path}:{line[0]}", {"text": line[1]})
            else:
                yield Dropped("empty", f"{path}:{line[0]}", "a blank line")


def by_paragraph(lines: Lines, file: SourceFile, max_characters: int) -> Iterator[Record | Dropped]:
    """A document per run of lines between blank ones; a bad line drops its paragraph."""
    paragraph = _Gathered(file, max_characters)
    for chunk in lines:
        for line in chunk:
            if isinstance(line, BadLine) or (line[1] and not line[1].isspace()):
                paragraph.add(line)
            elif paragraph.started:
                yield paragraph.take()
    if paragraph.started:
        yield paragraph.take()


def by_file(lines: Lines, file: SourceFile, max_characters: int) -> Iterator[Record | Dropped]:
    """The whole file; a bad line drops it. Of a file that breaks off, the whole lines before the break
    stay."""
    whole = _Gathered(file, max_characters)
    broken: BrokenStream | None = None
    try:
        for chunk in lines:
            for line in chunk:
                whole.add(line)
            if whole.bad is not None:
                break
    except BrokenStream as error:
        broken = error
    if whole.started:
        yield whole.take()
    if broken is not None:
        raise broken


class _Gathered:
    """Lines that become one record."""

    def __init__(self, file: SourceFile, max_characters: int) -> None:
        self._file = file
        self._max = max_characters
        self._start()

    def _start(self) -> None:
        self._lines: list[str] = []
        self._characters = 0
        self._first = 0
        self.started = False
        self.bad: BadLine | None = None

    def add(self, line: Line | BadLine) -> None:
        bad = isinstance(line, BadLine)
        number = line.number if isinstance(line, BadLine) else line[0]
        if not self.started:
            self.started, self._first = True, number
        if self.bad is not None:
            return
        if isinstance(line, BadLine):
            self.bad = line
        else:
            self._characters += len(line[1]) + 1
            self._lines.append(line[1])
            if self._characters - 1 > self._max:
                self.bad = BadLine(number, "too_long", f"more than {self._max} characters")
        if bad or self.bad is not None:
            self._lines.clear()

    def take(self) -> Record | Dropped:
        place = f"{self._file.path}:{self._first}"
        text = "\n".join(self._lines)
        bad = self.bad
        self._start()
        if bad is not None:
            return Dropped(bad.reason, f"{self._file.path}:{bad.number}", bad.detail)
        if not text or text.isspace():
            return Dropped("empty", place, "nothing but white space")
        return Record(self._file.name, place, {"text": text})


def _read(file: SourceFile, input: Input, choices: Choices) -> Iterator[Record | Dropped]:
    lines = text_lines(input, choices)
    if choices.documents == "line":
        return by_line(lines, file)
    if choices.documents == "paragraph":
        return by_paragraph(lines, file, choices.max_characters)
    return by_file(lines, file, choices.max_characters)


FORMAT = Format(
    name="text",
    extensions=(".txt", ".md", ".text", ".markdown", ".rst"),
    read=_read,
    columns="none",
    units=("file", "line", "paragraph"),
    heeds=frozenset(("encoding",)),
)
