"""Pairs of sentences with a degree of similarity: the STS benchmark in English and its Chinese translations."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from typing import ClassVar

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, Fields, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus


class Sts(StandardCorpus):
    """STS benchmark (Cer et al. 2017) and its translations: two sentences and a score from 0 to 5.

    The published file (TAB: genre, file, year, number, score, two sentences), CSV `sentence,sentence,score` (the
    multilingual edition), and `number||sentence||sentence||score` (Chinese STS-B). Records: text, pair, score, and
    what else the form has. Each sentence is a document.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "sts")

    def build(self) -> StsReader:
        return StsReader(self)


class StsReader(ShapedReader):
    patterns = ("sts*.csv", "sts*.tsv", "STS*.txt", "cnsd-sts-*.txt")
    expected = (
        "`sentence,sentence,score`, `genre<TAB>file<TAB>year<TAB>number<TAB>score<TAB>sentence<TAB>sentence` or "
        "`number||sentence||sentence||score`, with a score from 0 to 5"
    )

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        first = file.first_line()
        take = _by_tabs if first.count("\t") >= 6 else _by_bars if "||" in first else _by_commas
        for line in file.lines():
            if isinstance(line, Dropped):
                yield line
                continue
            number, text = line
            if not text:
                yield Dropped("empty", file.place(number), "a blank line")
                continue
            fields = _scored(take, text)
            if fields is None:
                yield wrong(file.place(number), self.expected, text)
            else:
                documents = [{"text": fields["text"]}, {"text": fields["pair"]}]
                yield Entry(file.place(number), documents, (fields,))


def _scored(take: Callable[[str], Fields], line: str) -> Fields | None:
    try:
        fields = take(line)
        return fields if 0 <= float(fields["score"]) <= 5 else None
    except (ValueError, csv.Error):
        return None


def _by_tabs(line: str) -> Fields:
    # Some lines name their licence in columns behind the sentences.
    genre, file, year, number, score, text, pair = line.split("\t")[:7]
    about = {"genre": genre, "file": file, "year": year, "number": number}
    return {"text": text, "pair": pair, "score": score, **about}


def _by_bars(line: str) -> Fields:
    number, text, pair, score = line.split("||")
    return {"text": text, "pair": pair, "score": score.strip(), "number": number}


def _by_commas(line: str) -> Fields:
    (cells,) = csv.reader([line], strict=True)
    text, pair, score = cells
    return {"text": text, "pair": pair, "score": score}
