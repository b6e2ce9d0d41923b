from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from acclimate.corpus.choose import distances as rooms
from acclimate.corpus.choose.distances import (
    Group,
    cross_entropies,
    distances,
    divergences,
    overlaps,
    proxy_a,
)
from acclimate.corpus.choose.text_sample import TextSample


def groups(*texts: list[str]) -> list[Group]:
    return [Group(f"g{number}", "source", one) for number, one in enumerate(texts)]


def test_jensen_shannon_is_that_of_scipy() -> None:
    from scipy.spatial.distance import jensenshannon

    first, second = ["a b b c c c", "b c"], ["c d", "d d a"]
    p, q = (Counter(" ".join(one).split()) for one in (first, second))
    words = sorted(p | q)
    wanted = jensenshannon([p[w] for w in words], [q[w] for w in words], base=2) ** 2
    # Both halves of each are the same, so that halves do not matter.
    matrix = divergences(groups(first[:1] + first[:1] + first[1:] * 2, second[:1] * 2 + second[1:] * 2))
    assert matrix[0, 1] == matrix[1, 0] == pytest.approx(wanted)
    assert matrix[0, 0] == pytest.approx(0)


def test_overlap_counts_what_is_common_but_for_stop_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "COMMON", 1)
    first, second = ["the the the apple pear plum"] * 2, ["the the pear plum fig"] * 2
    assert overlaps(groups(first, second))[0, 1] == pytest.approx(2 / 3)
    monkeypatch.setattr(rooms, "TOP", 1)
    assert set(overlaps(groups(first, second)).ravel()) <= {0.0, 1.0}


@pytest.mark.parametrize("chinese", [False, True])
def test_domains_lie_apart_and_halves_of_one_do_not(about: Callable[..., list[str]], chinese: bool) -> None:
    parts = groups(
        about("medicine", 300, chinese=chinese),
        about("medicine", 300, chinese=chinese, seed=1),
        about("law", 300, chinese=chinese),
    )
    found = distances(parts)
    assert [one["documents"] for one in found["groups"]] == [300, 300, 300]
    js, pad, cost = (
        np.array(found[name], dtype=float) for name in ("jensen_shannon", "proxy_a", "cross_entropy")
    )
    assert js[0, 1] < 0.15 < 0.3 < js[0, 2]
    assert pad[0, 1] < 0.5 and pad[0, 2] > 1.8 and np.isnan(np.diag(pad)).all()
    assert abs(cost[0, 1]) < 0.1 and cost[0, 2] > 1 and cost[2, 0] > 1 and (np.diag(cost) == 0).all()
    for one in (js, pad):
        assert np.array_equal(one, one.T, equal_nan=True)


def test_the_cost_is_a_difference_of_cross_entropies(about: Callable[..., list[str]]) -> None:
    from acclimate.corpus.ngram_text import NgramText, Vocabulary

    a, b = about("sport", 80), about("law", 80)
    parts = groups(a, b)
    vocabulary = Vocabulary.of(a[::2] + b[::2])
    own, other = (NgramText.train(one[::2], order=3, vocabulary=vocabulary) for one in (b, a))
    asked = "\n".join(b[1::2])
    wanted = (other.cross_entropies([asked])[0] - own.cross_entropies([asked])[0]) / np.log(2)
    assert cross_entropies(parts)[0, 1] == pytest.approx(wanted)


def test_the_proxy_is_twice_one_minus_two_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    same = [f"word{n % 7} other{n % 5}" for n in range(400)]
    assert proxy_a(groups(same, same))[0, 1] == 0  # a coin's error, give or take: never below nothing
    assert proxy_a(groups(same, ["entirely different"] * 400))[0, 1] == 2


def test_little_or_no_text_says_nothing() -> None:
    found = distances(groups(["one text"], ["…", "!"], ["more text here", "and here", "text"]))
    assert found["overlap"][0][1] is None and found["jensen_shannon"][1][1] is None
    assert found["proxy_a"][0][2] is None  # one text has no second half
    assert len(found["cross_entropy"]) == 3


def test_the_real_domains(shared: Path) -> None:
    """Chinese: reviews of food and of hotels are near each other, law is farther from both."""
    from acclimate.corpus.document import Document
    from acclimate.corpus.sources.files import Files

    samples = []
    for settings in (
        {"path": "waimai_10k/*", "text": "review"},
        {"path": "chnsenticorp/dev.tsv.gz", "text": "text_a"},
        {"path": "chinese_law/laws.tar.gz", "documents": "paragraph"},
    ):
        reader = Files.model_validate({**settings, "path": str(shared / settings["path"])}).build()
        texts = (one.text for one in reader.read() if isinstance(one, Document) and len(one.text) > 10)
        samples.append(TextSample.of(texts, 80_000).texts())
    found = distances(groups(*samples))
    for name, sign in (("overlap", -1), ("jensen_shannon", 1), ("cross_entropy", 1), ("proxy_a", 1)):
        matrix = np.array(found[name], dtype=float) * sign
        assert matrix[0, 1] < matrix[0, 2] and matrix[1, 0] < matrix[1, 2], name
