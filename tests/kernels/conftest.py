"""How a kernel is proven: against its plain twin in fp64, in fp32 and bf16, and against itself with other threads."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn

from acclimate.kernels import native
from acclimate.kernels.products import forget_copies

Compute = Callable[..., Tensor]
"""(parts, *inputs) → output"""
Found = dict[str, Tensor]
"""The output, and the gradients of inputs and parameters, by name."""


@pytest.fixture
def kernels() -> None:
    if not native.available():
        pytest.skip("the kernels cannot be built here")


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def rounded(x: Tensor) -> Tensor:
    return x.bfloat16().float()


class Proof:
    """Runs both twins forward and backward under the same random gradient."""

    def equal(
        self, ours: Compute, plain: Compute, parts: nn.Module, *inputs: Tensor, limit: float = 1e-5
    ) -> None:
        """In fp32, each result is within `limit` of fp64's, measured by its largest element."""
        exact = self._run(plain, copy.deepcopy(parts).double(), [x.double() for x in inputs])
        for name, found in self._run(ours, parts, inputs).items():
            assert found.dtype == torch.float32, name
            error = float((found.double() - exact[name]).abs().max()) if found.numel() else 0.0
            largest = float(exact[name].abs().max()) if found.numel() else 0.0
            assert error <= limit * largest + 1e-12, f"{name}: {error:.3g} of {largest:.3g}"

    def close_in_bf16(self, ours: Compute, plain: Compute, parts: nn.Module, *inputs: Tensor) -> None:
        """From inputs and weights that bf16 holds exactly, ours errs no more than torch's autocast, give or take."""
        parts = copy.deepcopy(parts)
        for parameter in parts.parameters():
            parameter.data = rounded(parameter.data)
        inputs = tuple(map(rounded, inputs))
        exact = self._run(plain, copy.deepcopy(parts).double(), [x.double() for x in inputs])
        with torch.autocast("cpu", torch.bfloat16):
            theirs = self._run(plain, copy.deepcopy(parts), inputs)
            found = self._run(ours, parts, inputs)
        for name, wanted in exact.items():
            own, other = (float((x[name].double() - wanted).norm()) for x in (found, theirs))
            size = float(wanted.norm())
            assert own <= 1.5 * other + 2**-9 * size, f"{name}: {own / size:.3g}, autocast {other / size:.3g}"

    def steady(self, ours: Compute, parts: nn.Module, *inputs: Tensor, products: Sequence[str] = ()) -> None:
        """The same bits whatever the threads, and again. `products` are another library's and may round otherwise."""
        for enabled in (False, True):
            runs = []
            for number in (1, 2, 3, 7, 2):
                torch.set_num_threads(number)
                torch.manual_seed(5)
                with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                    runs.append(self._run(ours, copy.deepcopy(parts), inputs))
            for run in runs[1:]:
                different = [name for name, found in run.items() if not torch.equal(found, runs[0][name])]
                assert set(different) <= set(products), f"bf16 {enabled}: {different}"
                for name in different:
                    torch.testing.assert_close(run[name], runs[0][name], rtol=1e-4, atol=1e-5)

    def _run(self, compute: Compute, parts: nn.Module, inputs: Sequence[Tensor]) -> Found:
        forget_copies()
        leaves = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
        out = compute(parts, *leaves)
        drawn = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
        out.backward(rounded(drawn).to(out.dtype))
        found = {"output": out.detach()}
        found |= {f"input {i}": x.grad for i, x in enumerate(leaves) if x.grad is not None}
        return found | {name: p.grad for name, p in parts.named_parameters() if p.grad is not None}


@pytest.fixture
def proof(kernels: None) -> Proof:
    torch.manual_seed(0)
    return Proof()
