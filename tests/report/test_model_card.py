from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from acclimate.report.gather import read_run
from acclimate.report.model_card import model_card

HOSTILE = 'a|b\n# c <script> `x` "q" \\ é 汉 \x00 \ud800'


def parts(card: str) -> tuple[dict[str, Any], str]:
    """(front matter, text below it)."""
    assert card.startswith("---\n")
    front, _, text = card.removeprefix("---\n").partition("\n---\n")
    return YAML(typ="safe", pure=True).load(front), text


@pytest.fixture
def card(whole_run: Callable[[str], Path]) -> Callable[..., str]:
    def make(kind: Any, language: str = "en", **options: Any) -> str:
        run = read_run(whole_run(language))
        options.setdefault("name", "topic of quickstart")
        options.setdefault("evaluation", run.tasks[0].evaluation if kind == "classification" else None)
        return model_card(
            kind=kind, config=run.model_config or {}, parameters=5_403_968, corpus=run.corpus, figures=run.figures,
            recipe=run.recipe_text, **options,
        )  # fmt: skip

    return make


def test_the_front_matter_of_a_tasks_model(card: Callable[..., str]) -> None:
    front, text = parts(card("classification"))
    assert front["pipeline_tag"] == "text-classification" and front["library_name"] == "transformers"
    assert front["language"] == ["en", "de", "la", "fr"]
    (result,) = front["model-index"][0]["results"]
    assert result["task"] == {"type": "text-classification"}
    assert result["dataset"] == {"name": "topic", "type": "topic", "split": "test"}
    values = {one["type"]: one["value"] for one in result["metrics"]}
    assert values["macro_f1"] == pytest.approx(0.784)
    assert "| macro F1 | 0.784 (0.762 to 0.806) |" in text
    assert "+0.071 (+0.050 to +0.092), 3 seeds" in text
    assert "AutoModelForSequenceClassification.from_pretrained" in text
    assert "matplotlib, networkx, numpy" in text
    assert "vocab_size: 8000" in text


def test_a_pretrained_model(card: Callable[..., str]) -> None:
    front, text = parts(card("mlm", "zh"))
    assert front["pipeline_tag"] == "fill-mask"
    assert front["language"] == ["zh"]  # English is below one in a hundred
    assert {one["type"] for one in front["model-index"][0]["results"][0]["metrics"]} == {
        "loss",
        "perplexity",
        "bits_per_byte",
    }
    assert "AutoModelForMaskedLM" in text and "## Labels" not in text
    assert "| parameters | 5,403,968 |" in text and "| hidden size | 256 |" in text


def test_nothing_but_a_config() -> None:
    front, text = parts(model_card(name="bare", kind="mlm", config={"model_type": "bert"}))
    assert "language" not in front and "model-index" not in front
    assert "| family | bert |" in text and "## Results" not in text and "## Training data" not in text


def test_hostile_names_stay_text(card: Callable[..., str]) -> None:
    evaluation = {"task": HOSTILE, "labels": [HOSTILE, "汉"], "test": {"macro_f1": {"value": 0.5}}}
    written = model_card(
        name=HOSTILE, kind="classification", config={}, evaluation=evaluation, recipe="x: ```\n````\n"
    )
    written.encode("utf-8")
    front, text = parts(written)
    assert front["model-index"][0]["name"] == HOSTILE.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "`````yaml\nx: ```\n````\n`````" in text
    assert "\n# c" not in text


def test_a_tasks_name_becomes_the_type_of_the_dataset() -> None:
    evaluation = {"task": "news titles", "labels": ["a"], "test": {"auc": {"value": 0.5}}}
    front, _ = parts(model_card(name="x", kind="classification", config={}, evaluation=evaluation))
    assert front["model-index"][0]["results"][0]["dataset"]["type"] == "news-titles"


def test_a_head_that_transformers_has_not_is_told_and_how_to_load_it() -> None:
    text = model_card(
        name="x", kind="classification", config={"model_type": "bert", "fitted_head": {"by": "forest"}}
    )
    assert "other programs would draw one at random" in text and "furnish(model, folder)" in text
    assert "AutoModelForSequenceClassification" not in text and "acclimate serve" not in text
    usual = model_card(name="x", kind="classification", config={"model_type": "bert"})
    assert "AutoModelForSequenceClassification" in usual and "acclimate serve" in usual
