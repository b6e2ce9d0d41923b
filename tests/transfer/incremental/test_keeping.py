"""Ways to keep the past: what is learnt from, the terms that hold a model to what it was, and looking ahead."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import kl_div

from acclimate.batching.packed import PackedBatch
from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.optim.schedules import Constant
from acclimate.optim.sgd import Sgd
from acclimate.recipe.units import Length
from acclimate.tokenizer.untrained import untrained_tokenizer
from acclimate.transfer.classes.classification import Classification
from acclimate.transfer.classes.classifying import Classifying
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.incremental.ahead import LookingAhead
from acclimate.transfer.incremental.anchors import Distilled, Elastic, fisher_information
from acclimate.transfer.incremental.keeping import AGem, Joint, JointThenNew, Nothing, Replay
from acclimate.transfer.incremental.periods import Period, drawn, joined, learn
from acclimate.transfer.methods.full import Full
from acclimate.transfer.methods.reinitialise import Reinitialise
from acclimate.transfer.tuning import Around

TEXTS = ["a b c", "一 二", "d", "e f g h i", "三 四 五 六", "j k"]
LABELS = [0, 1, 0, 1, 2, 2]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def examples(number: int = 6, first: int = 0) -> Examples:
    ids = [f"file:{n}" for n in range(first, first + number)]
    return Examples(ids, TEXTS[:number], None, np.array(LABELS[:number]), [{}] * number)


def classifier() -> Any:
    vocabulary = Vocabulary.of(untrained_tokenizer(300))
    settings = Bert.model_validate({"size": "tiny", "dropout": 0, "attention_dropout": 0})
    return settings.build(
        vocabulary=vocabulary, seed=1, kind="classification", labels=Labels(("x", "y", "z"))
    ).train()


def lesson() -> Any:
    work = Classifying(untrained_tokenizer(300), num_classes=3, sequence_length=16)
    return work.lesson(examples(), examples())


def batch(asked: Any, number: int = 6) -> PackedBatch:
    ids = np.arange(number)
    found: PackedBatch = asked.objective.prepare(asked.store.fetch(ids, np.zeros_like(ids)))
    return found


def slopes(model: Any, value: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    value.backward()  # type: ignore[no-untyped-call]
    return {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}


def test_what_is_learnt_from() -> None:
    old, new = [examples(4), examples(6, first=10)], examples(5, first=50)
    assert Nothing().courses(old, new, 1) == [([new], 1.0)]
    assert Joint().courses(old, new, 1) == [([new, *old], 1.0)]
    assert JointThenNew(rate=0.5).courses(old, new, 1) == [([new, *old], 1.0), ([new], 0.5)]
    assert Replay(share=0).courses(old, new, 1) == [([new], 1.0)]
    ((parts, rate),) = Replay(share=0.5).courses(old, new, 1)
    assert rate == 1.0
    whole = joined(parts)
    assert whole.ids[:5] == new.ids
    assert len(whole) == 10
    assert set(whole.ids[5:]) < {*old[0].ids, *old[1].ids}


def test_what_is_replayed_is_drawn_once_and_by_the_seed() -> None:
    old = [examples(6), examples(6, first=10)]
    one, same, other = (drawn(old, 0.5, 6, seed)[0].ids for seed in (1, 1, 2))
    assert one == same != other
    assert len(set(one)) == 6
    assert len(drawn(old, 0.9, 100, 1)[0]) == 12


@pytest.mark.parametrize("transfer", ["reinitialise", {"soup": {"models": 2, "then": "reinitialise"}}])
def test_what_is_drawn_anew_is_drawn_once_before_the_first_period(transfer: Any) -> None:
    task = Classification.model_validate(
        {
            "train": "a.tsv",
            "test": "b.tsv",
            "before": [{"train": "c.tsv", "test": "d.tsv"}],
            "keep": "joint_then_new",
            "transfer": transfer,
            "length": "1 epochs",
            "optimizer": {"adamw": {"lr": 1e-12}},  # nothing moves, but by being drawn
        }
    )
    part, model, drawn_once = examples(), classifier(), classifier()
    work = Classifying(untrained_tokenizer(300), num_classes=3, sequence_length=16)
    learn(task, work, model, [Period(part, part, part)] * 3, seed=3, around=Around())
    Reinitialise().prepare(drawn_once, 3)
    want = dict(drawn_once.named_parameters())
    assert not torch.allclose(classifier().classifier.weight, model.classifier.weight)
    for name, one in model.named_parameters():
        assert torch.allclose(one, want[name], atol=1e-6), name


def test_ewc_with_adapters_is_refused() -> None:
    own = {"train": "a.tsv", "test": "b.tsv", "before": [{"train": "c.tsv", "test": "d.tsv"}]}
    for transfer in ("adapters", {"reinitialise": {"then": "adapters"}}):
        with pytest.raises(
            ValueError, match=r"adapters: each period draws its additions anew, .* `keep: ewc`"
        ):
            Classification.model_validate({**own, "keep": "ewc", "transfer": transfer})
    Classification.model_validate({**own, "keep": "lwf", "transfer": "adapters"})


@pytest.mark.parametrize("keep", ["lwf", "lookahead"])
@pytest.mark.parametrize("transfer", ["contrast", {"soup": {"then": {"contrast": {"then": "full"}}}}])
def test_what_takes_the_loss_apart_is_refused_before_another_loss(keep: str, transfer: Any) -> None:
    own = {"train": "a.tsv", "test": "b.tsv", "before": [{"train": "c.tsv", "test": "d.tsv"}], "keep": keep}
    if transfer == "contrast":
        transfer = {"contrast": {"then": "full"}}
    with pytest.raises(ValueError, match=rf"contrast: trains by a loss of its own .* `keep: {keep}`"):
        Classification.model_validate({**own, "transfer": transfer})


def test_ewc_pulls_back_to_where_it_was_and_not_at_it() -> None:
    model, asked = classifier(), lesson()
    fisher = fisher_information(model, asked, 4)
    anchor = {name: one.detach().clone() for name, one in model.named_parameters()}
    held = Elastic(asked.objective, fisher, anchor, strength=10.0)
    row = batch(asked)
    assert held.count(row) == (6.0, 1.0)
    at_rest = held.loss(model, row)
    assert float(at_rest.others[0].sum.detach()) == 0
    assert all(not one.any() for one in slopes(model, at_rest.others[0].sum).values())
    with torch.no_grad():
        for one in model.parameters():
            one.add_(0.01)
    away = held.loss(model, row).others[0]
    found = slopes(model, away.sum)
    for name, one in fisher.items():
        assert torch.allclose(found[name], one * 0.01, atol=1e-6), name
    assert away.weight == 10.0


def test_the_fisher_information_is_the_mean_of_squared_slopes_of_single_examples() -> None:
    model, asked = classifier(), lesson()
    found = fisher_information(model, asked, 3)
    model.eval()
    name = "classifier.weight"
    by_hand = torch.zeros_like(found[name])
    for number in range(3):
        chosen = np.array([number])
        row = asked.objective.prepare(asked.store.fetch(chosen, np.zeros_like(chosen)))
        by_hand += slopes(model, asked.objective.loss(model, row).sum)[name].square() / 3
    assert torch.allclose(found[name], by_hand, rtol=1e-4, atol=1e-8)
    assert by_hand.any()


def test_lwf_is_nothing_where_nothing_changed_and_its_formula_elsewhere() -> None:
    model, asked = classifier(), lesson()
    before = copy.deepcopy(model).eval()
    held = Distilled(asked.objective, before, [0, 2], weight=0.5, temperature=2.0)
    row = batch(asked)
    assert float(held.loss(model, row).others[0].sum.detach()) == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        model.classifier.weight.mul_(-3)
    (term,) = held.loss(model, row).others
    _, now = asked.objective.scored(model, row)
    _, then = asked.objective.scored(before, row)
    chances = [(one[:, [0, 2]].exp().sqrt()) for one in (then, now)]
    said, says = ((one / one.sum(1, keepdim=True)).log() for one in chances)
    want = 4 * kl_div(says, said, reduction="sum", log_target=True)
    assert float(term.sum.detach()) == pytest.approx(float(want.detach()), rel=1e-4)
    assert (term.count, term.weight) == (6.0, 0.5)


def test_looking_ahead_is_the_slope_one_step_on() -> None:
    model, asked = classifier(), lesson()
    row = batch(asked)
    plain = slopes(model, asked.objective.loss(model, row).sum)
    still = LookingAhead(asked.objective, alpha=0.0, number_of_new=4)
    same = slopes(model, still.loss(model, row).sum)
    assert all(torch.equal(one, same[name]) for name, one in plain.items())
    found = slopes(model, LookingAhead(asked.objective, alpha=0.1, number_of_new=4).loss(model, row).sum)
    new = batch(asked, 4)
    first = slopes(model, asked.objective.loss(model, new).sum / 4)
    ahead = classifier()
    with torch.no_grad():
        for name, one in ahead.named_parameters():
            if name in first:
                one.sub_(0.1 * first[name])
    want = slopes(ahead, asked.objective.loss(ahead, row).sum)
    for name, one in want.items():
        assert torch.allclose(found[name], one, rtol=1e-3, atol=1e-5), name
    assert not torch.allclose(found["classifier.weight"], plain["classifier.weight"], rtol=1e-3, atol=1e-5)


class Looking:
    """Stands for a gradient transform: keeps what it is handed."""

    def __init__(self, seen: list[dict[str, torch.Tensor]]) -> None:
        self._seen = seen

    def build(self) -> Looking:
        return self

    def __call__(self, gradients: Any) -> dict[str, float]:
        self._seen.append({name: one.grad.to_dense().clone() for name, one in gradients.parameters})
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {}


def contrary(number: int, first: int, turned: bool) -> Examples:
    """Words that are all of one class, another one where they are turned."""
    labels = np.full(number, int(turned))
    return Examples(
        [f"{turned}:{first + n}" for n in range(number)], [f"w{20 + n}" for n in range(number)], None, labels
    )


def test_no_step_of_a_gem_goes_against_the_memory() -> None:
    part = [contrary(8, 10 * turned, bool(turned)) for turned in range(2)]
    periods = [Period(one, one, one) for one in part]

    def learnt(keep: Any) -> tuple[Any, list[dict[str, torch.Tensor]], list[float]]:
        model, seen, told = classifier(), [], []
        around = Around(
            watch=lambda record, progress: told.append(getattr(record, "figures", {}).get("projected", -1.0))
        )
        how = SimpleNamespace(
            keep=keep,
            transfer=Full(),
            length=Length(3, "epochs"),
            batch=Length(8, "sequences"),
            optimizer=Sgd(lr=0.05),
            schedule=Constant(),
            gradients=[Looking(seen)],
            regularise=[],
            average=None,
            patience=None,
        )
        work = Classifying(untrained_tokenizer(300), num_classes=3, sequence_length=16)
        found = learn(how, work, model, periods, seed=3, around=around)
        return found, seen, told

    found, seen, told = learnt(AGem(memory=8, batch=Length(8, "sequences")))
    assert [one for one in told if one >= 0] == [1.0] * 3  # in the second period alone, where all is contrary
    plain, bare, _ = learnt(Nothing())
    assert all(torch.equal(one, bare[0][name]) for name, one in seen[0].items())
    # The first step of the second period: without the part along the memory's gradient, which is left at right angles.
    own, new = bare[3], seen[3]
    along = {name: own[name] - one for name, one in new.items()}
    inner = sum(float((new[name] * one).sum()) for name, one in along.items())
    size = sum(float((one * one).sum()) for one in along.values())
    assert size > 0 and abs(inner) < 1e-3 * size
    again, _, _ = learnt(AGem(memory=8, batch=Length(8, "sequences")))
    assert all(
        np.array_equal(one["scores"], again.answers[at]["scores"]) for at, one in found.answers.items()
    )
    assert not np.array_equal(found.answers[1, 0]["scores"], plain.answers[1, 0]["scores"])


def test_what_is_remembered_is_as_much_of_every_period() -> None:
    old = [contrary(30, 0, False), contrary(4, 50, True), contrary(30, 90, False)]
    told = AGem(memory=20).remembered(old, 1)
    assert [len(one) for one in told] == [7, 4, 7]
    assert [one.ids for one in told] == [one.ids for one in AGem(memory=20).remembered(old, 1)]
