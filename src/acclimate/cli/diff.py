"""`acclimate diff A B`: what differs between two recipes or two runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli.options import JsonOption, OutputOption

if TYPE_CHECKING:
    from acclimate.recipe.difference import Difference


_TEXTS = ("before", "validation", "test")


def diff(
    left: Annotated[str, typer.Argument(help="A recipe, or a run (its folder, its name, or `latest`).")],
    right: Annotated[str, typer.Argument(help="Another one.")],
    output: Annotated[Path, OutputOption] = Path("runs"),
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """Compare two recipes, or two runs: their settings, defaults included, and their metrics."""
    from acclimate.cli.output import brief, put, put_json
    from acclimate.recipe.difference import ABSENT, differences

    (settings, metrics), (other_settings, other_metrics) = _sides(left, output), _sides(right, output)
    found = {"settings": differences(settings, other_settings)}
    if metrics and other_metrics:
        found["metrics"] = differences(metrics, other_metrics)
    if json:
        put_json({name: {one.path: _pair(one, ABSENT) for one in listed} for name, listed in found.items()})
        return
    for name, listed in found.items():
        put(f"{name}: " + (f"{len(listed)} differences" if len(listed) != 1 else "1 difference"))
        for one in listed:
            sides = [str(side) if side is ABSENT else brief(side) for side in (one.left, one.right)]
            put(f"  {one.path}: {sides[0]} → {sides[1]}{_change(one)}")


def _sides(name: str, output: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(settings, metrics) of a recipe or a run."""
    from acclimate.recipe.loading import load_recipe
    from acclimate.recipe.resolving import resolved

    path = Path(name)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return resolved(load_recipe(path).recipe), {}
    from acclimate.cli.runs import read_metrics
    from acclimate.pipeline.run_folder import find_run

    run = find_run(name, output)
    return resolved(load_recipe(run / "recipe.resolved.yaml").recipe), figures_of(read_metrics(run))


def figures_of(metrics: dict[str, Any]) -> dict[str, Any]:
    """What a run achieved: the figures without their intervals, and without what it cost."""
    pretrain = {name: one for name, one in (metrics.get("pretrain") or {}).items() if name in _TEXTS}
    tasks = {}
    for name, task in (metrics.get("tasks") or {}).items():
        parts = {part: task.get(part) or {} for part in ("test", "baseline_test")}
        tasks[name] = {part: {key: one["value"] for key, one in parts[part].items()} for part in parts}
        if task.get("verdict"):
            tasks[name]["verdict"] = {key: one for key, one in task["verdict"].items() if key != "statement"}
    return {"pretrain": pretrain, "tasks": tasks} if pretrain or tasks else {}


def _pair(one: Difference, absent: Any) -> dict[str, Any]:
    sides = {"left": one.left, "right": one.right}
    return {name: value for name, value in sides.items() if value is not absent}


def _change(one: Difference) -> str:
    numbers = [value for value in (one.left, one.right) if isinstance(value, (int, float))]
    if len(numbers) < 2 or any(isinstance(value, bool) for value in numbers):
        return ""
    return f" ({numbers[1] - numbers[0]:+.4g})"
