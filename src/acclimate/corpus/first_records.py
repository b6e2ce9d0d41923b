"""What the first records of a source show of it: whether they can be read, and have the columns that are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from acclimate.corpus.document import Reader, Record, find_column
from acclimate.recipe.settings import nearest

_LOOK_AT = 100
"""Records that are read at most."""


def column_problems(reader: Reader, columns: Mapping[str, str | int]) -> list[tuple[str | None, str]]:
    """(role, what is wrong) of each column, by its role, that none of the first records has; of role None is a source
    of which nothing can be read. Raises UserError as the reader does."""
    records = [one for one in islice(reader.records(), _LOOK_AT) if isinstance(one, Record)]
    if not records:
        said = reader.check() or [f"{reader.name}: none of the first records can be read"]
        return [(None, each) for each in said]
    # JSON lines may leave a key out here and there; one that none of the first records has is wrong.
    return [
        (role, f"{records[0].place}: {absent(records[0].fields, column, role)}")
        for role, column in columns.items()
        if all(find_column(one.fields, column) is None for one in records)
    ]


def absent(fields: Mapping[str, str], column: str | int, role: str) -> str:
    """Words for a column that is not among the fields."""
    if isinstance(column, int):
        return f"there is no column {column} ({role}); the columns are 0 to {len(fields) - 1}"
    hint = nearest(column, fields)
    others = "" if hint.startswith("choose") else f" The columns are: {', '.join(fields)}"
    return f"there is no column {column!r} ({role}); {hint}{others}"
