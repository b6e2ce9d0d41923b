"""GLEU by hand, its properties, and the published figure of doing nothing on JFLEG."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from acclimate.evaluate.gleu import counts, gleu
from acclimate.evaluate.written import Written, pieces

SOURCE, RIGHT = "he go to the school every day", "he goes to school every day"


def value(source: str, right: list[str], output: str) -> float:
    return float(gleu(Written([source], [right], [output]).weigh())[0])


def test_counts_by_hand() -> None:
    kept = counts(SOURCE.split(), RIGHT.split(), SOURCE.split())
    # Shared with the reference: he, to, school, every, day; of the source alone: go, the. And so for longer runs.
    assert kept == [7, 6, 5 - 2, 7, max(0, 2 - 4), 6, max(0, 1 - 4), 5, 0, 4]
    better = counts(SOURCE.split(), RIGHT.split(), ["he", "goes", "to", "the", "school", "every", "day"])
    # 1: all six and `the` held against it. 2: he goes, goes to, school every, every day; to the, the school.
    # 3: he goes to, school every day; to the school, the school every. 4: none; to the school every, the … day.
    assert better == [7, 6, 6 - 1, 7, 4 - 2, 6, max(0, 2 - 2), 5, 0, 4]


def test_gleu_by_hand() -> None:
    source, right, output = "a b c d e x", "a b c d e f", "a b c d e x"
    # x stands in the source alone: 5−1 of 6, 4−1 of 5, 3−1 of 4, 2−1 of 3; both are of one length.
    expected = 100 * math.exp(sum(map(math.log, (4 / 6, 3 / 5, 2 / 4, 1 / 3))) / 4)
    assert value(source, [right], output) == pytest.approx(expected)
    # With another wrong word there is no penalty: 5/6, 4/5, 3/4, 2/3.
    assert value(source, [right], "a b c d e y") == pytest.approx(
        100 * math.exp(sum(map(math.log, (5 / 6, 4 / 5, 3 / 4, 2 / 3))) / 4)
    )
    # Shorter than the reference: the brevity of BLEU.
    assert value(source, [right], "a b c d e") == pytest.approx(100 * math.exp(1 - 6 / 5))


def test_properties() -> None:
    assert value(SOURCE, [RIGHT], RIGHT) == pytest.approx(100)
    assert value(SOURCE, [RIGHT], "quite something else here") == 0
    assert value(SOURCE, [RIGHT], "") == 0
    chinese = "我们明天早上一起去公圆散步吧", "我们明天早上一起去公园散步吧"
    assert value(chinese[0], [chinese[1]], chinese[1]) == pytest.approx(100)
    assert 0 < value(chinese[0], [chinese[1]], chinese[0]) < 80
    assert pieces("用 GPU-3 算") == ["用", "GPU-3", "算"]


def test_of_several_references_the_mean_over_draws_is_taken() -> None:
    both = [RIGHT, "he walks to school each day"]
    first, second = value(SOURCE, both[:1], RIGHT), value(SOURCE, both[1:], RIGHT)
    assert min(first, second) < value(SOURCE, both, RIGHT) < max(first, second)
    assert value(SOURCE, both, RIGHT) == pytest.approx((first + second) / 2, rel=0.1)
    assert value(SOURCE, [RIGHT, RIGHT], SOURCE.replace("the ", "")) == pytest.approx(
        value(SOURCE, [RIGHT], SOURCE.replace("the ", ""))
    )


def test_a_weighting_is_a_resample() -> None:
    sources, outputs = [SOURCE, "a b c d e x"], ["he goes to school day", "a b c d e"]
    rights = [[RIGHT, "he walks to school"], ["a b c d e f", "a b c d e"]]
    tally = Written(sources, rights, outputs).weigh(np.array([[1.0, 2.0, 0.0], [1.0, 0.0, 2.0]]))
    both, first, second = gleu(tally)
    # References are drawn for each text by its number, so a text alone has the draws that it has among others.
    assert first == pytest.approx(value(SOURCE, rights[0], outputs[0]), rel=0.03)
    assert min(first, second) <= both <= max(first, second)


def test_doing_nothing_on_jfleg_is_as_published() -> None:
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "jfleg"
    if not folder.is_dir():
        pytest.skip(f"JFLEG is not at {folder}")

    def lines(name: str) -> list[str]:
        with gzip.open(folder / f"{name}.gz", "rt", encoding="utf-8") as text:
            return [line.strip() for line in text]

    for part, published in (("dev", 38.21), ("test", 40.54)):  # Napoles et al. 2017, table 4
        source = lines(f"{part}.src")
        references = list(zip(*(lines(f"{part}.ref{number}") for number in range(4)), strict=True))
        found = float(gleu(Written(source, references, source).weigh())[0])
        assert found == pytest.approx(published, abs=0.1)
