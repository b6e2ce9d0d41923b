"""Regression: rows with numbers, a standardised loss, and a kept model that gives numbers in their own unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForSequenceClassification

from acclimate.batching.sequence_store import ExampleStore
from acclimate.errors import UserError
from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.families.gpt2 import Gpt2
from acclimate.models.family import Vocabulary
from acclimate.objectives.regress import SequenceRegression
from acclimate.transfer.classes.regressing import Regressing
from acclimate.transfer.classes.regression import Regression
from acclimate.transfer.examples.preparing import Examples, read_examples
from acclimate.transfer.examples.scores import number, scores_of

TEXTS = ["a b c", "一 二", "d", "e f g h i", "三 四 五 六 七 八"]
FILES = {"train": "train.tsv", "validation": "v.tsv", "test": "test.tsv"}
ROWS = {
    "train.tsv": "text\tpair\tscore\n一\tone\t1\n二\ttwo\t3.5\nx\ty\tmany\nx\t\t2\nz\ty\tnan\n三\tthree\t4\n",
    "v.tsv": "text\tpair\tscore\nfour\t四\t0\n",
    "test.tsv": "text\tpair\tscore\n五\tfive\t-1e1\n三\tTHREE\t4\n",
}


def examples(values: list[float]) -> Examples:
    more = [{"score": value} for value in values]
    return Examples([str(n) for n in range(len(values))], TEXTS, None, np.zeros(len(values), np.int64), more)


def test_rows_are_kept_or_dropped_by_reason(build_task) -> None:
    task, told, folder = build_task(Regression, ROWS, pair="pair", **FILES)
    assert told["dropped"] == {"in_test": 1, "no_number": 2, "no_text": 1}
    assert told["scores"]["train"] == {"mean": 2.25, "deviation": 1.25, "least": 1.0, "most": 3.5}
    test = read_examples(folder, "test")
    assert test.more == [{"score": -10.0}, {"score": 4.0}] and test.labels.tolist() == [0, 0]
    outcomes = task.outcomes([], test, {"scores": np.array([-9.0, 5.0])})
    told = task.details([], test, outcomes)
    assert told["mean_absolute_error"] == 1 and told["examples"][0]["text"] == "五 ⟷ five"


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("1.5", 1.5),
        (" -2e1 ", -20.0),
        ("１５", 15.0),
        ("１．５", 1.5),
        ("－３", -3.0),
        *((one, None) for one in ("1_0", "１＿０", "1,5", "１，５", "nan", "inf", "", "x", "5²", "½", None)),
    ],
)
def test_what_a_cell_says_in_digits_of_any_width(said, value) -> None:
    assert number(said) == value


def test_numbers_that_never_differ_are_refused(build_task) -> None:
    rows = {name: text.replace("3.5", "1") for name, text in ROWS.items()}
    with pytest.raises(UserError, match=r"all 2 training examples have the number 1\.0"):
        build_task(Regression, rows, pair="pair", **FILES)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"score": "text"}, "is a text's own"),
        ({"metric": "accuracy"}, "accuracy does not fit this task's answers"),
        ({"class_weights": "balanced"}, "class_weights"),
    ],
)
def test_what_cannot_be_is_refused(settings, message) -> None:
    with pytest.raises(ValidationError, match=message):
        Regression.model_validate({**FILES, **settings})


@pytest.mark.parametrize("family", [Bert(size="tiny"), Gpt2(size="tiny", positions=16)])
def test_a_finished_model_gives_numbers_in_their_own_unit_and_transformers_the_same(
    words, family, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    tokenizer = words
    work = Regressing(tokenizer, sequence_length=16)
    model = family.build(
        vocabulary=Vocabulary.of(tokenizer),
        seed=1,
        kind="classification",
        labels=Labels(("score",), numbers=True),
    )
    assert model.config.problem_type == "regression" and model.config.num_labels == 1
    train = examples([1000.0, 1400, 900, 800, 1700])
    lesson = work.lesson(train, train)
    batch = lesson.objective.prepare(lesson.store.fetch(np.arange(5), np.zeros(5, np.int64)))
    model.eval()
    before = lesson.objective.loss(model, batch)
    task = Regression.model_validate(FILES)
    task.finish(model, train)
    found = work.answers(model, train, precision="fp32", device=torch.device("cpu"))["scores"]
    values = scores_of(train)
    # The loss before is the squared error after, in units of the deviation.
    expected = ((found - values) ** 2).sum() / values.var()
    assert before.sum.item() == pytest.approx(expected, rel=1e-4) and before.count == 5
    model.save_pretrained(tmp_path)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    for text, value in zip(train.texts, found, strict=True):
        with torch.no_grad():
            logits = plain(tokenizer(text, return_tensors="pt").input_ids).logits
        assert float(logits[0, 0]) == pytest.approx(float(value), rel=1e-4, abs=1e-3)


def test_the_loss_is_torchs_mean_squared_error_of_standardised_numbers(words, monkeypatch) -> None:
    logits = torch.tensor([[0.5], [-1.0], [2.0]])
    monkeypatch.setattr("acclimate.models.forward.class_logits", lambda model, batch: logits)
    objective = SequenceRegression(np.array([3.0, 5.0, 10.0]), mean=6.0, deviation=2.0)
    store = ExampleStore.from_texts(TEXTS[:3], None, words, 16)
    batch = objective.prepare(store.fetch(np.array([2, 0, 1]), np.zeros(3, np.int64)))
    loss = objective.loss(torch.nn.Sequential(torch.nn.Linear(4, 1)), batch)  # type: ignore[arg-type]
    want = torch.nn.functional.mse_loss(logits[:, 0], torch.tensor([2.0, -1.5, -0.5]))
    assert float(loss.sum) / loss.count == pytest.approx(float(want))
    assert loss.only is not None
    part = loss.only(torch.tensor([True, False, True]))
    assert part.count == 2 and float(part.sum) == pytest.approx(1.5**2 + 2.5**2)
