"""Classification at work: weights of classes, and scores in the order of the examples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.tokenizer.untrained import untrained_tokenizer
from acclimate.transfer.classes.classifying import Classifying
from acclimate.transfer.examples.preparing import Examples

TEXTS = ["a b c", "一 二", "d", "e f g h i", "三 四 五 六 七 八"]


def examples(labels: list[int]) -> Examples:
    return Examples([str(n) for n in range(len(labels))], TEXTS[: len(labels)], None, np.array(labels))


def at_work(**settings: object) -> Classifying:
    return Classifying(untrained_tokenizer(300), num_classes=2, sequence_length=16, **settings)  # type: ignore[arg-type]


def test_balanced_weights_are_those_of_the_training_part() -> None:
    train, held_out = examples([0, 0, 0, 1]), examples([1, 1])
    for balanced, expected in ((False, 2.0), (True, 4.0)):  # a rare class weighs 4 / (2 * 1)
        lesson = at_work(balanced=balanced).lesson(held_out, train)
        batch = lesson.objective.prepare(lesson.store.fetch(np.arange(2), np.zeros(2, np.int64)))
        assert lesson.objective.count(batch) == (pytest.approx(expected),)


def test_scores_are_the_models_in_the_order_of_the_examples() -> None:
    tokenizer, work = untrained_tokenizer(300), at_work()
    model = Bert(size="tiny").build(
        vocabulary=Vocabulary.of(tokenizer), seed=1, kind="classification", labels=Labels(("x", "y"))
    )
    asked = examples([0, 1, 0, 1, 1])
    found = work.answers(model, asked, precision="fp32", device=torch.device("cpu"))["scores"]
    for text, scores in zip(asked.texts, found, strict=True):
        with torch.no_grad():
            plain = model.eval()(**tokenizer(text, return_tensors="pt")).logits[0]
        np.testing.assert_allclose(scores, plain.numpy(), atol=1e-5)
