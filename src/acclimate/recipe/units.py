"""Quantities as people write them: `20M tokens`, `3 epochs`, `16k`, `2%`. No bare number whose meaning lives elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic.functional_serializers import PlainSerializer
from pydantic.functional_validators import BeforeValidator
from pydantic.json_schema import GetJsonSchemaHandler, JsonSchemaValue
from pydantic_core import core_schema

_SCALE = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
_NUMBER = r"(\d+(?:[_,]\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?)"
_COUNT = re.compile(rf"^\s*{_NUMBER}\s*([kmgbt]?)\s*$", re.IGNORECASE)
_LENGTH = re.compile(rf"^\s*{_NUMBER}\s*([kmgbt]?)\s+([a-z]+)\s*$", re.IGNORECASE)
_PERCENT = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*%\s*$")

UNITS = ("steps", "tokens", "sequences", "epochs", "seconds", "minutes", "hours")
"""Units of a length. Time units are measured in seconds; a run bounded by time is not reproducible to the step."""
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}


def _amount(number: str, scale: str) -> float:
    return float(re.sub("[_,]", "", number)) * _SCALE[scale.lower()]


def parse_count(value: Any) -> int:
    """`16k` → 16000, `1.5M` → 1500000. k, M and G are thousands, not 1024."""
    if isinstance(value, bool) or value is None:
        raise ValueError(f"expected a count such as 16000 or 16k, found {value!r}")
    if isinstance(value, int):
        amount: float = value
    elif isinstance(value, float):
        amount = value
    else:
        match = _COUNT.match(str(value))
        if not match:
            raise ValueError(f"expected a count such as 16000 or 16k, found {value!r}")
        amount = _amount(*match.groups())
    if amount != int(amount) or amount < 0:
        raise ValueError(f"expected a whole count, found {value!r}")
    return int(amount)


def parse_share(value: Any) -> float:
    """`2%` or 0.02 → 0.02, within [0, 1]."""
    if isinstance(value, str) and (match := _PERCENT.match(value)):
        share = float(match[1]) / 100
    else:
        try:
            share = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"expected a share such as 2% or 0.02, found {value!r}") from None
    if isinstance(value, bool) or not 0 <= share <= 1:
        raise ValueError(f"expected a share between 0% and 100%, found {value!r}")
    return share


def show_share(share: float) -> str:
    return f"{share * 100:.10g}%"


Count = Annotated[int, BeforeValidator(parse_count)]
Share = Annotated[float, BeforeValidator(parse_share), PlainSerializer(show_share, return_type=str)]


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
    """An amount of training with its unit: steps, tokens (real ones, no padding), sequences, epochs or time."""

    amount: float
    unit: str

    @classmethod
    def parse(cls, value: Any, units: tuple[str, ...] = UNITS) -> Length:
        """From `20M tokens`. Raises ValueError that names the units there are."""
        if isinstance(value, Length):
            return value
        match = _LENGTH.match(value) if isinstance(value, str) else None
        if not match:
            raise ValueError(f"expected an amount with its unit, such as '2000 steps' or '20M tokens', found {value!r}")
        number, scale, unit = match.groups()
        unit = unit.lower() if unit.lower().endswith("s") else unit.lower() + "s"
        if unit not in units:
            from acclimate.recipe.settings import nearest

            raise ValueError(f"unknown unit {match[3]!r} in {value!r}; {nearest(unit, units)}")
        amount = _amount(number, scale)
        if amount <= 0 and unit != "steps":
            raise ValueError(f"expected more than nothing, found {value!r}")
        return cls(amount, unit)

    def done(self, progress: Progress) -> float:
        """How much of this unit the progress holds, in this length's own unit."""
        if self.unit in _SECONDS:
            return progress.seconds / _SECONDS[self.unit]
        return float(getattr(progress, self.unit))

    def fraction(self, progress: Progress) -> float:
        """Share of this length that is done; above 1 when overshot."""
        return self.done(progress) / self.amount if self.amount else 1.0

    def reached(self, progress: Progress) -> bool:
        return self.done(progress) >= self.amount

    def __str__(self) -> str:
        for letter, scale in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
            if self.amount >= scale and (self.amount / scale * 1000).is_integer():
                return f"{self.amount / scale:g}{letter} {self.unit}"
        return f"{self.amount:g} {self.unit}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "pattern": rf"^\s*[\d._,eE+-]+\s*[kKmMgGbBtT]?\s+({'|'.join(u[:-1] for u in UNITS)})s?\s*$"}
