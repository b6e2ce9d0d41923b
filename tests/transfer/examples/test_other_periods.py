from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acclimate.errors import UserError
from acclimate.transfer.examples.preparing import build_examples, read_examples, read_labels

HEAD = "text\tlabel\n"
OLD = HEAD + "".join(f"old {n}\t{'ab'[n % 2]}\n" for n in range(20))
NEW = HEAD + "".join(f"新 {n}\t{'bc'[n % 2]}\n" for n in range(20))
OLD_TEST, NEW_TEST = HEAD + "o x\ta\no y\tb\n", HEAD + "n x\tb\nn y\tc\n"


@pytest.fixture
def built(task: Callable[..., Any], tmp_path: Path) -> Callable[..., list[tuple[dict[str, Any], Path]]]:
    """(statistics, folder) of the earlier period and of the task's own."""

    def make(*files: str, **settings: Any) -> list[tuple[dict[str, Any], Path]]:
        names = ("old.tsv", "old-test.tsv", "new.tsv", "new-test.tsv")
        given = {"train": names[2], "test": names[3], **settings}
        before = [{"train": names[0], "test": names[1]}]
        own = task(dict(zip(names, files, strict=True)), before=before, **given)
        (earlier,) = own.earlier()
        found = []
        for one, other in ((earlier, own), (own, earlier)):
            folder = tmp_path / f"out-{len(found)}"
            folder.mkdir(exist_ok=True)
            found.append((build_examples(one, folder, others=[other]), folder))
        return found

    return make


def exact(statistics: dict[str, Any], folder: Path) -> None:
    left = sum(len(read_examples(folder, part)) for part in ("train", "validation", "test"))
    assert statistics["kept"] == left
    assert statistics["read"] == left + sum(statistics["dropped"].values())


def test_no_period_learns_from_the_test_of_another(built: Callable[..., Any]) -> None:
    old = OLD + "N  X\ta\nn y\tb\no x\ta\n"  # two of the later test, one of its own
    new = NEW + "o Y\tb\n"
    (first, one), (second, other) = built(old, OLD_TEST, new, NEW_TEST)
    assert first["dropped"] == {"in_test": 1, "in_test_of_other_period": 2}
    assert second["dropped"] == {"in_test_of_other_period": 1}
    for statistics, folder in ((first, one), (second, other)):
        exact(statistics, folder)
        learnt = [
            text.lower() for part in ("train", "validation") for text in read_examples(folder, part).texts
        ]
        assert not {"n x", "n  x", "n y", "o x", "o y"}.intersection(learnt)
        assert len(read_examples(folder, "test")) == 2
    lines = [json.loads(line) for line in (other / "dropped.jsonl").read_text("utf-8").splitlines()]
    assert [(line["source"], line["detail"]) for line in lines] == [("train", "o Y")]


def test_the_watched_examples_and_those_of_a_source_that_is_split(
    built: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "watched.tsv").write_text(HEAD + "o x\tb\nseen\tc\n", "utf-8")
    _, (second, folder) = built(OLD, OLD_TEST, NEW, NEW_TEST, validation="watched.tsv")
    assert second["sources"]["validation"]["dropped"] == {"in_test_of_other_period": 1}
    exact(second, folder)
    data = HEAD + "".join(f"text {n} {n * n}\t{'bc'[n % 2]}\n" for n in range(60))
    whole = {"train": None, "test": None, "data": "new.tsv", "near": None}
    _, (_, before) = built(OLD, OLD_TEST, data, NEW_TEST, **whole)
    tests = read_examples(before, "test").texts
    learnt = read_examples(before, "train").texts[:3]
    old = OLD + "".join(f"{text}\ta\n" for text in tests)
    old_test = OLD_TEST + "".join(f"{text}\tb\n" for text in learnt)
    (first, one), (second, other) = built(old, old_test, data, NEW_TEST, **whole)
    assert first["dropped"] == {"in_test_of_other_period": len(tests)}
    assert second["dropped"] == {"in_test_of_other_period": 3}
    assert read_examples(other, "test").texts == tests
    exact(first, one)
    exact(second, other)


def test_a_period_that_is_the_test_of_another_has_nothing_left(built: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match="the train part is empty"):
        built(NEW_TEST, OLD_TEST, NEW, NEW_TEST)


def test_a_period_may_have_one_class_where_another_has_another(built: Callable[..., Any]) -> None:
    only = NEW.replace("\tb", "\tc"), NEW_TEST.replace("\tb", "\tc")
    (_, one), (_, other) = built(OLD, OLD_TEST, *only)
    assert (read_labels(one), read_labels(other)) == (["a", "b"], ["c"])
    same = OLD.replace("\tb", "\tc").replace("\ta", "\tc"), "text\tlabel\no x\tc\n"
    with pytest.raises(UserError, match="there is nothing to tell apart"):
        built(*same, *only)
