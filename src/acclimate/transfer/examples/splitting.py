"""Which part an example falls into: by a hash of its text, so that more data never move it; duplicates together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.document import text_digest
from acclimate.corpus.split import split_of
from acclimate.transfer.examples.rows import Row


def groups_of(rows: Sequence[Row], near: float | None) -> NDArray[np.int64]:
    """[N] a number for each row; equal texts, and near-duplicates where `near` is given, have the same one."""
    distinct: dict[tuple[str, str], int] = {}
    index = np.array([distinct.setdefault(row.key, len(distinct)) for row in rows], dtype=np.int64)
    if near is None or len(distinct) < 2:
        return index
    from acclimate.corpus.duplicates.near import near_groups

    texts = ["\n".join(part for part in key if part) for key in distinct]
    _, group = np.unique(np.asarray(near_groups(texts, near)), return_inverse=True)
    return np.asarray(group[index], dtype=np.int64)


def digests_of(rows: Sequence[Row], groups: NDArray[np.int64]) -> list[bytes]:
    """[N] a hash of each row's group: of the smallest hash among its texts.

    The smallest of many hashes is small, so it is not taken as it is but hashed once more: groups of every size are
    spread evenly.
    """
    smallest: dict[int, bytes] = {}
    for row, group in zip(rows, groups.tolist(), strict=True):
        digest = text_digest("\n".join(row.key))
        smallest[group] = min(digest, smallest.get(group, digest))
    again = {group: hashlib.sha256(digest).digest() for group, digest in smallest.items()}
    return [again[group] for group in groups.tolist()]


def split_rows(rows: Sequence[Row], *, validation: float, test: float, near: float | None) -> list[str]:
    """[N] `train`, `validation` or `test` for each row."""
    return [split_of(digest, validation, test) for digest in digests_of(rows, groups_of(rows, near))]


def hold_out(rows: Sequence[Row], *, share: float, near: float | None) -> list[str]:
    """[N] `train` or `validation`.

    A class that would have no row left in train keeps its groups there. If nothing at all falls into validation, the
    group that a larger share would take first does, unless train needs them all.
    """
    groups = groups_of(rows, near)
    digests = digests_of(rows, groups)
    parts = np.array([split_of(digest, share, 0.0) for digest in digests], dtype="U10")
    lost = {label for row in rows for label in row.labels} - _labels(rows, parts == "train")
    if lost:
        has = np.array([not lost.isdisjoint(row.labels) for row in rows])
        parts[np.isin(groups, groups[has])] = "train"
    if not (parts == "validation").any():
        _spare_one(rows, groups, digests, parts)
    return list(parts.tolist())


def chosen(rows: Sequence[Row], number: int) -> list[bool]:
    """[N] whether a row is among so many: those with the smallest hashes, but first of all one of every class."""
    digests = digests_of(rows, groups_of(rows, None))
    order = sorted(range(len(rows)), key=lambda place: (digests[place], rows[place].id))
    seen: set[str] = set()
    later: dict[int, bool] = {}
    for place in order:
        later[place] = seen.issuperset(rows[place].labels)
        seen.update(rows[place].labels)
    taken = set(sorted(order, key=later.__getitem__)[:number])
    return [place in taken for place in range(len(rows))]


def _labels(rows: Sequence[Row], chosen: NDArray[np.bool_]) -> set[str]:
    return {label for row, one in zip(rows, chosen.tolist(), strict=True) if one for label in row.labels}


def _spare_one(
    rows: Sequence[Row], groups: NDArray[np.int64], digests: list[bytes], parts: NDArray[np.str_]
) -> None:
    every = _labels(rows, np.ones(len(rows), dtype=bool))
    order = sorted(dict(zip(digests, groups.tolist(), strict=True)).items(), reverse=True)
    for _, group in order[:100]:  # with more rows than a few, one of the first will do
        if _labels(rows, groups != group) == every:
            parts[groups == group] = "validation"
            return
