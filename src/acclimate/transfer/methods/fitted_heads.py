"""Fitting a classifier to what a model's head is given, and putting it in the head's place.

Legend: N examples, F features, C classes.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from acclimate.batching.sampler import sequential
from acclimate.engine.precision import compute_in
from acclimate.errors import UserError
from acclimate.kernels.products import forget_copies
from acclimate.models.forward import class_logits
from acclimate.models.quick_modules import quicken
from acclimate.objectives.sentence_vectors import LastLayers, text_vectors
from acclimate.transfer.methods.heads_put_in import ForestHead, VectorHead, head_place, put
from acclimate.transfer.methods.phased import validated
from acclimate.transfer.tuning import BATCH, Course, Lesson, Tuned

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch
    from acclimate.transfer.methods.features import Features


def fit_head(how: Features, course: Course) -> Tuned:
    """Fit on the training examples, and replace or overwrite the head's last layer."""
    began = time.perf_counter()
    model = course.model
    labels = getattr(course.train.objective, "classes_of", None)
    if labels is None:
        raise UserError("transfer.features: takes tasks with one class for each text")
    place = head_place(model)
    pooling = None if how.vector is None else how.vector.build()
    features = features_of(course, course.train, place if pooling is None else pooling)
    if (features == features[0]).all():
        raise UserError("transfer.features: all training texts look the same to the head")
    balanced = getattr(course.how, "class_weights", "none") == "balanced"
    fitted = how.estimator(seed=course.seed, balanced=balanced)
    head: nn.Module
    if how.by == "forest":
        head = ForestHead.of(fitted.fit(features, labels))
    else:
        own: Any = model.get_submodule(place)
        head = own if pooling is None else nn.Linear(features.shape[1], own.out_features).to(model.device)
        mean, scale = features.mean(axis=0), features.std(axis=0)
        scale[scale == 0] = 1.0
        if head.bias is None:
            # Its class has none, and would drop one when it is loaded: no intercept, nor a mean to make up for.
            fitted.set_params(fit_intercept=False)
            mean = np.zeros_like(mean)
        fitted.fit((features - mean) / scale, labels)
        _fold(head, fitted, mean, scale)  # type: ignore[arg-type]
    if pooling is not None:
        put(model, place, VectorHead(pooling, head), how.by)
    elif how.by == "forest":
        put(model, place, head, how.by)
    forget_copies()
    found = validated(course)
    tokens = int(course.train.store.lengths.sum())
    return Tuned(found.loss, 0, tokens, time.perf_counter() - began)


@torch.inference_mode()
def features_of(course: Course, lesson: Lesson, of: str | LastLayers) -> NDArray[np.float64]:
    """[N, F] of each sequence its vector, or what the layer at this place is given."""
    model, store = course.model.eval(), lesson.store
    quicken(model)
    read = partial(text_vectors, pooling=of) if isinstance(of, LastLayers) else partial(_given, place=of)
    out: NDArray[np.float64] | None = None
    for ids in sequential(store.lengths, BATCH, by_length=True):
        batch = lesson.objective.prepare(store.fetch(ids, np.zeros_like(ids))).to(course.around.device)
        with compute_in(course.around.precision, course.around.device):
            found = read(model, batch)
        found = found.reshape(len(ids), -1).double().cpu().numpy()
        out = np.empty((len(store.lengths), found.shape[1])) if out is None else out
        out[ids] = found
    assert out is not None
    return out


def _given(model: PreTrainedModel, batch: PackedBatch, place: str) -> Tensor:
    seen: list[Tensor] = []
    hook = model.get_submodule(place).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        class_logits(model, batch)
    finally:
        hook.remove()
    return seen.pop()


@torch.no_grad()
def _fold(layer: nn.Linear, fitted: Any, mean: NDArray[Any], scale: NDArray[Any]) -> None:
    """Make the layer's output the fitted decision function; of two classes half of it for one, less half for the other.

    A class that was not seen in training is never chosen: its bias sees to it, or, of a layer without, its score is the
    mean of the others.
    """
    weights, biases = fitted.coef_ / scale, fitted.intercept_ - (fitted.coef_ / scale) @ mean
    if len(weights) == 1:
        weights, biases = (np.concatenate([-one, one]) / 2 for one in (weights, biases))
    rows, values = torch.from_numpy(np.asarray(fitted.classes_)), torch.from_numpy(weights).to(layer.weight)
    layer.weight.copy_(values.mean(dim=0).expand_as(layer.weight))
    layer.weight[rows] = values
    if layer.bias is not None:
        layer.bias.fill_(-1e4)
        layer.bias[rows] = torch.from_numpy(biases).to(layer.bias)
