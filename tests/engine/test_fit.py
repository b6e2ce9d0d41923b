"""Around the loop: validation, early stopping, checkpoints, and resuming to the same bits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from acclimate.engine.checkpoint import BestInMemory, Checkpoints
from acclimate.engine.fit import CheckpointRecord, Surroundings, ValidationRecord, fit
from acclimate.engine.interrupt import Interrupted
from acclimate.engine.loop import NonFiniteLoss, StepRecord
from acclimate.engine.measure import measure
from acclimate.engine.state import listening
from acclimate.errors import UserError
from acclimate.optim.clip_percentile import ClipPercentile
from acclimate.optim.plateau import Plateau
from acclimate.recipe.units import Length


def validator(training, state):
    return lambda: measure(
        state.model, training.objective, training.feed.store, batch=Length.parse("100 tokens")
    )


def around(training, state, folder, **changes):
    settings = {
        "validate": validator(training, state),
        "validate_every": Length.parse("5 steps"),
        "checkpoints": Checkpoints(folder),
        "checkpoint_every": Length.parse("4 steps"),
        **changes,
    }
    return Surroundings(**settings)


def losses(records) -> list[tuple[int, float]]:
    return [(r.step, r.loss) for r in records if isinstance(r, StepRecord)]


def test_order_of_events(make, tmp_path) -> None:
    training, state = make("10 steps")
    kinds = [
        (type(record).__name__, record.step)
        for record in fit(training, state, around(training, state, tmp_path))
    ]
    others = [kind for kind in kinds if kind[0] != "StepRecord"]
    assert others == [
        ("CheckpointRecord", 4),
        ("ValidationRecord", 5),
        ("CheckpointRecord", 8),
        ("ValidationRecord", 10),
        ("CheckpointRecord", 10),
    ]


@pytest.mark.parametrize("killed_after", [1, 4, 6, 11])
def test_a_killed_training_resumes_to_the_same_bits(make, tmp_path, killed_after: int) -> None:
    training, whole = make("12 steps")
    expected = losses(fit(training, whole, around(training, whole, tmp_path / "whole")))

    training, killed = make("12 steps")
    log = {}
    for record in fit(training, killed, around(training, killed, tmp_path / "killed")):
        if isinstance(record, StepRecord):
            log[record.step] = record.loss
            if record.step == killed_after:
                break  # as if the process had died here
    training, resumed = make("12 steps")
    place = around(training, resumed, tmp_path / "killed")
    found = place.checkpoints.resume(resumed)
    saved = (killed_after - 1) // 4 * 4  # the kill came before the checkpoint of its own step
    assert (found is None) == (saved == 0) and resumed.progress.steps == saved
    log.update(losses(fit(training, resumed, place)))

    assert sorted(log.items()) == expected
    ours, theirs = resumed.tensors(), whole.tensors()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert resumed.position == whole.position
    assert replace(resumed.progress, seconds=0) == replace(whole.progress, seconds=0)


def test_patience_stops_and_takes_the_best_weights(make, tmp_path) -> None:
    for best in (BestInMemory(), Checkpoints(tmp_path)):
        training, state = make("60 steps")
        real, calls = validator(training, state), []
        kept: list[torch.Tensor] = []

        def worse_after_the_second(calls=calls, kept=kept, real=real, state=state):
            measured = real()
            calls.append(measured.loss)
            if len(calls) == 2:
                kept.extend(p.detach().clone() for p in state.model.parameters())
            offset = {1: 5.0, 2: 0.0}.get(len(calls), 9.0)
            return replace(measured, sums=measured.sums + offset * measured.counts)

        place = Surroundings(
            validate=worse_after_the_second, validate_every=Length.parse("3 steps"), patience=3, best=best
        )
        records = [r for r in fit(training, state, place) if isinstance(r, ValidationRecord)]
        assert [record.best for record in records] == [True, True, False, False, False]
        assert state.progress.steps == 15 and state.best_step == 6 and state.stopped
        assert all(torch.equal(a, b) for a, b in zip(kept, state.model.parameters(), strict=True))
        assert list(fit(training, state, place)) == []  # what has stopped stays stopped


def test_a_request_to_stop_is_obeyed_after_saving(make, tmp_path) -> None:
    training, state = make("12 steps")
    place = around(training, state, tmp_path, stop=lambda: state.progress.steps >= 6)
    seen = []
    with pytest.raises(Interrupted):
        for record in fit(training, state, place):
            seen.append(record)
    assert isinstance(seen[-1], CheckpointRecord) and seen[-1].step == 6
    _, again = make("12 steps")
    Checkpoints(tmp_path).resume(again)
    assert again.progress.steps == 6


def test_a_broken_number_names_the_last_good_checkpoint(make, tmp_path) -> None:
    training, state = make("12 steps")
    place = around(training, state, tmp_path)
    with pytest.raises(NonFiniteLoss, match=r"step 7: .*Last good checkpoint: .*step-000000004"):
        for record in fit(training, state, place):
            if isinstance(record, StepRecord) and record.step == 6:
                with torch.no_grad():
                    next(state.model.parameters()).fill_(float("nan"))


def test_a_request_in_the_last_step_is_obeyed_too(make, tmp_path) -> None:
    training, state = make("6 steps")
    place = around(training, state, tmp_path, stop=lambda: state.progress.steps >= 6)
    with pytest.raises(Interrupted):
        list(fit(training, state, place))
    training, again = make("6 steps")
    place = around(training, again, tmp_path)
    place.checkpoints.resume(again)
    assert again.progress.steps == 6 and list(fit(training, again, place)) == []


def test_a_damaged_best_state_is_one_message(make, tmp_path) -> None:
    training, state = make("6 steps")
    place = around(training, state, tmp_path, best=Checkpoints(tmp_path), take_best=True)

    def run() -> None:
        for record in fit(training, state, place):
            if isinstance(record, CheckpointRecord) and record.step == 6:
                (tmp_path / "best" / "state.safetensors").write_bytes(b"torn")

    with pytest.raises(UserError, match=r"the best weights cannot be read from .*best"):
        run()


def test_a_validation_that_is_no_number_stops_too(make, tmp_path) -> None:
    training, state = make("6 steps")
    real = validator(training, state)

    def broken():
        measured = real()
        return replace(measured, sums=measured.sums * float("nan"))

    with pytest.raises(NonFiniteLoss, match=r"step 5: the loss on the validation data is nan"):
        list(fit(training, state, around(training, state, tmp_path, validate=broken)))
    assert state.best_loss is None


def listening_training(make):
    """Every validation is a disappointment: the rate halves each time. The clip remembers norms."""
    training, state = make("12 steps")
    schedule = Plateau(by=0.5, patience=1, threshold=0.9).build(length=training.length)
    clip = ClipPercentile(percentile=50).build()
    training = replace(training, schedule=schedule)
    return training, replace(state, gradients=[clip], listeners=listening(schedule))


def rates(records) -> list[tuple[int, float, float]]:
    return [(r.step, r.learning_rate, r.figures["threshold"]) for r in records if isinstance(r, StepRecord)]


def test_parts_that_remember_are_saved_and_resumed(make, tmp_path) -> None:
    training, whole = listening_training(make)
    expected = rates(fit(training, whole, around(training, whole, tmp_path / "whole")))
    # The first validation is the best so far, the one after it the first disappointment.
    assert [rate / 2e-3 for _, rate, _ in expected] == [1.0] * 10 + [0.5] * 2

    training, killed = listening_training(make)
    log = []
    for record in fit(training, killed, around(training, killed, tmp_path / "killed")):
        log.append(record)
        if isinstance(record, CheckpointRecord) and record.step == 8:
            break
    training, resumed = listening_training(make)
    place = around(training, resumed, tmp_path / "killed")
    assert place.checkpoints.resume(resumed) is not None
    assert rates(log) + rates(fit(training, resumed, place)) == expected
    assert all(torch.equal(resumed.tensors()[name], one) for name, one in whole.tensors().items())


def test_a_schedule_that_listens_needs_something_to_hear(make, tmp_path) -> None:
    training, state = listening_training(make)
    with pytest.raises(ValueError, match="needs some"):
        next(fit(training, state, around(training, state, tmp_path, validate=None)))
