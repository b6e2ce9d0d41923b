from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from acclimate.report.build import render
from acclimate.report.choices import distance_tables, mix_table, selection_words
from acclimate.report.data_card import data_card
from acclimate.report.gather import read_run

DISTANCES: dict[str, Any] = {
    "groups": [{"name": "news.txt", "kind": "source"}, {"name": "医学", "kind": "task"}],
    "overlap": [[0.8, 0.25], [0.25, 0.7]],
    "jensen_shannon": [[0.1, 0.6], [0.6, 0.2]],
    "proxy_a": [[None, 1.9], [1.9, None]],
    "cross_entropy": [[0.0, 3.25], [-0.5, 0.0]],
}
MIX = {
    "unit": "words",
    "sources": [
        {"source": "a.txt", "available": 9000, "share": 0.75, "wanted": 7500, "given": 7500, "repeated": 0},
        {"source": "b.txt", "available": 1000, "share": 0.25, "wanted": 2500, "given": 2500, "repeated": 15},
    ],
}
SELECT = {"method": "dsir", "documents": 2000, "selected": 500, "least": -3.5}


def test_near_is_dark_whichever_way_the_measure_runs() -> None:
    overlap, js, pad, cost = distance_tables(DISTANCES)
    assert overlap["labels"] == ["news.txt (source)", "医学 (task)"]
    shades = [[cell["shade"] for cell in row["cells"]] for row in overlap["rows"]]
    assert shades[0] == [1.0, 0.0] and 0.8 < shades[1][1] < 1
    assert [cell["text"] for cell in overlap["rows"][0]["cells"]] == ["80\u202f%", "25\u202f%"]
    assert [cell["shade"] for cell in js["rows"][0]["cells"]] == [1.0, 0.0]
    assert [cell["text"] for cell in pad["rows"][0]["cells"]] == ["", "1.90"]
    assert cost["rows"][0]["cells"][1]["shade"] == 0 and cost["rows"][1]["cells"][0]["shade"] == 1


def test_one_domain_has_no_distances_and_a_broken_matrix_no_table() -> None:
    assert distance_tables(None) == distance_tables({"groups": DISTANCES["groups"][:1]}) == []
    assert len(distance_tables({**DISTANCES, "overlap": [[1.0]]})) == 3


def test_the_mix_and_the_selection_in_words() -> None:
    table = mix_table(MIX)
    assert table is not None and mix_table(None) is None and selection_words({}) is None
    assert [row["bar"] for row in table["rows"]] == [0.75, 0.25]
    assert [row["repeated"] for row in table["rows"]] == ["0", "15"]
    assert selection_words(SELECT) == "dsir kept 500 of 2,000 documents (25\u202f%)."


def test_they_stand_in_the_report(whole_run: Callable[[str], Path]) -> None:
    folder = whole_run("en")
    plain = read_run(folder)
    card = data_card(plain)
    assert card is not None and not (card["distances"] or card["mix"] or card["selection"])
    assert "Jensen" not in render(plain)
    path = folder / "artifacts" / "corpus" / "statistics.json"
    statistics = json.loads(path.read_text("utf-8"))
    statistics["steps"] = {"select": SELECT, "mix": MIX, "distances": DISTANCES}
    path.write_text(json.dumps(statistics), "utf-8")
    page = render(read_run(folder))
    for words in (
        "Proxy A-distance",
        "Jensen–Shannon divergence",
        "dsir kept 500",
        "<h3>Mix</h3>",
        "医学 (task)",
    ):
        assert words in page
