"""Entity figures against seqeval."""

from __future__ import annotations

import numpy as np
import pytest
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score

from acclimate.corpus.readers.spans import spans
from acclimate.evaluate.bootstrap import Bootstrap
from acclimate.evaluate.entities import Entity, EntityOutcomes, details
from acclimate.evaluate.measures import macro_f1, micro_f1, micro_precision, micro_recall
from acclimate.evaluate.metrics import MicroF1

LABELS = ["header", "question", "答案"]
TAGS = ["O", "B-question", "I-question", "B-答案", "I-答案", "B-header", "I-header"]


def drawn(seed: int, number: int) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [rng.choice(TAGS, rng.integers(0, 30)).tolist() for _ in range(number)]


def outcomes(truth: list[list[str]], guess: list[list[str]]) -> EntityOutcomes:
    found = [[{Entity(*vars_of(one)) for one in spans(tags)} for tags in some] for some in (truth, guess)]
    return EntityOutcomes(LABELS, *found)


def vars_of(span: object) -> tuple[str, int, int]:
    return span.label, span.start, span.end  # type: ignore[attr-defined]


def test_figures_equal_those_of_seqeval() -> None:
    truth = drawn(0, 60)
    rng = np.random.default_rng(1)
    guess = [[tag if rng.random() < 0.8 else str(rng.choice(TAGS)) for tag in one] for one in truth]
    found = outcomes(truth, guess)
    tally = found.weigh()
    assert micro_f1(tally)[0] == pytest.approx(f1_score(truth, guess))
    assert micro_precision(tally)[0] == pytest.approx(precision_score(truth, guess))
    assert micro_recall(tally)[0] == pytest.approx(recall_score(truth, guess))
    assert macro_f1(tally)[0] == pytest.approx(f1_score(truth, guess, average="macro"))
    report = classification_report(truth, guess, output_dict=True)
    for one in details(["x" * 30] * 60, found)["per_class"]:
        theirs = report[one["label"]]
        assert one["support"] == theirs["support"]
        for ours, name in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert one[ours] == pytest.approx(theirs[name])
    intervals = Bootstrap(resamples=200).build()
    draws = intervals.draw({"micro_f1": MicroF1().build()}, [found])["micro_f1"]
    interval = intervals.summarise(draws)
    assert interval is not None
    assert interval.value == micro_f1(tally)[0] and interval.low < interval.value < interval.high


def test_borders_and_labels_must_both_be_right() -> None:
    truth = [["B-header", "I-header", "O", "B-question"]]

    def f1(*guess: str) -> float:
        return float(micro_f1(outcomes(truth, [list(guess)]).weigh())[0])

    assert f1(*truth[0]) == 1
    assert f1("B-header", "O", "O", "B-question") == 0.5
    assert f1("B-question", "I-question", "O", "B-question") == 0.5
    assert f1("O", "O", "O", "O") == 0
    assert micro_f1(outcomes([[]], [[]]).weigh())[0] == 0


def test_what_is_shown_and_told() -> None:
    text = "John 住在 Paris"
    there = {Entity("header", 0, 4), Entity("答案", 8, 13)}
    found = EntityOutcomes(
        LABELS, [there, set()], [{Entity("header", 0, 4)}, set()], {"inside_a_word": 1, "over_another": 2}
    )
    told = details([text, "nothing"], found)
    assert told["worst"] == [
        {"text": text, "label": ["header: John", "答案: Paris"], "predicted": ["header: John"], "errors": 1}
    ]
    assert told["examples"][1] == {
        "text": "nothing",
        "label": ["(none)"],
        "predicted": ["(none)"],
        "errors": 0,
    }
    assert [note[:13] for note in found.notes] == ["1 of 2 entiti", "2 of 2 entiti"]
    with pytest.raises(ValueError, match="'person' is not among"):
        EntityOutcomes(LABELS, [{Entity("person", 0, 1)}], [set()])
    with pytest.raises(ValueError, match="1 texts, answers to 2"):
        EntityOutcomes(LABELS, [set()], [set(), set()])
