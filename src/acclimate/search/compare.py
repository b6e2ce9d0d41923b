"""What a variant brought: paired differences between runs of the same seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

LEVEL = 0.95
LOWER_IS_BETTER = frozenset(("loss", "perplexity", "bits_per_byte", "forgetting"))


@dataclass(frozen=True)
class Difference:
    """A variant's measure beside the base's, over the seeds that both have."""

    seeds: int
    base: float
    """Mean."""
    value: float
    """Mean."""
    difference: float
    low: float | None
    """Ends of the interval; None with fewer than two seeds."""
    high: float | None
    finding: str
    """better, worse, no effect shown, one seed, or the same: to the last bit in every seed."""
    p_value: float | None = None
    """Of the paired t-test; None with fewer than two seeds, or where all is the same."""
    corrected: float | None = None
    """The p-value corrected for all variants of the measure, after Holm 1979: the chance that any of them would look
    so if none had an effect."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def paired(
    base: Mapping[int, float], other: Mapping[int, float], *, lower_is_better: bool
) -> Difference | None:
    """The mean difference over common seeds, with Student's interval over them; None without a common seed.

    base, other: seed → value.
    """
    seeds = sorted(base.keys() & other.keys())
    if not seeds:
        return None
    differences = [other[seed] - base[seed] for seed in seeds]
    mean = statistics.fmean(differences)
    low, high = student(differences)
    finding = "one seed"
    if low is not None and high is not None:
        finding = "no effect shown"
        if low > 0 or high < 0:
            finding = "better" if (mean < 0) == lower_is_better else "worse"
    if not any(differences):
        finding = "the same"
    return Difference(
        len(seeds),
        statistics.fmean(base[seed] for seed in seeds),
        statistics.fmean(other[seed] for seed in seeds),
        mean,
        low,
        high,
        finding,
        _p_value(differences) if any(differences) else None,
    )


def _p_value(differences: Sequence[float]) -> float | None:
    from scipy import stats

    if len(differences) < 2:
        return None
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    size = abs(statistics.fmean(differences)) / error if error else math.inf
    return float(2 * stats.t.sf(size, len(differences) - 1))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Step-down correction for as many tests (Holm 1979): ascending, max over j ≤ i of (m − j)·p_j, at most 1."""
    corrected: dict[str, float] = {}
    largest = 0.0
    for place, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda one: one[1])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_value))
        corrected[name] = largest
    return corrected


def student(values: Sequence[float], level: float = LEVEL) -> tuple[float | None, float | None]:
    """The interval of a mean: ± t · s / √n; (None, None) for fewer than two values."""
    from scipy import stats

    if len(values) < 2:
        return None, None
    mean = statistics.fmean(values)
    reach = float(stats.t.ppf((1 + level) / 2, len(values) - 1))
    reach *= statistics.stdev(values) / math.sqrt(len(values))
    return mean - reach, mean + reach


def measures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """What a run is judged by: its held-out text, and each task by its metric. `place` → value."""
    found: dict[str, float] = {}
    validation = (metrics.get("pretrain") or {}).get("validation") or {}
    for name in ("bits_per_byte", "loss"):
        if name in validation:
            found[f"held-out text, {name}"] = float(validation[name])
            break
    for name, told in ((metrics.get("pretrain") or {}).get("texts") or {}).items():
        found[f"other text {name}, bits_per_byte"] = float(told["after"]["bits_per_byte"]["value"])
    for task, figures in (metrics.get("tasks") or {}).items():
        metric = figures["metric"]
        if metric in figures["test"]:
            found[f"{task}, {metric}"] = float(figures["test"][metric]["value"])
        if periods := figures.get("periods"):
            found |= {
                f"{task} in periods, {name}": float(periods[name])
                for name in ("average", "forgetting", "next")
                if name in periods
            }
    return found


def table(lines: Sequence[Mapping[str, Any]], variants: Sequence[str], base: str) -> list[dict[str, Any]]:
    """A row for each variant: the difference of every measure, and what its runs cost beside the base's.

    lines: of each finished run its variant, seed, `measures`, seconds and peak memory.
    """
    rows: list[dict[str, Any]] = []
    of: dict[str, list[Mapping[str, Any]]] = {name: [] for name in variants}
    for line in lines:
        of[line["variant"]].append(line)
    names = list(dict.fromkeys(name for line in lines for name in line["measures"]))
    for variant in variants:
        if variant == base:
            continue
        found = {}
        for name in names:
            values = (
                {line["seed"]: line["measures"][name] for line in of[one] if name in line["measures"]}
                for one in (base, variant)
            )
            metric = name.rpartition(", ")[2]
            one = paired(*values, lower_is_better=metric in LOWER_IS_BETTER)
            if one is not None:
                found[name] = one.as_dict()
        rows.append(
            {
                "variant": variant,
                "runs": len(of[variant]),
                "differences": found,
                **_cost(of[base], of[variant]),
            }
        )
    for name in names:
        own = {row["variant"]: row["differences"][name] for row in rows if name in row["differences"]}
        tested = {variant: one["p_value"] for variant, one in own.items() if one["p_value"] is not None}
        for variant, p_value in holm(tested).items():
            own[variant]["corrected"] = p_value
    return rows


def _cost(base: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Seconds of training and peak memory, each over the base's, by the median of the runs."""

    def ratio(key: str) -> float | None:
        sides = [[line[key] for line in side if line[key]] for side in (other, base)]
        return statistics.median(sides[0]) / statistics.median(sides[1]) if all(sides) else None

    return {"time_ratio": ratio("seconds"), "memory_ratio": ratio("peak_memory_bytes")}
