"""Chinese spelling errors as the SIGHAN bake-offs publish them: sentences in one file, what is wrong in another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import ClassVar

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus

_SENTENCE = "`(id=…)<TAB>sentence`"
_TRUTH = "`id, place, right character, …`, or `id, 0` where nothing is wrong"


class Sighan(StandardCorpus):
    """SIGHAN Chinese spelling check (Wu et al. 2013; Yu et al. 2014; Tseng et al. 2015): `…Input….txt`, and
    `…Truth….txt` beside it, aligned by line.

    Records: text (the sentence as it was written), target (as it is right), errors (how many characters are wrong), id.
    Documents are the right sentences. A line that does not fit the other file's is dropped by reason `unaligned`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "sighan")

    def build(self) -> SighanReader:
        return SighanReader(self)


class SighanReader(ShapedReader):
    patterns = ("*Input*.txt", "*Truth*.txt")
    expected = _SENTENCE

    def choose(self, files: Sequence[CorpusFile]) -> list[CorpusFile]:
        """The files of sentences; where none is named so, all, and each says what it lacks."""
        return [file for file in files if "Input" in file.bare] or list(files)

    def companions(self, file: CorpusFile) -> Sequence[CorpusFile]:
        truth = file.beside(file.bare.replace("Input", "Truth"))
        return [] if truth is None else [truth]

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        beside = self.companions(file)
        if not beside:
            yield Dropped("unpaired", file.stored.place, "the file with the truth is missing beside it")
            return
        for line, truth in zip_longest(file.lines(), beside[0].lines()):
            if line is None:
                return
            if isinstance(line, Dropped):
                yield line
            elif not line[1].strip():
                yield Dropped("empty", file.place(line[0]), "a blank line")
            elif not isinstance(truth, tuple):
                yield Dropped("unaligned", file.place(line[0]), "the file with the truth has no such line")
            else:
                yield _entry(file.place(line[0]), line[1], truth[1])


def _entry(place: str, line: str, truth: str) -> Entry | Dropped:
    name, tab, text = line.partition("\t")
    if not tab:
        return wrong(place, _SENTENCE, line)
    marks = [one.strip() for one in truth.split(",")]
    if _id(marks[0]) != _id(name):
        return Dropped("unaligned", place, f"the truth beside is of {marks[0]!r}, the sentence is {name!r}")
    right = list(text)
    told = [] if marks[1:] == ["0"] else marks[1:]
    if len(told) % 2 or len(marks) == 1:
        return wrong(place, _TRUTH, truth)
    errors = list(zip(told[::2], told[1::2], strict=True))
    for at, character in errors:
        if not at.isdigit() or not 1 <= int(at) <= len(text) or len(character) != 1:
            return wrong(place, _TRUTH, truth)
        right[int(at) - 1] = character
    target = "".join(right)
    record = {"text": text, "target": target, "errors": str(len(errors)), "id": _id(name)}
    return Entry(place, [{"text": target}], (record,))


def _id(name: str) -> str:
    """`(NID=00401)` and `00401` are one."""
    return name.strip().strip("()").rpartition("=")[2]
