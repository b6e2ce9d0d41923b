from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from acclimate.transfer.examples.rows import Row
from acclimate.transfer.examples.splitting import chosen, digests_of, groups_of, hold_out, split_rows


def _row(text: str, label: str = "a") -> Row:
    return Row(text, text, text, None, (label,), (text, ""))


def test_shares_come_out_as_asked_whatever_the_size_of_the_groups():
    rows = [_row(f"{group} {member}") for group in range(4000) for member in range(5)]
    groups = np.repeat(np.arange(4000), 5)
    place = np.array([int.from_bytes(digest[:8], "big") / 2**64 for digest in digests_of(rows, groups)])
    # The smallest of five hashes alone would put 76 % of the groups into the first quarter.
    assert np.histogram(place, bins=4, range=(0, 1))[0] / len(rows) == pytest.approx([0.25] * 4, abs=0.03)


def test_the_split_does_not_hang_on_the_order():
    rows = [_row(f"text {n}") for n in range(300)]
    mixed = random.Random(0).sample(rows, len(rows))
    parts = dict(
        zip((row.text for row in rows), split_rows(rows, validation=0.2, test=0.2, near=None), strict=True)
    )
    again = dict(
        zip((row.text for row in mixed), split_rows(mixed, validation=0.2, test=0.2, near=None), strict=True)
    )
    assert parts == again
    assert Counter(parts.values())["test"] == pytest.approx(60, abs=25)


@pytest.mark.parametrize(
    "stem", ["the quick brown fox jumps over the lazy dog and", "中文的新闻标题也要能够互相比较并且分在一边"]
)
def test_near_duplicates_have_one_group_in_english_and_chinese(stem):
    rows = [
        _row(stem * 3 + " one"),
        _row("nothing like it at all, 完全不同的另一句话"),
        _row(stem * 3 + " two"),
    ]
    near = groups_of(rows, 0.6)
    assert near[0] == near[2] != near[1]
    assert len(set(groups_of(rows, None).tolist())) == 3


def test_classes_that_would_vanish_stay_in_training_with_their_group():
    rows = [_row(f"text {n}", f"class {n}") for n in range(100)]
    assert set(hold_out(rows, share=0.3, near=None)) == {"train"}
    common = [_row(f"other {n}", "common") for n in range(200)]
    parts = hold_out(rows + common, share=0.3, near=None)
    assert set(parts[:100]) == {"train"}
    assert Counter(parts[100:])["validation"] == pytest.approx(60, abs=25)


def test_fewer_examples_lie_within_more_and_no_class_is_lost():
    rows = [_row(f"文本 {n}", "rare" if n == 77 else "ab"[n % 2]) for n in range(400)]
    few, more = chosen(rows, 20), chosen(rows, 90)
    assert (sum(few), sum(more)) == (20, 90) and all(chosen(rows, 400))
    assert all(more[n] for n in range(400) if few[n]) and few[77]
    turned = chosen(rows[::-1], 20)
    assert turned == few[::-1]
    assert Counter(row.labels for row, one in zip(rows, more, strict=True) if one)[("a",)] == pytest.approx(
        45, abs=20
    )
