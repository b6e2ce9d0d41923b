"""Every differing key is listed once, with both values."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from acclimate.recipe.difference import ABSENT, Difference, differences

TREES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(st.text("xyz", min_size=1, max_size=2), inside, max_size=3)
    ),
    max_leaves=8,
)


def test_values_lists_and_one_sided_keys() -> None:
    left = {"a": 1, "b": {"c": [1, 2], "d": None}, "e": {"f": 1, "g": {}}, "same": [1]}
    right = {"a": 2, "b": {"c": [1, 3, 4], "d": {}}, "h": {"i": [5]}, "same": [1]}
    assert differences(left, right) == [
        Difference("a", 1, 2),
        Difference("b.c.1", 2, 3),
        Difference("b.c.2", ABSENT, 4),
        Difference("b.d", None, {}),
        Difference("e.f", 1, ABSENT),
        Difference("e.g", {}, ABSENT),
        Difference("h.i.0", ABSENT, 5),
    ]


def test_true_is_not_one_but_one_is_one() -> None:
    assert differences({"a": True}, {"a": 1}) == [Difference("a", True, 1)]
    assert differences({"a": 1.0}, {"a": 1}) == []


@given(TREES, TREES)
def test_nothing_differs_from_itself_and_sides_mirror(left: Any, right: Any) -> None:
    assert differences(left, copy.deepcopy(left)) == []
    there, back = differences(left, right), differences(right, left)
    assert {(one.path, repr(one.left), repr(one.right)) for one in there} == {
        (one.path, repr(one.right), repr(one.left)) for one in back
    }
