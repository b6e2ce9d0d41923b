"""Folders of benchmarks of many tasks: GLUE, SuperGLUE, CLUE. Their tasks are tables; the reading is one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.benchmark_rows import BenchmarkTask, copa, multirc, record, wsc
from acclimate.corpus.readers.choices import choice_passages
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, wrong
from acclimate.corpus.readers.idioms import answers_of, idiom_texts, is_answers
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus
from acclimate.corpus.readers.squad import passages
from acclimate.errors import UserError

GLUE = {
    "cola": BenchmarkTask("CoLA", "sentence", None, columns=("source", "label", "mark", "sentence")),
    "sst2": BenchmarkTask("SST-2", "sentence", None),
    "mrpc": BenchmarkTask("MRPC", "#1 String", "#2 String", "Quality"),
    "qqp": BenchmarkTask("QQP", "question1", "question2", "is_duplicate"),
    "stsb": BenchmarkTask("STS-B", label="score"),
    "mnli": BenchmarkTask("MNLI", label="gold_label"),
    "qnli": BenchmarkTask("QNLI", "sentence", "question"),
    "rte": BenchmarkTask("RTE"),
    "wnli": BenchmarkTask("WNLI"),
    "ax": BenchmarkTask("diagnostic"),
}
SUPERGLUE = {
    "boolq": BenchmarkTask("BoolQ", "passage", "question", documents=("text",)),
    "cb": BenchmarkTask("CB", "premise", "hypothesis"),
    "copa": BenchmarkTask("COPA", special=copa),
    "multirc": BenchmarkTask("MultiRC", special=multirc),
    "record": BenchmarkTask("ReCoRD", special=record),
    "rte": BenchmarkTask("RTE", "premise", "hypothesis"),
    "wic": BenchmarkTask("WiC"),
    "wsc": BenchmarkTask("WSC", special=wsc),
    "axb": BenchmarkTask("AX-b"),
    "axg": BenchmarkTask("AX-g", "premise", "hypothesis"),
}
CLUE = {
    "afqmc": BenchmarkTask("afqmc"),
    "tnews": BenchmarkTask("tnews", "sentence", None),
    "iflytek": BenchmarkTask("iflytek", "sentence", None),
    "cmnli": BenchmarkTask("cmnli"),
    "ocnli": BenchmarkTask("ocnli"),
    "cluewsc": BenchmarkTask("cluewsc2020", special=wsc),
    "csl": BenchmarkTask("csl", "abst", None),
    "cmrc": BenchmarkTask("cmrc2018", form="squad"),
    "drcd": BenchmarkTask("drcd", form="squad"),
    "chid": BenchmarkTask("chid", form="idioms"),
    "c3": BenchmarkTask("c3", form="choices"),
}


class Glue(StandardCorpus):
    """GLUE (Wang et al. 2019): the published TSV folders of nine English tasks and the diagnostic set.

    `path` is the benchmark's folder, the task's own, or a file of it. Records: text, pair (of pairs), label, other
    columns by their names. Each sentence is a document.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "glue")

    task: Literal["cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte", "wnli", "ax"]
    """Which of the tasks."""

    def build(self) -> BenchmarkReader:
        return TableBenchmarkReader(self, GLUE, self.task)


class Superglue(StandardCorpus):
    """SuperGLUE (Wang et al. 2019): the published JSON lines of eight English tasks and two diagnostic sets.

    Records: text, pair, label; of copa context, question, choices, label, answer; of multirc the same with labels;
    of record context, question, entities, answers; of wsc text, target, label. Passages are documents, and each
    sentence of a pair.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "superglue")

    task: Literal["boolq", "cb", "copa", "multirc", "record", "rte", "wic", "wsc", "axb", "axg"]
    """Which of the tasks."""

    def build(self) -> BenchmarkReader:
        return LinesBenchmarkReader(self, SUPERGLUE, self.task)


class Clue(StandardCorpus):
    """CLUE (Xu et al. 2020): the published JSON of eleven Chinese tasks.

    Records: text, pair, label; of cluewsc text, target, label; of cmrc and drcd as `squad` gives them, of c3 as `c3`;
    of chid context (with its holes), candidates, answers ({hole: idiom}). Passages are documents, and each sentence
    of a pair; chid's with the holes filled.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "clue")

    task: Literal[
        "afqmc", "tnews", "iflytek", "cmnli", "ocnli", "cluewsc", "csl", "cmrc", "drcd", "chid", "c3"
    ]
    """Which of the tasks."""

    def build(self) -> BenchmarkReader:
        return LinesBenchmarkReader(self, CLUE, self.task)


class BenchmarkReader(ShapedReader):
    """Finds the task's folder below the benchmark's; rows become entries as the table says."""

    def __init__(self, settings: StandardCorpus, tasks: Mapping[str, BenchmarkTask], name: str) -> None:
        super().__init__(settings)
        self.task = tasks[name]
        self._tasks = tasks
        self.name = f"{self.name}/{name}"

    def choose(self, files: Sequence[CorpusFile]) -> list[CorpusFile]:
        chosen = [file for file in files if not is_answers(file)]
        tasks = {_words(task.folder) for task in self._tasks.values()}
        found = {file.name: _task_folder(file, tasks) for file in chosen}
        if not any(found.values()):
            return chosen
        own = [file for file in chosen if found[file.name] == _words(self.task.folder)]
        if not own:
            raise UserError(f"{self.corpus.path}: expected a folder {self.task.folder} in it")
        return own


def _task_folder(file: CorpusFile, tasks: set[str]) -> str | None:
    """Which task's folder a file lies in, below the benchmark's."""
    folders = map(_words, PurePosixPath(file.name).parts[:-1])
    return next((words for words in folders if words in tasks), None)


def _words(folder: str) -> str:
    folder = re.sub(r"([_-](public|private|data))+$", "", folder.lower())
    return re.sub(r"[^a-z0-9]", "", folder)


class TableBenchmarkReader(BenchmarkReader):
    """Tables by tabs, with or without a header line, without quotation."""

    patterns = ("*.tsv", "msr_paraphrase_*.txt")

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        names: list[str] | None = None
        for line in file.lines():
            if isinstance(line, Dropped):
                yield line
                continue
            cells = line[1].split("\t")
            place = file.place(line[0])
            if names is None:
                names = [cell.strip() for cell in cells]
                if self.task.text in names:
                    continue
                names = list(self.task.columns or ())
            if not line[1]:
                yield Dropped("empty", place, "a blank line")
            elif len(cells) != len(names):
                yield wrong(place, self._columns(names), line[1])
            else:
                try:
                    yield self.task.entry(dict(zip(names, cells, strict=True)), place)
                except KeyError:
                    yield wrong(place, self._columns(names), line[1])

    def _columns(self, names: list[str]) -> str:
        if names:
            return f"{len(names)} columns by tabs ({', '.join(names)})"
        wanted = [name for name in (self.task.text, self.task.pair) if name]
        return (
            f"a header line with the column{'s' if len(wanted) > 1 else ''} {' and '.join(map(repr, wanted))}"
        )


class LinesBenchmarkReader(BenchmarkReader):
    """JSON lines, or what the task's form says."""

    patterns = ("*.jsonl", "*.json")

    def companions(self, file: CorpusFile) -> Sequence[CorpusFile]:
        answers = answers_of(file) if self.task.form == "idioms" else None
        return [answers] if answers else ()

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        if self.task.form == "squad":
            return passages(file)
        if self.task.form == "choices":
            return choice_passages(file)
        if self.task.form == "idioms":
            return idiom_texts(file)
        return self._rows(file)

    def _rows(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        expected = f"an object a line with {self._members()}"
        for row in file.objects(expected):
            if isinstance(row, Dropped):
                yield row
                continue
            try:
                yield self.task.entry(row[1], file.place(row[0]))
            except (KeyError, TypeError, ValueError, AttributeError, IndexError):
                yield wrong(file.place(row[0]), expected, row[1])

    def _members(self) -> str:
        special: dict[Any, str] = {
            copa: '"premise", "choice1", "choice2", "question"',
            multirc: '"passage": {"text", "questions": [{"question", "answers": [{"text", "label"}]}]}',
            record: '"passage": {"text", "entities"} and "qas": [{"query", "answers"}]',
            wsc: '"text" and "target": {"span1_text", "span1_index", "span2_text", "span2_index"}',
        }
        if self.task.special is not None:
            return special[self.task.special]
        return " and ".join(f'"{name}"' for name in (self.task.text, self.task.pair) if name)
