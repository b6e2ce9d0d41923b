"""Taking the fast way through a Transformers model without changing its code, its weights or its names.

Modules keep their parameters and their place; only their class becomes a subclass whose forward calls a kernel. So
saving, loading and `isinstance` are as before. On an accelerator, and where the kernels cannot be built, each does
what it did. `ACCLIMATE_FAST=0` leaves every module alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from acclimate.kernels import native
from acclimate.kernels.build import switched_on
from acclimate.kernels.embedding import embedding_sum
from acclimate.kernels.fused_linear import ACTIVATIONS, linear_activation, linear_dropout_norm
from acclimate.kernels.norm import dropout, layer_norm
from acclimate.kernels.products import forget_copies, linear

_quick: dict[type, type] = {}
"""class → its quick subclass"""


def quicken(model: nn.Module) -> None:
    """Give the model's modules their quick forwards; harmless when they have them.

    Called before work on a model whose weights somebody may have changed through `.data`: no copy of them is trusted.
    """
    if not switched_on():
        return
    forget_copies()
    for module in model.modules():
        forward = _forward_for(module)
        if forward is not None:
            module.__class__ = _subclass(type(module), forward)


def slacken(model: nn.Module) -> None:
    """Take the quick forwards back: for whoever puts something into the model that a module must see as it is."""
    plain = {quick: known for known, quick in _quick.items()}
    for module in model.modules():
        module.__class__ = plain.get(type(module), type(module))


def _subclass(plain: type, forward: Callable[..., Tensor]) -> type:
    if plain not in _quick:

        def chosen(self: nn.Module, *inputs: Any, **named: Any) -> Tensor:
            first = inputs[0] if inputs else named.get("input_ids")
            if first is None or not _is_for_kernels(self, first):
                return plain.forward(self, *inputs, **named)  # type: ignore[attr-defined, no-any-return]
            return forward(self, *inputs, **named)

        _quick[plain] = type(
            f"Quick{plain.__name__}", (plain,), {"forward": chosen, "__module__": plain.__module__}
        )
    return _quick[plain]


def _forward_for(module: nn.Module) -> Callable[..., Tensor] | None:
    kind = type(module)
    if kind is nn.Linear:
        return _linear
    if not native.available():
        return None
    forward, fits = _KNOWN.get((kind.__module__, kind.__name__), (None, None))
    return forward if fits is not None and fits(module) else None


def _is_for_kernels(module: nn.Module, x: Tensor) -> bool:
    """On the processor, with weights in fp32: a model that was turned to another precision computes in that."""
    weight = next(module.parameters(), None)
    if weight is None:
        return native.takes(x)
    return x.device.type == "cpu" and weight.dtype == torch.float32


def _linear(self: Any, x: Tensor) -> Tensor:
    return linear(x, self.weight, self.bias)


def _layer_norm(self: Any, x: Tensor) -> Tensor:
    return layer_norm(x, self)


def _dropout(self: Any, x: Tensor) -> Tensor:
    return dropout(x, self.p) if self.training else x


def _output(self: Any, hidden_states: Tensor, input_tensor: Tensor) -> Tensor:
    p = self.dropout.p if self.dropout.training else 0.0
    return linear_dropout_norm(hidden_states, self.dense, input_tensor, self.LayerNorm, p)


def _intermediate(self: Any, hidden_states: Tensor) -> Tensor:
    return linear_activation(
        hidden_states, self.dense.weight, self.dense.bias, _activation(self.intermediate_act_fn)
    )


def _transform(self: Any, hidden_states: Tensor) -> Tensor:
    name = _activation(self.transform_act_fn)
    return layer_norm(
        linear_activation(hidden_states, self.dense.weight, self.dense.bias, name), self.LayerNorm
    )


def _embeddings(
    self: Any,
    input_ids: Tensor,
    token_type_ids: Tensor | None = None,
    position_ids: Tensor | None = None,
    inputs_embeds: Tensor | None = None,
    past_key_values_length: int = 0,
) -> Tensor:
    """BERT's three tables; positions and segments that are not given are counted as Transformers does."""
    if position_ids is None:
        position_ids = self.position_ids[
            :, past_key_values_length : input_ids.shape[1] + past_key_values_length
        ]
    if token_type_ids is None:
        token_type_ids = torch.zeros_like(input_ids)
    tables = (self.word_embeddings, self.position_embeddings, self.token_type_embeddings)
    ids = tuple(x.expand_as(input_ids) for x in (input_ids, position_ids, token_type_ids))
    summed = embedding_sum(tables, ids)
    return _dropout(self.dropout, layer_norm(summed, self.LayerNorm))


def _post_norm(self: Any, x: Tensor, residual: Tensor, real: Tensor | None) -> Tensor:
    p = self.dropout.p if self.dropout.training else 0.0
    return linear_dropout_norm(x, self.dense, self.scaled(residual), self.norm, p)


def _plain_inner(self: Any, x: Tensor) -> Tensor:
    return linear_activation(x, self.dense.weight, self.dense.bias, _activation(self.function))


def _activation(function: nn.Module) -> str:
    """Transformers' name of an activation that there is a kernel for."""
    return _activations()[_how(function)]


@cache
def _activations() -> dict[Hashable, str]:
    from transformers.activations import ACT2FN

    return {_how(ACT2FN[name]): name for name in ACTIVATIONS}


def _how(function: nn.Module) -> Hashable:
    """Equal for activations that compute the same."""
    act = getattr(function, "act", None)
    if isinstance(act, partial):
        return type(function), act.func, act.args, tuple(act.keywords.items())
    return type(function), act


def _is_norm(norm: nn.Module) -> bool:
    affine = isinstance(norm, nn.LayerNorm) and norm.weight is not None and norm.bias is not None
    return _is(norm, nn.LayerNorm) and affine and norm.weight.dim() == 1


def _is(module: nn.Module, kind: type) -> bool:
    """Of this very class or its quick form: what a subclass does is not known."""
    return type(module) in (kind, _quick.get(kind))


def _is_dense(module: nn.Module) -> bool:
    return _is(module, nn.Linear) and module.bias is not None


def _is_embeddings(module: nn.Module) -> bool:
    tables = (module.word_embeddings, module.position_embeddings, module.token_type_embeddings)
    usual = all(_is(x, nn.Embedding) and x.max_norm is None and not x.scale_grad_by_freq for x in tables)
    return usual and _is_norm(module.LayerNorm) and _is(module.dropout, nn.Dropout)


def _is_output(module: nn.Module) -> bool:
    return _is_dense(module.dense) and _is_norm(module.LayerNorm) and _is(module.dropout, nn.Dropout)


def _is_post_norm(module: nn.Module) -> bool:
    return _is_dense(module.dense) and _is_norm(module.norm) and _is(module.dropout, nn.Dropout)


def _is_plain_inner(module: nn.Module) -> bool:
    return _is_dense(module.dense) and _how(module.function) in _activations()


def _is_intermediate(module: nn.Module) -> bool:
    return _is_dense(module.dense) and _how(module.intermediate_act_fn) in _activations()


def _is_transform(module: nn.Module) -> bool:
    known = _how(module.transform_act_fn) in _activations()
    return known and _is_dense(module.dense) and _is_norm(module.LayerNorm)


_BERT = "transformers.models.bert.modeling_bert"
_OURS = "acclimate.models.families.transformer.layers"

_KNOWN: dict[tuple[str, str], tuple[Callable[..., Tensor], Callable[[nn.Module], bool]]] = {
    ("torch.nn.modules.normalization", "LayerNorm"): (_layer_norm, _is_norm),
    ("torch.nn.modules.dropout", "Dropout"): (_dropout, lambda module: True),
    (_BERT, "BertEmbeddings"): (_embeddings, _is_embeddings),
    (_BERT, "BertSelfOutput"): (_output, _is_output),
    (_BERT, "BertOutput"): (_output, _is_output),
    (_BERT, "BertIntermediate"): (_intermediate, _is_intermediate),
    (_BERT, "BertPredictionHeadTransform"): (_transform, _is_transform),
    (_OURS, "PostNormOutput"): (_post_norm, _is_post_norm),
    (_OURS, "Plain"): (_plain_inner, _is_plain_inner),
}
"""Classes that are proven equal (tests/models/test_quick_modules.py) by module and name; what an instance must be."""
