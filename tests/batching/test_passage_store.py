"""Questions before windows of passages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from acclimate.batching.passage_store import PassageStore
from acclimate.errors import UserError
from acclimate.tokenizer.specials import finished

PIECES = ["who", "?", "na", "##me", "is", "bo", "##b", "北", "京"]
PASSAGE = "name is bob 北京 is name bob"


@pytest.fixture
def tokenizer() -> Any:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES]
    backend = Tokenizer(models.WordPiece({name: n for n, name in enumerate(names)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return finished(backend, spaced=False, model_max_length=None)


def test_a_window_is_what_the_tokenizer_makes_of_the_pair(tokenizer: Any) -> None:
    store = PassageStore(["who is?"], [PASSAGE], [(12, 14)], tokenizer, 40, overlap=4, max_question=8)
    found = store.fetch(np.array([0]), np.array([0]))
    plain = tokenizer("who is?", PASSAGE)
    assert found.tokens.tolist() == plain["input_ids"]
    assert found.segments.tolist() == plain["token_type_ids"]
    about = {name: one.tolist() for name, one in found.by_sequence.items()}
    assert about == {"first": [5], "size": [12], "null": [0], "start": [10], "end": [11]}
    assert tokenizer.convert_ids_to_tokens(found.tokens[10:12].tolist()) == ["北", "京"]
    assert store.span_of(0, 5, 6) == (12, 14) and store.num_windowed == 0


@pytest.mark.parametrize("overlap", [0, 3])
def test_long_passages_are_cut_into_windows_that_lose_nothing(tokenizer: Any, overlap: int) -> None:
    passages = [PASSAGE, "bob", " ".join([PASSAGE] * 4)]
    answers = [(12, 14), None, (35, 38)]
    store = PassageStore(
        ["who?", "who?", "who is?"], passages, answers, tokenizer, 14, overlap=overlap, max_question=8
    )
    assert store.lengths.max() == 14 and store.num_windowed == 2
    found = store.fetch(np.arange(len(store.lengths)), np.zeros(len(store.lengths), int))
    covered: dict[int, set[int]] = {}
    for window, question in enumerate(store.questions.tolist()):
        first, size = (int(found.by_sequence[name][window]) for name in ("first", "size"))
        own = found.tokens[found.cu_seqlens[window] :][first : first + size].tolist()
        whole = tokenizer(passages[question], add_special_tokens=False)["input_ids"]
        start = store.span_of(window, 0, 0)[0]
        at = next(n for n, (s, _) in enumerate(offsets(tokenizer, passages[question])) if s == start)
        assert own == whole[at : at + size]
        covered.setdefault(question, set()).update(range(at, at + size))
        if store.answered[window]:
            span = [int(found.by_sequence[name][window]) - first for name in ("start", "end")]
            assert store.span_of(window, *span) == answers[question]
        else:
            assert found.by_sequence["start"][window] == found.by_sequence["end"][window] == 0
    assert all(covered[n] == set(range(len(offsets(tokenizer, text)))) for n, text in enumerate(passages))
    assert not store.answered[store.questions == 1].any()
    if overlap:
        assert store.answered[store.questions == 0].any() and store.answered[store.questions == 2].any()
    store.only(store.answered)
    assert store.answered.all() and len(store.lengths) == len(store.questions)


def offsets(tokenizer: Any, text: str) -> list[tuple[int, int]]:
    return tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]


def test_long_questions_are_cut_and_no_room_is_refused(tokenizer: Any) -> None:
    store = PassageStore(["who " * 9], ["bob"], None, tokenizer, 20, overlap=2, max_question=4)
    assert store.num_truncated == 1 and store.lengths.tolist() == [4 + 3 + 2]
    with pytest.raises(
        UserError, match="leaves 3 tokens of passage beside a question of 4 and 3 special ones"
    ):
        PassageStore(["who " * 9], ["bob"], None, tokenizer, 10, overlap=3, max_question=4)


def test_an_answer_that_a_cut_goes_through_stands_in_the_window_that_holds_it_whole(tokenizer: Any) -> None:
    answered = [
        PassageStore(
            ["who?"], [PASSAGE], [(12, 14)], tokenizer, 11, overlap=overlap, max_question=8
        ).answered.tolist()
        for overlap in (0, 2)
    ]
    assert answered == [[False, False], [False, True, False]]
