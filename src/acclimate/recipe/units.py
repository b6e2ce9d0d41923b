"""Quantities as people write them: `20M tokens`, `3 epochs`, `16k`, `2%`. A number bears its unit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.functional_serializers import PlainSerializer
from pydantic.functional_validators import BeforeValidator
from pydantic.json_schema import JsonSchemaValue, WithJsonSchema
from pydantic_core import core_schema

from acclimate.recipe.wording import Called, found, nearest

_SCALE = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
_NUMBER = r"(\d+(?:[_,]\d{3})*(?:\.\d+)?(?:e[+-]?\d{1,2})?)"
_COUNT = re.compile(rf"^\s*{_NUMBER}\s*([kmgbt]?)\s*$", re.IGNORECASE | re.ASCII)
_LENGTH = re.compile(rf"^\s*{_NUMBER}\s*([kmgbt]?)\s+([a-z]+)\s*$", re.IGNORECASE | re.ASCII)
_PERCENT = re.compile(rf"^\s*{_NUMBER}\s*%\s*$", re.IGNORECASE | re.ASCII)

UNITS = ("steps", "tokens", "sequences", "epochs", "seconds", "minutes", "hours")
"""Units of a length. Time is measured in seconds; a run bounded by time is not reproducible to the step."""
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
_WHOLE = ("steps", "tokens", "sequences")
MOST = 10**15
"""No count or length may be larger: up to here a float holds every whole number exactly."""


def _amount(number: str, scale: str) -> Decimal:
    # Decimal, because 1.005 * 10**6 is not a whole number in binary.
    return Decimal(re.sub("[_,]", "", number)) * _SCALE[scale.lower()]


def parse_count(value: Any) -> int:
    """`16k` → 16000, `1.5M` → 1500000. k, M and G are thousands, not 1024."""
    match = _COUNT.match(value) if isinstance(value, str) else None
    if match:
        amount = _amount(*match.groups())
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        amount = Decimal(value)
    else:
        raise ValueError(f"expected a count such as 16000 or 16k, found {found(value)}")
    if not amount.is_finite() or amount != amount.to_integral_value() or not 0 <= amount <= MOST:
        raise ValueError(f"expected a whole count between 0 and 1000T, found {found(value)}")
    return int(amount)


def parse_share(value: Any) -> float:
    """`2%` or 0.02 → 0.02, within [0, 1]."""
    if isinstance(value, str) and (match := _PERCENT.match(value)):
        share = float(_amount(match[1], "") / 100)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        share = float(value) if -1 <= value <= 2 else float("nan")
    else:
        raise ValueError(f"expected a share such as 2% or 0.02, found {found(value)}")
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share between 0% and 100%, found {found(value)}")
    return share


def show_share(share: float) -> str:
    """The share in per cent, with every digit that it takes to read the same number back."""
    return f"{_plain(Decimal(repr(share)) * 100)}%"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_COUNT_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^\s*\d[\d_,]*(\.\d+)?([eE][+-]?\d+)?\s*[kKmMgGbBtT]?\s*$"},
    ]
}
_SHARE_SCHEMA = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "string", "pattern": r"^\s*\d[\d_,]*(\.\d+)?([eE][+-]?\d+)?\s*%\s*$"},
    ]
}

Count = Annotated[int, BeforeValidator(parse_count), WithJsonSchema(_COUNT_SCHEMA), Called("count")]
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    PlainSerializer(show_share, return_type=str),
    WithJsonSchema(_SHARE_SCHEMA),
    Called("share"),
]


@dataclass(frozen=True)
class Progress:
    """How far a training is. All fields count what was consumed so far."""

    steps: int = 0
    tokens: int = 0
    sequences: int = 0
    epochs: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Length:
    """An amount of training with its unit: steps, tokens (no padding), sequences, epochs or time."""

    amount: float
    unit: str

    @classmethod
    def parse(cls, value: Any, units: tuple[str, ...] = UNITS) -> Length:
        """From `20M tokens`. Raises ValueError that names the units there are."""
        if isinstance(value, Length):
            return value
        match = _LENGTH.match(value) if isinstance(value, str) else None
        if not match:
            example = "32 sequences" if "steps" not in units else "2000 steps"
            raise ValueError(
                f"expected an amount with its unit, such as '{example}' or '20k tokens', found {found(value)}"
            )
        number, scale, unit = match.groups()
        unit = unit.lower() if unit.lower().endswith("s") else unit.lower() + "s"
        if unit not in units:
            raise ValueError(f"unknown unit {match[3]!r} in {value!r}; {nearest(unit, units)}")
        amount = _amount(number, scale)
        if not 0 <= amount <= MOST or (amount == 0 and unit != "steps"):
            raise ValueError(f"expected more than nothing and at most 1000T, found {value!r}")
        if unit in _WHOLE and amount != amount.to_integral_value():
            raise ValueError(f"expected a whole number of {unit}, found {value!r}")
        return cls(float(amount), unit)

    @property
    def is_time(self) -> bool:
        return self.unit in _SECONDS

    def done(self, progress: Progress) -> float:
        """How much of this unit the progress holds, in this length's own unit."""
        if self.unit in _SECONDS:
            return progress.seconds / _SECONDS[self.unit]
        return float(getattr(progress, self.unit))

    def fraction(self, progress: Progress) -> float:
        """Share of this length that is done; above 1 when overshot."""
        return self.done(progress) / self.amount if self.amount else 1.0

    def times(self, other: Length) -> float | None:
        """How many times the other it is; None where the two are counted in units that no one can compare here."""
        if self.is_time and other.is_time:
            amounts = self.amount * _SECONDS[self.unit], other.amount * _SECONDS[other.unit]
        elif self.unit == other.unit:
            amounts = self.amount, other.amount
        else:
            return None
        return amounts[0] / amounts[1] if amounts[1] else math.inf

    def reached(self, progress: Progress) -> bool:
        return self.done(progress) >= self.amount

    def __str__(self) -> str:
        # Every digit stays: what is written here is read back, and hashed.
        amount = Decimal(repr(self.amount))
        text = _plain(amount)
        for letter, scale in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
            short = _plain(amount / scale) + letter
            if amount >= scale and len(short) <= len(text):
                return f"{short} {self.unit}"
        return f"{text} {self.unit}"

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
        return _length_schema(UNITS)


def _length_schema(units: tuple[str, ...]) -> JsonSchemaValue:
    names = "|".join(unit.removesuffix("s") for unit in units)
    return {
        "type": "string",
        "pattern": rf"^\s*\d[\d_,]*(\.\d+)?([eE][+-]?\d+)?\s*[kKmMgGbBtT]?\s+({names})s?\s*$",
    }


BATCH_UNITS = ("tokens", "sequences")

Batch = Annotated[
    Length,
    BeforeValidator(lambda value: Length.parse(value, BATCH_UNITS)),
    WithJsonSchema(_length_schema(BATCH_UNITS)),
    Called("batch"),
]
"""How much goes at once, in tokens or sequences."""
