"""Rows of tasks that write: a source, and the texts that are right answers to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from acclimate.corpus.document import Dropped, Reader, Record, comparable, find_column
from acclimate.corpus.readers.line_breaks import joined
from acclimate.recipe.settings import nearest
from acclimate.transfer.examples.rows import Row, cell, identity

Column = str | int
_LOOK_AT = 100  # records that a check reads at most while it looks for a target


def written_row(record: Record, *, text: Column, targets: Sequence[Column]) -> Row | Dropped:
    """The row of these columns. Dropped where there is no source (`no_text`) or no target (`no_target`)."""
    source = joined(_texts(cell(record, text)))
    if not source:
        return Dropped("no_text", record.place, f"{text!r} is empty")
    found = [one for column in targets for one in _texts(cell(record, column))]
    if not found:
        return Dropped("no_target", record.place, _missing(record, targets))
    # A source that is held out is not learnt from, whatever its targets are there.
    return _row(record, source, found, (comparable(source), ""))


def _row(record: Record, source: str, targets: list[str], key: tuple[str, str]) -> Row:
    return Row(identity(record), record.place, source, None, (), key, {"targets": targets})


def halved(record: Record, *, text: Column, given: float) -> Row | Dropped:
    """The row of a text of which a share of the characters is given and the rest is to be written, cut where a word
    begins. Dropped where a side would be empty (`too_short`)."""
    whole = joined(_texts(cell(record, text)))
    if not whole:
        return Dropped("no_text", record.place, f"{text!r} is empty")
    at = max(1, round(len(whole) * given))
    while at < len(whole) and whole[at - 1].isalnum() and whole[at].isalnum() and not _alone(whole[at]):
        at += 1
    source, target = whole[:at].strip(), whole[at:].strip()
    if not source or not target:
        return Dropped("too_short", record.place, "nothing is left to be written")
    return _row(record, source, [target], (comparable(source), comparable(target)))


def _alone(character: str) -> bool:
    """Whether it is of a script that puts no spaces between words."""
    from acclimate.corpus.words import UNSPACED

    return any(first <= ord(character) <= last for first, last in UNSPACED)


def _texts(said: str | None) -> list[str]:
    """The texts of a cell: itself, or those of its JSON list; empty ones left out."""
    if said is None:
        return []
    if said.startswith("["):
        try:
            items = json.loads(said)
        except ValueError:
            items = None
        if isinstance(items, list) and items and all(isinstance(item, str) for item in items):
            return [item.strip() for item in items if item.strip()]
    return [said] if said else []


def _missing(record: Record, targets: Sequence[Column]) -> str:
    if any(find_column(record.fields, column) is not None for column in targets):
        return f"{' and '.join(map(repr, targets))} {'is' if len(targets) == 1 else 'are'} empty"
    column = targets[0]
    hint = "" if isinstance(column, int) else f"; {nearest(column, record.fields)}"
    return f"there is no column {' or '.join(map(repr, targets))} (target){hint}"


def without_target(readers: Iterable[Reader], targets: Sequence[Column]) -> Iterator[str]:
    """What is wrong with the sources of which none of the first records has a column of targets."""
    for reader in readers:
        records = [one for one in islice(reader.records(), _LOOK_AT) if isinstance(one, Record)]
        if records and all(find_column(one.fields, target) is None for one in records for target in targets):
            yield f"{records[0].place}: {_missing(records[0], targets)}"


def target_statistics(rows: Sequence[Row]) -> dict[str, Any]:
    """How many targets there are, and their lengths."""
    lengths = [len(one) for row in rows for one in row.more["targets"]]
    if not lengths:
        return {"targets": 0}
    return {
        "targets": len(lengths),
        "most_of_a_source": max(len(row.more["targets"]) for row in rows),
        "mean_characters": round(sum(lengths) / len(lengths), 2),
        "max_characters": max(lengths),
    }
