"""Tables of clusters and of written texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from acclimate.evaluate.clusters import Clusters, details
from acclimate.report.task_tables import MOST, clusters_table, written_tables


def test_clusters_stand_by_size_with_their_commonest_classes() -> None:
    labels = np.array([0, 0, 0, 1, 2, 3, 1, 1, 2])
    clusters = np.array([5, 5, 5, 5, 5, 5, 2, 2, -1])
    names = ["甲", "b", "c", "d"]
    found = clusters_table(details(names, [str(n) for n in range(9)], Clusters(labels, clusters)))
    assert found is not None and found["left_out"] == 0
    assert [(row["name"], row["size"]) for row in found["rows"]] == [("5", "6"), ("2", "2"), ("none", "1")]
    assert [label for label, _ in found["rows"][0]["classes"]] == ["甲", "b", "c"], "three at most"
    assert found["rows"][0]["classes"][0][1].startswith("50")
    assert found["rows"][1]["classes"] == [("b", "100%")] or len(found["rows"][1]["classes"]) == 1
    assert found["rows"][0]["bar"] == 1.0 and found["purity"].startswith("66.7")


def test_many_clusters_are_cut_and_none_gives_no_table() -> None:
    clusters = [{"cluster": str(n), "size": 100 - n, "label": "x", "share": 0.5} for n in range(MOST + 3)]
    found = clusters_table({"clusters": clusters, "purity": 0.5})
    assert found is not None and len(found["rows"]) == MOST and found["left_out"] == 3
    assert found["rows"][0]["classes"][0][0] == "x"
    assert clusters_table({}) is None and clusters_table({"clusters": []}) is None


WRITTEN: dict[str, Any] = {
    "test": {"rouge_l": {"value": 20.0, "low": 18.0, "high": 22.0}, "distinct_2": {"value": 0.9}},
    "baselines": {"copy": {"rouge_l": 11.25}, "lead": {"rouge_l": 25.0}},
    "diversity": {
        "outputs": {"mean_words": 9.04, "distinct_1_of_all": 0.25, "distinct_2_of_all": 0.5},
        "references": {"mean_words": 12.0, "distinct_1_of_all": 0.375},
    },
    "cut": {"sources": 1200, "targets": 0, "outputs": 3},
    "empty": 2,
}


def test_what_doing_nothing_would_have_stands_beside_the_model() -> None:
    found = written_tables(WRITTEN)
    assert found is not None and found["kinds"] == ["the source as it is", "its first sentence"]
    ((name, one, others),) = found["compared"]
    assert (name, one.value, others) == ("ROUGE-L", 20.0, ["11.2", "25.0"])
    assert found["varied"][0] == ("words in a text", "9.0", "12.0")
    assert found["varied"][2][1:] == ("0.500", "–")
    assert [name for name, _ in found["cut"]] == ["sources", "outputs"]
    assert found["empty"] == "2"


def test_other_tasks_have_none() -> None:
    assert written_tables({"test": {"macro_f1": {"value": 0.5}}}) is None
    bare = written_tables({"diversity": WRITTEN["diversity"]})
    assert bare is not None and not bare["compared"] and bare["empty"] is None
