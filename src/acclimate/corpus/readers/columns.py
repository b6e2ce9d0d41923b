"""Token-a-line files with tags: CoNLL, BIO, BMES, as named-entity corpora are published in English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, Fields, compact, shown, wrong
from acclimate.corpus.readers.line_breaks import apart, is_east_asian
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus
from acclimate.corpus.readers.spans import Scheme, detect_scheme, spans, violation

_HEAD = 3000
"""Sentences by which a file's scheme and spacing are judged."""
_MOST_TOKENS = 100_000
_ENDINGS = "conll bio bio2 bmes bioes bieos iob iob2 char txt tsv train dev test testa testb"
_DOCSTART = "-DOCSTART-"
_ANY_TAGS = "tags of IOB, IOBES, BMES, BILOU or BMEWO in the last column, as `O O B-PER I-PER`"
_DIGIT = re.compile(r"(.+)(\d)", re.DOTALL)


class Conll(StandardCorpus):
    """Tagged tokens, one a line, a blank line between sentences, columns by tabs or spaces: CoNLL, BIO, BMES.

    Records, one a sentence: text, tokens and tags as they stand (JSON lists), scheme (of the file), valid (whether the
    tags keep to it; true or false), entities (JSON list of {label, start, end, text}, characters of the text, the end
    exclusive; where tags break the scheme, what the CoNLL evaluation sees), and the other columns as JSON lists by
    name or number. A sentence with something else than tags is dropped by reason `wrong_tags`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "conll")

    columns: list[str] | None = Field(default=None, min_length=2)
    """Names of the columns, `token` and `tag` among them; by default the token is first, the tag is last, and those
    between have numbers from 0."""
    scheme: Literal["auto", "iob1", "iob2", "iobes", "bmes", "bilou", "bmewo"] = "auto"
    """How tags mark spans; `auto` takes what the fewest sentences at the head of the file break."""
    spaces: bool | None = None
    """Whether tokens are joined by spaces; by default not for files of characters and not between Chinese ones."""
    documents: Literal["marked", "sentence"] = "marked"
    """What one document is: the sentences between `-DOCSTART-` lines where there are such, else a `sentence`."""

    @field_validator("columns")
    @classmethod
    def _needed(cls, value: list[str] | None) -> list[str] | None:
        for name in ("token", "tag"):
            if value is not None and value.count(name) != 1:
                raise ValueError(f"expected {name!r} once among the columns, found {', '.join(value)}")
        return value

    def build(self) -> ConllReader:
        return ConllReader(self)


class Conll2003(Conll):
    """CoNLL-2003 (Tjong Kim Sang & De Meulder 2003): English news, IOB1, columns token, pos, chunk, tag."""

    registered_as: ClassVar[tuple[str, str]] = ("reader", "conll2003")
    columns: list[str] | None = Field(default=["token", "pos", "chunk", "tag"], min_length=2)
    """Names of the columns."""


class MsraNer(Conll):
    """MSRA named entities (Levow 2006): Chinese news, a character a line, IOB2, with LOC, ORG, PER."""

    registered_as: ClassVar[tuple[str, str]] = ("reader", "msra_ner")


class WeiboNer(Conll):
    """Weibo named entities (Peng & Dredze 2015): a character and its place in the word (`科0`, `技1`) a line.

    The digit stands in the field `place_in_word` (JSON list), not in the token.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "weibo_ner")

    def build(self) -> ConllReader:
        return ConllReader(self, digits=True)


@dataclass(frozen=True, slots=True)
class _Sentence:
    number: int
    rows: list[list[str]]
    bad: Dropped | None
    """Why it cannot be used."""
    marked: bool
    """Whether it is the first after a `-DOCSTART-` line."""


class ConllReader(ShapedReader):
    patterns = (*(f"*.{end}" for end in _ENDINGS.split()), "train", "dev", "test")
    expected = "a line `token tag` with a tag such as O, B-PER or I-PER"

    def __init__(self, settings: Conll, digits: bool = False) -> None:
        super().__init__(settings)
        self.settings = settings
        self._digits = digits
        columns = settings.columns
        self._token, self._tag = (columns.index("token"), columns.index("tag")) if columns else (0, -1)

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        sentences = self._sentences(file)
        head = list(islice(sentences, _HEAD))
        good = [one for one in head if one.bad is None]
        scheme: Scheme | None = None
        if self.settings.scheme != "auto":
            scheme = self.settings.scheme
        elif good:
            scheme = detect_scheme([row[self._tag] for row in one.rows] for one in good)
        if scheme is None:
            for one in chain(head, sentences):
                yield one.bad or wrong(
                    file.place(one.number), _ANY_TAGS, " ".join(row[self._tag] for row in one.rows)
                )
            return
        sample = [row[self._token] for one in good for row in one.rows]
        join = _Joiner(self.settings.spaces, [token[:-1] for token in sample] if self._digits else sample)
        marks = any(one.marked for one in head) and self.settings.documents == "marked"
        first, texts = "", list[str]()
        for one in chain(head, sentences):
            if one.marked and texts:
                yield Entry(first, (_document(texts),), ())
                texts = []
            item = one.bad or self._checked(one, file, scheme, join)
            if isinstance(item, Dropped):
                yield item
                continue
            place = file.place(one.number)
            yield Entry(place, () if marks else (_document([item["text"]]),), (item,))
            if marks:
                first = first if texts else place
                texts.append(item["text"])
        if texts:
            yield Entry(first, (_document(texts),), ())

    def _sentences(self, file: CorpusFile) -> Iterator[_Sentence]:
        rows: list[list[str]] = []
        first, marked = 0, False
        bad: Dropped | None = None
        width = len(self.settings.columns) if self.settings.columns else 0
        for line in file.lines():
            if isinstance(line, Dropped):
                bad, first = bad or line, first or int(line.place.rpartition(":")[2])
                continue
            number, text = line
            if not text.strip(" \t"):
                if rows or bad:
                    yield _Sentence(first, rows, bad, marked)
                    rows, first, bad, marked = [], 0, None, False
                continue
            if not rows:
                if text.startswith(_DOCSTART):
                    marked = True
                    continue
                if not bad and text.startswith("# ") and len(text.split()) != (width or 2):
                    continue  # a comment before a sentence
            first = first or number
            cells = _cells(text, width)
            width = width or len(cells)
            if len(cells) != width or width < 2:
                bad = bad or wrong(file.place(number), self._expected(width), text)
            if len(rows) < _MOST_TOKENS:
                rows.append(cells)
            else:
                bad = bad or Dropped(
                    "too_long", file.place(first), f"a sentence of more than {_MOST_TOKENS} tokens"
                )
        if rows or bad:
            yield _Sentence(first, rows, bad, marked)

    def _expected(self, width: int) -> str:
        names = self.settings.columns or (
            ["token", *map(str, range(1, width - 1)), "tag"] if width > 2 else None
        )
        return f"a line of {len(names)} columns ({' '.join(names)})" if names else self.expected

    def _checked(self, one: _Sentence, file: CorpusFile, scheme: Scheme, join: _Joiner) -> Fields | Dropped:
        columns = [list(column) for column in zip(*one.rows, strict=True)]
        names = self.settings.columns or ["token", *map(str, range(1, len(columns) - 1)), "tag"]
        named = dict(zip(names, columns, strict=True))
        tokens, tags = named.pop("token"), named.pop("tag")
        try:
            found = spans(tags)
        except ValueError as error:
            return Dropped("wrong_tags", file.place(one.number), f"{error} in {shown(' '.join(tags))}")
        if self._digits:
            parts = [_DIGIT.fullmatch(token) for token in tokens]
            for index, part in enumerate(parts):
                if part is None:
                    expected = "a character and a digit, as `科0`"
                    return wrong(file.place(one.number + index), expected, " ".join(one.rows[index]))
            tokens = [part[1] for part in parts if part]
            named["place_in_word"] = [part[2] for part in parts if part]
        text, starts = join(tokens)
        if not self.for_tasks:
            return {"text": text}
        entities = []
        for span in found:
            start, end = starts[span.start], starts[span.end - 1] + len(tokens[span.end - 1])
            entities.append({"label": span.label, "start": start, "end": end, "text": text[start:end]})
        return {
            "text": text,
            "tokens": compact(tokens),
            "tags": compact(tags),
            "scheme": scheme,
            "valid": str(violation(tags, scheme) is None).lower(),
            "entities": compact(entities),
            **{name: compact(column) for name, column in named.items()},
        }


def _cells(text: str, width: int) -> list[str]:
    """The columns of a line. A token may itself be a space of another kind, or a plain one."""
    if "\t" in text:
        return text.rstrip("\t").split("\t")
    if text.count(" ") == width - 1:
        return text.split(" ")
    if width and text[0] in " \u3000\xa0":
        return text.rsplit(" ", width - 1)
    return text.split(" ") if "  " not in text else text.split()


class _Joiner:
    """Makes text of tokens."""

    def __init__(self, spaces: bool | None, sample: Sequence[str]) -> None:
        if spaces is None and sample:
            singles = [token for token in sample if len(token) == 1]
            of_characters = 10 * len(singles) >= 9 * len(sample) and 2 * sum(
                map(is_east_asian, singles)
            ) > len(sample)
            spaces = False if of_characters else None
        self._spaces = spaces

    def __call__(self, tokens: Sequence[str]) -> tuple[str, list[int]]:
        """(text, where each token begins in it)"""
        if self._spaces is False:
            return "".join(tokens), list(accumulate(map(len, tokens), initial=0))[:-1]
        pieces: list[str] = []
        starts: list[int] = []
        at = 0
        for index, token in enumerate(tokens):
            if index and self._apart(tokens[index - 1], token):
                pieces.append(" ")
                at += 1
            starts.append(at)
            pieces.append(token)
            at += len(token)
        return "".join(pieces), starts

    def _apart(self, left: str, right: str) -> bool:
        return apart(left, right) if self._spaces is None else self._spaces


def _document(sentences: Sequence[str]) -> Fields:
    return {"text": "\n".join(sentences), "sentences": str(len(sentences))}
