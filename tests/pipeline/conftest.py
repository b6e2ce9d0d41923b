"""A run with tasks of other kinds: pairs of texts, and several labels at once; without pretraining."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SEVERAL = """\
name: several
seed: 5
corpus: {sources: [{path: text.txt, documents: line}]}
tokenizer: {train: {vocab_size: 400, least: 0%}}
model: {family: bert, size: tiny, positions: 64}
tasks:
  same:
    classification: {data: {path: pairs.jsonl}, text: first, pair: second, label: same, seeds: 2, length: 2 epochs,
                     sequence_length: 64, metric: accuracy}
  tags:
    classification: {data: {path: tags.csv}, label: tags, multi_label: true, separator: ";", seeds: 1, length: 8 epochs,
                     sequence_length: 64, optimizer: {adamw: {lr: 2e-3}}}
evaluate: {intervals: {bootstrap: {resamples: 100}}}
hardware: {threads: 1, precision: fp32}
"""


@pytest.fixture(scope="session")
def several(
    acclimate_command: Any, make_project: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """(run folder, metrics) of a run with a task on pairs, `same`, and one with several labels, `tags`."""
    import json
    import random

    folder: Path = make_project(tmp_path_factory.mktemp("several"), recipe=SEVERAL, lines=300)
    lines = [line.split("\t") for name in ("train", "test") for line in _lines(folder / f"{name}.tsv")]
    chance = random.Random(2)
    pairs, tags = [], ["text,tags"]
    for text, topic in lines:
        other, other_topic = chance.choice(lines)
        label = "yes" if topic == other_topic else "no"
        pairs.append(json.dumps({"first": text, "second": other, "same": label}, ensure_ascii=False))
        tags.append(f'"{text} {other}",{";".join(sorted({topic, other_topic}))}')
    (folder / "pairs.jsonl").write_text("\n".join(pairs), "utf-8")
    (folder / "tags.csv").write_text("\n".join(tags), "utf-8")
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    return folder / ended.told["run"], ended.told


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()
