"""What every stage that computes does first: threads, device, precision, quiet libraries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acclimate.kernels.before_torch import before_torch
from acclimate.pipeline.doctor import usable_cores
from acclimate.recipe.sections import Hardware

if TYPE_CHECKING:
    import torch

    from acclimate.engine.precision import Precision


@dataclass(frozen=True)
class Machine:
    """Where and how to compute."""

    device: torch.device
    precision: Precision
    threads: int


def prepare(hardware: Hardware) -> Machine:
    """Set threads and choose device and precision. No telemetry, no progress bars of others."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    before_torch()
    import torch
    import transformers

    from acclimate.engine.precision import choose_device, choose_precision

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(hardware.threads or max(1, int(usable_cores())))
    device = choose_device(hardware.device)
    return Machine(device, choose_precision(hardware.precision, device), torch.get_num_threads())


@contextmanager
def threads(number: int) -> Iterator[None]:
    """So many threads inside, as many as before outside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
