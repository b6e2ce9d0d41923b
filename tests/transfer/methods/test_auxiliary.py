"""An auxiliary head: the gradient is the sum, λ = 0 is plain tuning, and nothing of it stays."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from acclimate.errors import UserError
from acclimate.models.building import Labels
from acclimate.models.families.bart import Bart
from acclimate.models.families.bert import Bert
from acclimate.models.families.gpt2 import Gpt2
from acclimate.models.families.modernbert import ModernBert
from acclimate.models.families.recurrent.family import Lstm
from acclimate.models.families.roberta import Roberta
from acclimate.models.family import Vocabulary
from acclimate.models.forward import class_logits
from acclimate.objectives.r_drop import RDrop
from acclimate.optim.adamw import AdamW
from acclimate.optim.clip_norm import ClipNorm
from acclimate.optim.schedules import Constant
from acclimate.recipe.units import Length
from acclimate.tokenizer.untrained import untrained_tokenizer
from acclimate.transfer.classes.classifying import Classifying
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.examples.rows import FURTHER
from acclimate.transfer.incremental.keeping import AGem, Ewc, Nothing
from acclimate.transfer.incremental.periods import Period, learn
from acclimate.transfer.methods.auxiliary import Auxiliary
from acclimate.transfer.methods.auxiliary_head import HEAD, WithAuxiliary
from acclimate.transfer.methods.full import Full
from acclimate.transfer.tuning import Around

COLOURS = ["red", "绿色", None]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def model(family: Any = Bert, seed: int = 1, **more: Any) -> Any:
    settings = family.model_validate({"size": next(iter(family.sizes)), **more})
    vocabulary = Vocabulary.of(untrained_tokenizer(300))
    return settings.build(
        vocabulary=vocabulary, seed=seed, kind="classification", labels=Labels(("no", "yes"))
    )


def examples(number: int = 12) -> Examples:
    texts = [f"w{10 + n}" for n in range(number)]
    more = [{FURTHER: told} if (told := COLOURS[n % 3]) else {} for n in range(number)]
    return Examples([f"file:{n}" for n in range(number)], texts, None, np.arange(number) % 2, more)


def how(transfer: Any, **more: Any) -> Any:
    settings = {
        "keep": None,
        "transfer": transfer,
        "length": Length(4, "epochs"),
        "batch": Length(6, "sequences"),
        "optimizer": AdamW(lr=1e-3),
        "schedule": Constant(),
        "gradients": [ClipNorm(max_norm=1.0)],
        "regularise": [],
        "average": None,
        "patience": None,
        **more,
    }
    return SimpleNamespace(**settings)


def at_work() -> Classifying:
    return Classifying(untrained_tokenizer(300), num_classes=2, sequence_length=16)


def tuned(
    transfer: Any, family: Any = Bert, told: Examples | None = None, **more: Any
) -> tuple[Any, list[Any]]:
    found, seen = model(family), []
    part = told or examples()
    around = Around(watch=lambda record, progress: seen.append(record))
    learn(how(transfer, **more), at_work(), found, [Period(part, part, part)], seed=3, around=around)
    return found, seen


def weights(found: Any) -> dict[str, torch.Tensor]:
    return {name: one.detach() for name, one in found.state_dict().items()}


def test_lambda_0_is_plain_tuning_bit_for_bit() -> None:
    plain, none, some = (weights(tuned(one)[0]) for one in (Full(), by(0.0), by(0.5)))
    assert plain.keys() == none.keys() == some.keys()
    assert all(torch.equal(one, none[name]) for name, one in plain.items())
    assert not all(torch.equal(one, some[name]) for name, one in plain.items())
    again = weights(tuned(by(0.5))[0])
    assert all(torch.equal(one, again[name]) for name, one in some.items())


def by(weight: float, **more: Any) -> Auxiliary:
    return Auxiliary(label="colour", layer=0, weight=weight, **more)


def test_the_gradient_is_the_sum() -> None:
    found = model(dropout=0, attention_dropout=0).train()
    found.add_module(HEAD, torch.nn.Linear(128, 2))
    lesson = at_work().lesson(examples(), examples())
    ids = np.arange(7)
    batch = lesson.objective.prepare(lesson.store.fetch(ids, np.zeros_like(ids)))
    labels = np.array([-1 if (n % 3) == 2 else n % 3 for n in range(12)])

    def slopes(value: torch.Tensor) -> dict[str, torch.Tensor]:
        found.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        return {
            n: torch.zeros_like(p) if p.grad is None else p.grad.to_dense()
            for n, p in found.named_parameters()
        }

    held = WithAuxiliary(lesson.objective, found.bert.encoder.layer[0], labels, weight=0.3)
    loss = held.loss(found, batch)
    assert held.count(batch) == (7.0, 5.0)
    assert [one.name for one in loss.terms] == ["task", "auxiliary"]
    both = slopes(sum(one.weight * one.sum / one.count for one in loss.terms))  # type: ignore[arg-type]
    own = slopes(lesson.objective.loss(found, batch).sum / 7)
    hidden: list[torch.Tensor] = []
    hook = found.bert.encoder.layer[0].register_forward_hook(
        lambda _, given, out: hidden.append(out[0] if isinstance(out, tuple) else out)
    )
    class_logits(found, batch)
    hook.remove()
    rows = hidden[0].reshape(-1, 128).split(batch.cu_seqlens.diff().tolist())
    logits = found.auxiliary(torch.stack([one.mean(0) for one in rows]))
    other = slopes(cross_entropy(logits, torch.from_numpy(labels[:7]), ignore_index=-1))
    assert not any(other[n].any() for n in other if "layer.1." in n or "classifier" in n)
    for name, one in both.items():
        assert torch.allclose(one, own[name] + 0.3 * other[name], atol=1e-6), name


@pytest.mark.parametrize("family", [Roberta, Gpt2, ModernBert])
def test_other_families_layers_are_read_and_nothing_stays(family: Any) -> None:
    found, seen = tuned(by(0.5), family, length=Length(2, "steps"))
    assert not any(HEAD in name for name in found.state_dict())
    assert seen[0].figures["loss_auxiliary"] > 0


def test_a_layer_learns_what_the_auxiliary_column_says() -> None:
    _, seen = tuned(by(1.0, then="full"), length=Length(40, "epochs"), regularise=[RDrop()])
    told = [one.figures["loss_auxiliary"] for one in seen if hasattr(one, "figures")]
    assert told[0] == pytest.approx(np.log(2), abs=0.1) and told[-1] < 0.1


def test_it_goes_with_a_memory_of_earlier_periods() -> None:
    found, part = model(), examples()
    settings = how(by(0.5), keep=AGem(memory=6), length=Length(1, "epochs"))
    learn(settings, at_work(), found, [Period(part, part, part)] * 2, seed=3, around=Around())
    assert not hasattr(found, HEAD)


def test_each_period_has_a_head_of_its_own() -> None:
    found, seen, part = model(), [], examples()
    later = Examples(part.ids, part.texts, None, part.labels, [{FURTHER: "红蓝黄"[n % 3]} for n in range(12)])
    around = Around(watch=lambda record, progress: seen.append(record))
    periods = [Period(part, part, part), Period(later, later, later)]
    settings = how(by(0.5), keep=Nothing(), length=Length(1, "epochs"))
    learn(settings, at_work(), found, periods, seed=3, around=around)
    told = [one.figures["loss_auxiliary"] for one in seen if hasattr(one, "figures")]
    assert told[0] == pytest.approx(np.log(2), abs=0.1) and told[2] == pytest.approx(np.log(3), abs=0.15)
    assert not hasattr(found, HEAD)


def test_ewc_holds_the_model_and_not_the_head_that_goes() -> None:
    found, part = model(), examples()
    later = Examples(part.ids, part.texts, None, part.labels, [{FURTHER: "红蓝黄"[n % 3]} for n in range(12)])
    periods = [Period(one, one, one) for one in (part, part, later)]  # two auxiliary classes, then three
    settings = how(by(0.5), keep=Ewc(), length=Length(1, "epochs"))
    learn(settings, at_work(), found, periods, seed=3, around=Around())
    assert not hasattr(found, HEAD)


def test_labels_that_lack_are_refused() -> None:
    part = examples()
    bare = Examples(part.ids, part.texts, None, part.labels, [{FURTHER: "red"}] * 12)
    with pytest.raises(UserError, match=r"auxiliary.label: the training examples have 1 labels in 'colour'"):
        tuned(by(0.5), told=bare)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"layer": 0, "then": "head_only"}, "head_only holds still all"),
        ({"layer": 1, "then": {"freeze": {"layers": 2}}}, "freeze holds still all"),
        ({"then": "features"}, "features fits its head without the task's loss"),
        ({"then": {"auxiliary": {"label": "x"}}}, "one auxiliary head is enough"),
        ({"weight": -1}, "expected at least 0"),
    ],
)
def test_what_would_teach_nothing_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Auxiliary.model_validate({"label": "colour", **settings})


def test_families_that_pad_or_have_two_stacks_are_refused() -> None:
    assert "models of the family bart have two" in str(by(0.5).refuses(Bart))
    assert "models of the family lstm are given padded ones" in str(by(0.5).refuses(Lstm))
    assert by(0.5).refuses(Bert) is None
