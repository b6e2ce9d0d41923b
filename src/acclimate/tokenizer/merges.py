"""The merges of a BPE whose vocabulary is a ranked list of pieces, as SentencePiece understands it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise


def merges_of(ranked: Iterable[str], known: Iterable[str]) -> list[tuple[str, str]]:
    """Every pair of known pieces that joins to a ranked one, pairs of an earlier piece first.

    SentencePiece joins whichever two neighbours make the best piece; a list of merges says the same when it holds all
    ways to make each piece. Where two ways overlap (`aaa` of a, aa, a) it takes the one further left; here the shorter
    left half comes first.
    """
    halves = set(known)
    return [
        (piece[:cut], piece[cut:])
        for piece in ranked
        for cut in range(1, len(piece))
        if piece[:cut] in halves and piece[cut:] in halves
    ]


def ranked_pieces(merges: Sequence[tuple[str, str]]) -> list[str] | None:
    """The pieces in the order in which merges make them; None when the merges of a piece do not stand together."""
    made = [left + right for left, right in merges]
    ranked = list(dict.fromkeys(made))
    changes = sum(one != other for one, other in pairwise(made))
    return ranked if changes == max(0, len(ranked) - 1) else None
