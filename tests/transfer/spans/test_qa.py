"""Answering questions from passages: what is read, the loss, the best stretch, a model that learns it."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tokenizers import Tokenizer, models, pre_tokenizers

from acclimate.errors import UserError
from acclimate.evaluate.reading_metrics import ExactMatch
from acclimate.models.family import Vocabulary
from acclimate.objectives.answer_spans import AnswerSpans
from acclimate.recipe.settings import Part
from acclimate.tokenizer.specials import finished
from acclimate.transfer.examples.preparing import Examples, build_examples, read_examples
from acclimate.transfer.spans.answering import best_stretch
from acclimate.transfer.spans.qa import Qa
from acclimate.transfer.tuning import Around, tune

WORDS = ["red", "blue", "green", "is", "of", "京"]
NUMBERS = ["one", "two", "three", "four"]


def squad(*passages: tuple[str, list[tuple[str, str, int | None]]]) -> str:
    """(passage, (question, answer, where it is said to stand))."""
    made = []
    for number, (context, asked) in enumerate(passages):
        qas = [
            {
                "id": f"{number}-{n}",
                "question": question,
                "answers": [] if start is None else [{"text": answer, "answer_start": start}],
                "is_impossible": start is None,
            }
            for n, (question, answer, start) in enumerate(asked)
        ]
        made.append({"title": "t", "paragraphs": [{"context": context, "qas": qas}]})
    return json.dumps({"data": made})


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def make(**settings: Any) -> tuple[dict[str, Any], Path, Qa]:
        passage = "  Bob lives in Rome. Ann lives in 北京, says Bob."
        train = squad(
            (
                passage,
                [
                    ("Who lives in Rome?", "Bob", 2),
                    ("Who says it?", "Bob", 40),
                    ("安住在哪里？", "北京", 36),
                    ("Who is the king?", "Arthur", 5),
                    ("Why?", "", None),
                ],
            ),
            ("Rome is old.", [("What is old?", "Rome", 0)]),
        )
        (tmp_path / "train.json").write_text(train, "utf-8")
        test = squad(("Eve is in Paris.", [("Where is Eve?", "Paris", 10), ("Who else?", "Adam", 0)]))
        (tmp_path / "test.json").write_text(test, "utf-8")
        sources = {name: {"squad": {"path": f"{name}.json"}} for name in ("train", "test")}
        task = Qa.model_validate(
            {**sources, "hold_out": 0.3, "near": None, **settings}, context={"base": tmp_path}
        )
        folder = tmp_path / "examples"
        folder.mkdir()
        return build_examples(task, folder), folder, task

    return make


def test_answers_are_found_in_their_passages_and_lost_ones_told(read: Any) -> None:
    told, folder, task = read()
    assert told["dropped"] == {"no_answer": 1} and told["read"] == told["kept"] + 1 == 8
    parts = {part: read_examples(folder, part) for part in ("train", "validation", "test")}
    found = {
        question: [passage[start:end] for start, end in more["spans"]]
        for part in parts.values()
        for question, passage, more in zip(part.texts, part.pairs or (), part.more, strict=True)
    }
    assert found["安住在哪里？"] == ["北京"] and found["Who says it?"] == ["Bob"]
    assert found["Who is the king?"] == [] == found["Who else?"]
    answers = told["answers"]
    assert sum(answers[part]["answer_not_in_context"] for part in ("train", "validation")) == 1
    assert answers["test"]["samples"] == [
        {"id": answers["test"]["samples"][0]["id"], "question": "Who else?", "answers": ["Adam"]}
    ]
    assert [re.sub(r"\d+ questions", "n questions", one.partition(";")[0]) for one in told["warnings"]] == [
        "train: the answer of 1 of n questions is not in the passage",
        "test: the answer of 1 of n questions is not in the passage",
    ]
    assert "they are not learnt from; the first: " in told["warnings"][0]
    assert "they are asked all the same; the first: " in told["warnings"][1]
    assert sum(answers[part]["moved"] for part in ("train", "validation")) == 2
    test = parts["test"]
    start = test.pairs[0].index("Paris")  # type: ignore[index]
    given = {
        "starts": np.array([start, 0]),
        "ends": np.array([start + 5, 3]),
        "scores": np.array([3.0, 1.0]),
        "nulls": np.array([5.0, 0.0]),
    }
    outcomes = task.outcomes([], test, given)
    assert [one.said for one in outcomes.asked] == ["Paris", "Eve"]
    assert outcomes.notes[1] == "the answer of 1 of 2 test questions is not in the passage"
    both = Qa.model_validate({"train": "x", "test": "y", "no_answer": True, "threshold": 1.5})
    assert [one.said for one in both.outcomes([], test, given).asked] == ["", "Eve"]
    lax = Qa.model_validate({"train": "x", "test": "y", "no_answer": True, "threshold": 2.0})
    assert lax.outcomes([], test, given).asked[0].said == "Paris"


def test_questions_without_an_answer_are_kept_where_asked_for(read: Any) -> None:
    told, _, _ = read(no_answer=True)
    assert told["dropped"] == {} and sum(told["answers"][part]["impossible"] for part in told["answers"]) == 1


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_lists_of_texts_and_of_places_are_read_as_answers(form: str, tmp_path: Path) -> None:
    rows = [
        ("Where?", "Bob lives in Rome, old Rome.", {"text": ["Rome", "old Rome"], "answer_start": [13, 19]}),
        ("住在哪里？", "王明住在北京。", {"text": ["北京"], "answer_start": [4]}),
        ("Why?", "Nobody knows.", {"text": [], "answer_start": []}),
        ("Who else?", "Ann and Eve.", {"text": ["Eve"], "answer_start": [8]}),
    ]
    named = [dict(zip(("question", "context", "answers"), row, strict=True)) for row in rows]
    for part, some in (("train", named[:3]), ("test", named[3:])):
        if form == "parquet":
            import pyarrow as pa
            from pyarrow import parquet

            parquet.write_table(pa.Table.from_pylist(some), tmp_path / f"{part}.{form}")
        else:
            (tmp_path / f"{part}.{form}").write_text("\n".join(map(json.dumps, some)), "utf-8")
    settings = {"train": f"train.{form}", "test": f"test.{form}", "no_answer": True, "near": None}
    task = Qa.model_validate({**settings, "hold_out": 0.3}, context={"base": tmp_path})
    (folder := tmp_path / "examples").mkdir()
    told = build_examples(task, folder)
    assert told["dropped"] == {} and told["read"] == told["kept"] == 4
    found = {}
    for part in (read_examples(folder, name) for name in ("train", "validation", "test")):
        for asked, passage, more in zip(part.texts, part.pairs or (), part.more, strict=True):
            found[asked] = [passage[start:end] for start, end in more["spans"]]
            assert not more["moved"] and more["impossible"] == (asked == "Why?")
    assert found == {"Where?": ["Rome", "old Rome"], "住在哪里？": ["北京"], "Why?": [], "Who else?": ["Eve"]}


@pytest.mark.parametrize(
    "said",
    [
        {"text": ["Rome"], "answer_start": []},
        {"text": ["Rome"], "answer_start": 3},
        {"text": [5], "answer_start": [3]},
        {"text": "Rome", "answer_start": 3},
        {"a": "Rome"},
        '"Rome"',
        "5",
        "Rome",
        [["Rome", 3]],
        [{"text": "Rome", "start": "3"}],
    ],
)
def test_answers_of_another_shape_are_dropped_and_counted(said: Any) -> None:
    from acclimate.corpus.document import Dropped, Record

    answers = said if isinstance(said, str) else json.dumps(said)
    fields = {"question": "Where?", "context": "In Rome.", "answers": answers}
    made = Qa.model_validate({"train": "x", "test": "y"}).row(Record("x.jsonl", "x.jsonl:1", fields))
    assert isinstance(made, Dropped) and made.reason == "malformed_label" and made.detail


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValidationError, match="goes with `no_answer: true`"):
        Qa.model_validate({"train": "x", "test": "y", "threshold": 1.0})
    with pytest.raises(ValidationError, match="overlap: 380 leaves windows of 384 tokens nothing"):
        Qa.model_validate({"train": "x", "test": "y", "overlap": 380})


@pytest.mark.parametrize("longest", [1, 3, 20])
def test_the_best_stretch_is_that_of_all(longest: int) -> None:
    rng = np.random.default_rng(longest)
    for size in (1, 2, 9):
        starts, ends = rng.normal(size=(2, size)).astype(np.float32)
        allowed = [(a, b) for a, b in product(range(size), repeat=2) if a <= b < a + longest]
        first, last = max(allowed, key=lambda pair: starts[pair[0]] + ends[pair[1]])
        assert best_stretch(starts, ends, longest) == (
            pytest.approx(float(starts[first] + ends[last])),
            first,
            last,
        )


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *NUMBERS]
    backend = Tokenizer(models.WordLevel({name: n for n, name in enumerate(names)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return finished(backend, spaced=False, model_max_length=None)


def questions(number: int, seed: int, size: int) -> Examples:
    """The only number of a passage is its answer, alone or with the colour behind it."""
    rng = np.random.default_rng(seed)
    passages, more = [], []
    for _ in range(number):
        words = rng.choice(WORDS, size).tolist()
        words[at := int(rng.integers(0, size - 1))] = str(rng.choice(NUMBERS))
        words[at + 1] = "red"
        passages.append(" ".join(words))
        start = sum(len(word) + 1 for word in words[:at])
        end = start + len(words[at]) + 4
        about = {"spans": [[start, end]], "answers": [passages[-1][start:end]], "impossible": False}
        more.append({**about, "moved": False})
    return Examples(
        [str(n) for n in range(number)], ["of"] * number, passages, np.zeros(number, np.int64), more
    )


def settings(**more: Any) -> Qa:
    given: dict[str, Any] = {
        "train": "x",
        "test": "y",
        "sequence_length": 16,
        "overlap": 3,
        "length": "8 epochs",
        "batch": "16 sequences",
        "optimizer": {"adamw": {"lr": 2e-3}},
        "schedule": "constant",
        "patience": None,
        "judge": "squad",
    }
    return Qa.model_validate({**given, **more})


def model_of(tokenizer: Any, task: Qa) -> Any:
    sized: Any = Part("family").parse({"bert": {"size": "tiny", "positions": 32}})
    return sized.build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="spans", labels=task.labels([]))


def test_the_loss_is_the_librarys(tokenizer: Any) -> None:
    task = settings()
    model = model_of(tokenizer, task).eval()
    lesson = task.build(names=[], tokenizer=tokenizer, seed=1).lesson(*[questions(3, 1, 20)] * 2)
    store: Any = lesson.store
    given = store.fetch(np.arange(len(store.lengths)), np.zeros(len(store.lengths), int))
    objective = AnswerSpans()
    loss = objective.loss(model, objective.prepare(given))
    assert loss.count == len(store.lengths) > 3 and loss.only is not None and loss.per_sequence is not None
    for window in range(len(store.lengths)):
        begin, end = given.cu_seqlens[window : window + 2]
        told = model(
            input_ids=torch.tensor(given.tokens[begin:end])[None],
            token_type_ids=torch.tensor(given.segments[begin:end])[None],
            start_positions=torch.tensor(given.by_sequence["start"][window : window + 1]),
            end_positions=torch.tensor(given.by_sequence["end"][window : window + 1]),
        )
        torch.testing.assert_close(loss.per_sequence[window], told.loss.detach(), rtol=1e-5, atol=1e-5)
    keep = torch.arange(len(store.lengths)) > 1
    torch.testing.assert_close(loss.only(keep).sum.detach(), loss.per_sequence[keep].sum())


def test_it_finds_answers_in_long_passages_and_plain_transformers_too(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForQuestionAnswering

    torch.set_num_threads(1)
    task = settings(empty_windows=0.5)
    model = model_of(tokenizer, task)
    at_work = task.build(names=[], tokenizer=tokenizer, seed=1)
    train, validation, test = (questions(n, n, 20) for n in (200, 30, 40))
    lesson = at_work.lesson(train, train)
    assert lesson.owners is not None and len(lesson.owners) == len(lesson.store.lengths)
    tune(task, model, lesson, at_work.lesson(validation, train), seed=1, around=Around())
    answers = at_work.answers(model, test, precision="fp32", device=torch.device("cpu"))
    found = task.outcomes([], test, answers)
    assert ExactMatch().build().over(found.weigh())[0] > 0.8
    model.save_pretrained(tmp_path)
    plain = AutoModelForQuestionAnswering.from_pretrained(tmp_path)
    assert type(plain).__name__ == "BertForQuestionAnswering"
    short = questions(5, 9, 9)
    ours = task.outcomes(
        [], short, at_work.answers(model, short, precision="fp32", device=torch.device("cpu"))
    )
    for number, passage in enumerate(short.pairs or ()):
        out = plain(**tokenizer("of", passage, return_tensors="pt"))
        own = slice(3, 3 + 9)
        _, first, last = best_stretch(
            out.start_logits[0, own].detach().numpy(), out.end_logits[0, own].detach().numpy(), 30
        )
        assert ours.asked[number].said == " ".join(passage.split()[first : last + 1])


def test_nothing_to_learn_from_is_an_error(tokenizer: Any) -> None:
    lost = questions(2, 1, 8)
    more = [{**one, "spans": []} for one in lost.more]
    at_work = settings().build(names=[], tokenizer=tokenizer, seed=1)
    with pytest.raises(UserError, match="none of the answers stand in their passages"):
        at_work.lesson(*[Examples(lost.ids, lost.texts, lost.pairs, lost.labels, more)] * 2)
