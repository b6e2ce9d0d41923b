"""Text in streams: carried memory equals one long pass, every token counts, regularisers are their formulas."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from acclimate.batching.packed import Sequences
from acclimate.batching.sampler import Position
from acclimate.batching.streams import StreamStore
from acclimate.batching.token_store import TokenStore, build_token_store
from acclimate.engine.feed import Feed
from acclimate.engine.loop import Training, train
from acclimate.engine.measure import measure
from acclimate.engine.state import TrainState
from acclimate.models.families.recurrent.awd_lstm import AwdLstm
from acclimate.models.families.recurrent.family import Lstm
from acclimate.models.family import Vocabulary
from acclimate.objectives.clm_stream import ClmStream
from acclimate.objectives.protocol import Texts
from acclimate.optim.schedules import Constant
from acclimate.optim.sgd import Sgd
from acclimate.recipe.loading import load_recipe
from acclimate.recipe.problems import RecipeError
from acclimate.recipe.settings import Part
from acclimate.recipe.units import Length
from acclimate.tokenizer.training import Train

TEXTS = [
    "the cat sat on the mat",
    "the dog ran",
    "天 气 很 好",
    "a bird sang and the cat ran",
    "早 上 好",
] * 3


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("streams")
    tokenizer = Train(algorithm="spaced_word", vocab_size=100).build(texts=iter([TEXTS]), folder=folder)
    store = tmp_path_factory.mktemp("tokens")
    build_token_store(iter([TEXTS]), tokenizer, store)
    return store, tokenizer


def model_of(tokenizer: Any, kind: Any = Lstm) -> Any:
    return kind().build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="clm").eval()


def whole_text(store: Path) -> list[int]:
    tokens = TokenStore(store)
    return [one for number in range(tokens.num_documents) for one in (*tokens.document(number), 1)]


def test_held_out_text_is_one_pass_with_memory_and_every_token_counts_once(texts) -> None:
    store, tokenizer = texts
    model = model_of(tokenizer)
    whole = torch.tensor(whole_text(store))
    with torch.no_grad():
        logits = model(torch.cat([torch.tensor([1]), whole[:-1]])[None]).logits[0]
    expected = functional.cross_entropy(logits, whole)
    settings = ClmStream(lengths="random", activation=2.0, change=1.0)
    for length in (8, 11, 200):
        held_out = settings.store(Texts(store), tokenizer=tokenizer, sequence_length=length, seed=1)
        objective = settings.build(tokenizer=tokenizer, seed=1, fixed=True)
        measured = measure(model, objective, held_out, batch=Length(8192, "tokens"))
        assert measured.counts.sum() == len(whole) == held_out.num_tokens + len(TEXTS)
        assert measured.loss == pytest.approx(float(expected), rel=1e-5)
    assert measured.loss < math.log(len(tokenizer)) * 1.2


def steps(
    texts: tuple[Path, Any], settings: ClmStream, objective: Any, number: int, *, streams: int = 3
) -> Any:
    """The batches of so many steps."""
    store, tokenizer = texts
    source = settings.store(Texts(store, streams=streams), tokenizer=tokenizer, sequence_length=8, seed=1)
    feed, position = Feed(source, batch=Length(streams, "sequences"), seed=1), Position()
    for _ in range(number):
        helping = feed.take(position)
        yield objective.prepare(helping.micro_batches[0])
        position = helping.following


def test_training_carries_on_and_forgets_where_an_epoch_begins(texts) -> None:
    model = model_of(texts[1])
    objective = ClmStream().build(tokenizer=texts[1], seed=1)
    per_epoch = math.ceil(len(whole_text(texts[0])) // 3 / 8)
    losses, fresh = [], []
    for batch in steps(texts, ClmStream(), objective, per_epoch + 1):
        losses.append(float(objective.loss(model, batch).sum.detach()))
        alone = ClmStream().build(tokenizer=texts[1], seed=1)
        fresh.append(float(alone.loss(model, batch).sum.detach()))
    assert losses[0] == fresh[0] and losses[per_epoch] == losses[0]
    assert all(one != other for one, other in zip(losses[1:per_epoch], fresh[1:per_epoch], strict=True))


def test_no_gradient_goes_back_over_the_edge_of_a_step(texts) -> None:
    objective = ClmStream().build(tokenizer=texts[1], seed=1)
    model = model_of(texts[1])
    for batch in steps(texts, ClmStream(), objective, 2):
        objective.loss(model, batch)
    assert not any(one.requires_grad for one in objective.carried().values())
    again = ClmStream().build(tokenizer=texts[1], seed=1)
    again.carry(objective.carried())
    assert again.carried().keys() == {"0.h", "0.s", "1.h", "1.s"}
    again.carry({})
    assert again.carried() == {}


def test_regularisers_are_their_formulas_and_leave_validation_alone(texts) -> None:
    settings = ClmStream(activation=2.0, change=1.0)
    objective = settings.build(tokenizer=texts[1], seed=1)
    family = AwdLstm(hidden_dropout=0, input_dropout=0, embedding_dropout=0, weight_dropout=0, dropout=0.4)
    model = family.build(vocabulary=Vocabulary.of(texts[1]), seed=1, kind="clm").train()
    (batch,) = steps(texts, settings, objective, 1)
    torch.manual_seed(5)
    loss = objective.loss(model, batch)
    torch.manual_seed(5)
    out = model.model(batch.tokens.view(3, 8))
    activation, change = loss.others
    assert (loss.name, activation.name, change.name) == ("tokens", "activation", "change")
    assert (activation.weight, change.weight) == (2.0, 1.0)
    dropped, raw = out.last_hidden_state, out.undropped
    assert (dropped == 0).float().mean() > 0.2 and not (raw == 0).any()
    torch.testing.assert_close(activation.sum / activation.count, dropped.square().mean())
    torch.testing.assert_close(change.sum / change.count, (raw[:, 1:] - raw[:, :-1]).square().mean())
    assert objective.count(batch) == tuple(term.count for term in loss.terms) == (24, 24, 21)
    fixed = settings.build(tokenizer=texts[1], seed=1, fixed=True)
    assert fixed.num_terms == 1 and not fixed.loss(model, batch).others


def test_streams_that_do_not_keep_step_are_a_mistake() -> None:
    uneven = Sequences(np.arange(5), np.array([0, 2, 5]), np.zeros(5, int), np.arange(2), np.zeros(2, int))
    with pytest.raises(ValueError, match=r"same number of tokens, found \[2, 3\]"):
        ClmStream().build(tokenizer=None, seed=1).prepare(uneven)


def test_lengths_are_drawn_in_training_alone(texts) -> None:
    settings = ClmStream(lengths="random")
    made = [
        settings.store(Texts(texts[0], streams=one), tokenizer=texts[1], sequence_length=20, seed=1)
        for one in (1, None)
    ]
    assert isinstance(made[0], StreamStore) and len(set(made[0].lengths.tolist())) > 2
    assert set(made[1].lengths[:-1].tolist()) == {20}


RECIPE = """\
corpus: {sources: [text.txt]}
model: {family: lstm}
pretrain: {objective: clm_stream, batch: 4 sequences, sequence_length: 20}
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "pretrain.batch=16k tokens",
            "pretrain.batch: clm_stream reads as many streams side by side as a batch has sequences; expected a number "
            "of sequences, for example '20 sequences', found '16k tokens'",
        ),
        ("model.family=gpt2", "the family gpt2 remembers nothing; .*lstm"),
        ("model.family=bert", "the family bert cannot learn by clm_stream: it has no head for it"),
        (
            "pretrain.curriculum={}",
            "pretrain.curriculum: clm_stream reads the text in its own order; leave it out",
        ),
        ("hardware.ranks=2", "hardware.ranks: .* ranks cannot share; expected 1, found 2"),
        (
            "hardware.micro_batch=2 sequences",
            "hardware.micro_batch: clm_stream takes all streams of a batch at once",
        ),
    ],
)
def test_what_does_not_go_with_streams_is_refused_at_its_place(
    tmp_path: Path, change: str, words: str
) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE, "utf-8")
    load_recipe(path)
    with pytest.raises(RecipeError, match=words):
        load_recipe(path, [change])


def test_streams_are_not_mixed_with_other_objectives() -> None:
    with pytest.raises(
        ValidationError, match="clm_stream reads the text in its own order, and cannot be mixed"
    ):
        Part("objective").parse({"mix": {"of": ["clm_stream", "clm"]}})


def test_the_loop_takes_a_step_of_drawn_length_at_its_share_of_the_rate(texts) -> None:
    settings = ClmStream(lengths="random")
    store = settings.store(Texts(texts[0], streams=2), tokenizer=texts[1], sequence_length=10, seed=1)
    model = model_of(texts[1])
    length = Length.parse("6 steps")
    training = Training(
        objective=settings.build(tokenizer=texts[1], seed=1),
        feed=Feed(store, batch=Length(2, "sequences"), seed=1),
        schedule=Constant().build(length=length),
        length=length,
        seed=1,
    )
    records = list(train(training, TrainState(model, Sgd(lr=3.0).build(model=model), [])))
    assert len({record.tokens for record in records}) > 2
    for record in records:
        assert record.learning_rate == pytest.approx(3.0 * record.tokens / 20)
