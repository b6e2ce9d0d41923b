"""Inference of BERT-shaped encoders in one native call: packed rows, weights laid out once, no Python between layers.

Legend: T tokens in the row, B sequences, W wanted rows, H hidden size.

Three arithmetics. `fp32`: as the plain model. `bf16`: products of bf16 numbers, sums in fp32; norms, softmax and the
stream of residuals stay fp32. `int8`: weights rounded per output, activations per token as they come, sums exact, the
rest as in bf16. A sequence's result does not depend, to the bit, on its neighbours or the number of threads.
"""

from __future__ import annotations

import ctypes
import weakref
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor

from acclimate.kernels.build import library

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Precision = Literal["fp32", "bf16", "int8"]
_NUMBERS: dict[str, int] = {name: number for number, name in enumerate(get_args(Precision))}

_EMBEDDINGS = ("word_embeddings", "position_embeddings", "token_type_embeddings")
_LAYER = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)


_P, _I64, _I32 = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "encoder_has": (_I32, [_I32]),
    "encoder_new": (
        _P,
        [_I64, _I64, _I64, _I64, ctypes.c_double, ctypes.POINTER(_I64), ctypes.POINTER(_P), _I32],
    ),
    "encoder_free": (None, [_P]),
    "encoder_run": (_I32, [_P, _P, _P, _P, _I64, _P, _I64, _P, _I64, _P, _I32]),
    "head_new": (_P, [_P, _P, _I64, _I64]),
    "head_free": (None, [_P]),
    "head_run": (None, [_P, _P, _I64, _I64, _I32, _P]),
    "mean_rows": (None, [_P, _P, _I64, _I64, _P]),
}


@cache
def _native() -> ctypes.CDLL | None:
    lib = library("encoder")
    if lib is not None:
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
    return lib


def precisions() -> tuple[Precision, ...]:
    """What this processor has, with a compiler at hand; empty where nothing native can be built."""
    lib = _native()
    return (
        () if lib is None else tuple(name for name in get_args(Precision) if lib.encoder_has(_NUMBERS[name]))
    )


def takes(model: PreTrainedModel) -> bool:
    """Whether the model has the layers that are built here."""
    config = model.config
    return bool(
        config.model_type == "bert"
        and config.hidden_act == "gelu"
        and not getattr(config, "is_decoder", False)
        and all(
            parameter.dtype == torch.float32 and parameter.device.type == "cpu"
            for parameter in model.parameters()
        )
    )


class NativeEncoder:
    """A Transformers model's encoder with its weights as they are now: later changes of its layers are not seen."""

    def __init__(self, model: PreTrainedModel, precision: Precision) -> None:
        """Raises ValueError for a model or a precision that cannot be had; ask `takes` and `precisions` before."""
        lib = _native()
        if lib is None or precision not in precisions() or not takes(model):
            raise ValueError(f"no native encoder in {precision} for this model on this machine")
        config, body = model.config, model.base_model
        self.hidden_size = int(config.hidden_size)
        parts = [getattr(body.embeddings, name).weight for name in _EMBEDDINGS]
        norm = body.embeddings.LayerNorm
        weights = [*parts, norm.weight, norm.bias]
        for layer in body.encoder.layer:
            weights += [
                t
                for name in _LAYER
                for t in (layer.get_submodule(name).weight, layer.get_submodule(name).bias)
            ]
        held = [weight.detach().contiguous() for weight in weights]
        self._embeddings = held[:3]  # read by every call
        pointers = (ctypes.c_void_p * len(held))(*(tensor.data_ptr() for tensor in held))
        sizes = (
            config.num_hidden_layers,
            config.hidden_size,
            config.num_attention_heads,
            config.intermediate_size,
        )
        rows = (ctypes.c_int64 * 3)(*(len(part) for part in parts))
        self._lib = lib
        self._encoder = lib.encoder_new(*sizes, config.layer_norm_eps, rows, pointers, _NUMBERS[precision])
        if not self._encoder:
            raise MemoryError("no memory for the encoder's weights")
        weakref.finalize(self, lib.encoder_free, self._encoder)

    def __call__(
        self,
        tokens: Tensor,
        positions: Tensor,
        segments: Tensor,
        cu_seqlens: Tensor,
        wanted: Tensor | None = None,
        *,
        threads: int | None = None,
    ) -> Tensor:
        """Last layer's output at the wanted rows (ascending) [W, H], or at all [T, H]. All indices are int64.

        Raises ValueError for an index that points outside: a token beyond the vocabulary, a position beyond the
        model's, an empty sequence, rows out of order.
        """
        row = [x.contiguous() for x in (tokens, positions, segments)]
        starts, chosen = cu_seqlens.contiguous(), None if wanted is None else wanted.contiguous()
        indices = [*row, starts, *([] if chosen is None else [chosen])]
        if any(x.dtype != torch.int64 or x.dim() != 1 or x.device.type != "cpu" for x in indices):
            raise ValueError("indices are expected as int64 tensors of one dimension on the processor")
        if not len(row[0]) == len(row[1]) == len(row[2]) or not len(starts):
            raise ValueError(
                "tokens, positions and segments are expected to be of one length, and starts not to be empty"
            )
        num_rows = len(tokens) if chosen is None else len(chosen)
        out = torch.empty(num_rows, self.hidden_size)
        if not num_rows:  # an empty tensor has no address
            return out
        code = self._lib.encoder_run(
            self._encoder,
            *(x.data_ptr() for x in row),
            len(tokens),
            starts.data_ptr(),
            len(starts) - 1,
            None if chosen is None else chosen.data_ptr(),
            num_rows,
            out.data_ptr(),
            threads or torch.get_num_threads(),
        )
        if code == 1:
            raise MemoryError("no memory for the activations")
        if code == 2:
            raise ValueError(
                "an index of the batch points outside: a token, a position, a segment, a start or a wanted row"
            )
        return out

    def means(self, hidden: Tensor, cu_seqlens: Tensor) -> Tensor:
        """[B, H]: the mean over each sequence's rows of what was called for [T, H]."""
        out = torch.empty(len(cu_seqlens) - 1, self.hidden_size)
        self._lib.mean_rows(
            hidden.data_ptr(), cu_seqlens.data_ptr(), len(out), self.hidden_size, out.data_ptr()
        )
        return out


class NativeHead:
    """A linear layer in fp32 with its weights as they are now, and tanh after it if wanted. One thread: it is small."""

    def __init__(self, layer: torch.nn.Linear, *, tanh: bool = False) -> None:
        lib = _native()
        assert lib is not None
        self._size, self._inputs = layer.weight.shape
        self._tanh = tanh
        weight, bias = layer.weight.detach().contiguous(), layer.bias.detach()
        self._run = lib.head_run
        self._head = lib.head_new(weight.data_ptr(), bias.data_ptr(), *layer.weight.shape)
        if not self._head:
            raise MemoryError("no memory for the head's weights")
        weakref.finalize(self, lib.head_free, self._head)

    def __call__(self, x: Tensor) -> Tensor:
        """[B, K] → [B, N]"""
        x = x.contiguous()
        out = torch.empty(len(x), self._size)
        self._run(self._head, x.data_ptr(), len(x), self._inputs, self._tanh, out.data_ptr())
        return out
