"""A column of a table, as a recipe names it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic.functional_validators import BeforeValidator

from acclimate.recipe.wording import Called


def _column(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise ValueError(f"expected the name of a column or its number from 0, found {value!r}")
    if isinstance(value, int) and value < 0:
        raise ValueError(f"columns are numbered from 0, found {value}")
    return value


Column = Annotated[str | int, BeforeValidator(_column), Called("column")]
"""A column by name or by number from 0."""
