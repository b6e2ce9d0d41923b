from __future__ import annotations

import json

import pytest

from acclimate.corpus.accounting import Account
from acclimate.corpus.document import Dropped


def test_books_that_do_not_balance_are_refused() -> None:
    account = Account(["a"])
    account.sources[0].read = 2
    account.sources[0].kept = 1
    with pytest.raises(AssertionError, match="a: read 2, kept and dropped 1"):
        account.totals()
    account.drop(0, Dropped("too_short", "a:1", "2 characters"))
    assert account.totals()["dropped"] == {"too_short": 1}


def test_samples_are_bounded_and_every_reason_has_some() -> None:
    account = Account(["a", "b"])
    for number in range(3000):
        account.drop(number % 2, Dropped(f"reason{number % 20}", f"a:{number}", "细节" * 1000))
    lines = [json.loads(line) for line in account.samples_jsonl().splitlines()]
    assert len(lines) == 1000 and {line["reason"] for line in lines} == {f"reason{n}" for n in range(20)}
    assert set(lines[0]) == {"reason", "place", "detail"} and len(lines[0]["detail"]) == 500
    assert account.example().startswith("a:0: reason0: 细节")
