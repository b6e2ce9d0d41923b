"""Selection, sampling, mixing and distances as a recipe asks for them, with exact books."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from acclimate.corpus.build import build_corpus
from acclimate.errors import UserError
from acclimate.recipe.corpus_section import Corpus


@pytest.fixture
def section(tmp_path: Path, about: Callable[..., list[str]]) -> dict[str, Any]:
    """Three sources of 600, 300 and 60 documents, a tenth of which is held out."""
    parts = {
        "sport.txt": about("sport", 600),
        "law.txt": [*about("law", 200), *about("law", 100, chinese=True)],
        "medicine.txt": about("medicine", 60),
    }
    for name, texts in parts.items():
        (tmp_path / name).write_text("".join(f"{text}\n" for text in texts), "utf-8")
    (tmp_path / "target.txt").write_text("\n".join(about("law", 50, seed=1)), "utf-8")
    sources = [{"path": str(tmp_path / name), "documents": "line"} for name in parts]
    return {"sources": sources, "split": {"validation": "5%", "test": "5%"}}


def built(folder: Path, section: dict[str, Any], **options: Any) -> dict[str, Any]:
    folder.mkdir()
    statistics = build_corpus(Corpus.model_validate(section), folder, **options)
    assert statistics["read"] == statistics["kept"] + sum(statistics["dropped"].values()) == 960
    for one in statistics["sources"]:
        assert one["read"] == one["kept"] + sum(one["dropped"].values())
    written = sum(one["documents"] for one in statistics["splits"].values())
    assert written == statistics["kept"] + statistics["repeated"]
    lost = pq.read_table(folder / "dropped.parquet", columns=["reason"])["reason"].to_pylist()
    assert Counter(lost) == Counter(statistics["dropped"])
    assert statistics == json.loads((folder / "statistics.json").read_text("utf-8"))
    return statistics


def rows(folder: Path, split: str) -> list[tuple[str, str]]:
    table = pq.read_table(folder / "documents" / split / "part-00000.parquet")
    return list(zip(table["source"].to_pylist(), table["text"].to_pylist(), strict=True))


def test_a_mix(tmp_path: Path, section: dict[str, Any]) -> None:
    plain = built(tmp_path / "plain", section)
    mixed = built(tmp_path / "mixed", {**section, "mix": {"alpha": 0, "unit": "documents"}})
    assert set(mixed["dropped"]) == {"over_share"} and mixed["repeated"] > 0
    trained = Counter(source for source, _ in rows(tmp_path / "mixed", "train"))
    assert max(trained.values()) - min(trained.values()) <= 1
    said = mixed["steps"]["mix"]
    assert {one["source"]: one["given"] for one in said["sources"]} == trained
    assert sum(one["repeated"] for one in said["sources"]) == mixed["repeated"]
    # What is held out is not touched, and no text is on both sides.
    for split in ("validation", "test"):
        assert rows(tmp_path / "mixed", split) == rows(tmp_path / "plain", split)
        assert mixed["splits"][split] == plain["splits"][split]
    held_out = {text for split in ("validation", "test") for _, text in rows(tmp_path / "mixed", split)}
    assert not held_out & {text for _, text in rows(tmp_path / "mixed", "train")}


@pytest.mark.parametrize(
    ("method", "more"), [("dsir", {}), ("bm25", {"per_query": 400}), ("moore_lewis", {})]
)
def test_a_selection_then_a_sample_then_a_mix(
    tmp_path: Path, section: dict[str, Any], method: str, more: dict[str, Any]
) -> None:
    select = {
        method: {
            "target": {"path": str(tmp_path / "target.txt"), "documents": "line"},
            "keep": "250 documents",
            **more,
        }
    }
    chosen = built(tmp_path / "chosen", {**section, "select": select})
    assert chosen["kept"] == 250 and chosen["dropped"] == {"not_selected": 710}
    assert chosen["sources"][1]["kept"] >= 180  # of 200 in English
    assert chosen["steps"]["select"]["method"] == method
    section |= {
        "select": select,
        "sample": "200 documents",
        "mix": {"weights": {"sport.txt": 0, "law.txt": 1, "medicine.txt": 0}},
    }
    all_three = built(tmp_path / "all", section)
    assert all_three["dropped"]["not_selected"] == 710 and all_three["dropped"]["not_sampled"] == 50
    assert {source for source, _ in rows(tmp_path / "all", "train")} == {"law.txt"}


def test_a_task_is_a_target(tmp_path: Path, section: dict[str, Any], about: Callable[..., list[str]]) -> None:
    section |= {"select": {"dsir": {"task": "ward", "keep": "60 documents"}}}
    asked: list[str] = []

    def task_texts(name: str) -> list[str]:
        asked.append(name)
        return about("medicine", 40, seed=1)

    statistics = built(tmp_path / "out", section, tasks=["ward"], task_texts=task_texts)
    assert set(asked) == {"ward"} and statistics["sources"][2]["kept"] >= 50


def test_distances_of_sources_tasks_and_another_corpus(
    tmp_path: Path, section: dict[str, Any], about: Callable[..., list[str]]
) -> None:
    base = {"path": str(tmp_path / "target.txt"), "documents": "line"}
    section |= {"distances": {"base": base, "sample": 10_000}}
    options = {"tasks": ["ward"], "task_texts": lambda name: about("medicine", 40, seed=1)}
    found = built(tmp_path / "out", section, **options)["steps"]["distances"]
    named = [f"{one['kind']} {one['name']}" for one in found["groups"]]
    sources = ["source sport.txt", "source law.txt", "source medicine.txt"]
    assert named == [*sources, "base target.txt", "task ward"]
    assert all(one["characters"] < 11_000 for one in found["groups"])
    for name in ("overlap", "jensen_shannon", "proxy_a", "cross_entropy"):
        assert len(found[name]) == 5 and all(len(row) == 5 for row in found[name])
    js = found["jensen_shannon"]
    assert js[2][4] < js[0][4] and js[1][3] < js[0][3]  # the task is medicine's, the base is law's
    plain = {key: value for key, value in section.items() if key != "distances"}
    kept = built(tmp_path / "plain", plain)
    assert rows(tmp_path / "plain", "train") == rows(tmp_path / "out", "train") and kept["repeated"] == 0


def test_workers_change_nothing(
    tmp_path: Path, section: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acclimate.corpus.build.worth", lambda workers, size: workers)
    section |= {"sample": "70%", "mix": {"alpha": 0.5}}
    one, two = (built(tmp_path / str(n), section, workers=n) for n in (1, 2))
    assert one == two
    for split in ("train", "validation", "test"):
        assert rows(tmp_path / "1", split) == rows(tmp_path / "2", split)


def test_weights_that_fit_no_source_are_an_error(tmp_path: Path, section: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"no source 'sports\.txt'; did you mean 'sport\.txt'"):
        built(tmp_path / "out", {**section, "mix": {"weights": {"sports.txt": 1}}})


@pytest.mark.parametrize(
    ("method", "more", "least"),
    [("dsir", {}, 0.85), ("bm25", {"queries": 200, "per_query": 200}, 0.8), ("moore_lewis", {}, 0.95)],
)
def test_real_text_medicine_among_news_and_reviews(
    shared: Path, tmp_path: Path, method: str, more: dict[str, Any], least: float
) -> None:
    """Chance is 15%; see docs/log/choosing-data.md."""
    tsv = {"format": "tsv", "header": False}
    section = {
        "sources": [
            {"path": str(shared / "chinese_medical/cMedQQ/dev.txt.gz"), **tsv, "text": 1},
            {"path": str(shared / "thucnews/subset_a/dev.txt.gz"), **tsv, "text": 0},
        ],
        "clean": ["unicode", {"length": {"min_characters": 6}}],
        "split": {"near": None},
        "select": {
            method: {
                "target": {"path": str(shared / "chinese_medical/cMedQQ/test.txt.gz"), **tsv, "text": 2},
                "keep": "1k documents",
                **more,
            }
        },
    }
    folder = tmp_path / "out"
    folder.mkdir()
    statistics = build_corpus(Corpus.model_validate(section), folder)
    medicine, news = (one["kept"] for one in statistics["sources"])
    assert medicine + news == 1000 and medicine / 1000 >= least
