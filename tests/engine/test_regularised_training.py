"""Averages and regularisers in a training: judged and delivered weights, and the same bits after an interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from acclimate.batching.sequence_store import ExampleStore
from acclimate.engine.checkpoint import BestInMemory, Checkpoints
from acclimate.engine.feed import Feed
from acclimate.engine.fit import Surroundings, ValidationRecord, fit
from acclimate.engine.loop import Training
from acclimate.engine.measure import Measured, measure
from acclimate.engine.state import TrainState, carrying
from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.objectives.classify import SequenceClassification
from acclimate.objectives.mixout import Mixout
from acclimate.objectives.r_drop import RDrop
from acclimate.objectives.regulariser import regularised
from acclimate.optim.adamw import AdamW
from acclimate.optim.running_average import Ema, Swa
from acclimate.optim.schedules import Constant
from acclimate.recipe.units import Length
from acclimate.tokenizer.untrained import untrained_tokenizer

TEXTS = [f"{word} {other} 字" for word in "abcdef" for other in "ghi"]
LABELS = np.arange(len(TEXTS)) // 9
BATCH = Length(1000, "tokens")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def setting(average: Any, parts: list[Any], steps: int) -> tuple[Training, TrainState]:
    tokenizer = untrained_tokenizer(300)
    model = Bert(size="tiny").build(
        vocabulary=Vocabulary.of(tokenizer), seed=1, kind="classification", labels=Labels(("x", "y"))
    )
    asked = regularised(SequenceClassification(LABELS, num_classes=2), parts, model)
    length = Length(12, "steps")
    state = TrainState(model, AdamW(lr=1e-3).build(model=model), [], carriers=carrying(asked))
    state.average = average.build(model=model, length=length)
    feed = Feed(ExampleStore.from_texts(TEXTS, None, tokenizer, 16), batch=Length(6, "sequences"), seed=3)
    schedule = Constant().build(length=length)
    return Training(asked, feed, schedule, Length(steps, "steps"), seed=3), state


def look(training: Training, state: TrainState) -> Measured:
    objective = SequenceClassification(LABELS, num_classes=2)
    return measure(state.model, objective, training.feed.store, batch=BATCH)


@pytest.mark.parametrize("average", [Ema(decay=0.8), Swa(start=0.3)])
def test_the_average_is_judged_and_delivered(average: Any) -> None:
    training, state = setting(average, [], 12)
    around = Surroundings(lambda: look(training, state), best=BestInMemory(), take_best=True)
    looked = [one for one in fit(training, state, around) if isinstance(one, ValidationRecord)]
    assert len(looked) == 4
    assert look(training, state).loss == pytest.approx(min(one.loss for one in looked), abs=1e-6)
    training, state = setting(average, [], 12)
    for _ in fit(training, state, Surroundings()):
        pass
    settled = state.average.carried()
    assert all(torch.equal(one, settled[name]) for name, one in state.model.named_parameters())


def test_it_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    parts = [Mixout(p=0.4), RDrop(alpha=1.0)]
    training, whole = setting(Ema(decay=0.9), parts, 12)
    for _ in fit(training, whole, Surroundings()):
        pass
    training, first = setting(Ema(decay=0.9), parts, 5)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for _ in fit(training, first, Surroundings(last=False)):
        pass
    checkpoints.save(first)
    training, second = setting(Ema(decay=0.9), parts, 12)
    assert checkpoints.resume(second) is not None
    assert second.progress.steps == 5
    for _ in fit(training, second, Surroundings()):
        pass
    ours, theirs = whole.tensors(), second.tensors()
    assert ours.keys() == theirs.keys()
    assert any(name.startswith("carried/0/start/") for name in ours)
    assert any(name.startswith("carried/1/") for name in ours)
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name
