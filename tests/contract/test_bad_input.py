"""Input that cannot be used: one clear message with the place, the exit code, no traceback, nothing lost."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

TEXT_ONLY = """\
name: text
corpus: {sources: [{path: text.txt, documents: line}]}
tokenizer: {train: {vocab_size: 400, least: 0%}}
model: {family: bert, size: tiny, positions: 64}
"""
TASK = """\
name: task
corpus: {sources: [{path: text.txt, documents: line}]}
tokenizer: {train: {vocab_size: 400, least: 0%}}
model: {family: bert, size: tiny, positions: 64}
tasks:
  topic: {classification: {train: train.tsv, test: test.tsv, text: 0, label: 1, header: false, seeds: 1,
                           length: 1 steps, sequence_length: 48}}
evaluate: {intervals: {bootstrap: {resamples: 100}}}
hardware: {threads: 1}
"""


def edit(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return apply


def lines(change: Callable[[int, bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda data: b"\n".join(change(n, line) for n, line in enumerate(data.splitlines())) + b"\n"


def label(name: bytes) -> Callable[[bytes], bytes]:
    return lines(lambda _, line: line.split(b"\t")[0] + b"\t" + name)


def compress(source: str, target: str, part: float = 1.0) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        data = gzip.compress((folder / source).read_bytes())
        (folder / target).write_bytes(data[: int(len(data) * part)])

    return apply


def nothing(folder: Path) -> None:
    pass


@dataclass(frozen=True)
class Case:
    """What is done to a good project, and what is said of it. `{}` in the message is the project's folder."""

    change: Callable[[Path], None]
    message: str
    recipe: str = TASK
    sets: tuple[str, ...] = ()
    code: int = 1
    options: dict[str, Any] = field(default_factory=dict)


def refused(message: str, change: Callable[[Path], None] = nothing, *sets: str, **more: Any) -> Case:
    """Found before anything runs."""
    return Case(change, message, sets=sets, code=2, **more)


REFUSED = {
    "missing text": refused(
        "recipe.yaml:2:20: corpus.sources.0: {}/text.txt: there is no such file or folder",
        lambda folder: (folder / "text.txt").unlink(),
    ),
    "missing examples": refused(
        "tasks.topic.classification.train: {}/train.tsv: there is no such file or folder",
        lambda folder: (folder / "train.tsv").unlink(),
    ),
    "empty text": refused(
        "corpus.sources.0: {}/text.txt: the file is empty", edit("text.txt", lambda _: b"")
    ),
    "empty examples": refused(
        "tasks.topic.classification.test: {}/test.tsv: the file is empty", edit("test.tsv", lambda _: b"")
    ),
    "unreadable text": refused(
        "{}/text.txt: .*[Pp]ermission denied",
        lambda folder: (folder / "text.txt").chmod(0),
        options={"powerless": True},
    ),
    "unreadable examples": refused(
        "{}/train.tsv: .*[Pp]ermission denied",
        lambda folder: (folder / "train.tsv").chmod(0),
        options={"powerless": True},
    ),
    "nothing but NUL bytes": refused(
        "text.txt:1: none of the first records can be read; the first: nul_bytes: 5000 NUL bytes",
        edit("text.txt", lambda _: b"\0" * 5000),
    ),
    "nothing in the declared encoding": refused(
        "text.txt:1: none of the first records can be read; the first: invalid_encoding: byte ff at column 1 is not",
        edit("text.txt", lines(lambda _, line: b"\xff" + line)),
        "corpus.sources.0.encoding=utf-8",
    ),
    "no gzip at all": refused(
        "text.txt.gz: none of the first records can be read; the first: corrupt: not valid gzip",
        lambda folder: shutil.copy(folder / "text.txt", folder / "text.txt.gz"),
        "corpus.sources.0.path=text.txt.gz",
    ),
    "examples cut in the head": refused(
        "train.tsv.gz: none of the first records can be read; the first: truncated: the gzip file ends before",
        compress("train.tsv", "train.tsv.gz", 0.05),
        "tasks.topic.classification.train=train.tsv.gz",
    ),
    "no such column": refused(
        r"{}/test.tsv:1: there is no column 1 \(label\); the columns are 0 to 0",
        edit("test.tsv", lambda data: data.replace(b"\t", b" ")),
    ),
    "sequence longer than the model": refused(
        "--set tasks.topic.classification.sequence_length: 65 is longer "
        "than the model's 64 positions; at most 64 fit",
        nothing,
        "tasks.topic.classification.sequence_length=65",
    ),
}
FAILED = {
    "unknown label in test": Case(
        edit("test.tsv", lambda data: data.replace(b"\tsport", b"\tsprot", 1)),
        r"{}/test.tsv:\d+: label 'sprot' is not among the 3 labels of the training examples; did you mean 'sport'\?",
    ),
    "one class": Case(
        edit("train.tsv", label(b"sport")),
        r"{}/train.tsv:1: all 96 examples have the label 'sport'; there is nothing to tell apart",
    ),
    "label column all empty": Case(
        edit("train.tsv", label(b"")), "train.tsv: the label column 1 is empty in all 96 records"
    ),
    "nothing but blank lines": Case(
        edit("text.txt", lambda _: b"\n \n\n"),
        "corpus: no document is left: 3 were read, dropped by reason: empty 3",
    ),
    "vocabulary larger than the corpus supports": Case(
        nothing,
        r"vocab_size 30000 is larger than the corpus supports: wordpiece found \d\d\d entries; ask for at most \d\d\d",
        TEXT_ONLY,
        ("tokenizer.train.vocab_size=30k", "tokenizer.train.least=50%"),
    ),
}
SORTED_OUT = {
    "invalid UTF-8": Case(
        edit("text.txt", lines(lambda n, line: line[:5] + b"\xff\xfe" + line[5:] if n % 100 == 7 else line)),
        r"corpus: 5 of 500 records could not be used: invalid_encoding 5; the first: {}/text.txt:8: invalid_encoding",
        TEXT_ONLY,
        ("corpus.sources.0.encoding=utf-8",),
    ),
    "NUL bytes": Case(
        edit("text.txt", lines(lambda n, line: line + b"\0\0" if n % 100 == 7 else line)),
        r"corpus: 5 of 500 records could not be used: nul_bytes 5; the first: {}/text.txt:8: nul_bytes: 2 NUL bytes",
        TEXT_ONLY,
    ),
    "truncated gzip": Case(
        compress("text.txt", "text.txt.gz", 0.7),
        r"corpus: 1 of \d\d\d records could not be used: truncated 1; the first: {}/text.txt.gz: truncated: the "
        "gzip file ends before its end mark",
        TEXT_ONLY,
        ("corpus.sources.0.path=text.txt.gz",),
    ),
    "ragged TSV": Case(
        edit("train.tsv", lines(lambda n, line: line + b"\tx\ty" if n % 20 == 3 else line)),
        r"examples-topic: 5 of 144 records could not be used: ragged 5; the first: train.tsv:4: ragged: ",
    ),
}


@pytest.fixture
def tried(acclimate_command, make_project, tmp_path) -> Callable[[Case], tuple[Any, Path]]:
    """Runs a case: (how it ended, the project)."""

    def run(case: Case) -> tuple[Any, Path]:
        folder = make_project(tmp_path / "project", recipe=case.recipe)
        case.change(folder)
        sets = [part for one in case.sets for part in ("--set", one)]
        ended = acclimate_command("run", "recipe.yaml", "--json", *sets, folder=folder, **case.options)
        assert "Traceback" not in ended.err, ended.err
        assert ended.code == case.code, ended.err
        expected = case.message.replace("{}", re.escape(str(folder)))
        assert re.search(expected, " ".join(ended.err.split())), ended.err
        return ended, folder

    return run


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refused_before_anything_is_written(tried, case: Case) -> None:
    ended, folder = tried(case)
    assert ended.out == ""
    assert re.match(r"(recipe\.yaml:\d+:\d+): [\w.]+: |--set [\w.]+: ", ended.err), ended.err
    assert not (folder / "runs").exists()


@pytest.mark.parametrize("case", FAILED.values(), ids=FAILED)
def test_one_message_ends_the_run(tried, case: Case) -> None:
    ended, folder = tried(case)
    assert ended.out == ""
    assert len([line for line in ended.err.splitlines() if line.startswith("acclimate: ")]) == 1
    assert not list(folder.glob("runs/*/*/metrics.json"))
    drafts = [path for path in (folder / "runs/.store").rglob("*") if ".tmp-" in path.name]
    assert not drafts  # nothing half-made stays


@pytest.mark.parametrize("case", SORTED_OUT.values(), ids=SORTED_OUT)
def test_broken_records_are_told_counted_and_left_out(tried, case: Case) -> None:
    code = Case(case.change, case.message, case.recipe, case.sets, code=0)
    ended, folder = tried(code)
    run = folder / ended.told["run"]
    stage = "examples-topic" if case.recipe is TASK else "corpus"
    statistics = json.loads((run / "artifacts" / stage / "statistics.json").read_text("utf-8"))
    assert statistics["read"] == statistics["kept"] + sum(statistics["dropped"].values())
    assert statistics["kept"] > 100
    (sample, *_) = (run / "artifacts" / stage / "dropped.jsonl").read_text("utf-8").splitlines()
    assert json.loads(sample)["reason"] in statistics["dropped"]


def test_a_line_of_200_megabytes_is_left_out_in_bounded_memory(
    acclimate_command, make_project, tmp_path
) -> None:
    peaks = []
    for name, size in (("usual", 0), ("huge", 200_000_000)):
        folder = make_project(tmp_path / name, recipe=TEXT_ONLY)
        if size:
            text = (folder / "text.txt").read_bytes().splitlines(keepends=True)
            with (folder / "text.txt").open("wb") as file:
                file.writelines(text[:250])
                for _ in range(size // 1_000_000):
                    file.write(b"so on " * (1_000_000 // 6) + b"...!")
                file.write(b"\n")
                file.writelines(text[250:])
        # Workers would start for the large file alone, and are counted with what they share.
        ended = acclimate_command(
            "run", "recipe.yaml", "--set", "hardware.workers=1", "--json", folder=folder
        )
        assert ended.code == 0, ended.err
        peaks.append(ended.told["stages"]["corpus"]["peak_memory_bytes"])
        statistics = json.loads((folder / ended.told["run"] / "artifacts/corpus/statistics.json").read_text())
        assert statistics["read"] == 500 + bool(size) and statistics["dropped"].get("too_long", 0) == bool(
            size
        )
    assert "corpus: 1 of 501 records could not be used: too_long 1; the first: " in " ".join(
        ended.err.split()
    )
    assert peaks[1] - peaks[0] < 100_000_000
    (tmp_path / "huge/text.txt").unlink()
