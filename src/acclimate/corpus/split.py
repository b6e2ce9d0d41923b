"""Which split a document belongs to: a function of its own text alone."""

from __future__ import annotations

from acclimate.corpus.document import comparable, text_digest

SPLITS = ("train", "validation", "test")


def split_hash(text: str) -> bytes:
    """Hash of the text with case and white space made equal, so that trivially different copies fall on one
    side."""
    return text_digest(comparable(text))


def split_of(text_hash: bytes, validation: float, test: float) -> str:
    """The split of a document with this hash (8 bytes or more).

    Adding documents never moves old ones. With larger shares documents move out of training only, never
    between the held-out splits: test takes the hashes from 0 up, validation those from 1 down.
    """
    # 53 bits are what a float holds exactly; with more the greatest hashes would round up to 1.
    place = (int.from_bytes(text_hash[:8], "big") >> 11) / 2**53
    if place < test:
        return "test"
    return "validation" if place >= 1 - validation else "train"
