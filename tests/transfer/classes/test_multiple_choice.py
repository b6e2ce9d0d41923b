"""Multiple choice: rows, how a question's choices are laid out and cut, the softmax over them, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import cross_entropy
from transformers import AutoModelForMultipleChoice, AutoModelForSequenceClassification

from acclimate.batching.choice_store import Asked, ChoiceStore
from acclimate.errors import UserError
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.objectives.choose import by_question, split_choices
from acclimate.transfer.classes.multiple_choice import MultipleChoice
from acclimate.transfer.examples.preparing import Examples, read_examples

FILES = {"train": "train.jsonl", "validation": "v.jsonl", "test": "test.jsonl"}
HOW = {"precision": "fp32", "device": torch.device("cpu")}


def line(context: str, question: str, choices: list[str] | str, label: str | int) -> str:
    return json.dumps({"context": context, "question": question, "choices": choices, "label": label}) + "\n"


ROWS = {
    "train.jsonl": line("男：你好。", "他说什么？", ["你好", "再见"], 0)
    + line("a story", "who?", ["x", "y", "z"], "z")
    + line("a story", "when?", ["x"], 0)
    + line("a story", "why?", "no list", 0)
    + line("a story", "how?", ["x", "y"], 2)
    + line("a story", "what?", ["x", "y"], "")
    + line("A  TEST story", "what?", ["x", "y"], 0)
    + line("", "what?", ["x", "y"], 0),
    "v.jsonl": line("b", "?", ["1", "0"], "1"),
    "test.jsonl": line("a test story", "who?", ["x", "y", "z"], 1) + line("a test story", "?", ["x", "y"], 0),
}
ASKED = [
    Asked("a b c d e f", "why", ["x", "y z"]),
    Asked("一 二 三", "谁", ["四", "五", "六 七 八"]),
    Asked("m", "n", ["o", "p"]),
]


def examples() -> Examples:
    more = [{"choices": list(one.choices), "label": len(one.choices) - 1} for one in ASKED]
    contexts, questions = [one.context for one in ASKED], [one.question for one in ASKED]
    return Examples(list("012"), contexts, questions, np.zeros(3, np.int64), more)


def test_rows_are_kept_or_dropped_by_reason(build_task) -> None:
    task, told, folder = build_task(MultipleChoice, ROWS, **FILES)
    assert told["dropped"] == {
        "in_test": 1, "malformed_choices": 2, "malformed_label": 1, "no_label": 1, "no_text": 1,
    }  # fmt: skip
    train, test = (read_examples(folder, part) for part in ("train", "test"))
    assert [one["label"] for one in train.more] == [0, 2]
    assert read_examples(folder, "validation").more[0]["label"] == 1  # a number of a choice before its text
    assert told["contexts"]["test"] == 1 and told["choices"]["test"] == {"2": 1, "3": 1}
    assert told["chance"]["test"] == pytest.approx(5 / 12, abs=1e-6)
    answers = {"scores": np.array([0.0, 1, 0, 0, 1], np.float32), "counts": np.array([3, 2])}
    outcomes = task.outcomes([], test, answers)
    assert task.metric.build().over(outcomes.weigh())[0] == 0.5
    assert outcomes.num_examples == 1  # both questions are about one text
    assert task.details([], test, outcomes)["worst"][0]["label"] == "x"


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValidationError, match="column 'question' is named 2 times"):
        MultipleChoice.model_validate({**FILES, "context": "question"})
    with pytest.raises(ValidationError, match="does not fit"):
        MultipleChoice.model_validate({**FILES, "metric": "macro_f1"})


@pytest.mark.parametrize("cut", ["start", "end"])
def test_every_choice_is_what_the_tokenizer_makes_of_the_pair(words, cut) -> None:
    tokenizer = words
    full = ChoiceStore(ASKED, tokenizer, 64, cut=cut)
    length = max(full.lengths // full.counts) - 1
    assert full.num_truncated == 0
    for store, room in ((full, 64), (ChoiceStore(ASKED, tokenizer, int(length), cut=cut), int(length))):
        order = np.array([2, 0, 1])
        found = split_choices(store.fetch(order, np.zeros(3, np.int64)))
        pieces = np.split(found.tokens, found.cu_seqlens[1:-1])
        segments = np.split(found.segments, found.cu_seqlens[1:-1])
        assert found.ids.tolist() == [2, 2, 0, 0, 1, 1, 1]
        pairs = [(ASKED[q].context, f"{ASKED[q].question} {c}") for q in order for c in ASKED[q].choices]
        tokenizer.truncation_side = "left" if cut == "start" else "right"
        for pair, tokens, segment in zip(pairs, pieces, segments, strict=True):
            want = tokenizer(*pair, truncation="only_first", max_length=room)
            assert tokens.tolist() == want["input_ids"] and segment.tolist() == want["token_type_ids"]
    assert store.num_truncated > 0


def test_a_question_that_does_not_fit_is_cut_and_no_room_is_told(words) -> None:
    tokenizer = words
    store = ChoiceStore([Asked("a b", "c " * 30, ["d", "e"])], tokenizer, 10)
    assert store.num_truncated == 1 and store.lengths.tolist() == [20]
    with pytest.raises(UserError, match="leaves no room for a text and a question"):
        ChoiceStore(ASKED, tokenizer, 4)


def test_choices_are_put_beside_each_other_by_question() -> None:
    found = by_question(torch.arange(7.0), torch.tensor([2, 3, 2]))
    assert found.tolist() == [[0, 1, -torch.inf], [2, 3, 4], [5, 6, -torch.inf]]


def test_the_loss_is_transformers_own_and_the_kept_model_loads_both_ways(words, tmp_path: Path) -> None:
    tokenizer = words
    task = MultipleChoice.model_validate({**FILES, "sequence_length": 32})
    vocabulary = Vocabulary.of(tokenizer)
    model = Bert(size="tiny").build(
        vocabulary=vocabulary, seed=1, kind="classification", labels=task.labels([])
    )
    work = task.build(names=[], tokenizer=tokenizer, seed=1)
    found = work.answers(model, examples(), **HOW)
    assert found["counts"].tolist() == [2, 3, 2]
    model.save_pretrained(tmp_path)
    chooser = AutoModelForMultipleChoice.from_pretrained(tmp_path).eval()
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    losses, at = [], 0
    for one in ASKED:
        asked = [f"{one.question} {choice}" for choice in one.choices]
        batch = tokenizer([one.context] * len(asked), asked, padding=True, return_tensors="pt")
        right = torch.tensor([len(asked) - 1])
        with torch.no_grad():
            out = chooser(**{name: value[None] for name, value in batch.items()}, labels=right)
            scores = plain(**batch).logits[:, 0]
        np.testing.assert_allclose(found["scores"][at : at + len(asked)], out.logits[0].numpy(), atol=1e-5)
        np.testing.assert_allclose(found["scores"][at : at + len(asked)], scores.numpy(), atol=1e-5)
        assert out.loss.item() == pytest.approx(cross_entropy(scores[None], right).item(), rel=1e-5)
        losses.append(out.loss.item())
        at += len(asked)
    lesson = work.lesson(examples(), examples())
    batch = lesson.objective.prepare(lesson.store.fetch(np.arange(3), np.zeros(3, np.int64)))
    loss = lesson.objective.loss(model.eval(), batch)
    assert loss.count == 3 and loss.sum.item() == pytest.approx(sum(losses), rel=1e-5)
    assert loss.per_sequence is not None
    np.testing.assert_allclose(loss.per_sequence.numpy(), losses, rtol=1e-5)
    assert torch.isfinite(torch.autograd.grad(loss.sum, model.classifier.weight)[0]).all()
    assert batch.ids.tolist() == [0, 1, 2] and lesson.objective.count(batch) == (3.0,)
