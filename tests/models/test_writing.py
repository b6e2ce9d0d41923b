"""Decoding by models of any family: against the model's own next token, and against what was asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from acclimate.batching.packed import Sequences, pack
from acclimate.models.decoding import Decoding
from acclimate.models.family import Vocabulary
from acclimate.models.forward import encode, token_logits
from acclimate.models.writing import Form, _Draw, write
from acclimate.recipe.registry import registry

VOCABULARY = Vocabulary(40, 0, {"pad_token": 0, "bos_token": 1, "eos_token": 2})
FORM = Form(end=2, pad=0, longest=8)
GIVEN = [np.array(row, np.int64) for row in ([1, 5, 6, 7], [1, 9], [1, 30, 31, 32, 33, 34], [1, 8])]


def built(family: str, kind: str, **settings: Any) -> Any:
    settings |= {"dropout": 0.0, "initialise": {"truncated_normal": 0.3}} if family != "t5" else {}
    return registry.get("family", family)(size="tiny", **settings).build(
        vocabulary=VOCABULARY, seed=4, kind=kind
    )


@pytest.fixture(scope="module", params=["gpt2", "transformer"])
def causal(request: pytest.FixtureRequest) -> Any:
    torch.set_num_threads(1)
    more = {"direction": "left_to_right"} if request.param == "transformer" else {}
    return built(request.param, "clm", positions=32, **more)


@pytest.fixture(scope="module")
def reading() -> Any:
    torch.set_num_threads(1)
    return built("bart", "seq2seq", positions=32)


def by_hand(model: Any, source: np.ndarray, form: Form) -> list[int]:
    """The likeliest token each time, the whole text read again for every one, on a packed row."""
    reads = model.config.is_encoder_decoder
    row = [model.config.decoder_start_token_id] if reads else source.tolist()
    said: list[int] = []
    model.eval()
    while len(said) < (form.longest or 99):
        read = source if reads else np.array(row)
        none = np.zeros(len(read), np.int64)
        sequences = Sequences(read, np.array([0, len(read)]), none, np.zeros(1, int), np.zeros(1, int))
        decoder = (np.array(row), np.array([0, len(row)])) if reads else None
        batch = pack(sequences, target_positions=none[:0], targets=none[:0], decoder=decoder)
        with torch.inference_mode():
            token = int(token_logits(model, encode(model, batch)[-1:]).argmax())
        if token == form.end:
            break
        said.append(token)
        row.append(token)
    return said


def test_greedy_is_the_likeliest_token_each_time(causal: Any, reading: Any) -> None:
    told: list[float] = []
    for model in (causal, reading):
        found = write(model, GIVEN, FORM, Decoding(), tell=lambda done, *_: told.append(done))
        assert [one.tolist() for one in found] == [by_hand(model, one, FORM) for one in GIVEN]
        assert told[-1] == len(GIVEN)


def test_habits_of_a_checkpoint_do_not_count(reading: Any) -> None:
    found = [one.tolist() for one in write(reading, GIVEN, FORM, Decoding())]
    own = reading.generation_config
    own.update(
        num_beams=3, min_length=7, forced_eos_token_id=9, no_repeat_ngram_size=1, repetition_penalty=2.0
    )
    assert [one.tolist() for one in write(reading, GIVEN, FORM, Decoding())] == found
    assert reading.generation_config is own


def test_beams_find_texts_that_are_no_less_likely(reading: Any) -> None:
    def likelihood(text: np.ndarray) -> float:
        row = np.array([reading.config.decoder_start_token_id, *text, 2][: 1 + FORM.longest])
        none = np.zeros(len(GIVEN[0]), np.int64)
        sequences = Sequences(GIVEN[0], np.array([0, len(none)]), none, np.zeros(1, int), np.zeros(1, int))
        batch = pack(
            sequences,
            target_positions=none[:0],
            targets=none[:0],
            decoder=(row[:-1], np.array([0, len(row) - 1])),
        )
        with torch.inference_mode():
            logs = token_logits(reading, encode(reading, batch)).log_softmax(-1)
        return float(logs[np.arange(len(row) - 1), row[1:]].sum())

    form = replace(FORM, longest=4)
    (greedy,), (beams,) = (
        write(reading, GIVEN[:1], form, how) for how in (Decoding(), Decoding(beams=40, length_penalty=0.0))
    )
    assert likelihood(beams) >= likelihood(greedy) - 1e-4


def test_what_is_drawn_hangs_on_seed_and_number_alone(causal: Any, reading: Any) -> None:
    how = Decoding(temperature=1.3, top_k=30)
    for model in (causal, reading):
        found = [one.tolist() for one in write(model, GIVEN, FORM, how, seed=7)]
        torch.manual_seed(99)  # the global generator has no say
        assert [one.tolist() for one in write(model, GIVEN, FORM, how, seed=7)] == found
        assert [one.tolist() for one in write(model, GIVEN, FORM, how, seed=8)] != found
        # Text 0 by itself, as it was among others.
        assert write(model, GIVEN[:1], FORM, how, seed=7)[0].tolist() == found[0]


def test_draws_are_by_probability() -> None:
    chances = torch.tensor([0.5, 0.0, 0.3, 0.2])
    number = 20_000
    scores = chances.log().expand(number, 4)
    drawn = _Draw(3, range(number), 1)(torch.zeros(number, 5, dtype=torch.long), scores)
    assert (drawn.isfinite().sum(1) == 1).all()
    found = Counter(drawn.argmax(1).tolist())
    assert found[1] == 0
    for token, chance in enumerate(chances.tolist()):
        assert abs(found[token] / number - chance) < 0.015
    later = _Draw(3, range(number), 1)(torch.zeros(number, 6, dtype=torch.long), scores)
    assert (
        0.3 < float((later.argmax(1) == drawn.argmax(1)).float().mean()) < 0.46
    )  # Σ p² = 0.38 where independent


def test_limits_of_drawing_hold(causal: Any) -> None:
    (first,) = write(causal, GIVEN[:1], FORM, Decoding())
    narrow = [
        write(causal, GIVEN[:1], FORM, how, seed=seed)[0].tolist()
        for how in (Decoding(top_p=1e-6), Decoding(temperature=1e-4))
        for seed in range(3)
    ]
    assert all(one == first.tolist() for one in narrow)


def test_no_run_is_written_twice_and_the_source_may_be_copied(causal: Any) -> None:
    form = replace(FORM, longest=24)
    (text,) = write(causal, GIVEN[:1], form, Decoding(no_repeat_ngram=2))
    pairs = list(zip(text.tolist(), text.tolist()[1:], strict=False))
    assert len(pairs) == len(set(pairs))
    # Runs of the source are not forbidden: what was given is not what was written.
    given = [np.concatenate([GIVEN[0], text[:6]])]
    again, free = (
        write(causal, given, form, how)[0].tolist() for how in (Decoding(no_repeat_ngram=30), Decoding())
    )
    assert again == free


def test_lengths_are_kept(causal: Any, reading: Any) -> None:
    for model in (causal, reading):
        assert max(map(len, write(model, GIVEN, FORM, Decoding()))) <= 8
        short = write(model, GIVEN, FORM, Decoding(max_ratio=1e-9))
        assert max(map(len, short)) <= 10
    full = [np.full(32, 5), np.full(30, 5), np.zeros(0, np.int64)]
    found = write(causal, full, FORM, Decoding())
    assert len(found[0]) == 0 and len(found[1]) <= 2 and len(found[2]) == 0  # 32 positions
    assert write(causal, [], FORM, Decoding()) == []


def test_the_model_is_left_as_it_is_found(causal: Any) -> None:
    causal.train()
    before = {name: one.clone() for name, one in causal.state_dict().items()}
    write(causal, GIVEN, FORM, Decoding(top_p=0.9))
    assert causal.training and all(
        torch.equal(before[name], one) for name, one in causal.state_dict().items()
    )
    causal.eval()
