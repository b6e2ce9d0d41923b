from __future__ import annotations

import numpy as np
import pytest

from acclimate.corpus.duplicates.minhash import _signatures, band_hashes, bands_for
from acclimate.corpus.duplicates.shingles import Shingles, shingle_sets


def pair(random: np.random.Generator, similarity: float, size: int = 400) -> list[np.ndarray]:
    """Two sets of shingle hashes whose Jaccard similarity is about the one asked for."""
    common = round(size * similarity)
    values = random.choice(1 << 52, size=2 * size - common, replace=False).astype(np.uint64)
    return [np.sort(values[:size]), np.sort(values[size - common :])]


def of(sets: list[np.ndarray]) -> Shingles:
    return Shingles(np.concatenate(sets), np.concatenate([[0], np.cumsum([len(one) for one in sets])]))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_agreement_of_signatures_estimates_jaccard(share: float) -> None:
    random = np.random.default_rng(3)
    pairs = [pair(random, share) for _ in range(60)]
    signatures = _signatures(of([one for two in pairs for one in two]), 128)
    agreement = (signatures[:, ::2] == signatures[:, 1::2]).mean()
    truth = np.mean([len(np.intersect1d(*two)) / len(np.union1d(*two)) for two in pairs])
    # Standard error: sqrt(J (1-J) / (128 · 60)) < 0.006
    assert abs(agreement - truth) < 0.02


def test_bands_find_pairs_at_the_threshold() -> None:
    for threshold in (0.3, 0.5, 0.7, 0.8, 0.9, 1.0):
        bands = bands_for(threshold)
        assert bands.count * bands.rows <= 128
        assert bands.chance(threshold) >= 0.99
    assert bands_for(0.8).rows == 6 and bands_for(0.8).chance(0.3) < 0.02
    random = np.random.default_rng(4)
    bands = bands_for(0.8)
    shares = {}
    for similarity in (0.9, 0.25):  # Jaccard about 0.82 and 0.14
        hashes = band_hashes(of([one for _ in range(150) for one in pair(random, similarity)]), bands)
        shares[similarity] = (hashes[::2] == hashes[1::2]).any(axis=1).mean()
    assert shares[0.9] > 0.97 and shares[0.25] == 0


def test_a_text_has_the_same_bands_in_any_company() -> None:
    texts = ["一二三四五六七八", "the cat sat on the mat and slept", "x " * 3000 + "y", "", "short"]
    bands = bands_for(0.8)
    together = band_hashes(shingle_sets(texts), bands)
    for number, text in enumerate(texts):
        assert (band_hashes(shingle_sets([text]), bands)[0] == together[number]).all()
