"""The writers of foreign checkpoints are read by several tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def random_weights() -> Callable[[Any], Any]:
    """Every weight drawn at random, so that none can be mistaken for another: fresh norms are all ones."""

    def fill(model: Any) -> Any:
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for one in model.parameters():
                one.copy_(torch.randn(one.shape, generator=generator) * 0.1 + 0.05)
        return model.eval()

    return fill
