from __future__ import annotations

import json
from typing import Any

import pytest

from acclimate.corpus.accounting import Account
from acclimate.corpus.sieve import dropped_batch


def one(reason: str, place: str, detail: str) -> Any:
    return dropped_batch([(0, None, None, "a", place, reason, detail)])


def test_books_that_do_not_balance_are_refused() -> None:
    account = Account(["a"])
    account.sources[0].read = 2
    account.sources[0].kept = 1
    with pytest.raises(AssertionError, match="a: read 2, kept and dropped 1"):
        account.totals()
    account.drop(0, one("too_short", "a:1", "2 characters"))
    assert account.totals()["dropped"] == {"too_short": 1}


def test_samples_are_bounded_and_every_reason_has_some() -> None:
    written: list[Any] = []
    account = Account(["a", "b"], written.append)
    for number in range(3000):
        account.drop(number % 2, one(f"reason{number % 20}", f"a:{number}", "细节" * 1000))
    lines = [json.loads(line) for line in account.samples_jsonl().splitlines()]
    assert len(lines) == 1000 and {line["reason"] for line in lines} == {f"reason{n}" for n in range(20)}
    assert set(lines[0]) == {"reason", "place", "detail"} and len(lines[0]["detail"]) == 500
    assert account.example().startswith("a:0: reason0: 细节")
    assert len(written) == 3000 and written[7]["detail"][0].as_py() == "细节" * 1000


def test_a_batch_is_booked_as_its_rows_are() -> None:
    rows = [(n, None, None, "a", f"a:{n}", "odd" if n % 2 else "even", "x") for n in range(501)]
    batch, single = Account(["a"]), Account(["a"])
    batch.drop(0, dropped_batch(rows))
    for row in rows:
        single.drop(0, dropped_batch([row]))
    assert batch.sources == single.sources and batch.samples_jsonl() == single.samples_jsonl()
    assert batch.sources[0].dropped == {"even": 251, "odd": 250}
