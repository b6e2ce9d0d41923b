"""Single answers of a task's model beside what is true, in the words of the task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from acclimate.report.numbers import decimal, number, percent

CUT = 600
"""Characters of a text that are shown."""


@dataclass(frozen=True)
class Words:
    """How a task's answers are spoken of."""

    worst: str
    """What the worst ones are."""
    instead: str = "should be"
    """What stands between an answer and what is true."""
    said: str = ""
    """What stands before the answer."""
    judged: bool = True
    """Whether an answer is right or wrong, not more or less near."""


OF_CLASSES = Words(
    "Where the model was most surprised by the true label: often a hard text, sometimes a wrong label."
)
BY_SIGN = {
    "mean_absolute_error": Words("The numbers farthest from the true ones.", "true is", judged=False),
    "mean_rank_error": Words(
        "Pairs whose cosine stands farthest from their place in the order of the true scores.",
        "true score",
        "cosine",
        judged=False,
    ),
    "median_rank": Words("Questions whose right answer stands farthest down."),
    "purity": Words("Texts in clusters where another class is commonest.", "is of", "in a cluster of"),
    "questions": Words("Of the wrong answers those that the model was surest of."),
    "scored_by": Words("Texts that came out worst, each by itself.", "reference", judged=False),
}
"""What evaluation.json holds of such a task alone → its words."""
OF_ENTITIES = Words("Texts with most entities missed or made up.")


def words_of(evaluation: dict[str, Any]) -> Words:
    """Those of the task that was judged."""
    if evaluation.get("kind") == "ner":
        return OF_ENTITIES
    return next((words for sign, words in BY_SIGN.items() if sign in evaluation), OF_CLASSES)


def named(label: Any) -> list[str]:
    return [str(one) for one in label] if isinstance(label, list) else [str(label)]


def prediction(record: dict[str, Any], words: Words) -> dict[str, Any]:
    """An answer as the page shows it."""
    texts = [str(record[key]) for key in ("text", "pair") if record.get(key)]
    truth, predicted = named(record.get("label")), named(record.get("predicted"))
    return {
        "texts": [text if len(text) <= CUT else text[:CUT].rstrip() + " …" for text in texts],
        "label": truth,
        "predicted": predicted,
        "right": _right(record, truth, predicted),
        "words": words,
        "probability": percent(record.get("probability")) if is_number(record.get("probability")) else None,
        "loss": decimal(record.get("loss"), 2) if is_number(record.get("loss")) else None,
    }


def _right(record: dict[str, Any], truth: list[str], predicted: list[str]) -> bool:
    if "exact_match" in record:  # of several answers one will do, as the task's own definition has it
        return bool(record["exact_match"])
    if "score" in record:  # so it is of several references
        return predicted[0] in truth
    return truth == predicted


def is_number(value: Any) -> bool:
    return math.isfinite(number(value))
