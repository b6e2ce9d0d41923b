"""Additions to layers: nothing at the start, merged without a trace in the end, and the body as it was between."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from acclimate.errors import UserError
from acclimate.models.forward import class_logits
from acclimate.models.loading import load_model
from acclimate.recipe.units import Length
from acclimate.transfer.methods.adapters import Adapters
from acclimate.transfer.methods.phased import hold
from acclimate.transfer.tuning import tune

LENGTH = Length.parse("4 epochs")
KINDS = ("lora", "rslora", "dora", "loha", "lokr", "ia3")


def logits(model: Any, lesson: Any) -> torch.Tensor:
    ids = np.arange(len(lesson.store.lengths))
    with torch.no_grad():
        batch = lesson.objective.prepare(lesson.store.fetch(ids, np.zeros_like(ids)))
        return class_logits(model.eval(), batch)


@pytest.mark.parametrize("kind", KINDS)
def test_at_the_start_the_model_is_as_it_was(
    kind: Any, classifier: Callable[..., Any], course: Callable[..., Any]
) -> None:
    model = classifier()
    lesson = course(model, "full").validation
    before = logits(model, lesson)
    Adapters(kind=kind).build(model=model, length=LENGTH, seed=1)
    torch.testing.assert_close(logits(model, lesson), before, rtol=0, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_merged_it_answers_as_before_and_is_an_ordinary_model(
    kind: Any, classifier: Callable[..., Any], course: Callable[..., Any], tmp_path: Path
) -> None:
    model = classifier("tiny")
    names = [name for name, _ in model.named_parameters()]
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    one = course(model, {"adapters": kind}, optimizer={"adamw": {"lr": 1e-2}}, patience=None)
    unmerged = []

    class Watching(Adapters):
        def build(self, **given: Any) -> Any:
            plan = super().build(**given)
            return plan.of(plan.trained).before(
                lambda: (unmerged.append(logits(model, one.validation)), plan.end())
            )

    how = one.how.model_copy(update={"transfer": Watching(kind=kind)})
    tune(how, model, one.train, one.validation, seed=9)
    after = logits(model, one.validation)
    torch.testing.assert_close(after, unmerged[0], rtol=1e-4, atol=1e-5)
    assert [name for name, _ in model.named_parameters()] == names
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    inside = {name for name in names if ".layer." in name and name.endswith("dense.weight")}
    assert inside < moved and not any("embeddings" in name for name in moved)
    model.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("adapter*"))
    torch.testing.assert_close(logits(load_model(tmp_path, "classification"), one.validation), after)


def test_the_body_holds_still_until_then(classifier: Callable[..., Any]) -> None:
    model = classifier()
    weights = sum(one.numel() for one in model.parameters())
    plan = Adapters(rank=2, targets=["*query", "*value"]).build(model=model, length=LENGTH, seed=1)
    hold(model, plan.trained)
    trained = {name: one for name, one in model.named_parameters() if one.requires_grad}
    added = {name for name in trained if "lora_" in name}
    assert len(added) == 4 * 2 * 2 and all("query" in name or "value" in name for name in added)
    assert trained.keys() - added == {
        "bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias",
    }  # fmt: skip
    assert sum(trained[name].numel() for name in added) == 4 * 2 * 2 * 256 * 2
    plan.end()
    assert sum(one.numel() for one in model.parameters()) == weights


def test_a_model_that_was_used_before_does_not_read_past_its_adapters(
    classifier: Callable[..., Any], course: Callable[..., Any]
) -> None:
    model = classifier("tiny")
    one = course(model, "full", length="1 epochs")
    tune(one.how, model, one.train, one.validation, seed=9)
    plan = Adapters().build(model=model, length=LENGTH, seed=1)
    hold(model, plan.trained)
    one.train.objective.loss(
        model, one.train.objective.prepare(one.train.store.fetch(np.arange(4), np.zeros(4, np.int64)))
    ).sum.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"targets": ["*querry"]}, r"'\*querry' matches no linear layer; did you mean '\*query\*'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    settings: dict[str, Any], message: str, classifier: Callable[..., Any]
) -> None:
    with pytest.raises(UserError, match=message):
        Adapters(**settings).build(model=classifier(), length=LENGTH, seed=0)


def test_a_model_with_nothing_to_adapt_is_refused() -> None:
    with pytest.raises(UserError, match="no linear layers in numbered blocks to adapt"):
        Adapters().build(model=nn.Sequential(nn.Embedding(3, 3)), length=LENGTH, seed=0)


def test_ia3_has_no_rank() -> None:
    with pytest.raises(ValueError, match="rank: ia3 has none"):
        Adapters(kind="ia3", rank=4)


def test_without_the_library_its_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['peft'] = None\n"
        "from acclimate.transfer.methods.adapters import Adapters\n"
        "from acclimate.errors import UserError\n"
        "try: Adapters().build(model=__import__('torch').nn.Linear(2, 2), length=None, seed=0)\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'acclimate[peft]'" in done.stdout


def test_the_same_seed_gives_the_same_bytes(
    classifier: Callable[..., Any], course: Callable[..., Any]
) -> None:
    def run() -> dict[str, torch.Tensor]:
        model = classifier("tiny")
        one = course(model, "adapters", length="2 epochs")
        tune(one.how, model, one.train, one.validation, seed=9)
        return dict(model.state_dict())

    first, second = run(), run()
    assert all(torch.equal(first[name], second[name]) for name in first)
