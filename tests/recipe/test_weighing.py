from __future__ import annotations

import pytest

from acclimate.errors import UserError
from acclimate.recipe.weighing import weights_of


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"a.txt": 1, "bb.txt": 1}, "no source 'bb.txt'; did you mean 'b.txt'"),
        ({"a.txt": 1}, "the source 'b.txt' has no weight"),
    ],
)
def test_weights_name_every_source(weights: dict[str, float], says: str) -> None:
    with pytest.raises(UserError, match=says):
        weights_of(weights, ["a.txt", "b.txt"])


def test_weights_of_two_sources_with_one_name_are_refused() -> None:
    with pytest.raises(UserError, match="2 sources are called 'a'"):
        weights_of({"a": 1}, ["a", "a"])


def test_weights_come_in_the_order_of_the_sources() -> None:
    assert weights_of({"b": 2, "a": 0}, ["a", "b"]) == [0, 2]
