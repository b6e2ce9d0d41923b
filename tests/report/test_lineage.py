from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from acclimate.artifacts.manifest import read_manifest
from acclimate.artifacts.store import Store
from acclimate.report.gather import read_run
from acclimate.report.lineage import lineage, stage_costs


def test_artifacts_stand_after_what_they_are_made_from(whole_run: Callable[[str], Path]) -> None:
    found = lineage(read_run(whole_run("en")))
    stages = [one["stage"] for one in found["artifacts"]]
    assert len(stages) == len(set(stages)) == 12
    for one in found["artifacts"]:
        for given in one["inputs"]:
            assert stages.index(given["stage"]) < stages.index(one["stage"])
    pretrain = found["artifacts"][stages.index("pretrain")]
    assert [given["stage"] for given in pretrain["inputs"]] == ["tokenizer", "tokens"]
    assert (
        pretrain["files"] == 3
        and len(pretrain["digest"]) == 64
        and pretrain["digest"].startswith(pretrain["short"])
    )
    assert ("torch", "2.13.0") in found["versions"]


def test_an_input_from_elsewhere_keeps_its_name_and_versions_that_differ_are_all_told(
    make_run: Callable[..., Any],
) -> None:
    maker = make_run().corpus().tokens()
    place = maker.artifacts / "corpus" / "manifest.json"
    manifest = json.loads(place.read_text())
    manifest["inputs"] = {"news.txt": "e" * 64}
    manifest["versions"]["torch"] = "2.12.0"
    place.write_text(json.dumps(manifest))
    found = lineage(read_run(maker.done()))
    corpus = found["artifacts"][0]
    assert corpus["inputs"] == [{"name": "news.txt", "digest": "e" * 64, "short": "e" * 12, "stage": None}]
    assert ("torch", "2.12.0, 2.13.0") in found["versions"]


def test_manifests_of_the_real_store_are_read(make_run: Callable[..., Any], tmp_path: Path) -> None:
    store = Store(tmp_path / ".store")

    def fill(folder: Path) -> None:
        (folder / "statistics.json").write_text('{"read": 1, "kept": 1}')

    corpus = store.write("corpus", "a" * 64, settings={}, inputs={}, versions={"numpy": "2"}, fill=fill)
    tokens = store.write(
        "tokens",
        "b" * 64,
        settings={},
        inputs={"corpus": corpus.digest},
        versions={},
        fill=lambda folder: None,
    )
    maker = make_run()
    maker.artifacts.mkdir()
    for name, artifact in (("corpus", corpus), ("tokens", tokens)):
        (maker.artifacts / name).symlink_to(artifact.folder)
    found = lineage(read_run(maker.done()))["artifacts"]
    assert [(one["stage"], one["digest"]) for one in found] == [
        ("corpus", corpus.digest),
        ("tokens", tokens.digest),
    ]
    assert [given["stage"] for given in found[1]["inputs"]] == ["corpus"]
    assert found[0]["digest"] == read_manifest(corpus.folder).digest


def test_costs_of_stages(whole_run: Callable[[str], Path], make_run: Callable[..., Any]) -> None:
    costs = stage_costs(read_run(whole_run("en")))
    assert costs is not None and costs["any_skipped"]
    rows = {row["name"]: row for row in costs["rows"]}
    assert rows["pretrain"]["bar"] == 1 and 0 < rows["corpus"]["bar"] < 1
    assert rows["tokens"]["skipped"] and rows["tokens"]["memory"] == "–"
    assert [row["name"] for row in costs["rows"]][:4] == ["corpus", "tokenizer", "tokens", "pretrain"]
    assert stage_costs(read_run(make_run(name="none").done())) is None
