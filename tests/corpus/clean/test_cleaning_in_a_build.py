"""Cleaners in their order inside a whole corpus stage: exact books, counts of changes, any number of workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acclimate.corpus.build import build_corpus
from acclimate.recipe.corpus_section import Corpus

PROSE = "The river rose quickly after the storm. The lower fields were under water by noon. Nobody had seen it coming."


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    path = tmp_path / "pages.jsonl"
    texts = [f"<nav>Menu</nav><p>{PROSE} It was day {n}.</p><p>Mail n{n}@example.com</p>" for n in range(30)]
    texts += ["cafÃ© au lait, " + PROSE, "你好，世界。", "<script>x</script>", "\u200b"]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    (tmp_path / "good.txt").write_text("\n".join(f"{PROSE} It was day {n}." for n in range(100)), "utf-8")
    return path


def test_steps_work_together(pages: Path, tmp_path: Path) -> None:
    corpus = Corpus.model_validate(
        {
            "sources": [str(pages)],
            "clean": [
                "mojibake",
                "html",
                "unicode",
                {"language": "en"},
                {
                    "perplexity": {
                        "reference": {"path": str(tmp_path / "good.txt"), "documents": "line"},
                        "high": 10_000,
                    }
                },
                "personal_data",
            ],
        }
    )
    found = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        found.append(build_corpus(corpus, folder, workers=workers))
    assert found[0] == found[1]
    (statistics, _) = found
    assert statistics["changed"] == {"html": 30, "mojibake": 1, "personal_data:email": 30}
    assert statistics["dropped"] == {"empty": 1, "language": 1, "no_main_text": 1}
    assert statistics["read"] == 34 == statistics["kept"] + sum(statistics["dropped"].values())
