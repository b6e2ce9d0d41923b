from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerFast

from acclimate.batching.packed import PackedBatch
from acclimate.batching.sentence_pairs import ORDER
from acclimate.batching.token_store import build_token_store
from acclimate.engine.backward import weighted
from acclimate.errors import UserError
from acclimate.models.building import Labels
from acclimate.models.family import Vocabulary
from acclimate.objectives.nsp import Nsp
from acclimate.objectives.protocol import Texts
from acclimate.objectives.sentence_pairs import OfSentencePairs
from acclimate.objectives.sop import Sop
from acclimate.recipe.registry import registry
from acclimate.recipe.settings import Part
from acclimate.tokenizer.training import Train

SENTENCES = [
    "the cat",
    "sat on",
    "a mat.",
    "a dog",
    "ran",
    "by!",
    "friends.",
    "天气很好。我们去公园。他们在家！",
]
SMALL = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    folder = tmp_path_factory.mktemp("tokenizer")
    return Train(algorithm="wordpiece", vocab_size=120, least=0).build(
        texts=iter([[" ".join(SENTENCES)] * 20]), folder=folder
    )


@pytest.fixture
def texts(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> Texts:
    random = np.random.default_rng(1)
    documents = [" ".join(random.permutation(SENTENCES)[: random.integers(5, 15)]) for _ in range(30)]
    build_token_store(iter([documents]), tokenizer, tmp_path, marks=("sentences", "words"))
    return Texts(tmp_path)


def prepared(
    settings: OfSentencePairs, texts: Texts, tokenizer: Any, number: int = 12, epoch: int = 0
) -> tuple[Any, PackedBatch]:
    store = settings.store(texts, tokenizer=tokenizer, sequence_length=32, seed=2)
    objective = settings.build(tokenizer=tokenizer, seed=2)
    ids = np.arange(number)
    return objective, objective.prepare(store.fetch(ids, np.full(number, epoch)))


def model_of(family: str, settings: OfSentencePairs, tokenizer: Any, kind: Any = "pretraining") -> Any:
    known: Any = registry.get("family", family)
    sizes = {**known.sizes, "small-test": {**SMALL, **({"embedding_size": 8} if family == "albert" else {})}}
    small = type("Small", (known,), {"sizes": sizes, "default_size": "small-test", "__module__": "test"})
    built = small.model_validate(
        {"dropout": 0, "attention_dropout": 0, "positions": 32, "initialise": {"truncated_normal": 0.2}}
    )
    labels = Labels(settings.classes)
    return built.build(vocabulary=Vocabulary.of(tokenizer), seed=3, kind=kind, labels=labels)


@pytest.mark.parametrize(
    ("family", "settings"),
    [("bert", Nsp()), ("albert", Sop()), ("bert", Sop(orders=3)), ("albert", Sop(orders=3))],
)
def test_the_loss_is_the_librarys(
    family: str, settings: OfSentencePairs, texts: Texts, tokenizer: PreTrainedTokenizerFast
) -> None:
    """BertForPreTraining and AlbertForPreTraining add up the two means by themselves, from padded rows."""
    objective, batch = prepared(settings, texts, tokenizer)
    model = model_of(family, settings, tokenizer)
    loss = objective.loss(model, batch)
    parts: dict[str, float] = {}
    ours = weighted(loss, list(objective.count(batch)), parts)
    assert [term.count for term in loss.terms] == list(objective.count(batch)) == [len(batch.targets), 12.0]
    name = settings.registered_as[1]
    assert (
        set(parts) == {"loss_mlm", f"loss_{name}", f"{name}_accuracy"} and 0 <= parts[f"{name}_accuracy"] <= 1
    )

    asked = torch.full_like(batch.tokens, -100)
    asked[batch.target_positions] = batch.targets
    rows = batch.cu_seqlens.diff().tolist()
    padded = [pad_sequence(one.split(rows), batch_first=True) for one in (batch.tokens, batch.segments)]
    labels = pad_sequence(asked.split(rows), batch_first=True, padding_value=-100)
    real = pad_sequence(torch.ones_like(asked).split(rows), batch_first=True)
    inputs = {"input_ids": padded[0], "token_type_ids": padded[1], "attention_mask": real, "labels": labels}
    orders = batch.by_sequence[ORDER]
    if len(settings.classes) == 2:
        own = {"bert": "next_sentence_label", "albert": "sentence_order_label"}[family]
        expected = model(**inputs, **{own: orders}).loss
    else:  # the library's loss knows two classes
        out = model(**{**inputs, "labels": None})
        scores = out.seq_relationship_logits if family == "bert" else out.sop_logits
        expected = torch.nn.functional.cross_entropy(scores, orders)
        expected = expected + torch.nn.functional.cross_entropy(
            out.prediction_logits.flatten(0, 1), labels.flatten(), ignore_index=-100
        )
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)
    assert loss.terms[1].per_sequence is not None and loss.per_sequence is not None
    torch.testing.assert_close(loss.terms[1].per_sequence.sum(), loss.terms[1].sum.detach())


def test_alone_it_asks_for_the_order_only(texts: Texts, tokenizer: PreTrainedTokenizerFast) -> None:
    settings = Nsp(mlm=None)
    assert settings.likelihood is None and Nsp().likelihood == "some" and settings.marks == {"sentences"}
    objective, batch = prepared(settings, texts, tokenizer)
    _, joined = prepared(Nsp(), texts, tokenizer)
    assert (joined.tokens == tokenizer.mask_token_id).any() and not (
        batch.tokens == tokenizer.mask_token_id
    ).any()
    model = model_of("bert", settings, tokenizer)
    loss = objective.loss(model, batch)
    assert loss.name == "nsp" and not loss.others and objective.num_terms == 1 and loss.count == 12
    torch.testing.assert_close(loss.sum, objective.loss(model, joined).sum, rtol=0.2, atol=0.5)


def test_separators_are_not_asked_for(texts: Texts, tokenizer: PreTrainedTokenizerFast) -> None:
    settings = Nsp.model_validate({"mlm": {"rate": 0.4, "unit": "span"}})
    assert settings.marks == {"sentences", "words"}
    _, batch = prepared(settings, texts, tokenizer, 25)
    assert not set(batch.targets.tolist()) & {tokenizer.cls_token_id, tokenizer.sep_token_id}
    assert abs(len(batch.targets) / (batch.num_tokens - 75) - 0.4) < 0.08


def test_a_head_of_another_size_is_refused(texts: Texts, tokenizer: PreTrainedTokenizerFast) -> None:
    objective, batch = prepared(Sop(orders=3), texts, tokenizer)
    with pytest.raises(UserError, match="sop tells 3 orders of two texts apart, the model's head 2"):
        objective.loss(model_of("albert", Sop(), tokenizer), batch)


def test_settings() -> None:
    parse = Part("objective").parse
    assert parse({"sop": 3}).shown == ("next", "previous", "other")  # type: ignore[attr-defined]
    assert parse("sop").classes == ("next", "previous")  # type: ignore[attr-defined]
    assert parse({"nsp": {"mlm": None}}).mlm is None  # type: ignore[attr-defined]
    for wrong in ({"sop": 4}, {"nsp": {"mlm": {"rate": 0}}}, {"nsp": {"order": 3}}):
        with pytest.raises(ValidationError):
            parse(wrong)
