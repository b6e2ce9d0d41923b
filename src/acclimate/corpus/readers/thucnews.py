"""THUCNews: Chinese news by topic, whole or as the lists of titles that most comparisons use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, plain, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus

_TOPICS = "财经 彩票 房产 股票 家居 教育 科技 社会 时尚 时政 体育 星座 游戏 娱乐"
TOPICS = frozenset(_TOPICS.split())
_NAMES = "class.txt"


class Thucnews(StandardCorpus):
    """THUCNews (Sun et al. 2016): Chinese news in 14 topics.

    As published (`topic/number.txt`, the title on the first line), or as lines `topic<TAB>text`, or
    `title<TAB>number` with the names of the topics in `class.txt` beside. Records: text, label (the topic's name, or
    its number without `class.txt`); of published articles also title.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "thucnews")

    def build(self) -> ThucnewsReader:
        return ThucnewsReader(self)


class ThucnewsReader(ShapedReader):
    patterns = ("*.txt",)
    expected = "`topic<TAB>text` or `title<TAB>number of the topic`"

    def choose(self, files: Sequence[CorpusFile]) -> list[CorpusFile]:
        return [file for file in files if file.bare != _NAMES]

    def companions(self, file: CorpusFile) -> Sequence[CorpusFile]:
        names = None if file.stored.folder in TOPICS else file.beside(_NAMES)
        return [names] if names else ()

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        if file.stored.folder in TOPICS:
            yield _article(file)
            return
        names = self._names(file)
        for line in file.lines():
            if isinstance(line, Dropped):
                yield line
                continue
            number, text = line
            place = file.place(number)
            left, tab, right = text.partition("\t")
            if not text:
                yield Dropped("empty", place, "a blank line")
            elif tab and left in TOPICS:
                yield plain(place, {"text": right, "label": left})
            elif tab and right.isdecimal() and (not names or int(right) < len(names)):
                yield plain(place, {"text": left, "label": names[int(right)] if names else right})
            else:
                yield wrong(place, self.expected, text)

    def _names(self, file: CorpusFile) -> list[str]:
        lines = [line for beside in self.companions(file) for line in beside.lines()]
        return [line[1].strip() for line in lines if not isinstance(line, Dropped) and line[1].strip()]


def _article(file: CorpusFile) -> Entry | Dropped:
    lines = list(file.lines())
    for line in lines:
        if isinstance(line, Dropped):
            return line
    texts = [line[1].strip("\u3000 ") for line in lines if not isinstance(line, Dropped)]
    texts = [text for text in texts if text]
    if not texts:
        return Dropped("empty", file.stored.place, "nothing but blank lines")
    fields = {"text": "\n".join(texts), "label": file.stored.folder, "title": texts[0]}
    return plain(file.place(1), fields)
