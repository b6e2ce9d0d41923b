"""The README.md of a delivered model folder: a Hugging Face model card with its figures as data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from acclimate.report.estimates import Estimate, metric_name
from acclimate.report.model_kinds import purpose, usage
from acclimate.report.model_summary import LIMITS, architecture
from acclimate.report.numbers import count, legible, number, percent, size
from acclimate.report.task_data import foresees

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")
_FITTED = """# The head is none of Transformers': other programs would draw one at random in its place.
from pathlib import Path

from acclimate.models.loading import load_model
from acclimate.transfer.methods.heads_put_in import furnish

folder = Path(".")  # where this file is
model = load_model(folder, "classification")
furnish(model, folder)"""
SMALLEST_LANGUAGE = 0.01
"""Languages below this share of the documents are not named in the front matter: detection errs by as much."""


def model_card(
    *,
    name: str,
    kind: str,
    config: Mapping[str, Any],
    parameters: int | None = None,
    corpus: Mapping[str, Any] | None = None,
    figures: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
    recipe: str | None = None,
) -> str:
    """The card's text.

    name: what to call the model. kind: what it was built as. config: its config.json. corpus, figures, evaluation: the
    contents of the run's statistics.json, figures.json and evaluation.json, as far as there are any. recipe: the
    resolved recipe's text.
    """
    parts = [_front_matter(name, kind, corpus or {}, figures or {}, evaluation or {}), f"# {_plain(name)}\n"]
    parts.append(purpose(kind).intended + "\n")
    parts.append(_table("Architecture", [*architecture(dict(config)), *_size(parameters)]))
    parts.append(_training(corpus or {}, figures or {}))
    parts.append(_results(figures or {}, evaluation or {}))
    if evaluation and evaluation.get("labels"):
        labels = ", ".join(_plain(label) for label in evaluation["labels"])
        parts.append(f"## Labels\n\n{labels}\n")
    parts.append("## Limits\n\n" + "".join(f"- {limit}\n" for limit in LIMITS))
    parts.append(_usage(kind, config))
    if recipe:
        parts.append(f"## Recipe\n\n{_fenced(recipe, 'yaml')}\n")
    return legible("\n".join(part for part in parts if part))


def _plain(value: Any) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(legible(value).split()))


def _quoted(value: Any) -> str:
    """A YAML scalar: a JSON string is one, once it holds nothing unprintable."""
    return json.dumps(legible(value), ensure_ascii=False)


def _fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any run of backticks in the text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _languages(corpus: Mapping[str, Any]) -> list[str]:
    counts = {str(code): number(n) for code, n in (corpus.get("languages") or {}).items()}
    total = sum(counts.values())
    ranked = sorted(counts, key=lambda code: (-counts[code], code))
    # The hub takes ISO 639 codes alone; counts may hold others, such as for text in no language.
    return [c for c in ranked if counts[c] >= SMALLEST_LANGUAGE * total and re.fullmatch("[a-z]{2,3}", c)]


def _front_matter(
    name: str,
    kind: str,
    corpus: Mapping[str, Any],
    figures: Mapping[str, Any],
    evaluation: Mapping[str, Any],
) -> str:
    lines = ["---", "library_name: transformers", f"pipeline_tag: {purpose(kind).pipeline}"]
    languages = _languages(corpus)
    if languages:
        lines += ["language:", *(f"- {_quoted(code)}" for code in languages)]
    lines += ["tags:", "- acclimate", "- domain-adaptation"]
    measured = _measured(figures, evaluation)
    if measured:
        task = str(evaluation.get("task") or "held-out domain text")
        lines += ["model-index:", f"- name: {_quoted(name)}", "  results:", "  - task:"]
        lines += [f"      type: {purpose(kind).pipeline}", "    dataset:", f"      name: {_quoted(task)}"]
        lines += [
            f"      type: {_quoted(re.sub('[^A-Za-z0-9._-]+', '-', task))}",
            "      split: test",
            "    metrics:",
        ]
        for metric, one in measured:
            lines += [f"    - type: {_quoted(metric)}", f"      name: {_quoted(metric_name(metric))}"]
            lines += [f"      value: {one.value!r}"]
    return "\n".join([*lines, "---", ""])


def _measured(figures: Mapping[str, Any], evaluation: Mapping[str, Any]) -> list[tuple[str, Estimate]]:
    """The test figures of a task's model; of a pretrained one those of the test text, or of the validation text."""
    record = evaluation.get("test") or figures.get("test") or figures.get("after") or {}
    found = [(str(metric), Estimate.of(one)) for metric, one in record.items()]
    return [(metric, one) for metric, one in found if one is not None]


def _size(parameters: int | None) -> list[tuple[str, str]]:
    return [] if parameters is None else [("parameters", count(parameters))]


def _table(title: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    lines = "".join(f"| {_plain(name)} | {_plain(value)} |\n" for name, value in rows)
    return f"## {title}\n\n| | |\n|---|---|\n{lines}"


def _training(corpus: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    train = (corpus.get("splits") or {}).get("train") or {}
    rows = []
    if train:
        rows += [("documents", count(train.get("documents"))), ("text", size(train.get("bytes")))]
    counts = {str(code): number(n) for code, n in (corpus.get("languages") or {}).items()}
    total = sum(counts.values())
    if total:
        ranked = sorted(counts, key=lambda code: (-counts[code], code))[:5]
        rows.append(("languages", ", ".join(f"{code} {percent(counts[code] / total)}" for code in ranked)))
    if figures.get("tokens"):
        rows.append(("tokens trained on", count(figures["tokens"])))
    return _table("Training data", rows)


def _results(figures: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    rows = [
        (metric_name(metric), f"{one.text} ({one.range})" if one.range else one.text)
        for metric, one in _measured(figures, evaluation)
    ]
    text = _table("Results", rows)
    if text and foresees(evaluation):
        text += "\nThese are of the test's own period; this model answers for the period after it.\n"
    verdict = evaluation.get("verdict") or {}
    difference = Estimate.of(verdict, "difference")
    if text and difference:
        metric = metric_name(str(verdict.get("metric") or ""))
        text += f"\nAgainst the same model without domain pretraining: {metric} {difference.signed}"
        text += f" ({difference.signed_range}), {count(verdict.get('seeds'))} seeds.\n"
    return text


def _usage(kind: str, config: Mapping[str, Any]) -> str:
    if config.get("fitted_head"):
        return f"## Use\n\n{_fenced(_FITTED, 'python')}\n"
    serving = "\n\nOr serve it: `acclimate serve FOLDER`." if purpose(kind).served else ""
    return f"## Use\n\n{_fenced(usage(kind, config), 'python')}{serving}\n"
