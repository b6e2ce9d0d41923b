"""Four questions to every part of an optimisation that is registered: does it agree with a reference, is it repeatable
and resumable to the bit, does it converge on a real small problem, has it the property it is defined by?

The second and the third are answered here, by trainings with the engine; a part that joins the registry is asked at
once. The first and the last are answered by tests of its own, which are named here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from acclimate.batching.sequence_store import ExampleStore
from acclimate.engine.feed import Feed
from acclimate.engine.loop import Training, train
from acclimate.engine.state import TrainState, carrying, listening
from acclimate.models.building import Labels
from acclimate.models.families.transformer.family import Transformer
from acclimate.models.family import Vocabulary
from acclimate.objectives.classify import SequenceClassification
from acclimate.recipe.registry import registry
from acclimate.recipe.units import Length

torch.set_num_threads(1)
ROLES = ("optimizer", "schedule", "gradient", "initialiser")
PARTS = [(role, name) for role in ROLES for name in sorted(registry.names(role))]
STEPS, HALF = 40, 18
HERE = Path(__file__).parent

SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {"lr": 0.02, "momentum": 0.9},
    "adam": {"lr": 0.003},
    "adamw": {"lr": 0.003},
    "bert_adamw": {"lr": 0.001},
    "lamb": {"lr": 0.01},
    "adafactor": {"lr": 0.03},
    "stable_adamw": {"lr": 0.003},
    "lion": {"lr": 0.001},
    "muon": {"lr": 0.01},
    "nt_asgd": {"lr": 0.05, "n": 1},
    "noam": {"warmup": 10, "width": 1},
    "step_decay": {"hold": "20 steps", "every": "20 steps"},
    "clip_percentile": {"percentile": 50},
    "noise": {"eta": 1e-8},
    "mask_loss": {"share": 0.1, "warmup": 5, "window": 50},
    "project_negative": {"reference": {"path": "general.txt"}, "every": 4},
}
"""Of parts whose defaults are for other sizes of problem."""

ANSWERS: dict[str, tuple[str, str]] = {
    "sgd": ("test_optimizers:a_matrix_follows_the_formula", "test_optimizers:nesterov_needs_momentum"),
    "adam": ("test_optimizers:a_matrix_follows_the_formula", "test_optimizers:a_matrix_follows_the_formula"),
    "adamw": ("test_quick_adamw:fifty_steps_equal_torchs", "test_adamw:biases_and_norms_do_not_decay"),
    "bert_adamw": ("test_optimizers:a_matrix_follows_the_formula",) * 2,
    "lamb": ("test_optimizers:a_matrix_follows", "test_optimizers:lamb_moves_a_matrix_by_a_share"),
    "adafactor": ("test_optimizers:a_matrix_follows", "test_optimizers:adafactor_keeps_a_row_and_a_column"),
    "stable_adamw": ("test_optimizers:agrees_with_a_kept", "test_optimizers:stable_adamw_shortens_the_step"),
    "lion": ("test_optimizers:agrees_with_a_kept_library", "test_optimizers:lion_moves_every_weight"),
    "muon": ("test_optimizers:muon_steps_matrices", "test_optimizers:muon_steps_matrices"),
    "nt_asgd": ("../engine/test_averaging:a_sequence_by_hand", "../engine/test_averaging:the_switch_is_not"),
    "linear": ("test_schedules:equal_to_transformers", "test_schedules:linear_points_in_every_unit"),
    "cosine": ("test_schedules:equal_to_transformers", "test_schedules:cosine_and_constant_points"),
    "constant": ("test_schedules:equal_to_transformers", "test_schedules:cosine_and_constant_points"),
    "polynomial": ("test_schedules:polynomial_equals_transformers", "test_schedules:polynomial_points"),
    "inverse_sqrt": (
        "test_schedules:inverse_square_root_equals",
        "test_schedules:inverse_square_root_points",
    ),
    "noam": ("test_schedules:noam_peak_of_the_paper",) * 2,
    "triangle": ("test_schedules:triangle_points",) * 2,
    "slanted_triangular": ("test_schedules:slanted_triangular_points_of_the_paper",) * 2,
    "wsd": ("test_schedules:warmup_stable_decay_points",) * 2,
    "restarts": ("test_schedules:restarts_equal_torch", "test_schedules:every_schedule_stays_between"),
    "plateau": ("test_plateau:it_is_torch_s_rule", "test_plateau:it_goes_on_from_its_state"),
    "step_decay": ("test_step_decay:it_is_the_published_rule", "test_step_decay:steps_may_be_longer"),
    "clip_norm": ("test_clip_norm:equals_torch",) * 2,
    "clip_value": ("test_gradient_transforms:value_clipping_is_torch_s",) * 2,
    "clip_percentile": (
        "test_gradient_transforms:percentile_is_numpy_s",
        "test_gradient_transforms:percentile_of_rising_and_falling",
    ),
    "clip_accumulated": (
        "test_gradient_transforms:accumulated_clipping_is_that_of_the_big_batch",
        "test_gradient_transforms:the_floor_scales_up",
    ),
    "clip_adaptive": ("test_gradient_transforms:adaptive_clipping_bounds_each_unit",) * 2,
    "clip_negative": ("test_gradient_transforms:clipped_negatives_let_no_weight_grow",) * 2,
    "coupled_decay": (
        "test_coupled_decay:it_is_the_gradient_of_the_loss_term",
        "test_coupled_decay:under_sgd_it_is_decoupled_decay",
    ),
    "centralize": ("test_gradient_transforms:centralized_gradients_sum_to_nothing",) * 2,
    "noise": ("test_gradient_transforms:noise_has_the_variance",) * 2,
    "mask_loss": (
        "../engine/test_backward:the_gradient_is_that_of_the_batch_without",
        "../engine/test_backward:the_threshold_is_of_the_steps_before",
    ),
    "project_negative": (
        "test_project_negative:a_gem_by_its_formula",
        "test_project_negative:opposites_leave_nothing",
    ),
    "project_conflicts": (
        "test_project_conflicts:it_is_algorithm_1",
        "test_project_conflicts:two_tasks_that_conflict_by_hand",
    ),
    "accumulate_by_layer": (
        "../engine/test_by_layer:without_quick_ways_the_bits_are_the_same",
        "../engine/test_by_layer:never_more_than_one_gradient_is_held",
    ),
    "truncated_normal": ("test_truncated_normal:distribution", "test_truncated_normal:biases_norms_and_pad"),
    "uniform": ("test_uniform:every_weight_is_in_the_range", "test_uniform:layers_may_go_by_their_width"),
    "he": ("test_scaled_initialisers:he_by_inputs", "test_scaled_initialisers:he_keeps_the_size"),
    "xavier": ("test_scaled_initialisers:xavier_by_both_sides",) * 2,
    "gpt2": (
        "test_scaled_initialisers:on_gpt2_itself_it_has_the_library_s_variances",
        "test_scaled_initialisers:gpt2_divides_what_writes_to_the_stream",
    ),
    "t5": ("test_scaled_initialisers:t5_by_inputs_and_heads",) * 2,
    "t_fixup": (
        "test_deep_initialisers:scales_by_the_formulas",
        "test_deep_initialisers:t_fixup_trains_deep",
    ),
    "deepnorm": (
        "test_deep_initialisers:scales_by",
        "test_deep_initialisers:a_step_moves_a_deep_model_little",
    ),
}
"""Part → (its reference, its property): `file:beginning of the test's name`."""


@pytest.mark.parametrize(("role", "name"), PARTS)
def test_its_reference_and_its_property_are_tested(role: str, name: str) -> None:
    assert name in ANSWERS, (
        f"say here which tests compare the {role} {name} with a reference and show its property"
    )
    for answer in ANSWERS[name]:
        file, _, test = answer.partition(":")
        assert f"def test_{test}" in (HERE / f"{file}.py").read_text("utf-8"), answer


def test_no_answer_is_of_a_part_that_is_gone() -> None:
    assert ANSWERS.keys() == {name for _, name in PARTS} and SETTINGS.keys() <= ANSWERS.keys()


def examples() -> tuple[ExampleStore, np.ndarray]:
    """60 sequences of 3 to 10 tokens, the tokens of one class even, of the other odd, but for some."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 11, 60)
    labels = rng.integers(0, 2, 60)
    tokens = rng.integers(3, 12, lengths.sum()) * 2 + np.repeat(labels, lengths)
    tokens += rng.random(len(tokens)) < 0.1
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    tokens[starts] = 2
    store = ExampleStore(tokens, np.zeros_like(tokens), lengths.astype(np.int64), num_truncated=0)
    return store, labels


def built(role: str, name: str) -> tuple[Training, TrainState]:
    """A small training with the part in its place; the same each time."""
    own = registry.get(role, name).model_validate(SETTINGS.get(name, {}))
    initialise = {name: {}} if role == "initialiser" else "xavier"
    family = Transformer.model_validate(
        {
            "layers": 2,
            "hidden": 32,
            "heads": 2,
            "positions": 16,
            "initialise": initialise,
            "normalisation": "none" if name == "t_fixup" else "layer_norm",
        }
    )
    model = family.build(
        vocabulary=Vocabulary(25, 0), seed=5, kind="classification", labels=Labels(("even", "odd"))
    )
    store, labels = examples()
    length = Length(STEPS, "steps")
    part = dict.fromkeys((role,), own)
    schedule: Any = part.get("schedule", registry.get("schedule", "constant")()).build(length=length)
    optimizer = part.get(
        "optimizer", registry.get("optimizer", "adamw")(lr=0.01 if name == "noam" else 0.003)
    ).build(model=model)
    objective = SequenceClassification(labels, num_classes=2)
    state = TrainState(
        model,
        optimizer,
        [part["gradient"].build()] if "gradient" in part else [],
        listening(schedule),
        carrying(objective),
    )
    feed = Feed(store, batch=Length(20, "sequences"), seed=9)
    reference = Feed(store, batch=Length(15, "sequences"), seed=10)
    return Training(objective, feed, schedule, length, seed=9, reference=reference), state


def run(role: str, name: str, stop: int | None = None) -> tuple[list[float], list[torch.Tensor]]:
    """(losses, the last weights); with `stop` saved there and gone on with from fresh objects."""
    training, state = built(role, name)
    losses = []
    for record in train(training, state):
        losses.append(record.loss)
        if record.step % 10 == 0:
            for listener in state.listeners:
                listener.observe(record.loss)
        if record.step == stop:
            tensors = {key: tensor.clone() for key, tensor in state.tensors().items()}
            scalars = json.loads(json.dumps(state.scalars()))
            training, state = built(role, name)
            state.load(tensors, scalars)
            for later in train(training, state):
                losses.append(later.loss)
                if later.step % 10 == 0:
                    for listener in state.listeners:
                        listener.observe(later.loss)
            break
    return losses, [p.detach() for p in state.model.parameters()]


@pytest.mark.parametrize(("role", "name"), PARTS)
def test_it_converges_and_gives_the_same_bits_again_and_after_resuming(role: str, name: str) -> None:
    losses, weights = run(role, name)
    assert len(losses) == STEPS
    assert np.mean(losses[-6:]) < 0.7 * np.mean(losses[:3])
    for stop in (None, HALF):
        losses_again, weights_again = run(role, name, stop)
        assert losses_again == losses
        assert all(torch.equal(a, b) for a, b in zip(weights, weights_again, strict=True))
