"""Tasks learnt together: one body, gradients that are the weighted sum, best weights and an end for each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.optim.adamw import AdamW
from acclimate.optim.project_conflicts import ProjectConflicts
from acclimate.optim.schedules import Constant
from acclimate.recipe.units import Length
from acclimate.tokenizer.untrained import untrained_tokenizer
from acclimate.transfer.classes.classifying import Classifying
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.together import Member, Sharing, settle, tune_together
from acclimate.transfer.tuning import Around


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def examples(number: int, classes: int) -> Examples:
    texts = [f"w{10 + n}" for n in range(number)]
    return Examples([str(n) for n in range(number)], texts, None, np.arange(number) % classes)


def member(name: str, number: int, classes: int, seed: int = 1) -> Member:
    tokenizer = untrained_tokenizer(300)
    settings = Bert.model_validate({"size": "tiny", "dropout": 0, "attention_dropout": 0})
    labels = Labels(tuple(f"{name}{n}" for n in range(classes)))
    model = settings.build(
        vocabulary=Vocabulary.of(tokenizer), seed=seed, kind="classification", labels=labels
    )
    work = Classifying(tokenizer, num_classes=classes, sequence_length=16)
    known, held = examples(number, classes), examples(6, classes)
    return Member(name, model, work.lesson(known, known), work.lesson(held, known))


def how(**changes: Any) -> Any:
    settings = {
        "alpha": 1.0,
        "share": "body",
        "weights": None,
        "length": Length(4, "epochs"),
        "batch": Length(6, "sequences"),
        "optimizer": AdamW(lr=1e-3),
        "schedule": Constant(),
        "gradients": [],
        "regularise": [],
        "average": None,
        "patience": None,
    }
    return SimpleNamespace(**settings | changes)


def test_the_body_is_one_and_heads_are_two() -> None:
    members = [member("x", 12, 2), member("y", 6, 3, seed=9)]
    body = Sharing(members, "body")
    assert members[0].model.bert is members[1].model.bert
    names = [name for name, _ in body.named_parameters()]
    assert sum("classifier" in name for name in names) == 4
    assert sum("word_embeddings" in name for name in names) == 1


def test_one_table_and_a_body_for_each() -> None:
    members = [member("x", 12, 2), member("y", 6, 3, seed=9)]
    table = members[0].model.get_input_embeddings().weight
    names = [name for name, _ in Sharing(members, "embeddings").named_parameters()]
    assert sum("word_embeddings" in name for name in names) == 1
    assert sum("layer.0.attention.self.query.weight" in name for name in names) == 2
    assert members[1].model.get_input_embeddings().weight is table


@pytest.mark.parametrize("share", ["body", "embeddings"])
def test_the_gradient_of_what_is_shared_is_the_weighted_sum_of_the_tasks_own(share: str) -> None:
    members = [member("x", 6, 2), member("y", 6, 3)]
    weights = {"x": 0.3, "y": 2.0}
    own: dict[str, torch.Tensor] = {}
    for one in members:
        lesson = one.train
        ids = np.arange(6)
        batch = lesson.objective.prepare(lesson.store.fetch(ids, np.zeros_like(ids)))
        loss = lesson.objective.loss(one.model, batch)
        one.model.zero_grad()
        (loss.sum / loss.count).backward()  # type: ignore[no-untyped-call]
        for name, parameter in one.model.bert.named_parameters():
            shared = share == "body" or "word_embeddings" in name
            if parameter.grad is not None and (shared or one is members[0]):
                grad = weights[one.name] * parameter.grad.to_dense()
                own[name] = own.get(name, torch.zeros_like(grad)) + grad
        one.model.zero_grad()
    found: dict[str, torch.Tensor] = {}

    class Seen:
        """Stands for a gradient transform: looks and leaves alone."""

        def build(self) -> Any:
            def look(gradients: Any) -> dict[str, float]:
                bert = members[0].model.bert
                found.update(
                    {n: p.grad.to_dense().clone() for n, p in bert.named_parameters() if p.grad is not None}
                )
                return {}

            look.state_dict = dict  # type: ignore[attr-defined]
            return look

    settings = how(
        share=share,
        weights=weights,
        batch=Length(12, "sequences"),
        length=Length(1, "steps"),
        gradients=[Seen()],
    )
    tune_together(settings, members, seed=1, around=Around())
    assert found.keys() == own.keys()
    for name, one in own.items():
        assert torch.allclose(found[name], one, atol=1e-6), name
    assert found["embeddings.word_embeddings.weight"][10:16].abs().sum(1).min() > 0


def test_each_task_gets_its_own_best_weights_and_is_repeatable() -> None:
    first, again = ([member("x", 18, 2), member("y", 12, 3)] for _ in range(2))
    for members in (first, again):
        tuned = tune_together(how(), members, seed=3, around=Around())
        assert tuned.steps == 20
        assert tuned.validation_loss == pytest.approx(sum(one.best_loss or 0 for one in members) / 2)
    for one, other in zip(first, again, strict=True):
        weights = settle(one).state_dict()
        assert all(torch.equal(weights[name], value) for name, value in settle(other).state_dict().items())
        assert all(torch.equal(weights[name], value) for name, value in one.best.items())


def test_a_task_that_gets_no_better_stops_and_all_of_them_end_it() -> None:
    members = [member("x", 12, 2), member("y", 12, 3)]
    lost = how(optimizer=AdamW(lr=1e-30), patience=2, length=Length(50, "epochs"))
    tuned = tune_together(lost, members, seed=3, around=Around())
    assert all(one.stopped for one in members)
    assert tuned.steps < 50 * 4


def test_small_tasks_are_drawn_more_often_by_alpha() -> None:
    counts = {}
    for alpha in (1.0, 0.0):
        members = [member("x", 48, 2), member("y", 12, 3)]
        tuned = tune_together(how(alpha=alpha, length=Length(1, "epochs")), members, seed=3, around=Around())
        counts[alpha] = tuned.steps
    assert counts == {1.0: 10, 0.0: 16}


def test_conflicts_of_tasks_are_projected() -> None:
    """Of tasks with opposite labels the body's gradient is that of each, without its part along the other's."""
    members = [member("x", 6, 2), member("y", 6, 2)]
    for label, one in enumerate(members):
        one.train.objective._labels = np.full(6, label)
    members[1].model.load_state_dict(members[0].model.state_dict())
    own: list[dict[str, torch.Tensor]] = []
    for one in members:
        ids = np.arange(6)
        batch = one.train.objective.prepare(one.train.store.fetch(ids, np.zeros_like(ids)))
        one.model.zero_grad()
        loss = one.train.objective.loss(one.model, batch)
        (loss.sum / loss.count).backward()  # type: ignore[no-untyped-call]
        named = one.model.bert.named_parameters()
        own.append({name: p.grad.clone() for name, p in named if p.grad is not None})
        one.model.zero_grad()
    flat = [torch.cat([grad.flatten() for grad in one.values()]).double() for one in own]
    assert flat[0] @ flat[1] < 0
    expected = sum(
        g - (g @ other) / (other @ other) * other for g, other in ((flat[0], flat[1]), (flat[1], flat[0]))
    )
    found: dict[str, torch.Tensor] = {}

    class Seen:
        """Stands for a gradient transform: looks and leaves alone."""

        def build(self) -> Any:
            def look(gradients: Any) -> dict[str, float]:
                named = members[0].model.bert.named_parameters()
                found.update({name: p.grad.clone() for name, p in named if p.grad is not None})
                return {}

            look.state_dict = dict  # type: ignore[attr-defined]
            return look

    told: list[dict[str, float]] = []
    around = Around(watch=lambda record, progress: told.append(getattr(record, "figures", {})))
    settings = how(
        batch=Length(12, "sequences"),
        length=Length(1, "steps"),
        gradients=[ProjectConflicts(), Seen()],
    )
    tune_together(settings, members, seed=1, around=around)
    assert torch.allclose(torch.cat([found[name].flatten() for name in own[0]]).double(), expected, atol=1e-6)
    assert told[0]["conflicts"] == 2


@pytest.mark.parametrize("micro", [None, Length(5, "sequences")])
def test_learning_with_conflicts_projected_is_repeatable(micro: Length | None) -> None:
    first, again = ([member("x", 18, 2), member("y", 12, 3)] for _ in range(2))
    for members in (first, again):
        how_to = how(gradients=[ProjectConflicts()])
        assert tune_together(how_to, members, seed=3, around=Around(micro_batch=micro)).steps == 20
    for one, other in zip(first, again, strict=True):
        assert all(torch.equal(one.best[name], value) for name, value in other.best.items())
