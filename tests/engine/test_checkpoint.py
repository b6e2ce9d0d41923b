"""Checkpoints: whole or absent, the newest good one is found, foreign ones are refused."""

from __future__ import annotations

import pytest
import torch

from acclimate.engine.checkpoint import TENSORS, Checkpoints
from acclimate.engine.loop import train
from acclimate.errors import UserError
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.optim.adamw import AdamW


def saved(make, folder, steps: int = 6, keep: int = 2) -> Checkpoints:
    training, state = make("20 steps")
    checkpoints = Checkpoints(folder, keep=keep)
    for record in train(training, state):
        checkpoints.save(state)
        if record.step == steps:
            break
    return checkpoints


def test_only_the_last_few_stay(make, tmp_path) -> None:
    saved(make, tmp_path, keep=3)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"step-{n:09d}" for n in (4, 5, 6)]


def test_everything_comes_back(make, tmp_path) -> None:
    training, state = make("20 steps")
    checkpoints = Checkpoints(tmp_path)
    for _ in zip(range(5), train(training, state), strict=False):
        pass
    checkpoints.save(state)
    _, other = make("20 steps")
    assert checkpoints.resume(other) == checkpoints.newest()
    assert other.scalars() == state.scalars()
    ours, theirs = other.tensors(), state.tensors()
    assert ours.keys() == theirs.keys() and any(name.endswith("exp_avg_sq") for name in ours)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("damage", ["flip", "truncate", "no_scalars", "no_tensors"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(make, tmp_path, damage: str) -> None:
    checkpoints = saved(make, tmp_path)
    newest = checkpoints.newest()
    tensors = newest / TENSORS
    data = bytearray(tensors.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
        tensors.write_bytes(data)
    elif damage == "truncate":
        tensors.write_bytes(data[:-100])
    elif damage == "no_scalars":
        (newest / "state.json").unlink()
    else:
        tensors.unlink()
    warnings: list[str] = []
    _, state = make()
    again = Checkpoints(tmp_path, warn=warnings.append)
    assert again.resume(state).name == "step-000000005"
    assert state.progress.steps == 5
    assert len(warnings) == 1 and "step-000000006" in warnings[0] and "damaged" in warnings[0]


def test_another_models_state_is_refused(make, tmp_path) -> None:
    checkpoints = saved(make, tmp_path)
    _, state = make()
    model = Bert.model_validate({"size": "tiny", "positions": 32}).build(vocabulary=Vocabulary(25, 0), seed=0)
    state.model, state.optimizer = model, AdamW().build(model=model)
    with pytest.raises(UserError, match="belongs to another model"):
        checkpoints.resume(state)


def test_nothing_there_is_no_error(make, tmp_path) -> None:
    _, state = make()
    assert Checkpoints(tmp_path / "new").resume(state) is None
