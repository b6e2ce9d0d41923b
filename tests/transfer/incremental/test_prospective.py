"""Foreseeing the next period: a head that knows the time, and what it makes of labels that flip."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from transformers import AutoModelForSequenceClassification

from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.families.gpt2 import Gpt2
from acclimate.models.families.roberta import Roberta
from acclimate.models.family import Vocabulary
from acclimate.objectives.r_drop import RDrop
from acclimate.optim.adamw import AdamW
from acclimate.optim.schedules import Constant
from acclimate.recipe.units import Length
from acclimate.tokenizer.untrained import untrained_tokenizer
from acclimate.transfer.classes.classifying import Classifying
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.incremental.keeping import Joint, Keeping, Nothing, Prospective
from acclimate.transfer.incremental.periods import Learnt, Period, learn
from acclimate.transfer.incremental.timed import TimedHead, phases, put_time_in, timed_heads
from acclimate.transfer.methods.full import Full
from acclimate.transfer.tuning import Around


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def model(family: Any = Bert, seed: int = 1) -> Any:
    settings = family.model_validate(
        {"size": "tiny"} if family is Bert else {"size": next(iter(family.sizes))}
    )
    vocabulary = Vocabulary.of(untrained_tokenizer(300))
    return settings.build(
        vocabulary=vocabulary, seed=seed, kind="classification", labels=Labels(("no", "yes"))
    )


def part(time: int, number: int, first: int) -> Examples:
    """Texts of two kinds; which of them is `yes` flips from period to period."""
    kinds = np.arange(number) % 2
    texts = [f"w{100 + n % 8 + 50 * kind}" for n, kind in enumerate(kinds.tolist())]
    return Examples([f"{time}:{first + n}" for n in range(number)], texts, None, (kinds + time) % 2)


def flipping(number: int) -> list[Period]:
    return [
        Period(part(t, 16, 100 * t), part(t, 8, 100 * t + 30), part(t, 12, 100 * t + 60))
        for t in range(number)
    ]


def how(keep: Keeping, **more: Any) -> Any:
    settings = {
        "keep": keep,
        "transfer": Full(),
        "length": Length(12, "epochs"),
        "batch": Length(8, "sequences"),
        "optimizer": AdamW(lr=1e-3),
        "schedule": Constant(),
        "gradients": [],
        "regularise": [],
        "average": None,
        "patience": None,
        **more,
    }
    return SimpleNamespace(**settings)


def learnt(keep: Keeping, number: int = 4, **more: Any) -> tuple[Any, Learnt]:
    at_work = Classifying(untrained_tokenizer(300), num_classes=2, sequence_length=16)
    tuned = model()
    return tuned, learn(how(keep, **more), at_work, tuned, flipping(number), seed=3, around=Around())


def risk(found: Learnt, after: int, of: int) -> float:
    truth = part(of, 12, 100 * of + 60).labels
    return float((found.answers[after, of]["scores"].argmax(1) != truth).mean())


def test_labels_that_flip_are_foreseen_and_a_follower_is_late() -> None:
    _, prospective = learnt(Prospective(cycles=[2]))
    _, mean = learnt(Joint())
    _, follower = learnt(Nothing())
    assert [risk(prospective, after, after + 1) for after in (1, 2)] == [0, 0]
    # Who ignores time is right in one period as often as wrong in the next.
    assert [risk(mean, after, after) + risk(mean, after, after + 1) for after in (1, 2)] == [1, 1]
    assert min(risk(follower, after, after + 1) for after in (0, 1, 2)) > 0.9
    assert [risk(prospective, 3, of) for of in range(4)] == [0, 0, 0, 0]  # each at its own time


def test_what_is_delivered_is_an_ordinary_model_of_the_coming_period() -> None:
    keep = Prospective(cycles=[2])
    tuned, _ = learnt(keep)
    at_work = Classifying(untrained_tokenizer(300), num_classes=2, sequence_length=16)
    asked = part(4, 12, 900)
    keep.face(tuned, 4)
    wanted = at_work.answers(tuned, asked, precision="fp32", device=torch.device("cpu"))["scores"]
    keep.face(tuned, 3)
    keep.settle(tuned)
    assert type(tuned.classifier) is nn.Linear and not timed_heads(tuned)
    found = at_work.answers(tuned, asked, precision="fp32", device=torch.device("cpu"))["scores"]
    assert np.allclose(found, wanted, atol=1e-5)
    assert (found.argmax(1) == asked.labels).all()
    assert set(tuned.state_dict()) == set(model().state_dict())


def test_a_head_without_bias_stays_so_and_plain_transformers_answers_as_it(tmp_path: Path) -> None:
    keep, tuned = Prospective(cycles=[2]), model(Gpt2)
    at_work = Classifying(untrained_tokenizer(300), num_classes=2, sequence_length=16)
    learn(how(keep, length=Length(2, "epochs")), at_work, tuned, flipping(3), seed=3, around=Around())
    keep.settle(tuned)
    tuned.save_pretrained(tmp_path)
    plain, told = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(told.values()), told
    tokens = torch.arange(6)[None] + 20
    with torch.no_grad():
        assert torch.allclose(plain.eval()(tokens).logits, tuned.eval()(tokens).logits, atol=1e-5)


def test_it_is_repeatable_and_goes_with_two_passes() -> None:
    one, other = (learnt(Prospective(cycles=[2, 3.5]), 2, regularise=[RDrop()])[1] for _ in range(2))
    assert all(
        np.array_equal(told["scores"], other.answers[at]["scores"]) for at, told in one.answers.items()
    )
    assert one.answers.keys() == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_the_head_is_linear_at_each_time_and_starts_as_it_was() -> None:
    torch.manual_seed(1)
    still = nn.Linear(5, 3)
    head, z = TimedHead(still, [2, 7, 365.25]), torch.randn(4, 5)
    assert torch.equal(head(z), still(z))
    bare = TimedHead(nn.Linear(5, 3, bias=False), [2])
    assert bare.turning.bias is None and bare.at(1).bias is None
    for one in head.turning.parameters():
        nn.init.normal_(one)
    for time in (0, 1, 5):
        head.now = time
        assert torch.allclose(head(z), head.at(time)(z), atol=1e-4)
    head.times = torch.tensor([0, 1, 5, 1])
    apart = torch.stack([head.at(int(t))(row) for t, row in zip(head.times, z, strict=True)])
    assert torch.allclose(head(z), apart, atol=1e-4)


def test_time_features_are_the_sines_and_cosines_of_their_cycles() -> None:
    found = phases(torch.tensor([0, 1, 2, 7]), [2, 7]).numpy()
    t = np.array([0, 1, 2, 7])
    want = np.stack([f(2 * np.pi * t / p) for f in (np.sin, np.cos) for p in (2, 7)], axis=1)
    assert np.allclose(found, want, atol=1e-6)


@pytest.mark.parametrize("family", [Roberta, Gpt2])
def test_other_families_heads_are_timed_too(family: Any) -> None:
    timed = model(family)
    put_time_in(timed, [2])
    assert len(timed_heads(timed)) == 1


def test_one_cycle_is_a_number() -> None:
    assert Prospective.model_validate({"cycles": 7}) == Prospective(cycles=[7.0])


@pytest.mark.parametrize("cycles", [1, True, [], [1.5], [2, float("inf")], [float("nan")]])
def test_cycles_that_cannot_be_seen_are_refused(cycles: Any) -> None:
    with pytest.raises(ValidationError):
        Prospective(cycles=cycles)
