from __future__ import annotations

import numpy as np

from acclimate.report.heat_map import confusion_matrix, heat_map, mix_ups

LABELS = ["a", "b", "c"]
MATRIX = np.array([[8, 2, 0], [5, 5, 0], [0, 0, 0]])


def test_cells_hold_counts_and_shares_of_their_row() -> None:
    shown = heat_map(MATRIX, LABELS)
    assert shown.labels == LABELS and shown.left_out == 0
    assert [[cell.share for cell in row] for row in shown.rows] == [[0.8, 0.2, 0], [0.5, 0.5, 0], [0, 0, 0]]
    assert [[cell.own for cell in row] for row in shown.rows] == np.eye(3, dtype=bool).tolist()
    assert shown.rows[1][0].count == 5


def test_too_many_classes_are_cut_to_those_with_most_errors_in_order() -> None:
    matrix = np.diag(np.full(60, 10))
    matrix[7, 30], matrix[50, 2] = 4, 3
    shown = heat_map(matrix, [f"c{n}" for n in range(60)], most=4)
    assert shown.labels == ["c2", "c7", "c30", "c50"] and shown.left_out == 56
    assert shown.rows[1][1].share == 10 / 14  # shares are of the whole row, left-out columns included


def test_mix_ups_are_ranked() -> None:
    found = mix_ups(MATRIX, LABELS)
    assert [(one.label, one.predicted, one.count, one.share) for one in found] == [
        ("b", "a", 5, 0.5),
        ("a", "b", 2, 0.2),
    ]
    assert len(mix_ups(np.ones((9, 9), dtype=int), list("abcdefghi"), most=5)) == 5


def test_what_is_no_matrix_of_the_labels_is_none() -> None:
    for value in (None, [], [[1, 2]], [[1, 2], [3]], "text", [[1, 2], [3, float("nan")]], [[1, 2, 3]] * 3):
        assert confusion_matrix(value, ["a", "b"]) is None
    assert confusion_matrix([], []) is None
    assert np.array_equal(confusion_matrix([[1, 2], [3, 4]], ["a", "b"]), [[1, 2], [3, 4]])  # type: ignore[arg-type]
