"""Ranks and recall: against a plain count, ties, chance."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from acclimate.evaluate import retrieval
from acclimate.evaluate.bootstrap import Bootstrap
from acclimate.evaluate.retrieval import Ranks, ranks

BOOTSTRAP = Bootstrap(resamples=200).build()


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    drawn = rng.normal(size=shape)
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


def test_ranks_equal_a_plain_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_ROWS", 7)
    rng = np.random.default_rng(0)
    items = rng.integers(0, 20, 50)
    items[:20] = np.arange(20)
    texts, images = unit(rng, 50, 5), unit(rng, 20, 5)
    found = ranks(texts, images, items)
    likeness = texts @ images.T
    for n, own in enumerate(items):
        others = np.delete(likeness[n], own)
        assert found.image[n] == 1 + (others >= likeness[n, own]).sum()
    for m in range(20):
        best = likeness[items == m, m].max()
        assert found.text[m] == 1 + (likeness[items != m, m] >= best).sum()


def test_a_perfect_model_finds_all_and_a_constant_one_nothing() -> None:
    images = np.eye(30)
    items = np.repeat(np.arange(30), 2)
    perfect = retrieval.figures(ranks(images[items], images, items), BOOTSTRAP)
    constant = retrieval.figures(ranks(np.ones((60, 3)), np.ones((30, 3)), items), BOOTSTRAP)
    for way in ("text_to_image", "image_to_text"):
        for k in (1, 5):
            assert perfect[way][f"recall@{k}"]["value"] == 1
            assert constant[way][f"recall@{k}"]["value"] == 0
    assert (perfect["captions"], perfect["items"]) == (60, 30)


def test_chance_is_what_random_vectors_get() -> None:
    rng = np.random.default_rng(1)
    items = np.concatenate([np.arange(25), rng.integers(0, 25, 50)])
    hits = {("text_to_image", k): 0.0 for k in (1, 5)} | {("image_to_text", k): 0.0 for k in (1, 5)}
    for _ in range(400):
        found = ranks(unit(rng, 75, 8), unit(rng, 25, 8), items)
        for k in (1, 5):
            hits["text_to_image", k] += (found.image <= k).mean() / 400
            hits["image_to_text", k] += (found.text <= k).mean() / 400
    told = retrieval.figures(found, BOOTSTRAP)
    sizes = np.bincount(items)
    for (way, k), share in hits.items():
        chance = told[way][f"recall@{k}"]["chance"]
        assert share == pytest.approx(chance, abs=0.015)
        if way == "image_to_text":
            exact = np.mean([1 - comb(75 - size, k) / comb(75, k) for size in sizes.tolist()])
            assert chance == pytest.approx(exact)


def test_intervals_draw_whole_items() -> None:
    """Captions of one item stand or fall together, so the interval is that of the items."""
    image = np.repeat([1, 9], 50)
    alone = Ranks(image, np.repeat([1, 9], 50), np.arange(100))
    together = Ranks(np.repeat(image, 20), alone.text, np.repeat(np.arange(100), 20))
    few, many = (retrieval.figures(one, BOOTSTRAP)["text_to_image"]["recall@5"] for one in (alone, together))
    assert (few["value"], few["low"], few["high"]) == (many["value"], many["low"], many["high"])
    assert few["low"] < 0.45 and few["high"] > 0.55
