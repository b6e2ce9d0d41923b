"""Which arithmetic the matrix products use. Weights, norms, softmax and loss stay in fp32 (autocast's rules)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Literal

import torch

Precision = Literal["fp32", "bf16", "fp16"]
"""fp16 has five bits of exponent, and its loss is scaled (`loss_scaling.py`); bf16 has the eight of fp32."""


@cache
def processor_has_bf16() -> bool:
    """Whether this processor multiplies bf16 in hardware; emulation would be slower than fp32."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and (
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """auto: the accelerator when there is one. Raises UserError for one that is asked for and absent."""
    if wanted == "cuda" and not torch.cuda.is_available():
        from acclimate.errors import UserError

        raise UserError("hardware.device: cuda is asked for, and torch finds no CUDA device here")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def choose_precision(wanted: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device) -> Precision:
    """auto: bf16 where the hardware has it. Raises UserError for fp16 on a processor, which multiplies it slowly."""
    if wanted == "fp16" and device.type != "cuda":
        from acclimate.errors import UserError

        raise UserError(
            f"hardware.precision: fp16 is for CUDA devices, and this training is on the {device.type}; nearest: bf16"
        )
    if wanted != "auto":
        return wanted
    has = torch.cuda.is_bf16_supported() if device.type == "cuda" else processor_has_bf16()
    return "bf16" if has else "fp32"


def compute_in(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context in which forward passes run."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16 if precision == "bf16" else torch.float16)
