"""A figure with its interval, in the digits that the interval allows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from acclimate.report.numbers import decimal, decimals, number

_NAMES = {
    "answer_f1": "answer F1",
    "ari": "ARI",
    "auc": "AUC",
    "bits_per_byte": "bits per byte",
    "bleu": "BLEU",
    "chrf": "chrF",
    "correction_f1": "correction F1",
    "detection_f1": "detection F1",
    "f1": "F1",
    "gleu": "GLEU",
    "macro_f1": "macro F1",
    "mcc": "MCC",
    "micro_f1": "micro F1",
    "mrr": "MRR",
    "nmi": "NMI",
    "pearson": "Pearson",
    "r2": "R²",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "spearman": "Spearman",
}


def metric_name(name: str) -> str:
    """`macro_f1` → `macro F1`."""
    return _NAMES.get(name, name.replace("_", " "))


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its interval; NaN ends when there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @classmethod
    def of(cls, record: Any, key: str = "value") -> Estimate | None:
        """From {"value", "low", "high"}, with the value under another `key` if need be; None without a finite value."""
        if not isinstance(record, dict) or not math.isfinite(number(record.get(key))):
            return None
        return cls(number(record[key]), number(record.get("low")), number(record.get("high")))

    @property
    def has_interval(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def places(self) -> int:
        if self.has_interval:
            return decimals(self.low, self.high)
        size = abs(self.value)
        return 3 if size < 10 else 2 if size < 100 else 1

    @property
    def text(self) -> str:
        return decimal(self.value, self.places)

    @property
    def signed(self) -> str:
        return decimal(self.value, self.places, signed=True)

    @property
    def range(self) -> str:
        """`0.71 to 0.78`; empty without interval."""
        if not self.has_interval:
            return ""
        return f"{decimal(self.low, self.places)} to {decimal(self.high, self.places)}"

    @property
    def signed_range(self) -> str:
        if not self.has_interval:
            return ""
        low, high = (decimal(end, self.places, signed=True) for end in (self.low, self.high))
        return f"{low} to {high}"
