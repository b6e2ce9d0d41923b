"""Pairs of sentences: what is refused, rows without an agreed label, and the bi-encoder's classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModel

from acclimate.errors import UserError
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.models.loading import load_model
from acclimate.transfer.classes.pairs import Pairs
from acclimate.transfer.examples.preparing import Examples

FILES = {"train": "train.tsv", "test": "test.tsv"}
FIRST, SECOND = ["a b c", "一 二", "d", "a b c"], ["x", "三 四 五", "e f g", "d"]


def examples() -> Examples:
    return Examples(list("0123"), FIRST, SECOND, np.array([0, 1, 2, 1]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pair": "text"}, "the first text's own"),
        ({"vector": {}}, "goes with `encoder: bi`"),
        ({"encoder": "bi", "multi_label": True}, "a bi-encoder tells one class"),
        ({"encoder": "bi", "class_weights": "balanced"}, "goes with `encoder: cross`"),
        ({"encoder": "bi", "vector": {"join": "mean"}}, "goes with more than one of `layers`"),
        ({"metric": "spearman"}, "does not fit this task's answers"),
    ],
)
def test_what_cannot_be_is_refused(settings, message) -> None:
    with pytest.raises(ValidationError, match=message):
        Pairs.model_validate({**FILES, **settings})


def test_pairs_nobody_agreed_on_are_left_out_and_counted(build_task) -> None:
    rows = "text\tpair\tlabel\n" + "".join(f"猫{n}\tcat{n}\t{'yn-'[n % 3]}\n" for n in range(12))
    files = {"train.tsv": rows, "test.tsv": "text\tpair\tlabel\ndog\t狗\ty\nfox\t狐\t-\n"}
    _, told, _ = build_task(Pairs, files, without=["-"], **FILES)
    assert told["dropped"] == {"unwanted_label": 5}
    assert set(told["class_counts"]["train"]) == {"y", "n"}


@pytest.mark.parametrize("vector", [{}, {"pooling": "cls"}, {"layers": 2}, {"layers": 2, "join": "mean"}])
def test_a_kept_bi_encoder_answers_as_the_paper_says_and_as_before(words, vector, tmp_path: Path) -> None:
    tokenizer, names = words, ["contradiction", "entailment", "neutral"]
    task = Pairs.model_validate({**FILES, "encoder": "bi", "vector": vector, "sequence_length": 16})
    assert task.kind == "encoder"
    model = Bert(size="tiny").build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind=task.kind)  # type: ignore[arg-type]
    task.furnish(model, names=names, seed=1)
    work, how = (
        task.build(names=names, tokenizer=tokenizer, seed=1),
        {"precision": "fp32", "device": torch.device("cpu")},
    )
    found = work.answers(model, examples(), **how)["scores"]
    task.finish(model, examples())
    model.save_pretrained(tmp_path)

    again = load_model(tmp_path, "encoder")
    task.furnish(again, names=names, seed=9, source=tmp_path)
    np.testing.assert_allclose(work.answers(again, examples(), **how)["scores"], found, atol=1e-6)

    plain = AutoModel.from_pretrained(tmp_path).eval()
    assert plain.config.sentence_vector["layers"] == vector.get("layers", 1)

    def vector_of(text: str) -> torch.Tensor:
        with torch.no_grad():
            out = plain(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
        layers = out.hidden_states[-vector.get("layers", 1) :]
        joined = torch.stack(layers).mean(0) if vector.get("join") == "mean" else torch.cat(layers, -1)
        return joined[0, 0] if vector.get("pooling") == "cls" else joined[0].mean(0)

    head = model.get_submodule("pair_classifier")
    for at, (first, second) in enumerate(zip(FIRST, SECOND, strict=True)):
        u, v = vector_of(first), vector_of(second)
        with torch.no_grad():
            want = head(torch.cat([u, v, (u - v).abs()]))
        np.testing.assert_allclose(found[at], want.numpy(), atol=1e-5)
    lesson = work.lesson(examples(), examples())
    batch = lesson.objective.prepare(lesson.store.fetch(np.arange(4), np.zeros(4, np.int64)))
    loss = lesson.objective.loss(model.eval(), batch)
    want = torch.nn.functional.cross_entropy(torch.from_numpy(found), torch.tensor([0, 1, 2, 1]))
    assert loss.sum.item() / loss.count == pytest.approx(want.item(), rel=1e-4)


def test_a_folder_without_the_head_is_told(words, tmp_path: Path) -> None:
    tokenizer = words
    model = Bert(size="tiny").build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="encoder")
    model.save_pretrained(tmp_path)
    task = Pairs.model_validate({**FILES, "encoder": "bi"})
    with pytest.raises(UserError, match="hold no pair_classifier"):
        task.furnish(model, names=["a", "b"], seed=1, source=tmp_path)


def test_more_layers_than_there_are_is_told(words) -> None:
    tokenizer = words
    model = Bert(size="tiny").build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="encoder")
    task = Pairs.model_validate({**FILES, "encoder": "bi", "vector": {"layers": 3}})
    task.furnish(model, names=["a", "b"], seed=1)
    work = task.build(names=["a", "b"], tokenizer=tokenizer, seed=1)
    with pytest.raises(UserError, match="the model has 2 layers, asked for the last 3"):
        work.answers(model, examples(), precision="fp32", device=torch.device("cpu"))
