from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from acclimate.report.data_card import SAMPLES, data_card
from acclimate.report.gather import read_run


@pytest.mark.parametrize(("language", "characters"), [("en", "3.91"), ("zh", "1.32")])
def test_the_card(whole_run: Callable[[str], Path], language: str, characters: str) -> None:
    card = data_card(read_run(whole_run(language)))
    assert card is not None
    tiles = {name: value for name, value, _ in card["tiles"]}
    assert tiles["documents read"] == "37.2k" and tiles["kept"] == "28.5k" and tiles["dropped"] == "8.77k"
    names = [row["name"] for row in card["dropped"]]
    assert names == ["kept", "too_short", "exact_duplicate", "quality:symbols", "in_task", "no_text"]
    assert sum(row["bar"] for row in card["dropped"]) == pytest.approx(1)
    train = card["splits"][0]
    assert (train["name"], train["documents"], train["tokens"]) == ("train", "27,344", "4,011,903")
    assert (train["characters_per_token"], train["bytes_per_token"]) == (characters, "3.95")
    assert card["splits"][2]["tokens"] == "–"
    assert sum(row["bar"] for row in card["languages"]) == pytest.approx(1)
    assert card["sources"]["columns"] == ["source", "read", "kept", "dropped"]
    assert card["sources"]["numeric"] == [False, True, True, True]


def test_samples_are_few_and_the_most_frequent_reason_comes_first(whole_run: Callable[[str], Path]) -> None:
    run = read_run(whole_run("en"))
    run.dropped.extend({"reason": "too_short", "place": f"f:{n}", "detail": "x"} for n in range(50))
    card = data_card(run)
    assert card is not None
    assert [group["reason"] for group in card["samples"]] == [
        "too_short",
        "exact_duplicate",
        "quality:symbols",
        "no_text",
    ]
    assert len(card["samples"][0]["records"]) == SAMPLES
    assert card["samples"][0]["total"] == "5,210"


def test_many_languages_are_gathered(whole_run: Callable[[str], Path]) -> None:
    run = read_run(whole_run("en"))
    assert run.corpus is not None
    run.corpus["languages"] = {f"l{n:02}": 100 - n for n in range(30)}
    card = data_card(run)
    assert card is not None
    assert [row["name"] for row in card["languages"]][-2:] == ["l11", "18 more"]
    assert sum(row["bar"] for row in card["languages"]) == pytest.approx(1)


def test_no_corpus_no_card(whole_run: Callable[[str], Path]) -> None:
    folder = whole_run("en")
    (folder / "artifacts" / "corpus" / "statistics.json").unlink()
    assert data_card(read_run(folder)) is None
