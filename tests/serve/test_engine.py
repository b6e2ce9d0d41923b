"""The packed answers against plain Transformers, padded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from acclimate.errors import UserError
from acclimate.serve.answers import Query
from acclimate.serve.engine import Models, load
from acclimate.serve.layout import find_models
from acclimate.serve.refusals import Refusal

torch.set_num_threads(1)

TEXTS = [
    "The court dismissed the appeal.",
    "法院",
    "A striker and a vaccine: inflation rose again, rates and risk of infection lower in children.",
    "央行再次加息以抑制通货膨胀, half time.",
    "!",
]


@pytest.fixture(scope="module")
def models(run_folder: Path) -> Models:
    return load(find_models(run_folder), device="cpu", precision="fp32")


def _padded(folder: Path, auto: Any, *texts: list[str]) -> tuple[Any, Any]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(*texts, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        return auto.from_pretrained(folder).eval()(**inputs), inputs


@pytest.mark.parametrize("task", ["topic", "tags"])
def test_probabilities_equal_plain_transformers(models: Models, run_folder: Path, task: str) -> None:
    lane = models.classify[task]
    results = lane.run(lane.encode([Query(text) for text in TEXTS]))
    out, _ = _padded(run_folder / "tasks" / task / "model", AutoModelForSequenceClassification, TEXTS)
    expected = out.logits.sigmoid() if task == "tags" else out.logits.softmax(-1)
    found = np.stack([one.probabilities for one in results])
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    assert np.ptp(found, axis=0).max() > 0.1, "the texts must differ for the comparison to mean anything"


@pytest.mark.parametrize("precision", ["auto", "int8"])
def test_narrow_arithmetic_gives_near_probabilities_and_the_same_labels_where_they_are_clear(
    models: Models, run_folder: Path, precision: Any
) -> None:
    from acclimate.models.native_encoder import precisions

    if precision not in ("auto", *precisions()):
        pytest.skip(f"no native {precision} here")
    narrow = load(find_models(run_folder), device="cpu", precision=precision)
    for task in ("topic", "tags"):
        queries = [*map(Query, TEXTS), *(Query(a, b) for a, b in zip(TEXTS, TEXTS[::-1], strict=True))]
        found, exact = (
            np.stack([one.probabilities for one in lane.run(lane.encode(queries))])
            for lane in (narrow.classify[task], models.classify[task])
        )
        # The model's weights are 25 times as wide as a trained one's: errors grow from layer to layer.
        assert np.abs(found - exact).mean() < (0.02 if precision == "auto" else 0.08)
        clear = np.abs(exact - 0.5) > (0.1 if precision == "auto" else 0.2)
        assert clear.mean() > 0.3
        assert ((found > 0.5) == (exact > 0.5))[clear].all()


def test_texts_are_cut_into_tokens_as_the_tokenizer_itself_does(models: Models, run_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(run_folder / "model")
    texts = [*TEXTS, "[MASK] and [SEP]", " spaced  out ", "e\u0301 fi ＡＢＣ", "court " * 200, "\u200b"]
    pairs = texts[::-1]
    items = models.embed.encode([Query(a, b) for a, b in zip(texts, pairs, strict=True)])
    wanted = tokenizer(texts, pairs, truncation="longest_first", max_length=64)
    assert [item.tokens.tolist() for item in items] == wanted["input_ids"]
    assert [item.segments.tolist() for item in items] == wanted["token_type_ids"]


def test_pairs_and_single_texts_may_come_together(models: Models, run_folder: Path) -> None:
    lane = models.classify["topic"]
    pairs = TEXTS[::-1]
    queries = [Query(a, b) for a, b in zip(TEXTS, pairs, strict=True)]
    results = lane.run(lane.encode([*queries, Query(TEXTS[0])]))
    folder = run_folder / "tasks" / "topic" / "model"
    out, _ = _padded(folder, AutoModelForSequenceClassification, TEXTS, pairs)
    alone, _ = _padded(folder, AutoModelForSequenceClassification, TEXTS[:1])
    expected = torch.cat([out.logits, alone.logits]).softmax(-1)
    np.testing.assert_allclose(np.stack([one.probabilities for one in results]), expected.numpy(), atol=1e-5)


def test_segments_are_given_only_where_the_tokenizer_says_so(make: Any, tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "classification", labels=["a", "b"], segments=False)
    (lane,) = load(find_models(folder), device="cpu", precision="fp32").classify.values()
    out, inputs = _padded(folder, AutoModelForSequenceClassification, TEXTS, TEXTS[::-1])
    assert "token_type_ids" not in inputs
    results = lane.run(lane.encode([Query(a, b) for a, b in zip(TEXTS, TEXTS[::-1], strict=True)]))
    found = np.stack([one.probabilities for one in results])
    np.testing.assert_allclose(found, out.logits.softmax(-1).numpy(), atol=1e-5)


def test_a_mask_that_takes_in_the_space_before_it_starts_where_it_is_written(
    make: Any, tmp_path: Path
) -> None:
    lane = load(
        find_models(make(tmp_path / "model", "mlm", spaced_mask=True)), device="cpu", precision="fp32"
    ).fill_mask
    assert lane is not None
    (item,) = lane.encode([Query("the [MASK] [MASK]", top=1)])
    assert [start for _, start in item.masks] == [4, 11]


def test_filled_masks_equal_plain_transformers(models: Models, run_folder: Path) -> None:
    texts = ["The [MASK] dismissed the [MASK].", "法[MASK]驳回了租户的上诉。", "[MASK]"]
    lane = models.fill_mask
    assert lane is not None
    results = lane.run(
        lane.encode([Query(text, top=top) for text, top in zip(texts, (7, 3, 1), strict=True)])
    )
    out, inputs = _padded(run_folder / "model", AutoModelForMaskedLM, texts)
    tokenizer = AutoTokenizer.from_pretrained(run_folder / "model")
    for row, (text, result, top) in enumerate(zip(texts, results, (7, 3, 1), strict=True)):
        places = (inputs.input_ids[row] == tokenizer.mask_token_id).nonzero().flatten()
        assert len(places) == len(result.proposals) == text.count("[MASK]")
        for place, proposals, (_, start) in zip(places, result.proposals, result.item.masks, strict=True):
            assert text[start:].startswith("[MASK]")
            values, ids = out.logits[row, place].softmax(-1).topk(top)
            assert [one.token for one in proposals] == tokenizer.convert_ids_to_tokens(ids.tolist())
            np.testing.assert_allclose([one.probability for one in proposals], values.numpy(), atol=1e-5)


def test_vectors_equal_the_mean_of_the_last_layer(models: Models, run_folder: Path) -> None:
    results = models.embed.run(models.embed.encode([Query(text) for text in TEXTS]))
    out, inputs = _padded(run_folder / "model", AutoModel, TEXTS)
    mask = inputs.attention_mask.unsqueeze(-1)
    expected = (out.last_hidden_state * mask).sum(1) / mask.sum(1)
    np.testing.assert_allclose(np.stack([one.vector for one in results]), expected.numpy(), atol=1e-5)


def test_a_cut_text_is_told_and_answered_as_transformers_cuts_it(models: Models, run_folder: Path) -> None:
    lane = models.classify["topic"]
    texts = ["court " * 200, "court " * 20, "上诉" * 200]
    items = lane.encode([Query(text) for text in texts])
    assert [(item.truncated, item.num_tokens) for item in items] == [(True, 64), (False, 22), (True, 64)]
    out, _ = _padded(run_folder / "tasks" / "topic" / "model", AutoModelForSequenceClassification, texts)
    found = np.stack([one.probabilities for one in lane.run(items)])
    np.testing.assert_allclose(found, out.logits.softmax(-1).numpy(), atol=1e-5)


def test_of_a_pair_the_longer_side_is_cut(models: Models) -> None:
    lane = models.classify["topic"]
    (item,) = lane.encode([Query("court", "court " * 200)])
    assert item.truncated
    assert (item.segments == 0).sum() == 3
    assert (item.segments == 1).sum() == 61


def test_a_text_that_just_fits_is_not_called_cut(models: Models) -> None:
    lane = models.classify["topic"]
    fits, over = lane.encode([Query("court " * 62), Query("court " * 63)])
    assert (fits.truncated, fits.num_tokens) == (False, 64)
    assert (over.truncated, over.num_tokens) == (True, 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [("no mask here", r"write \[MASK\]"), ("court " * 100 + "[MASK]", "beyond the 64 tokens")],
)
def test_a_text_without_a_mask_to_fill_is_refused(models: Models, text: str, message: str) -> None:
    assert models.fill_mask is not None
    with pytest.raises(Refusal, match=message) as caught:
        models.fill_mask.encode([Query(text, top=1)])
    assert caught.value.status == 422


def test_a_task_alone_gives_vectors_too_and_an_encoder_no_masks(
    run_folder: Path, make: Any, tmp_path: Path
) -> None:
    task = load(find_models(run_folder / "tasks" / "topic" / "model"), device="cpu", precision="fp32")
    assert task.fill_mask is None
    assert len(task.embed.run(task.embed.encode([Query("court")]))[0].vector) == 32
    encoder = load(find_models(make(tmp_path / "plain", "encoder")), device="cpu", precision="fp32")
    assert (encoder.classify, encoder.fill_mask) == ({}, None)


def test_weights_that_are_not_finite_are_refused_by_name(make: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = make(tmp_path / "model", "classification", labels=["a", "b"])
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"][0, 0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=f"{folder}: .*not finite"):
        load(find_models(folder), device="cpu", precision="fp32")
