"""Tasks that start from the models of others come after them; what cannot be is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from acclimate.errors import UserError
from acclimate.recipe.task_order import in_order, waited_for
from acclimate.transfer.methods.after import After
from acclimate.transfer.methods.features import Features
from acclimate.transfer.methods.full import Full
from acclimate.transfer.methods.reinitialise import Reinitialise


def task(transfer: Any = None, *, seeds: int = 3, baseline: bool = True) -> Any:
    return SimpleNamespace(transfer=transfer or Full(), seeds=seeds, baseline=baseline)


def test_a_task_comes_after_the_one_that_it_starts_from() -> None:
    late = Reinitialise(layers=1, then=After(task="middle"))
    tasks = {"last": task(late), "middle": task(After(task="first")), "first": task()}
    assert in_order(tasks) == ["first", "middle", "last"]
    assert [waited_for(tasks, name) for name in tasks] == [False, True, True]


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"a": task(After(task="b")), "b": task(After(task="a"))}, "wait for each other: a after b after a"),
        ({"a": task(After(task="frist")), "first": task()}, "no task 'frist'; did you mean 'first'"),
        ({"a": task(After(task="b")), "b": task(seeds=1)}, "b has 1 seeds, this task 3"),
        ({"a": task(After(task="b")), "b": task(baseline=False)}, "b has no baseline"),
        ({"a": task(After(task="b")), "b": task(Features())}, "b trains no body to start from"),
    ],
)
def test_what_cannot_be_is_refused(tasks: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        in_order(tasks)
