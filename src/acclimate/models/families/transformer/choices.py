"""What the parts of a Transformer can be, and which of them do not go together. Knows no torch: recipes ask too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Activation = Literal["relu", "gelu", "gelu_tanh", "silu", "swish", "geglu", "swiglu"]
Normalisation = Literal["layer_norm", "rms_norm", "batch_norm", "none"]
Place = Literal["pre", "post"]
Positions = Literal["learnt", "sinusoidal", "relative", "rope", "alibi"]
Direction = Literal["both", "left_to_right", "prefix"]

FUNCTIONS: Mapping[str, str] = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_tanh": "gelu_pytorch_tanh",
    "silu": "silu",
    "swish": "silu",
    "geglu": "gelu",
    "swiglu": "silu",
}
"""Activation → Transformers' name of its function."""
GATED = ("geglu", "swiglu")


def conflict(values: Mapping[str, Any]) -> tuple[str, str] | None:
    """(option, what is wrong and the nearest that would do) of values of a configuration that do not go together."""
    hidden, heads, layers = (
        values[one] for one in ("hidden_size", "num_attention_heads", "num_hidden_layers")
    )
    share = values.get("share") or 1
    if hidden % heads:
        return "heads", (
            f"a hidden size of {hidden} does not part evenly among {heads} heads; nearest: "
            f"{_divisor(hidden, heads)} heads, or a hidden size of {_multiple(hidden, heads)}"
        )
    if values["positions"] == "rope" and hidden // heads % 2:
        return "position_encoding", (
            f"rope turns pairs of values, and heads of {hidden // heads} cannot be paired; "
            f"nearest: a hidden size of {_multiple(hidden, 2 * heads)}, or alibi"
        )
    if values["normalisation"] == "batch_norm" and values["direction"] != "both":
        return "normalisation", (
            "batch_norm would show each token what comes after it, through the batch's mean: it is for "
            f"`direction: both` only; with {values['direction']} the nearest is layer_norm, then rms_norm"
        )
    if values.get("block") and values["direction"] == "prefix":
        return "block", (
            "blocks cut a sequence where its prefix must be seen whole; nearest: `window`, or left_to_right"
        )
    if layers % share:
        return "share", (
            f"{layers} layers do not part into groups of {share}; nearest: {_divisor(layers, share)}"
        )
    return None


def _divisor(number: int, near: int) -> int:
    """The divisor of number nearest to `near`."""
    return min((one for one in range(1, number + 1) if number % one == 0), key=lambda one: abs(one - near))


def _multiple(near: int, of: int) -> int:
    """The multiple nearest to `near`, at least one."""
    return max(1, round(near / of)) * of
