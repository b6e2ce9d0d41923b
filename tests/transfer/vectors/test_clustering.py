"""Clustering: all texts are the test, nothing is trained, clusters are those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.cluster import KMeans as Sklearn

from acclimate.errors import UserError
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.transfer.examples.preparing import read_examples
from acclimate.transfer.vectors.cluster_methods import Hdbscan, KMeans
from acclimate.transfer.vectors.clustering import Clustering
from acclimate.transfer.vectors.pair_vectors import unit

ROWS = "text\tlabel\n" + "".join(
    f"{'天气 ' * (n % 5 + 1)}{n}\tweather\nsport {n} x\tsport\n" for n in range(10)
)


def blobs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 20)
    return truth, (np.eye(3)[truth] * 10 + rng.normal(size=(60, 3)) * 0.1).astype(np.float32)


def test_all_texts_are_the_test(build_task) -> None:
    task, told, folder = build_task(Clustering, {"all.tsv": ROWS + "\tsport\n"}, data="all.tsv")
    assert told["splits"]["test"]["examples"] == 20 and told["splits"]["train"]["examples"] == 0
    assert told["dropped"] == {"no_text": 1}
    assert told["class_counts"] == {"test": {"sport": 10, "weather": 10}}
    test = read_examples(folder, "test")
    outcomes = task.outcomes(["sport", "weather"], test, {"clusters": 5 - test.labels})
    assert [one.build().over(outcomes.weigh())[0] for one in task.metrics] == [1, 1]
    assert task.details(["sport", "weather"], test, outcomes)["purity"] == 1


def test_texts_of_one_class_are_refused(build_task) -> None:
    with pytest.raises(UserError, match="nothing to tell apart"):
        build_task(Clustering, {"all.tsv": ROWS.replace("sport\n", "weather\n")}, data="all.tsv")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": "a.tsv", "test": "b.tsv"}, "train"),
        ({"data": "a.tsv", "optimizer": "adamw"}, "optimizer"),
        ({"data": "a.tsv", "length": "3 epochs"}, "length"),
        ({"data": "a.tsv", "split": {}}, "split"),
        ({"data": "a.tsv", "label": "text"}, "the text's own"),
        ({"data": "a.tsv", "metric": "accuracy"}, "does not fit"),
        ({"data": "a.tsv", "method": "dbscan"}, "did you mean 'hdbscan'"),
        ({"data": "a.tsv", "method": {"kmeans": 1}}, "clusters"),
    ],
)
def test_what_only_training_has_is_no_setting(settings, message) -> None:
    with pytest.raises(ValidationError, match=message):
        Clustering.model_validate(settings)


def test_nothing_of_training_is_left() -> None:
    judging = {"seeds", "metric", "metrics", "baseline"}
    own = {"data", "text", "label", "method", "vector", "unit", "sequence_length"}
    assert set(Clustering.model_fields) == judging | own


def test_a_resolved_task_means_what_it_meant() -> None:
    task = Clustering.model_validate({"data": {"path": "a.tsv", "header": False}, "text": 0, "label": 1})
    assert task.data.text == 0
    assert Clustering.model_validate(task.model_dump(mode="json")) == task


def test_k_means_is_scikit_learns_and_a_seed_repeats_it() -> None:
    truth, vectors = blobs()
    found = KMeans().build(classes=3, seed=4)(vectors)
    again = Sklearn(3, n_init=10, random_state=4).fit_predict(vectors.astype(np.float64))
    assert found.tolist() == again.tolist()
    assert all(len(set(found[truth == one])) == 1 for one in range(3)) and len(set(found)) == 3
    assert len(set(KMeans(clusters=5).build(classes=3, seed=4)(vectors))) == 5
    assert KMeans().build(classes=9, seed=1)(vectors[:2]).tolist() in ([0, 1], [1, 0])


def test_hdbscan_finds_as_many_as_there_are_and_leaves_noise_alone() -> None:
    truth, vectors = blobs()
    far = np.concatenate([vectors, np.array([[50, 50, 50]], np.float32)])
    found = Hdbscan(least=5).build(classes=2, seed=0)(far)
    assert found[-1] == -1 and set(found) == {-1, 0, 1, 2}
    assert all(len(set(found[:-1][truth == one])) == 1 for one in range(3))


def test_clusters_are_of_the_models_vectors_and_the_model_stays(words, build_task) -> None:
    task, _, folder = build_task(Clustering, {"all.tsv": ROWS}, data="all.tsv", sequence_length=16)
    tokenizer, test = words, read_examples(folder, "test")
    model = Bert(size="tiny").build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="encoder")
    before = {name: one.clone() for name, one in model.state_dict().items()}
    work = task.build(names=["sport", "weather"], tokenizer=tokenizer, seed=3)
    how = {"precision": "fp32", "device": torch.device("cpu")}
    clusters = work.answers(model, test, **how)["clusters"]
    vectors = []
    for text in test.texts:
        with torch.no_grad():
            vectors.append(model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0).numpy())
    want = Sklearn(2, n_init=10, random_state=3).fit_predict(unit(np.stack(vectors)).astype(np.float64))
    same = (clusters == want).mean()
    assert same in (0, 1)
    assert all(torch.equal(before[name], one) for name, one in model.state_dict().items())
    assert work.answers(model, read_examples(folder, "validation"), **how)["clusters"].shape == (0,)
