"""How much of a text: `30%`, `2M characters`, `10k documents`, `500k words`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from acclimate.recipe.units import Length, parse_share, show_share
from acclimate.recipe.wording import found

TextUnit = Literal["bytes", "characters", "words", "documents"]
"""What text is measured in before there is a tokenizer. Bytes are those of UTF-8; a word is a run of letters and
digits, of scripts without spaces, such as Chinese, a character."""
TEXT_UNITS: tuple[str, ...] = get_args(TextUnit)


@dataclass(frozen=True)
class Portion:
    """A share of what there is, or an amount in bytes, characters, words or documents."""

    amount: float
    unit: str
    """`share`, or a text unit."""

    @classmethod
    def parse(cls, value: Any) -> Portion:
        """From `30%`, 0.3 or `2M characters`. Raises ValueError that names what is expected."""
        if isinstance(value, Portion):
            return value
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number or (isinstance(value, str) and value.rstrip().endswith("%")):
            share = parse_share(value)
            if not share:
                raise ValueError(f"expected more than 0%, found {found(value)}")
            return cls(share, "share")
        try:
            length = Length.parse(value, TEXT_UNITS)
        except ValueError as error:
            if isinstance(value, str) and "unknown unit" in str(error):
                raise
            raise ValueError(
                f"expected a share or an amount with its unit, such as '30%' or '2M characters', found {found(value)}"
            ) from None
        if length.amount != int(length.amount):
            raise ValueError(f"expected a whole number of {length.unit}, found {found(value)}")
        return cls(length.amount, length.unit)

    def of(self, total: int) -> int:
        """How much it is in its own unit (for a share in that of `total`), of as much as there is."""
        return min(total, round(self.amount * total) if self.unit == "share" else int(self.amount))

    def __str__(self) -> str:
        return show_share(self.amount) if self.unit == "share" else str(Length(self.amount, self.unit))

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        number = r"^\s*\d[\d_,]*(\.\d+)?([eE][+-]?\d+)?\s*"
        names = "|".join(unit.removesuffix("s") for unit in TEXT_UNITS)
        return {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": rf"{number}(%|[kKmMgGbBtT]?\s+({names})s?)\s*$"},
            ]
        }
