"""`acclimate show`: a model's size, a recipe in full, its optimizers' parameters, or a run's figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from acclimate.cli.options import JsonOption, OutputOption, SetOption


def show(
    what: Annotated[
        str, typer.Argument(help="`model`, `optim`, a recipe, or a run (its folder, its name, or `latest`).")
    ],
    item: Annotated[
        str | None,
        typer.Argument(help="With `model`: FAMILY/SIZE, such as bert/tiny. With `optim`: a recipe."),
    ] = None,
    overrides: Annotated[list[str] | None, SetOption] = None,
    output: Annotated[Path, OutputOption] = Path("runs"),
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """Show a model's exact size, a recipe with all its defaults, or a run's figures.

    `show model FAMILY/SIZE` counts parameters; `show optim RECIPE` says which of them each optimizer gets, with which
    weight decay.
    """
    from acclimate.errors import UserError

    path = Path(what)
    if what == "model" and not path.is_file():
        _model(item, json)
        return
    if what == "optim" and not path.is_file():
        if item is None:
            raise UserError("expected `show optim RECIPE`, found no recipe")
        _optim(Path(item), overrides or [], json)
        return
    if item is not None:
        raise UserError(
            "expected `show model FAMILY/SIZE`, `show optim RECIPE`, `show RECIPE` or `show RUN`, "
            f"found `show {what} {item}`"
        )
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        _recipe(path, overrides or [], json)
    elif overrides:
        raise UserError("--set goes with a recipe; a run is what it was")
    else:
        _run(what, output, json)


def _model(item: str | None, json: bool) -> None:
    from acclimate.cli.output import brief, chatter_to_stderr, put, put_json
    from acclimate.models.sizes import family_and_size, preset

    family, size = family_and_size(item)
    preset(family, size)  # an unknown one is told before torch is loaded
    with chatter_to_stderr():
        from acclimate.models.sizes import describe

        described = describe(family, size)
    if json:
        put_json(described)
        return
    width = max(map(len, described))
    for name, value in described.items():
        put(f"{name:<{width}}  {f'{value:,}' if type(value) is int else brief(value)}")


def _optim(path: Path, overrides: list[str], json: bool) -> None:
    from acclimate.cli.output import chatter_to_stderr, put, put_json
    from acclimate.recipe.loading import load_recipe

    recipe = load_recipe(path, overrides).recipe
    with chatter_to_stderr():
        from acclimate.pipeline.optimizer_groups import gathered, optimizer_groups

        parts = optimizer_groups(recipe)
    if json:
        put_json({"optimizers": parts})
        return
    for part in parts:
        phase = ""
        if "phase" in part:
            phase = f", stage {part['phase']} of {part['phases']} (layers: {part['layers']})"
        put(f"{part['path']}{phase}: {part['optimizer']}")
        groups = [
            (f"weight decay {one['weight_decay']:.4g}, peak lr {one['lr']:.4g}", one)
            for one in part["groups"]
        ]
        for words, group in [*groups, ("frozen", part["frozen"])]:
            if not group["tensors"]:
                continue
            put(f"  {words}: {group['tensors']} tensors, {group['parameters']:,} parameters")
            for name, (times, shape) in gathered(group["names"]).items():
                put(f"    {name}  {f'{times} times ' if times > 1 else ''}{' × '.join(map(str, shape))}")


def _recipe(path: Path, overrides: list[str], json: bool) -> None:
    from acclimate.cli.output import put, put_json
    from acclimate.recipe.loading import load_recipe
    from acclimate.recipe.resolving import dump_yaml, resolved

    full = resolved(load_recipe(path, overrides).recipe)
    if json:
        put_json(full)
    else:
        put(dump_yaml(full))


def _run(name: str, output: Path, json: bool) -> None:
    from acclimate.cli.output import put, put_json
    from acclimate.cli.runs import read_metrics
    from acclimate.cli.summary import summary
    from acclimate.errors import UserError
    from acclimate.pipeline.run_folder import find_run, unfinished_after

    folder = find_run(name, output)
    metrics: dict[str, Any] = read_metrics(folder)
    if not metrics:
        raise UserError(
            f"{folder}: this run is not finished; `acclimate run` with its recipe goes on from there"
        )
    for later in unfinished_after(folder):
        sys.stderr.write(f"{later.name} was begun later and is not finished; shown is {folder.name}\n")
    metrics["run"] = str(folder)
    if (folder / "report.html").exists():
        metrics["report"] = str(folder / "report.html")
    if json:
        put_json(metrics)
        return
    summary(metrics, sys.stdout)
    for task, figures in metrics.get("tasks", {}).items():
        from acclimate.cli.summary import estimate, title

        put(
            f"{task}: "
            + ", ".join(f"{title(metric)} {estimate(one)}" for metric, one in figures["test"].items())
        )
