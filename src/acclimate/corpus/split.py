"""Which split a document belongs to: a function of its own text alone."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.document import comparable, text_digest

SPLITS = ("train", "validation", "test")


def split_hash(text: str) -> bytes:
    """Hash of the text with case and white space made equal, so that trivially different copies fall on one
    side."""
    return text_digest(comparable(text))


def split_keys(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """[N] the first 8 bytes of each hash of [N, 2], as a number with the first byte foremost."""
    first = np.ascontiguousarray(hashes[:, 0])
    return first.byteswap() if sys.byteorder == "little" else first


def splits_of(keys: NDArray[np.uint64], validation: float, test: float) -> NDArray[np.int8]:
    """[N] the split of each document, an index into SPLITS, by the key of its hash.

    Adding documents never moves old ones. With larger shares documents move out of training only, never
    between the held-out splits: test takes the keys from 0 up, validation those from the greatest down.
    """
    # 53 bits are what a float holds exactly; with more the greatest keys would round up to 1.
    places = (keys >> np.uint64(11)).astype(np.float64) / 2**53
    return np.where(places < test, 2, np.where(places >= 1 - validation, 1, 0)).astype(np.int8)


def split_of(text_hash: bytes, validation: float, test: float) -> str:
    """The split of one document, by its hash (8 bytes or more); as `splits_of`."""
    place = (int.from_bytes(text_hash[:8], "big") >> 11) / 2**53
    if place < test:
        return "test"
    return "validation" if place >= 1 - validation else "train"
