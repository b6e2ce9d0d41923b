from __future__ import annotations

import builtins
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from acclimate.corpus import build
from acclimate.corpus.build import build_corpus
from acclimate.corpus.document import Document
from acclimate.corpus.leakage.held_out import HeldOutText
from acclimate.corpus.parallel.cluster import Cluster
from acclimate.corpus.parallel.crew import Batch
from acclimate.corpus.split import SPLITS
from acclimate.errors import UserError
from acclimate.recipe.corpus_section import Corpus

FILES = [f"documents/{split}/part-00000.parquet" for split in SPLITS]
FILES += ["statistics.json", "dropped.jsonl", "dropped.parquet", "contamination.jsonl"]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A local cluster of two workers."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    library = pytest.importorskip("ray", reason="Ray is not installed: pip install 'acclimate[ray]'")
    try:
        library.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    except Exception as error:  # Ray raises no narrower one
        pytest.skip(f"this machine starts no local Ray cluster in time: {error}")
    yield library
    library.shutdown()


def test_a_cluster_gives_the_same_bytes(ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_BATCH_DOCUMENTS", 100)
    source = random.Random(2)
    rows = []
    for _ in range(300):
        words = [f"w{source.randrange(3000)}" for _ in range(40)]
        rows += [" ".join(words), " ".join([*words[:20], "neu", *words[20:]])]
        rows += [
            "".join(chr(source.randrange(0x4E00, 0x9000)) for _ in range(60)),
            source.choice(["", rows[0], "x"]),
        ]
    path = tmp_path / "rows.txt"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    section = Corpus.model_validate(
        {
            "sources": [{"path": str(path), "documents": "line"}],
            "clean": ["unicode", {"length": {"min_characters": 8}}],
            "deduplicate": {"near": {"threshold": 0.7}},
        }
    )
    held_out = [HeldOutText("task", "test", "1", rows[4]), HeldOutText("task", "test", "2", rows[6])]
    for name, options in (("here", {}), ("there", {"workers": None, "cluster": "ray"})):
        folder = tmp_path / name
        folder.mkdir()
        statistics = build_corpus(section, folder, held_out=held_out, tasks=["task"], **options)  # type: ignore[arg-type]
        assert {"empty", "in_task", "exact_duplicate", "near_duplicate"} <= set(statistics["dropped"])
    for name in FILES:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes(), name
    assert ray.is_initialized(), "a cluster that was there before stays"


def batches(count: int) -> list[Batch]:
    return [Batch(0, "a", [Document("a", f"a:{n}", f"text {n}", {})]) for n in range(count)]


def test_an_error_on_a_node_is_the_error_of_the_build(ray: Any, tmp_path: Path) -> None:
    wrong = Corpus.model_validate({"sources": ["/dev/null"], "clean": [{"language": {"keep": ["xx"]}}]})
    cluster = Cluster(1, {"corpus": wrong.model_dump(mode="json"), "held_out": None}, tmp_path)
    with pytest.raises(UserError, match="unknown code 'xx'"):
        list(cluster.sifted(iter(batches(3))))
    cluster.close()


def test_an_actor_that_dies_is_started_anew(ray: Any, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_text("x")
    description = {"corpus": {"sources": ["/dev/null"]}, "held_out": None}
    cluster = Cluster(2, description, tmp_path)
    results = cluster.sifted(iter(batches(40)))
    next(results)
    ray.kill(cluster._hands[0], no_restart=False)
    rest = [sifted.documents["place"].to_pylist() for _, sifted in results]
    cluster.close()
    assert rest == [[f"a:{n}"] for n in range(1, 40)]


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **others: Any) -> Any:
        if name == "ray":
            raise ImportError(name)
        return real(name, *rest, **others)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UserError, match=r"pip install 'acclimate\[ray\]'"):
        Cluster(1, {"corpus": json.loads("{}"), "held_out": None}, tmp_path)
