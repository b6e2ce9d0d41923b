"""What BART, mBART, T5 and GPT-2 do beyond the conformance suite: writing, and what a decoder sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, PreTrainedModel

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.batching.token_store import build_token_store
from acclimate.engine.feed import Feed
from acclimate.engine.loop import Training, train
from acclimate.engine.state import TrainState
from acclimate.kernels import native
from acclimate.models.families.bart import Bart
from acclimate.models.families.gpt2 import Gpt2
from acclimate.models.families.mbart import MBart
from acclimate.models.families.t5 import T5, T511
from acclimate.models.family import Family, Vocabulary
from acclimate.models.forward import class_logits, encode
from acclimate.models.loading import load_model
from acclimate.objectives.protocol import ObjectiveSettings, Texts
from acclimate.optim.adamw import AdamW
from acclimate.optim.schedules import Constant
from acclimate.recipe.registry import registry
from acclimate.recipe.units import Length
from acclimate.tokenizer.specials import add_extra, suit
from acclimate.tokenizer.untrained import untrained_tokenizer

WRITERS = [Bart, MBart, T5, T511]
SIZE = 60


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def model_of(
    family: type[Family], kind: Any = "seq2seq", tokenizer: Any = None, **settings: Any
) -> PreTrainedModel:
    values = {"positions": 64, "dropout": 0, "attention_dropout": 0, "size": "tiny", **settings}
    values = {name: one for name, one in values.items() if name in family.model_fields}
    vocabulary = Vocabulary.of(tokenizer or untrained_tokenizer(SIZE))
    return family.model_validate(values).build(vocabulary=vocabulary, seed=1, kind=kind)


def batch_of(read: list[int], written: list[int]) -> PackedBatch:
    rng = np.random.default_rng(1)
    starts = [np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64) for lengths in (read, written)]
    tokens = rng.integers(5, SIZE, starts[0][-1])
    ids = np.arange(len(read))
    sequences = Sequences(tokens, starts[0], np.zeros_like(tokens), ids, np.zeros_like(ids))
    none = np.zeros(0, np.int64)
    decoder = rng.integers(5, SIZE, starts[1][-1]), starts[1]
    return pack(sequences, target_positions=none, targets=none, decoder=decoder)


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("family", WRITERS)
def test_a_decoder_sees_its_own_source_and_what_it_has_written(
    family: type[Family], kernels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernels:
        monkeypatch.setattr(native, "available", lambda: False)
    model = model_of(family, "encoder").eval()
    batch = batch_of([7, 4, 9], [5, 6, 3])
    before = encode(model, batch)
    batch.tokens[8] = batch.tokens[8] % 50 + 6  # of the second source
    changed = (encode(model, batch) - before).abs().amax(-1) > 1e-6
    assert changed[5:11].all() and not changed[:5].any() and not changed[11:].any()
    before = encode(model, batch)
    batch.decoder.tokens[8] = (
        batch.decoder.tokens[8] % 50 + 6
    )  # the fourth token of what the second is to write
    changed = (encode(model, batch) - before).abs().amax(-1) > 1e-6
    assert changed[8:11].all() and not changed[:8].any() and not changed[11:].any()


def test_a_t5_1_1_model_keeps_a_head_of_its_own_through_plain_transformers(tmp_path: Path) -> None:
    model = model_of(T511)
    assert model.lm_head.weight is not model.shared.weight
    assert not torch.equal(model.lm_head.weight, model.shared.weight)
    model.save_pretrained(tmp_path)
    plain = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    again = load_model(tmp_path, "seq2seq", family=T511)
    for one in (plain, again):
        assert torch.equal(one.lm_head.weight, model.lm_head.weight)
        assert torch.equal(one.shared.weight, model.shared.weight)
        assert one.encoder.embed_tokens.weight is one.shared.weight
        assert one.config.scale_decoder_outputs is False
    inputs = {"input_ids": torch.tensor([[7, 8, 9]]), "decoder_input_ids": torch.tensor([[0, 9]])}
    torch.testing.assert_close(plain.eval()(**inputs).logits, model.eval()(**inputs).logits)
    plain.save_pretrained(tmp_path / "again")
    third = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "again")
    assert torch.equal(third.lm_head.weight, model.lm_head.weight)


def test_t5_has_no_rate_for_attention_alone_and_no_longest_sequence() -> None:
    for name in ("attention_dropout", "positions"):
        with pytest.raises(ValidationError, match=name):
            T5.model_validate({"size": "tiny", name: 64 if name == "positions" else 0.3})
    assert T5.max_length(T5(size="tiny").config()) is None


def test_layers_are_dropped_in_training_as_the_configuration_says() -> None:
    model = model_of(Bart)
    batch = batch_of([7, 4], [5, 6])
    model.model.encoder.layerdrop = model.model.decoder.layerdrop = 1.0
    whole = encode(model.eval(), batch)
    without = encode(model.train(), batch)
    assert not torch.allclose(whole, without)
    model.model.encoder.layers = model.model.decoder.layers = torch.nn.ModuleList()
    torch.testing.assert_close(encode(model.eval(), batch), without)


def test_the_names_of_special_tokens_are_the_tokenizers() -> None:
    tokenizer = untrained_tokenizer(SIZE)
    first, last, pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    for family, start in ((Bart, last), (MBart, None), (T5, pad)):
        config = family(size="tiny").config(Vocabulary.of(tokenizer))
        assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (first, last, pad)
        assert config.decoder_start_token_id == start
    tokenizer = untrained_tokenizer(SIZE)
    for role in ("cls_token", "sep_token", "pad_token", "mask_token"):
        setattr(tokenizer, role, None)
    tokenizer.bos_token = tokenizer.eos_token = "[SEP]"  # as GPT-2's: one token for both, and no pad
    config = Gpt2(size="tiny").config(Vocabulary.of(tokenizer))
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (3, 3, 3)


# Writing.

TEXTS = [
    "the cat sat on the mat today",
    "rain fell on the old town all day",
    "天 气 很 好 我 们 去 公 园",
]


def words() -> Any:
    known = sorted({word for text in TEXTS for word in text.split()})
    tokenizer = untrained_tokenizer(5)
    tokenizer.add_tokens(known)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def learnt(
    family: type[Family], objective: ObjectiveSettings, tokenizer: Any, folder: Path, rate: float
) -> PreTrainedModel:
    """A model that knows the texts by heart."""
    build_token_store(iter([TEXTS]), tokenizer, folder, marks=objective.marks)
    store = objective.store(Texts(folder), tokenizer=tokenizer, sequence_length=32, seed=1)
    model = model_of(family, objective.kind, tokenizer, initialise="truncated_normal")
    length = Length.parse("120 steps")
    training = Training(
        objective=objective.build(tokenizer=tokenizer, seed=1, fixed=True),
        feed=Feed(store, batch=Length.parse("3 sequences"), seed=1),
        schedule=Constant().build(length=length),
        length=length,
        seed=1,
    )
    state = TrainState(model, AdamW(lr=rate, weight_decay=0).build(model=model), [], [])
    assert list(train(training, state))[-1].loss < 0.15  # with which of three texts to begin cannot be known
    return model.eval()


def test_gpt2_continues_what_it_knows_by_plain_generate(tmp_path: Path) -> None:
    tokenizer = words()
    model = learnt(Gpt2, registry.get("objective", "clm")(), tokenizer, tmp_path, 3e-3)  # type: ignore[arg-type]
    model.save_pretrained(tmp_path / "model")
    suit(tokenizer, segments=False, continues=True)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    for text in TEXTS:
        given = tokenizer(" ".join(text.split()[:2]), return_tensors="pt")
        assert given["input_ids"][0, 0] == tokenizer.cls_token_id and "token_type_ids" not in given
        written = plain.generate(**given, max_new_tokens=20)[0]
        assert tokenizer.decode(written, skip_special_tokens=True).split() == text.split()
        assert written[-1] == tokenizer.sep_token_id


@pytest.mark.parametrize(
    ("family", "name", "rate"), [(Bart, "denoise", 3e-3), (T511, "span_corruption", 3e-3)]
)
def test_encoder_decoders_write_what_they_learnt_by_plain_generate(
    family: type[Family], name: str, rate: float, tmp_path: Path
) -> None:
    tokenizer = words()
    settings: Any = registry.get("objective", name)()
    add_extra(tokenizer, settings.extra_tokens(32))
    model = learnt(family, settings, tokenizer, tmp_path, rate)
    model.save_pretrained(tmp_path / "model")
    plain = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model")
    store = settings.store(Texts(tmp_path), tokenizer=tokenizer, sequence_length=32, seed=1)
    batch = settings.build(tokenizer=tokenizer, seed=1, fixed=True).prepare(
        store.fetch(np.arange(3), np.zeros(3, int))
    )
    sources = batch.tokens.tensor_split(batch.cu_seqlens[1:-1])
    targets = batch.targets.tensor_split(batch.decoder.cu_seqlens[1:-1])
    for source, target in zip(sources, targets, strict=True):
        written = plain.generate(input_ids=source[None], max_new_tokens=30)[0]
        assert written[1 : 1 + len(target)].tolist() == target.tolist()


@pytest.mark.parametrize("family", [Gpt2, Bart, MBart, T5])
def test_a_classifier_by_packed_rows_is_the_librarys(family: type[Family], tmp_path: Path) -> None:
    """Of sequences of one length, so that nobody must tell padding."""
    model = model_of(family, "classification").eval()
    rows = [[2, 7, 8, 9, 3], [2, 11, 12, 13, 3]]
    starts = np.array([0, 5, 10])
    tokens = np.concatenate(rows)
    sequences = Sequences(tokens, starts, np.zeros_like(tokens), np.arange(2), np.zeros(2, np.int64))
    none = np.zeros(0, np.int64)
    ours = class_logits(model, pack(sequences, target_positions=none, targets=none))
    torch.testing.assert_close(ours, model(input_ids=torch.tensor(rows)).logits, rtol=1e-5, atol=1e-5)
