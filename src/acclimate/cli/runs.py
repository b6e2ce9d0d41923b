"""`acclimate runs`: which runs there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from acclimate.cli.options import JsonOption, OutputOption


def runs(
    output: Annotated[Path, OutputOption] = Path("runs"),
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """List the runs, the newest last, with their state and main figures."""
    from acclimate.cli.output import put, put_json
    from acclimate.pipeline.run_folder import list_runs

    found: list[dict[str, Any]] = [
        {
            "name": run.name,
            "folder": str(run.path),
            "started": run.started,
            "state": run.state,
            "figures": main_figures(run.path),
        }
        for run in list_runs(output)
    ]
    if json:
        put_json({"runs": found})
        return
    if not found:
        put(f"no runs in {output}")
        return
    for one in found:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in one["figures"].items())
        put(
            f"{one['started'][:19].replace('T', ' ')}  {one['state']:<10}  {one['folder']}  {figures}".rstrip()
        )


def main_figures(run: Path) -> dict[str, float]:
    """Bits per byte of the pretrained model, and each task's judged metric; empty for an unfinished run."""
    metrics = read_metrics(run)
    figures: dict[str, float] = {}
    validation = (metrics.get("pretrain") or {}).get("validation") or {}
    if validation.get("bits_per_byte") is not None:
        figures["bits_per_byte"] = validation["bits_per_byte"]
    for name, task in (metrics.get("tasks") or {}).items():
        verdict = task.get("verdict")
        if verdict:
            figures[f"{name} {verdict['metric']}"] = verdict["with"]
            figures[f"{name} difference"] = verdict["difference"]
        else:
            for metric, figure in list(task["test"].items())[:1]:
                figures[f"{name} {metric}"] = figure["value"]
    return figures


def read_metrics(run: Path) -> dict[str, Any]:
    """A run's metrics.json; empty when it is not finished."""
    import json

    try:
        text = (run / "metrics.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    return dict(json.loads(text))
