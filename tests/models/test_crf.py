"""The CRF against all tag sequences, one by one."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from acclimate.errors import UserError
from acclimate.models.crf import Crf, Rules, attach_crf, best_tags, crf_of
from acclimate.transfer.spans.tag_set import TagSet

CHAINS, TAGS = 2, 3


def drawn(sizes: list[int], seed: int = 1) -> tuple[Crf, Tensor, Tensor, Tensor]:
    """A CRF, scores, tags, and which words there are."""
    torch.manual_seed(seed)
    crf = Crf(CHAINS, TAGS).double()
    for parameter in crf.parameters():
        nn.init.normal_(parameter)
    shape = len(sizes), max(sizes)
    scores = torch.randn(*shape, CHAINS, TAGS, dtype=torch.double, requires_grad=True)
    real = torch.arange(shape[1]) < torch.tensor(sizes)[:, None]
    return crf, scores, torch.randint(TAGS, (*shape, CHAINS)), real


def score(crf: Crf, scores: Tensor, tags: tuple[int, ...], chain: int, begins: bool, ends: bool) -> Tensor:
    """Of one sequence of tags, term by term."""
    total = sum((scores[word, chain, tag] for word, tag in enumerate(tags)), scores.new_zeros(()))
    for tag, after in pairwise(tags):
        total = total + crf.transitions[chain, tag, after]
    total = total + (crf.start[chain, tags[0]] if begins else 0)
    return total + (crf.end[chain, tags[-1]] if ends else 0)


def brute(
    crf: Crf, scores: Tensor, tags: Tensor, sizes: list[int], begins: list[bool], ends: list[bool]
) -> Tensor:
    found = []
    for text, size in enumerate(sizes):
        total = scores.new_zeros(())
        for chain in range(CHAINS if size else 0):
            every = [
                score(crf, scores[text], one, chain, begins[text], ends[text])
                for one in product(range(TAGS), repeat=size)
            ]
            own = tuple(tags[text, :size, chain].tolist())
            total = total + torch.logsumexp(torch.stack(every), 0)
            total = total - score(crf, scores[text], own, chain, begins[text], ends[text])
        found.append(total)
    return torch.stack(found)


def test_likelihood_and_gradients_are_those_of_all_sequences() -> None:
    sizes, begins, ends = [4, 1, 3, 2, 0], [True, True, False, False, True], [True, False, True, False, True]
    crf, scores, tags, real = drawn(sizes)
    own = crf.nll(scores, tags, real, torch.tensor(begins), torch.tensor(ends))
    expected = brute(crf, scores, tags, sizes, begins, ends)
    torch.testing.assert_close(own, expected, rtol=1e-12, atol=1e-12)
    wanted = [scores, *crf.parameters()]
    for one, other in zip(
        torch.autograd.grad(own.sum(), wanted), torch.autograd.grad(expected.sum(), wanted), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_at_zero_it_is_cross_entropy_of_each_word() -> None:
    _, scores, tags, real = drawn([5, 3])
    yes = torch.ones(2, dtype=torch.bool)
    own = Crf(CHAINS, TAGS).double().nll(scores, tags, real, yes, yes)
    each = nn.functional.cross_entropy(scores.flatten(0, 2), tags.flatten(), reduction="none").view(
        2, 5, CHAINS
    )
    torch.testing.assert_close(own, (each * real[:, :, None]).sum((1, 2)))


@pytest.mark.parametrize("ruled", [False, True])
@pytest.mark.parametrize("with_crf", [False, True])
def test_the_best_sequence_is_that_of_all(ruled: bool, with_crf: bool) -> None:
    sizes = [5, 1, 3, 2]
    crf, scores, _, real = drawn(sizes, seed=3)
    tag_set = TagSet(("x", "y"), nested=True)
    follows, begins, ends = tag_set.rules()
    rules = Rules(follows, begins, ends) if ruled else Rules.none(TAGS)
    found = best_tags(scores.detach().float(), real, rules, crf.float() if with_crf else None)
    none = Crf(CHAINS, TAGS)
    for text, size in enumerate(sizes):
        for chain in range(CHAINS):
            allowed = [
                one
                for one in product(range(TAGS), repeat=size)
                if not ruled or (begins[one[0]] and all(follows[a, b] for a, b in pairwise(one)))
            ]
            model = crf if with_crf else none
            best = max(
                allowed, key=lambda one: float(score(model, scores[text].float(), one, chain, True, True))
            )
            assert tuple(found[text, :size, chain].tolist()) == best
        assert not found[text, size:].any()


def test_it_is_kept_with_the_weights(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    model.device = torch.device("cpu")  # type: ignore[assignment]
    attach_crf(model, 1, 3)  # type: ignore[arg-type]
    crf = crf_of(model)
    assert crf is not None and not any(one.any() for one in crf.parameters())
    nn.init.normal_(crf.transitions)
    save_file(
        {name: one.contiguous() for name, one in model.state_dict().items()}, tmp_path / "model.safetensors"
    )
    attach_crf(model, 1, 3, tmp_path)  # type: ignore[arg-type]
    again = crf_of(model)
    assert again is not crf and torch.equal(again.transitions, crf.transitions)  # type: ignore[union-attr]
    with pytest.raises(UserError, match="hold no CRF of 1 chains of 5 tags"):
        attach_crf(model, 1, 5, tmp_path)  # type: ignore[arg-type]
