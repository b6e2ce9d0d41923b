"""The guide tells the truth: its recipes load, its commands and links exist, its forms are the real ones."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML

from acclimate.cli.main import app
from acclimate.recipe.loading import load_recipe
from acclimate.recipe.reference import slug
from acclimate.recipe.resolving import dump_yaml

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
RUN_FOLDER = ROOT / "docs" / "guide" / "run-folder.md"
LEAST = {"corpus": {"sources": ["notes/"]}, "model": {"family": "bert"}}


def blocks(page: Path, language: str) -> list[str]:
    found = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"))
    return [text for name, text in found if name == language]


RECIPES = [(page, text) for page in PAGES for text in blocks(page, "yaml")]


@pytest.mark.parametrize(("page", "text"), RECIPES, ids=[page.stem for page, _ in RECIPES])
def test_recipes_load(tmp_path: Path, page: Path, text: str) -> None:
    """A part of a recipe is completed with a source and a family; files need not be there."""
    shown = YAML(typ="safe").load(text)
    if checkpoint := shown.get("model", {}).get("checkpoint"):
        (tmp_path / "recipe" / checkpoint).mkdir(parents=True)
    whole = {**shown, **{key: {**value, **shown.get(key, {})} for key, value in LEAST.items()}}
    path = tmp_path / "recipe" / "r.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(dump_yaml(whole), encoding="utf-8")
    load_recipe(path)


def commands() -> list[tuple[str, str]]:
    """(page, command) for every call of ours in a block or in a line of prose."""
    found = []
    for page in PAGES:
        for text in blocks(page, ""):
            found += [
                (page.stem, line.split(" #")[0]) for line in text.split("\n") if line.startswith("acclimate ")
            ]
        prose = re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
        found += [(page.stem, code) for code in re.findall(r"`(acclimate [^`]*)`", prose)]
    return found


def test_commands_exist_with_their_options() -> None:
    verbs: Any = typer.main.get_command(app)
    assert len(commands()) > 8
    for page, command in commands():
        _, name, *words = shlex.split(command.replace("…", ""))
        verb = verbs.commands.get(name)
        assert verb is not None, f"{page}: {command}"
        if hasattr(verb, "commands"):  # a group: its own verb comes next
            verb = verb.commands.get(words[0] if words else None) or verb
        known = {option for one in verb.params for option in one.opts}
        assert {word for word in words if word.startswith("-")} <= known, f"{page}: {command}"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if target.startswith("http"):
                continue
            path, _, anchor = target.partition("#")
            place = (page.parent / path).resolve() if path else page
            assert place.exists(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall(r"(?m)^#+ (.+)$", place.read_text(encoding="utf-8"))
                assert anchor in {slug(heading) for heading in headings}, f"{page.name}: {target}"


def rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    text = page.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in text.split("\n") if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def names(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]*)`", cell))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small, real run with a task in two arms."""
    folder = tmp_path_factory.mktemp("guide")
    lines = [f"第{n}行 is a line about {n * n} {'apples' if n % 3 else 'pears'}" for n in range(150)]
    (folder / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    examples = "".join(f"{line}\t{'apples' in line}\n" for line in lines)
    (folder / "fruit.tsv").write_text("text\tlabel\n" + examples, encoding="utf-8")
    (folder / "later.tsv").write_text(
        "text\tlabel\nother apples\tTrue\nother pears\tFalse\n", encoding="utf-8"
    )
    (folder / "r.yaml").write_text(
        "name: small\n"
        "corpus: {sources: [{path: text.txt, documents: line}], decontaminate: null,\n"
        "  split: {validation: 10%, test: 10%}}\n"
        "tokenizer: {train: {vocab_size: 300}}\n"
        "model: {family: bert, size: tiny}\n"
        "pretrain: {length: 2 steps, batch: 256 tokens, sequence_length: 32}\n"
        "tasks: {fruit: {classification: {data: {path: fruit.tsv}, near: null, augment: [crop],\n"
        "  independent_test: later.tsv, length: 2 steps, seeds: 1,\n"
        "  sequence_length: 32}}}\n"
        "hardware: {threads: 1}\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "acclimate", "run", "r.yaml"],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "small" / "latest"


def test_events_have_the_keys_that_are_told(run: Path) -> None:
    told = {cells[0].strip("`"): names(cells[1].split(":")[0]) for cells in rows(RUN_FOLDER, "events.jsonl")}
    seen = set()
    for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        assert list(event)[:3] == ["time", "stage", "kind"]
        keys = set(event) - {"time", "stage", "kind"}
        most = told[event["kind"]] - {"clip_norm"}
        assert keys <= most, event
        assert most - keys <= {"clipped", "bits_per_byte", "reason"}, (event, most - keys)
        seen.add(event["kind"])
    assert set(told) - seen == {"stage_skipped", "resumed", "stopped"}


def test_metrics_have_the_keys_that_are_told(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    told: set[str] = set()
    for key, _ in rows(RUN_FOLDER, "metrics.json"):
        for one in re.findall(r"`([^`]*)`", key):
            told.add(f"pretrain{one}" if one.startswith(".") else one)
    real = set(metrics) - {"tasks", "stages"}
    real |= {f"pretrain.{key}" for key in metrics["pretrain"]}
    real |= {f"tasks.<task>.{key}" for key in metrics["tasks"]["fruit"]} | {"stages.<stage>"}
    assert told == real
    forms = dict(rows(RUN_FOLDER, "metrics.json"))
    verdict = set(re.findall(r'"(\w+)"', forms["`tasks.<task>.verdict`"]))
    assert verdict == set(metrics["tasks"]["fruit"]["verdict"])
    for cost in metrics["stages"].values():
        assert set(cost) == set(re.findall(r'"(\w+)"', forms["`stages.<stage>`"]))


def test_stages_and_their_files_are_as_told(run: Path) -> None:
    told = {}
    for stage, makes in rows(RUN_FOLDER, "Stages"):
        pattern = re.escape(stage.strip("`").replace("\\|", "|"))
        for marker, form in (("<task>", r"\w+"), (r"<with\|without>", "(with|without)"), ("<n>", r"\d+")):
            pattern = pattern.replace(marker, form)
        told[pattern] = names(makes)
    for stage in (run / "artifacts").iterdir():
        (makes,) = [files for pattern, files in told.items() if re.fullmatch(pattern, stage.name)]
        for name in makes - {"seed + n"}:
            if name == "model/" and "-without-" in stage.name:
                assert not (stage / "model").exists()
            else:
                assert list(stage.glob(f"{name.rstrip('/')}*")), f"{stage.name}: {name}"
