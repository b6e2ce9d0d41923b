"""Questions with choices about a passage: MCTest, C3, DREAM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, Fields, compact, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus

EXPECTED = 'a list of [["passage", …], [{"question", "choice": […], "answer"}, …], "id"]'


class Mctest(StandardCorpus):
    """MCTest (Richardson et al. 2013): stories with four questions of four choices; `.tsv`, answers in `.ans` beside.

    Records, one a question: context, question, choices (JSON list), label (number of the right choice from 0, empty
    without `.ans`), answer (its text), kind (`one` or `multiple`: sentences it takes), id. A document is a story, once.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "mctest")

    def build(self) -> MctestReader:
        return MctestReader(self)


class MctestReader(ShapedReader):
    patterns = ("mc160.*.tsv", "mc500.*.tsv", "mc160.*.ans", "mc500.*.ans")
    expected = "23 columns by tabs: id, properties, story, then 4 times a question and its 4 choices"

    def choose(self, files: Sequence[CorpusFile]) -> list[CorpusFile]:
        return [file for file in files if not file.bare.endswith(".ans")]

    def companions(self, file: CorpusFile) -> Sequence[CorpusFile]:
        answers = file.beside(file.bare.removesuffix(".tsv") + ".ans")
        return [answers] if answers else ()

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        beside = self.companions(file)
        answers = beside[0].lines() if beside else None
        for line in file.lines():
            # The answers to a story stand in the line of the same number.
            letters = next(answers, None) if answers is not None else None
            if isinstance(line, Dropped):
                yield line
                continue
            number, text = line
            place = file.place(number)
            cells = [cell.replace("\\newline", "\n").replace("\\tab", "\t") for cell in text.split("\t")]
            if len(cells) != 23:
                yield wrong(place, self.expected, text)
                continue
            right = letters[1].split() if isinstance(letters, tuple) else []
            if answers is not None and (len(right) != 4 or set(right) - set("ABCD")):
                found = letters[1] if isinstance(letters, tuple) else ""
                yield wrong(beside[0].place(number), "four letters A to D by tabs", found)
                continue
            yield _story(place, cells, right)


def _story(place: str, cells: list[str], right: list[str]) -> Entry:
    name, properties, story = cells[:3]
    records = []
    for index in range(4):
        question, *choices = cells[3 + 5 * index : 8 + 5 * index]
        kind, _, asked = question.partition(":")
        label = "ABCD".index(right[index]) if right else None
        records.append(
            _record(story, asked.strip(), choices, label, f"{name}.{index}") | {"kind": kind.strip()}
        )
    return Entry(place, ({"text": story, "id": name, "properties": properties},), records)


def _record(context: str, question: str, choices: list[str], label: int | None, name: str) -> Fields:
    return {
        "context": context,
        "question": question,
        "choices": compact(choices),
        "label": "" if label is None else str(label),
        "answer": "" if label is None else choices[label],
        "id": name,
    }


class C3(StandardCorpus):
    """C3 (Sun et al. 2020): Chinese dialogues and passages with questions of two to four choices.

    Records, one a question: context, question, choices (JSON list), label (number of the right choice from 0, empty
    where the file gives no answer), answer (its text), id. A document is a passage, its sentences or turns on lines.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "c3")

    def build(self) -> PassageChoicesReader:
        return PassageChoicesReader(self)


class Dream(C3):
    """DREAM (Sun et al. 2019): English dialogues with questions of three choices, in the same form as C3."""

    registered_as: ClassVar[tuple[str, str]] = ("reader", "dream")


class PassageChoicesReader(ShapedReader):
    patterns = ("*.json",)
    expected = EXPECTED

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        return choice_passages(file)


def choice_passages(file: CorpusFile) -> Iterator[Entry | Dropped]:
    """An entry a passage, its records the questions."""
    value = file.value(EXPECTED)
    if isinstance(value, Dropped):
        yield value
    elif not isinstance(value, list):
        yield wrong(file.place(1), EXPECTED, value)
    else:
        for index, item in enumerate(value):
            place = file.place(f"[{index}]")
            try:
                yield _choice_passage(item, place)
            except (KeyError, TypeError, ValueError):
                yield wrong(place, EXPECTED, item)


def _choice_passage(item: Any, place: str) -> Entry:
    lines, questions, name = item
    context = "\n".join(lines)
    records = []
    for index, one in enumerate(questions):
        choices, answer = list(one["choice"]), one.get("answer")
        # Some choices repeat; the first is as right as the second.
        label = None if answer is None else choices.index(answer)
        records.append(_record(context, str(one["question"]), choices, label, f"{name}.{index}"))
    return Entry(place, ({"text": context, "id": str(name)},), records)
