"""Sentence embedding: what each goal learns from, cosines as sentence vectors give them, and the files beside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModel

from acclimate.errors import UserError
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.objectives.sentence_vectors import LastLayers
from acclimate.objectives.softmax_pairs import HEAD
from acclimate.transfer.examples.preparing import read_examples
from acclimate.transfer.vectors.embedding import Embedding
from acclimate.transfer.vectors.text_vectors import vectors_of

FILES = {"train": "train.tsv", "validation": "v.tsv", "test": "test.tsv"}
SCORED = {
    "train.tsv": "text\tpair\tscore\n猫\tcat\t5\n狗\tdog\t4\n鱼\tcar\t0.5\nx\ty\t9\nx\ty\t\n",
    "v.tsv": "text\tpair\tscore\n鸟\tbird\t5\n鸟\tboat\t1\n",
    "test.tsv": "text\tpair\tscore\n牛\tcow\t5\n牛\tmoon\t0\n羊\tsheep\t2.5\n",
}
LABELLED = {
    "train.tsv": "text\tpair\tlabel\n猫\tcat\tentailment\n狗\tdog\tneutral\n鱼\tcar\tcontradiction\nx\ty\t\n",
    "v.tsv": "text\tpair\tlabel\n鸟\tbird\tentailment\n",
    "test.tsv": SCORED["test.tsv"],
}


def marks(words, task: Embedding, folder: Path, part: str = "train") -> tuple[list[int], list[float]]:
    """(which examples are learnt from, what is known of them)."""
    names = json.loads((folder / "labels.json").read_text())
    work = task.build(names=names, tokenizer=words, seed=1)
    train = read_examples(folder, "train")
    lesson = work.lesson(read_examples(folder, part), train)
    every = np.arange(len(lesson.store.lengths))
    found = lesson.store.fetch(every, np.zeros_like(every))
    assert lesson.owners is not None
    return lesson.owners.tolist(), found.by_sequence["marks"].tolist()


def test_scores_become_cosines_and_others_are_dropped(words, build_task) -> None:
    task, told, folder = build_task(Embedding, SCORED, **FILES)
    assert told["dropped"] == {"no_score": 2}
    assert marks(words, task, folder) == ([0, 1, 2], [1.0, 0.8, 0.1])
    assert told["scores"]["test"]["most"] == 5


def test_ranking_learns_from_pairs_that_belong_together_alone(words, build_task) -> None:
    task, _, folder = build_task(Embedding, SCORED, learn="ranking", positive=4, **FILES)
    assert marks(words, task, folder)[0] == [0, 1] and marks(words, task, folder, "validation")[0] == [0]
    task, _, folder = build_task(
        Embedding, LABELLED, learn="ranking", positive="entailment", label="label", **FILES
    )
    assert marks(words, task, folder)[0] == [0]
    with pytest.raises(UserError, match="no pair of the train part is 'same'"):
        build_task(Embedding, LABELLED, learn="ranking", positive="same", label="label", **FILES)


@pytest.mark.parametrize("learn", ["softmax", "contrastive"])
def test_labels_are_learnt_from_and_scores_judge(words, build_task, learn) -> None:
    task, told, folder = build_task(Embedding, LABELLED, learn=learn, label="label", **FILES)
    assert told["labels"] == 3 and told["dropped"] == {"no_score": 1}
    assert marks(words, task, folder) == ([0, 1, 2], [1.0, 2.0, 0.0])
    test = read_examples(folder, "test")
    outcomes = task.outcomes([], test, {"cosines": np.array([0.9, 0.1, 0.5])})
    assert task.metric.build().over(outcomes.weigh())[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("files", "settings", "message"),
    [
        (LABELLED, {}, "no score|empty|no labelled example"),
        (SCORED, {"learn": "softmax", "label": "label"}, "there are no labels"),
        (
            LABELLED | {"test.tsv": LABELLED["v.tsv"].replace("bird", "wing")},
            {"learn": "softmax", "label": "label"},
            "must have scores",
        ),
    ],
)
def test_parts_that_lack_what_is_needed_are_told(build_task, files, settings, message) -> None:
    with pytest.raises(UserError, match=message):
        build_task(Embedding, files, **settings, **FILES)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learn": "softmax"}, "needs to know its column"),
        ({"label": "label"}, "nothing is learnt from it"),
        ({"positive": 4}, "goes with `learn: ranking`"),
        ({"learn": "ranking", "positive": "entailment"}, "so its column is needed"),
        ({"scale": 10}, "goes with `learn: ranking`"),
        ({"temperature": 0.5}, "goes with `learn: contrastive`"),
        ({"lowest": 5}, "is not below highest"),
        ({"metrics": ["r2"]}, "does not fit"),
    ],
)
def test_what_cannot_be_is_refused(settings, message) -> None:
    with pytest.raises(ValidationError, match=message):
        Embedding.model_validate({**FILES, **settings})


@pytest.mark.parametrize("learn", ["cosine", "softmax"])
def test_plain_transformers_makes_the_same_vectors_from_what_is_kept(
    words, build_task, tmp_path, learn
) -> None:
    files, label = (SCORED, {}) if learn == "cosine" else (LABELLED, {"label": "label"})
    task, _, folder = build_task(Embedding, files, learn=learn, sequence_length=12, **label, **FILES)
    tokenizer, test = words, read_examples(folder, "test")
    names = json.loads((folder / "labels.json").read_text())
    model = Bert(size="tiny").build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="encoder")
    task.furnish(model, names=names, seed=1)
    assert hasattr(model, HEAD) == (learn == "softmax")
    work = task.build(names=names, tokenizer=tokenizer, seed=1)
    lesson = work.lesson(read_examples(folder, "train"), read_examples(folder, "train"))
    batch = lesson.objective.prepare(lesson.store.fetch(np.arange(3), np.zeros(3, np.int64)))
    assert torch.isfinite(lesson.objective.loss(model, batch).sum)
    task.finish(model, test)
    kept = tmp_path / "model"
    kept.mkdir()
    model.save_pretrained(kept)
    task.accompany(kept, model)
    assert not any("pair_classifier" in name for name in model.state_dict())
    modules = json.loads((kept / "modules.json").read_text())
    assert [one["path"] for one in modules] == ["", "1_Pooling"]
    pooling = json.loads((kept / "1_Pooling" / "config.json").read_text())
    assert pooling["word_embedding_dimension"] == 128 and pooling["pooling_mode_mean_tokens"]
    assert json.loads((kept / "sentence_bert_config.json").read_text())["max_seq_length"] == 12

    cosines = work.answers(model, test, precision="fp32", device=torch.device("cpu"))["cosines"]
    plain = AutoModel.from_pretrained(kept).eval()

    def vector(text: str) -> torch.Tensor:
        with torch.no_grad():
            return plain(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)

    for first, second, cosine in zip(test.texts, test.pairs, cosines, strict=True):
        want = torch.cosine_similarity(vector(first), vector(second), dim=0)
        assert float(cosine) == pytest.approx(want.item(), abs=1e-5)


def test_equal_texts_have_equal_vectors_in_the_order_of_the_texts(words) -> None:
    model = Bert(size="tiny").build(vocabulary=Vocabulary.of(words), seed=1, kind="encoder")
    how = {"precision": "fp32", "device": torch.device("cpu")}
    found = vectors_of(model, ["b c", "一", "b c", "a"], words, 8, LastLayers(), **how)
    assert found.shape == (4, 128) and (found[0] == found[2]).all()
    alone = vectors_of(model, ["一"], words, 8, LastLayers(), **how)
    np.testing.assert_allclose(found[1], alone[0], atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-3
