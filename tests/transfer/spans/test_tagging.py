"""Tuning a model to label words: with a CRF, in long texts, on pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from acclimate.evaluate.measures import micro_f1
from acclimate.models.crf import crf_of
from acclimate.models.family import Vocabulary
from acclimate.models.loading import load_model
from acclimate.recipe.settings import Part
from acclimate.tokenizer.specials import finished
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.spans.ner import Ner
from acclimate.transfer.tuning import Around, tune

WORDS = ["total", "合", "42", "smith", "of", "the"]
LABELS = ["answer", "question"]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    backend = Tokenizer(models.WordLevel({name: n for n, name in enumerate(names)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return finished(backend, spaced=False, model_max_length=None)


def settings(**more: Any) -> Ner:
    given = {
        "train": "x",
        "test": "y",
        "sequence_length": 24,
        "length": "6 epochs",
        "batch": "8 sequences",
        "optimizer": {"adamw": {"lr": 2e-3}},
        "schedule": "constant",
        "patience": None,
    }
    return Ner.model_validate({**given, **more})


def row(words: list[str], entities: list[tuple[int, int, str]], **more: Any) -> tuple[str, dict[str, Any]]:
    text = " ".join(words)
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    places = [[int(end) - len(word), int(end)] for word, end in zip(words, ends, strict=True)]
    found = [[places[start][0], places[end - 1][1], label] for start, end, label in entities]
    return text, {"words": places, "entities": found, **more}


def examples(rows: list[tuple[str, dict[str, Any]]]) -> Examples:
    texts, about = [text for text, _ in rows], [more for _, more in rows]
    return Examples([str(n) for n in range(len(rows))], texts, None, np.zeros(len(rows), np.int64), about)


def named(number: int, seed: int, size: int = 8) -> Examples:
    """A run of `smith` is one question, every 42 an answer: where a span begins the words before it tell."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(number):
        words = rng.choice([*WORDS, "smith", "smith"], size).tolist()
        starts = [
            n for n, word in enumerate(words) if word == "smith" and (n == 0 or words[n - 1] != "smith")
        ]
        runs = [(n, next((m for m in range(n, size) if words[m] != "smith"), size)) for n in starts]
        found = [(start, end, "question") for start, end in runs]
        rows.append(
            row(words, found + [(n, n + 1, "answer") for n, word in enumerate(words) if word == "42"])
        )
    return examples(rows)


def pages(number: int, seed: int, *, placed: bool) -> Examples:
    """Words at random; what stands on the left is a question. Where a word stands only boxes can tell."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(number):
        left = rng.random(8) < 0.5
        boxes = np.where(left, 100, 600)[:, None] + np.array([0, 0, 100, 40])
        labels = [(n, n + 1, "question" if one else "answer") for n, one in enumerate(left)]
        rows.append(row(rng.choice(WORDS, 8).tolist(), labels, boxes=(boxes * placed).tolist()))
    return examples(rows)


def f1(task: Ner, tokenizer: Any, parts: list[Examples], family: str = "bert") -> tuple[float, Any, Any]:
    """Of a model tuned to the task."""
    torch.set_num_threads(1)
    sized = Part("family").parse({family: {"size": "tiny", "positions": 32}})
    model = sized.build(  # type: ignore[attr-defined]
        vocabulary=Vocabulary.of(tokenizer), seed=1, kind="tokens", labels=task.labels(LABELS)
    )
    task.furnish(model, names=LABELS, seed=1)
    at_work = task.build(names=LABELS, tokenizer=tokenizer, seed=1)
    train, validation, test = parts
    tune(
        task, model, at_work.lesson(train, train), at_work.lesson(validation, train), seed=1, around=Around()
    )
    answers = at_work.answers(model, test, precision="fp32", device=torch.device("cpu"))
    return float(micro_f1(task.outcomes(LABELS, test, answers).weigh())[0]), model, answers


def test_it_learns_from_boxes_what_words_do_not_tell(tokenizer: Any) -> None:
    with_layout, without = (
        f1(settings(), tokenizer, [pages(n, n, placed=placed) for n in (80, 16, 24)], "layoutlm")[0]
        for placed in (True, False)
    )
    assert with_layout > 0.95 and without < 0.7


@pytest.mark.parametrize("more", [{}, {"nested": True}, {"scheme": "iobes"}])
def test_it_finds_spans_and_its_crf_is_kept(tokenizer: Any, tmp_path: Path, more: dict[str, Any]) -> None:
    task = settings(crf=True, **more)
    parts = [named(240, 1, size=20), named(40, 2, size=20), named(60, 3, size=50)]
    found, model, answers = f1(task, tokenizer, parts)
    assert found > 0.9
    assert answers["starts"].tolist() == list(range(0, 60 * 50 + 1, 50))
    model.save_pretrained(tmp_path)
    again = load_model(tmp_path, "tokens")
    assert crf_of(model) is not None and crf_of(again) is None
    task.furnish(again, names=LABELS, seed=1, source=tmp_path)
    at_work = task.build(names=LABELS, tokenizer=tokenizer, seed=1)
    repeated = at_work.answers(again, parts[2], precision="fp32", device=torch.device("cpu"))
    assert (repeated["tags"] == answers["tags"]).all()


def test_plain_transformers_loads_a_model_with_a_crf(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForTokenClassification, pipeline

    task = settings(crf=True)
    _, model, _ = f1(task, tokenizer, [named(60, 1), named(10, 2), named(10, 3)])
    model.save_pretrained(tmp_path)
    plain = AutoModelForTokenClassification.from_pretrained(tmp_path)
    assert type(plain).__name__ == "BertForTokenClassification" and plain.config.id2label[1] == "B-answer"
    tag = pipeline("token-classification", model=plain, tokenizer=tokenizer, aggregation_strategy="simple")
    assert {one["entity_group"] for one in tag("the 42 of smith 42")} <= set(LABELS)
