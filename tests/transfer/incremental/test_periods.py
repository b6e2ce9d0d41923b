"""Periods of different classes, learnt one after another: every way to keep them, one class a text or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import logsigmoid

from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.tokenizer.untrained import untrained_tokenizer
from acclimate.transfer.classes.classification import Classification
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.incremental import anchors
from acclimate.transfer.incremental.anchors import Distilled
from acclimate.transfer.incremental.periods import Learnt, Period, learn
from acclimate.transfer.tuning import Around

TEXTS = ["a b c", "一 二", "d", "e f g h i", "三 四 五 六", "j k"]
NAMES = ("w", "x", "y", "z")
CLASSES = ((0, 1), (1, 2), (3,))
"""Of each period: one of the first comes again, and the last has none of the first."""
WAYS = [
    "nothing",
    "joint",
    "joint_then_new",
    "replay",
    "ewc",
    "lwf",
    "lookahead",
    {"a_gem": 4},
    "prospective",
]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def examples(first: int, classes: Sequence[int], several: bool) -> Examples:
    ids = [f"file:{first + n}" for n in range(len(TEXTS))]
    chosen = np.array([classes[n % len(classes)] for n in range(len(TEXTS))])
    held = np.zeros((len(TEXTS), len(NAMES)), np.int64)
    held[np.arange(len(TEXTS)), chosen] = 1
    held[::2, classes[-1]] = 1
    return Examples(ids, TEXTS, None, held if several else chosen, [{}] * len(TEXTS))


def classifier() -> Any:
    vocabulary = Vocabulary.of(untrained_tokenizer(300))
    settings = Bert.model_validate({"size": "tiny", "dropout": 0, "attention_dropout": 0})
    return settings.build(vocabulary=vocabulary, seed=1, kind="classification", labels=Labels(NAMES))


def learnt(keep: Any, model: Any, *, several: bool = False, **settings: Any) -> Learnt:
    task = Classification.model_validate(
        {
            "train": "a.tsv",
            "test": "b.tsv",
            "before": [{"train": "c.tsv", "test": "d.tsv"}] * 2,
            "keep": keep,
            "multi_label": several,
            "length": "1 epochs",
            "batch": "4 sequences",
            "sequence_length": 16,
            **settings,
        }
    )
    work = task.build(names=NAMES, tokenizer=untrained_tokenizer(300), seed=1)
    parts = [examples(10 * number, classes, several) for number, classes in enumerate(CLASSES)]
    return learn(task, work, model, [Period(one, one, one) for one in parts], seed=3, around=Around())


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("keep", WAYS, ids=str)
def test_three_periods_of_different_classes_are_learnt_to_the_same_bits(keep: Any, several: bool) -> None:
    one, same = (learnt(keep, classifier(), several=several) for _ in range(2))
    assert sorted(one.answers) == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    for at, found in one.answers.items():
        assert np.isfinite(found["scores"]).all(), at
        assert np.array_equal(found["scores"], same.answers[at]["scores"]), at


@pytest.mark.parametrize("keep", ["joint", "replay", "ewc", {"a_gem": 4}, "prospective"], ids=str)
def test_classes_are_drawn_together_in_every_period(keep: Any) -> None:
    transfer = {"contrast": {"length": "1 epochs", "then": "full"}}
    found = learnt(keep, classifier(), transfer=transfer)
    assert all(np.isfinite(one["scores"]).all() for one in found.answers.values())


def test_lwf_knows_the_classes_of_all_earlier_periods(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Seen(Distilled):
        def __init__(self, inner: Any, before: Any, known: Sequence[int], **settings: Any) -> None:
            super().__init__(inner, before, known, **settings)
            seen.append(list(known))

    monkeypatch.setattr(anchors, "Distilled", Seen)
    learnt("lwf", classifier())
    assert seen == [[0, 1], [0, 1, 2]]


@pytest.mark.parametrize("then", ["full", "head_only"])
def test_ewc_holds_to_the_end_of_the_last_period_whatever_trains_first(
    then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, seen, ends = classifier(), [], []

    class Seen(anchors.Elastic):
        def __init__(self, inner: Any, fisher: Any, anchor: Any, **settings: Any) -> None:
            super().__init__(inner, fisher, anchor, **settings)
            seen.append((type(inner).__name__, set(fisher), anchor))

    def answers(self: Any, model: Any, *given: Any, **settings: Any) -> Any:
        ends.append({name: one.detach().clone() for name, one in model.named_parameters()})
        return own(self, model, *given, **settings)

    from acclimate.transfer.classes.classifying import Classifying

    own = Classifying.answers
    monkeypatch.setattr(anchors, "Elastic", Seen)
    monkeypatch.setattr(Classifying, "answers", answers)
    learnt("ewc", model, transfer={"contrast": {"length": "1 epochs", "then": then}})
    first, _, second, _ = ends[0], ends[1], ends[2], ends[3]
    wanted = [first, first, second, second]
    losses = ["ClassContrast", "SequenceClassification"] * 2
    assert [name for name, _, _ in seen] == losses
    for (_, measured, anchor), want in zip(seen, wanted, strict=True):
        assert measured == {name for name, _ in model.named_parameters()}
        assert all(torch.equal(one, want[name]) for name, one in anchor.items())


def test_lwf_of_several_labels_is_a_divergence_of_each_label_known_before() -> None:
    task = Classification.model_validate({"train": "a.tsv", "test": "b.tsv", "multi_label": True})
    work = task.build(names=NAMES, tokenizer=untrained_tokenizer(300), seed=1)
    part = examples(0, (0, 1, 2, 3), True)
    lesson = work.lesson(part, part)
    ids = np.arange(len(TEXTS))
    batch = lesson.objective.prepare(lesson.store.fetch(ids, np.zeros_like(ids)))
    before, model = classifier().eval(), classifier().eval()
    known, temperature = [1, 3], 2.0
    held = Distilled(lesson.objective, before, known, weight=0.5, temperature=temperature)
    assert held.count(batch) == (24.0, 12.0)
    assert float(held.loss(model, batch).others[0].sum.detach()) == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        model.classifier.weight.mul_(-3)
    from acclimate.models.forward import class_logits

    (term,) = held.loss(model, batch).others
    then, now = (class_logits(one, batch).detach().double() for one in (before, model))
    want = 0.0
    for label in known:
        old, new = (
            torch.stack([logsigmoid(-one[:, label]), logsigmoid(one[:, label])], 1) for one in (then, now)
        )
        said, says = (
            (one.exp() ** (1 / temperature)) / (one.exp() ** (1 / temperature)).sum(1, keepdim=True)
            for one in (old, new)
        )
        want += float((said * (said.log() - says.log())).sum()) * temperature**2
    assert want > 0.01
    assert float(term.sum.detach()) == pytest.approx(want, rel=1e-4)
    assert (term.count, term.weight) == (12.0, 0.5)
    model.zero_grad()
    term.sum.backward()  # type: ignore[no-untyped-call]
    slopes = model.classifier.weight.grad.abs().sum(dim=1)
    assert slopes[[1, 3]].min() > 0 and not slopes[[0, 2]].any()
