"""The training kernels as functions of tensors. Every tensor they get is contiguous and lies in memory (no device)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from acclimate.kernels.build import library

_P, _I, _D, _N, _U = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double, ctypes.c_int, ctypes.c_uint64

_SIGNATURES: dict[str, tuple[type, ...]] = {
    "dropout": (_P, _P, _I, _I, _U, _D),
    "activate": (_P, _P, _P, _I, _I, _N),
    "activate_backward": (_P, _P, _P, _P, _I, _I, _N),
    "column_sums": (_P, _P, _P, _P, _I, _I),
    "gather_sum": (_P, _P, _P, _I, _I, _I),
    "scatter_add": (_P, _P, _P, _I, _I),
    "norm": (*(_P,) * 8, _I, _I, _D, _U, _D),
    "norm_backward": (*(_P,) * 10, _I, _I, _U, _D),
    "attention": (*(_P,) * 10, *(_I,) * 7, _D, _N, _I, _I, _U, _D),
    "attention_backward": (*(_P,) * 14, *(_I,) * 7, _D, _N, _I, _I, _U, _D),
    "cross_entropy": (_P, _P, _P, _P, _I, _I, _N),
    "adamw": (_P, _P, _P, _P, _P, _I, *(_D,) * 8),
}
_SUFFIX = {torch.float32: "f32", torch.bfloat16: "bf16"}


def available() -> bool:
    """Whether the kernels could be built; where they could not, the plain twins work."""
    return library("training") is not None


def takes(x: Tensor) -> bool:
    """Whether the kernels can work on it: they are there, and it lies in memory in a storage they know."""
    return x.device.type == "cpu" and x.dtype in _SUFFIX and available()


@cache
def _function(name: str, dtype: torch.dtype) -> Callable[..., None]:
    lib = library("training")
    assert lib is not None, "ask available() first"
    function = lib[f"{name}_{_SUFFIX[dtype]}"]
    function.argtypes, function.restype = [*_SIGNATURES[name], ctypes.c_int], None
    return function


def call(name: str, dtype: torch.dtype, *arguments: Tensor | float | None) -> None:
    """Run a kernel for this storage with torch's number of threads; tensors go as addresses."""
    values = [x.data_ptr() if isinstance(x, Tensor) else x for x in arguments]
    _function(name, dtype)(*values, torch.get_num_threads())


def new_seed() -> int:
    """A seed for one call's dropout, from torch's generator: `torch.manual_seed` decides it like any dropout."""
    return int(torch.empty((), dtype=torch.int64).random_())
