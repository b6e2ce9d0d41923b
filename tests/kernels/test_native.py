"""Seeds come from torch's generator, and what cannot be built is known before it is called."""

from __future__ import annotations

import pytest
import torch

from acclimate.kernels import build, native


def test_seeds_follow_torchs_generator() -> None:
    torch.manual_seed(4)
    first = [native.new_seed() for _ in range(1000)]
    torch.manual_seed(4)
    assert [native.new_seed() for _ in range(1000)] == first
    assert len(set(first)) == 1000 and all(0 <= seed < 2**63 for seed in first)
    assert max(first).bit_length() > 60


def test_every_kernel_is_there_for_its_storage(kernels) -> None:
    only_single = {"adamw"}
    for name in native._SIGNATURES:
        for dtype in (torch.float32, torch.bfloat16)[: 1 if name in only_single else 2]:
            native._function(name, dtype)
    with pytest.raises(AttributeError):
        native._function("adamw", torch.bfloat16)


def test_available_follows_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "library", lambda name: None)
    assert not native.available()
    monkeypatch.setattr(native, "library", build.library)
    assert native.available() == (build.library("training") is not None)
