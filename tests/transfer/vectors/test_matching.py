"""Matching and retrieval: pairs, questions with candidates, in-batch negatives, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity

from acclimate.batching.two_texts import TwoTexts
from acclimate.errors import UserError
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.objectives.cosine_odds import OddsObjective
from acclimate.objectives.sentence_vectors import text_vectors
from acclimate.transfer.examples.preparing import read_examples
from acclimate.transfer.vectors.match_vectors import ranks_among_all
from acclimate.transfer.vectors.matching import Matching

FILES = {"train": "train.tsv", "validation": "v.tsv", "test": "test.tsv"}
ROWS = {
    "train.tsv": "text\tpair\tlabel\n头痛怎么办\trest\t1\n头痛怎么办\tfly\t0\nq2\tcat\t1\nq2\t狗\t0\n"
    "Q9\tz\t1\nq5\t\t1\n",
    "v.tsv": "text\tpair\tlabel\nq3\ta\t1\nq3\tb\t0\n",
    "test.tsv": "text\tpair\tlabel\nq9\ta\t0\nq9\tb\t1\nq9\tc\t1\nq8\ta\t1\nq8\td\t0\nq7\ta\t0\n",
}
KEPT = {"precision": "fp32", "device": torch.device("cpu")}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "`negatives: batch` and `candidates: all`"),
        ({"label": "label", "negatives": "batch"}, "goes with `encoder: bi`"),
        ({"label": "label", "candidates": "all"}, "goes with `encoder: bi`"),
        ({"label": "label", "vector": {}}, "goes with `encoder: bi`"),
        ({"label": "label", "scale": 5}, "goes with `encoder: bi`"),
        ({"label": "label", "metric": "mrr"}, "mrr needs `candidates`"),
        ({"label": "pair"}, "is a text's own"),
        (
            {"label": "label", "encoder": "bi", "negatives": "batch", "metrics": ["accuracy"]},
            "no cosine from which on",
        ),
        (
            {"encoder": "bi", "negatives": "batch", "candidates": "all", "metrics": ["auc"]},
            "needs pairs of both kinds",
        ),
    ],
)
def test_what_cannot_be_is_refused(settings, message) -> None:
    with pytest.raises(ValidationError, match=message):
        Matching.model_validate({**FILES, **settings})


def test_usual_metrics_hang_on_what_is_asked() -> None:
    def named(**settings) -> tuple[str, list[str]]:
        task = Matching.model_validate({**FILES, **settings})
        return task.metric.build().name, [one.build().name for one in task.metrics]

    assert named(label="label") == ("accuracy", ["accuracy", "f1", "auc"])
    ranked = ["mrr", "recall_at_1", "recall_at_5"]
    assert named(label="label", candidates="given") == ("mrr", [*ranked, "accuracy", "f1", "auc"])
    assert named(encoder="bi", negatives="batch", candidates="all") == ("mrr", ranked)
    assert named(label="label", encoder="bi", negatives="batch") == ("auc", ["auc"])
    task = Matching.model_validate({**FILES, "label": "label", "candidates": "given"})
    assert Matching.model_validate(task.model_dump(mode="json")) == task


def test_pairs_stay_apart_and_questions_stay_whole(build_task) -> None:
    _, told, _ = build_task(Matching, ROWS, label="label", **FILES)
    assert told["dropped"] == {"no_text": 1}
    task, told, folder = build_task(Matching, ROWS, label="label", candidates="given", **FILES)
    assert told["dropped"] == {
        "no_text": 1,
        "in_test": 1,
    }  # Q9 is the test's question, with another candidate
    assert told["questions"] == {"train": 2, "validation": 1, "test": 3}
    assert told["class_counts"]["test"] == {"wrong": 3, "right": 3}
    test = read_examples(folder, "test")
    assert task.keys(test) == {("q9", ""), ("q8", ""), ("q7", "")}
    margin = np.array([3.0, 2, 1, 0, 1, 5])
    outcomes = task.outcomes([], test, {"scores": np.stack([0 * margin, margin], 1)})
    tally = outcomes.weigh()
    figures = {one.build().name: float(one.build().over(tally)[0]) for one in task.metrics}
    assert figures["mrr"] == pytest.approx(1 / 2) and figures["recall_at_1"] == 0
    assert outcomes.num_examples == 3 and figures["accuracy"] == pytest.approx(2 / 6)
    told = task.details(["wrong", "right"], test, outcomes)
    assert told["confusion"] == [[0, 3], [1, 2]] and {one["rank"] for one in told["worst"]} == {2}


def test_a_label_that_is_never_right_is_told(build_task) -> None:
    with pytest.raises(UserError, match="says 'yes' in none of the 5 pairs of train"):
        build_task(Matching, ROWS, label="label", positive="yes", **FILES)


def test_odds_are_binary_cross_entropy_of_scaled_cosines(words) -> None:
    tokenizer = words
    model = Bert(size="tiny").build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="encoder").eval()
    labels = np.array([1.0, 0, 1])
    store = TwoTexts(["a b", "一 二", "c"], ["x", "三", "c"], tokenizer, 8, marks=labels)
    objective = OddsObjective("mean", scale=20)
    batch = objective.prepare(store.fetch(np.arange(3), np.zeros(3, np.int64)))
    loss = objective.loss(model, batch)
    with torch.no_grad():
        vectors = text_vectors(model, batch, "mean")
    logits = 20 * (cosine_similarity(vectors[::2], vectors[1::2]) - 0.5)
    want = binary_cross_entropy_with_logits(logits, torch.tensor(labels, dtype=torch.float32))
    assert loss.sum.item() / loss.count == pytest.approx(want.item(), rel=1e-5)
    assert loss.per_sequence is not None and float(loss.per_sequence[2]) == pytest.approx(
        np.log1p(np.exp(-10)), rel=1e-2
    )


def test_ranks_among_all_distinct_candidates() -> None:
    rng = np.random.default_rng(0)
    candidates = ["a", "b", "A ", "c"]
    second = rng.normal(size=(4, 3)).astype(np.float32)
    second[2] = second[0]  # the same text
    first = np.stack([second[1], second[1], second[0], -second[3]])
    found = ranks_among_all(first, second, candidates)
    assert found[1] == 1 and found[2] == 1 and found[3] == 3
    alike = np.ones((4, 3), np.float32)
    assert ranks_among_all(alike, alike, candidates).tolist() == [3, 3, 3, 3]  # ties are lost


def test_right_pairs_alone_are_learnt_against_the_batch(words, build_task) -> None:
    task, _, folder = build_task(
        Matching, ROWS, label="label", encoder="bi", negatives="batch", candidates="all", **FILES
    )
    tokenizer, train, test = (
        words,
        *(read_examples(folder, one) for one in ("train", "test")),
    )
    work = task.build(names=["wrong", "right"], tokenizer=tokenizer, seed=1)
    lesson = work.lesson(train, train)
    assert len(lesson.store.lengths) == 2
    model = Bert(size="tiny").build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="encoder")
    batch = lesson.objective.prepare(lesson.store.fetch(np.arange(2), np.zeros(2, np.int64)))
    assert torch.isfinite(lesson.objective.loss(model, batch).sum)
    found = work.answers(model, test, **KEPT)
    assert found["ranks"].shape == (6,) and (found["ranks"] >= 1).all()
    assert task.outcomes(["wrong", "right"], test, found).num_examples == 3
