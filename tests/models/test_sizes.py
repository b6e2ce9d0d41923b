"""Counted parameters equal the published integers."""

from __future__ import annotations

import pytest

from acclimate.errors import UserError
from acclimate.models.sizes import describe

PUBLISHED = {
    "tiny": 4_385_920,
    "mini": 11_170_560,
    "small": 28_763_648,
    "medium": 41_373_184,
    "base": 109_482_240,
    "large": 335_141_888,
}


@pytest.mark.parametrize(("size", "parameters"), PUBLISHED.items())
def test_bert_presets(size: str, parameters: int) -> None:
    facts = describe("bert", size)
    assert facts["parameters"] == parameters


def test_the_masked_lm_count_ties_the_decoder() -> None:
    assert describe("bert", "base")["parameters_with_mlm_head"] == 109_514_298


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'base'"):
        describe("bert", "bse")
    with pytest.raises(UserError, match="did you mean 'bert'"):
        describe("brt", "base")
