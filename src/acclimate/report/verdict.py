"""What the page says first: did domain pretraining help, how well is the domain modelled, at what cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from acclimate.report.estimates import Estimate, metric_name
from acclimate.report.gather import RunRecord, TaskRecord
from acclimate.report.numbers import THIN, compact, decimal, duration, number, percent, size
from acclimate.report.plots import Whisker, interval_chart
from acclimate.report.retrieval_view import retrieval_table
from acclimate.report.task_data import foresees

WITH = "with domain pretraining"
WITHOUT = "without it"
CARD = 368
"""Inner width of a card on a wide page."""
SPACE = "\u00a0"


@dataclass(frozen=True)
class Drawing:
    """The same plot for a wide and for a narrow page."""

    wide: Markup
    narrow: Markup


def drawing(draw: Callable[[int], Markup | None], wide: int, narrow: int = 330) -> Drawing | None:
    """Both drawings, None when there is nothing to draw."""
    drawn = draw(wide)
    small = draw(narrow)
    return Drawing(drawn, small) if drawn is not None and small is not None else None


def level(run: RunRecord) -> str:
    """How the recipe's intervals are called: `95 % interval`, or `interval` when it does not say."""
    intervals = (run.recipe.get("evaluate") or {}).get("intervals")
    settings = next(iter(intervals.values()), None) if isinstance(intervals, dict) else None
    given = settings.get("level") if isinstance(settings, dict) else None
    if isinstance(given, str) and given.endswith("%"):
        return f"{given[:-1].strip()}{THIN}% interval"
    share = number(given)
    return f"{share * 100:g}{THIN}% interval" if math.isfinite(share) else "interval"


def headline(run: RunRecord) -> dict[str, Any]:
    """What the first part of the page shows."""
    return {
        "tasks": [task_verdict(task, run) for task in run.tasks],
        "domain": _domain(run),
        "cost": _cost(run),
    }


def main_metric(task: TaskRecord, run: RunRecord) -> str | None:
    """The metric that a task is judged by."""
    verdict = task.evaluation.get("verdict")
    if isinstance(verdict, dict) and verdict.get("metric"):
        return str(verdict["metric"])
    settings = (run.recipe.get("tasks") or {}).get(task.name)
    inner = next(iter(settings.values()), None) if isinstance(settings, dict) else None
    chosen = inner.get("metric") if isinstance(inner, dict) else None
    measured = list(task.evaluation.get("test") or {})
    for name in (task.evaluation.get("metric"), chosen, "macro_f1", *measured):
        if isinstance(name, str) and name in measured:
            return name
    return None


def seed_values(task: TaskRecord, arm: str) -> list[float]:
    """The judged metric of each seed of one arm; NaN where it is not defined."""
    return [number(value) for value in (task.evaluation.get("per_seed") or {}).get(arm) or []]


def task_verdict(task: TaskRecord, run: RunRecord) -> dict[str, Any]:
    """One task's result: figures, a plain sentence, a plot."""
    metric = main_metric(task, run)
    trained = Estimate.of((task.evaluation.get("test") or {}).get(metric))
    baseline = Estimate.of((task.evaluation.get("baseline_test") or {}).get(metric))
    verdict = task.evaluation.get("verdict") or {}
    difference = Estimate.of(verdict, "difference")
    # The delivered model may not have been pretrained here at all: then its row has no arm to name.
    rows = [
        Whisker(
            name,
            one.value,
            one.low,
            one.high,
            f"{one.text} [{one.range}]",
            seed_values(task, arm),
            tone,
        )
        for name, one, arm, tone in (
            (WITH if baseline else "test", trained, "with", "a"),
            (WITHOUT, baseline, "without", "b"),
        )
        if one is not None and metric is not None
    ]
    title = f"{task.name}: {metric_name(metric or '')} on the test set"
    return {
        "name": task.name,
        "metric": metric_name(metric or ""),
        "trained": trained,
        "baseline": baseline,
        "difference": difference,
        "outcome": outcome(difference),
        "sentence": sentence(metric or "", trained, baseline, difference, ahead=foresees(task.evaluation)),
        "seeds": verdict.get("seeds") or len(seed_values(task, "with")) or None,
        "p_value": p_value(verdict.get("p_value")),
        "plot": drawing(lambda width: interval_chart(rows, title=title, width=width), CARD),
    }


def outcome(difference: Estimate | None) -> str | None:
    """`better`, `worse`, or `open` when the interval holds zero; None without a comparison."""
    if difference is None:
        return None
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "open"


def sentence(
    metric: str,
    trained: Estimate | None,
    baseline: Estimate | None,
    difference: Estimate | None,
    *,
    ahead: bool = False,
) -> str:
    """The result in plain words, beside the figures of the difference. ahead: the delivered model `foresees`."""
    if trained is None:
        return "This task has no test figures."
    name = metric_name(metric)
    if difference is None or baseline is None:
        if ahead:
            words = "The delivered model answers for the period after it."
            return f"Of the test set's own period {name} is {trained.text}. {words}"
        return f"The delivered model's {name} on the test set is {trained.text}."
    before, after = (decimal(one.value, difference.places) for one in (baseline, trained))
    if outcome(difference) == "open":
        return (
            f"No difference can be told: {name} {after} with domain pretraining and {before} without; "
            "the interval of the difference holds zero."
        )
    word = "raises" if outcome(difference) == "better" else "lowers"
    return f"Domain pretraining {word} {name} from {before} to {after}."


def p_value(value: Any) -> str | None:
    chance = number(value)
    if not math.isfinite(chance):
        return None
    return (
        f"p{SPACE}<{SPACE}0.001"
        if chance < 0.001
        else f"p{SPACE}={SPACE}{chance:.3f}"
        if chance < 0.1
        else f"p{SPACE}={SPACE}{chance:.2f}"
    )


def _domain(run: RunRecord) -> dict[str, Any] | None:
    """Bits per byte before and after pretraining, or the loss of an objective that is no language model's; and the
    other figures."""
    if not run.figures:
        return None
    moments = {name: run.figures.get(name) or {} for name in ("before", "after", "test", "frequencies")}
    measure = "bits_per_byte" if "bits_per_byte" in moments["after"] else "loss"
    estimates = {name: Estimate.of(figures.get(measure)) for name, figures in moments.items()}
    before, after = estimates["before"], estimates["after"]
    if after is None:
        return None
    rows = [
        Whisker(
            name,
            one.value,
            one.low,
            one.high,
            f"{one.text} [{one.range}]" if one.range else one.text,
            (),
            tone,
        )
        for name, one, tone in (("before", before, "b"), ("after", after, "a"))
        if one is not None
    ]
    table = [
        (metric_name(name), [Estimate.of(figures.get(name)) for figures in moments.values() if figures])
        for name in ("loss", "perplexity", "bits_per_byte")
    ]
    captions = {
        "before": "before",
        "after": "after",
        "test": "after, test text",
        "frequencies": "by token frequency alone",
    }
    return {
        "measure": metric_name(measure),
        "in_bits": measure == "bits_per_byte",
        "before": before,
        "after": after,
        "saved": (before.value - after.value) / before.value if before and before.value > 0 else None,
        "change": Estimate.of((run.figures.get("change") or {}).get(measure)),
        "plot": drawing(
            lambda width: interval_chart(
                rows, title=f"{metric_name(measure)} of held-out data", width=width, zero=True
            ),
            CARD,
        ),
        "columns": [captions[name] for name, figures in moments.items() if figures],
        "table": [(name, row) for name, row in table if any(row)],
        "retrieval": retrieval_table(run.figures),
        "translation": _translation(run),
        "others": _other_texts(run),
        "likelihood": run.figures.get("likelihood", "some" if measure == "bits_per_byte" else None),
    }


LEAST_UNKNOWN = 0.005
"""Share of unknown tokens that is told beside a text's figures."""


def _other_texts(run: RunRecord) -> list[dict[str, Any]]:
    """Bits per byte on texts that are not of the domain, and what became of them in words."""
    words = {"worse": "fewer bits than before", "better": "more bits than before: it forgets"}
    found = []
    for name, told in ((run.metrics.get("pretrain") or {}).get("texts") or {}).items():
        change = Estimate.of(told.get("change"))
        moments = [Estimate.of((told.get(one) or {}).get("bits_per_byte")) for one in ("before", "after")]
        if change is not None:  # more bits are worse, so the words for a difference are turned round
            said = words.get(outcome(change) or "", "no change that can be told")
            share = number(told.get("unknown"))
            unknown = percent(share) if share >= LEAST_UNKNOWN else ""
            found.append(
                {"name": name, "moments": moments, "change": change, "said": said, "unknown": unknown}
            )
    return found


def _translation(run: RunRecord) -> dict[str, Any] | None:
    """BLEU and chrF of the test texts' translations, where the run made some."""
    found = (run.metrics.get("pretrain") or {}).get("translation") or {}
    rows = [
        (title, Estimate.of(found[name]), found.get(f"{name}_signature", ""))
        for name, title in (("bleu", "BLEU"), ("chrf", "chrF"))
        if name in found
    ]
    return {"rows": rows, "texts": found.get("texts"), "beams": found.get("beams")} if rows else None


def _cost(run: RunRecord) -> list[tuple[str, str, str]]:
    """(what, how much, a remark) each."""
    stages = {name: one for name, one in (run.metrics.get("stages") or {}).items() if isinstance(one, dict)}
    done = [one for one in stages.values() if not one.get("skipped")]
    tiles = []
    if stages:
        reused = len(stages) - len(done)
        remark = f"{len(done)} stage{'' if len(done) == 1 else 's'} run" + (
            f", {reused} reused from earlier runs" if reused else ""
        )
        tiles.append(("time", duration(sum(_known(one, "seconds") for one in done)), remark))
    figures = run.figures or {}
    if math.isfinite(number(figures.get("tokens"))):
        seconds = number(figures.get("seconds"))
        speed = (
            f"{compact(number(figures['tokens']) / seconds)} tokens/s" if seconds > 0 else "in pretraining"
        )
        tiles.append(("tokens trained on", compact(figures["tokens"]), speed))
    if math.isfinite(number(figures.get("parameters"))):
        tiles.append(("parameters", compact(figures["parameters"]), "of the pretrained model"))
    peak = max((_known(one, "peak_memory_bytes") for one in stages.values()), default=0.0)
    if peak:
        where = next(name for name, one in stages.items() if _known(one, "peak_memory_bytes") == peak)
        tiles.append(("peak memory", size(peak), f"in {where}"))
    return tiles


def _known(record: dict[str, Any], key: str) -> float:
    value = number(record.get(key))
    return value if math.isfinite(value) else 0.0
