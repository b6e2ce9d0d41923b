"""What the conformance suite must know of a family, and how it asks a model in our way and in the library's.

Legend: T tokens in the row, Td in the decoder's, B sequences, M targets, V vocabulary, C classes, H hidden size.

Most families need `tiny`, `objectives` and `counts` alone. Those whose models eat more than tokens (boxes, languages,
images) say how a batch is made (`batch`), and those whose heads the functions here do not know, how the outputs are
got from packed rows (`ours`) and from the library (`plain`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.batching.token_store import build_token_store
from acclimate.models.building import Labels
from acclimate.models.family import Family, Vocabulary
from acclimate.models.forward import (
    class_logits,
    encode,
    pair_logits,
    span_logits,
    token_class_logits,
    token_logits,
)
from acclimate.models.kinds import Kind
from acclimate.objectives.protocol import ObjectiveSettings, Texts
from acclimate.recipe.registry import registry
from acclimate.recipe.settings import Part
from acclimate.tokenizer.specials import SPECIALS, around

LENGTHS = (7, 1, 12, 48, 2, 9, 5)
"""Very uneven, one of a single token, one as long as the models can take."""
POSITIONS = max(LENGTHS)
CLASSES = ("yes", "no", "也许")
TEXTS = [
    "the cat sat on the mat . the dog saw it and ran . they were friends .",
    "天 气 很 好 。 我 们 去 公 园 。 他 们 在 家 。",
    "a bird sang . it was early . nobody heard the song but the cat .",
    "雨 下 了 一 天 。 河 水 涨 了 。",
    "rain fell on the old town . people stayed home and read .",
    "the dog ran . the cat sat . the bird sang .",
    "早 上 好 。 今 天 是 星 期 一 。",
    "they read old books on early days . it was good .",
]


@cache
def word_tokenizer() -> PreTrainedTokenizerFast:
    """The words of TEXTS; every role that a tokenizer may name has its token, and there are four sentinels."""
    named = {**SPECIALS, "bos_token": "<s>", "eos_token": "</s>"}
    extra = [f"<extra_id_{number}>" for number in range(4)]
    words = sorted({word for text in TEXTS for word in text.split()})
    vocabulary = {word: number for number, word in enumerate([*named.values(), *extra, *words])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = around(backend, "[CLS]", "[SEP]")
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        additional_special_tokens=extra,
        **named,
    )


def corpus(folder: Path, objective: ObjectiveSettings, tokenizer: PreTrainedTokenizerFast) -> Texts:
    """TEXTS as the token store that objectives make their sequences of."""
    build_token_store(iter([TEXTS]), tokenizer, folder, marks=objective.marks)
    return Texts(folder)


def random_batch(family: type[Family], kind: Kind, tokenizer: Any, lengths: Sequence[int]) -> PackedBatch:
    """Tokens at random, a third of them asked for; with a decoder's row of other lengths for `seq2seq`."""
    rng = np.random.default_rng(0)
    starts = _starts(lengths)
    total, size = int(starts[-1]), len(tokenizer)
    segments = np.arange(total) >= np.repeat(starts[:-1] + np.array(lengths) // 2, lengths)
    sequences = Sequences(
        tokens=rng.integers(5, size, total),
        cu_seqlens=starts,
        segments=segments.astype(np.int64),
        ids=np.arange(len(lengths)),
        epochs=np.zeros(len(lengths), dtype=np.int64),
    )
    decoder = None
    if kind == "seq2seq":
        written = _starts([1 + (3 * length) % 11 for length in lengths])
        total = int(written[-1])
        decoder = rng.integers(5, size, total), written
    places = np.sort(rng.choice(total, max(1, total // 3), replace=False))
    targets = rng.integers(5, size, len(places))
    return pack(sequences, target_positions=places, targets=targets, decoder=decoder)


def our_outputs(model: PreTrainedModel, kind: Kind, batch: PackedBatch) -> list[Tensor]:
    """What the kind's head says, by packed rows: of each target, or of each sequence."""
    if kind == "classification":
        return [class_logits(model, batch)]
    hidden = encode(model, batch)
    if kind == "encoder":
        return [hidden]
    chosen = hidden[batch.target_positions]
    if kind == "tokens":
        return [token_class_logits(model, chosen)]
    if kind == "spans":
        return [span_logits(model, hidden)]
    logits = [token_logits(model, chosen)]
    return [*logits, pair_logits(model, hidden, batch)] if kind == "pretraining" else logits


def plain_outputs(model: PreTrainedModel, kind: Kind, batch: PackedBatch) -> list[Tensor]:
    """The same by a call of the library's model, as its users write it: one padded row a sequence, and a mask."""
    out = model(**padded(type_of(model), batch))
    row = batch if batch.decoder is None else batch.decoder
    real = mask_of(row.cu_seqlens)
    if kind == "encoder":
        return [out.last_hidden_state[real]]
    if kind == "classification":
        return [out.logits]
    if kind == "spans":
        return [torch.stack([out.start_logits, out.end_logits], dim=-1)[real]]
    logits = out.prediction_logits if kind == "pretraining" else out.logits
    chosen = logits[real][batch.target_positions]
    if kind != "pretraining":
        return [chosen]
    return [chosen, next(out[name] for name in ("seq_relationship_logits", "sop_logits") if name in out)]


def padded(family: type[Family], batch: PackedBatch) -> dict[str, Tensor]:
    """The inputs of a plain call: [B, longest, …] each. Positions are left to the library."""
    real = mask_of(batch.cu_seqlens)
    inputs = {"input_ids": batch.tokens}
    for ours, theirs in family.token_inputs.items():
        inputs[theirs] = batch.segments if ours == "segments" else batch.by_token[ours]
    found = {name: spread(one, real) for name, one in inputs.items()} | {"attention_mask": real.long()}
    if batch.decoder is not None:
        written = mask_of(batch.decoder.cu_seqlens)
        found["decoder_input_ids"] = spread(batch.decoder.tokens, written)
        found["decoder_attention_mask"] = written.long()
    return found


def mask_of(cu_seqlens: Tensor) -> Tensor:
    """[B, longest] True where a token stands."""
    lengths = cu_seqlens.diff()
    return torch.arange(int(lengths.max()))[None, :] < lengths[:, None]


def spread(row: Tensor, real: Tensor) -> Tensor:
    """[T, …] → [B, longest, …], padded with the row's last value: what stands there must not matter."""
    out = row[-1].expand(*real.shape, *row.shape[1:]).clone()
    out[real] = row
    return out


def type_of(model: PreTrainedModel) -> type[Family]:
    from acclimate.models.finding import family_of

    return family_of(model.config)


MakeTexts = Callable[[Path, ObjectiveSettings, Any], Texts]
"""(empty folder, objective, tokenizer) → what the objective's store is made of."""


@dataclass(frozen=True)
class Entry:
    """One family in the suite."""

    tiny: Mapping[str, Any]
    """As an entry of the family's `sizes`: the values of the configuration that make a model of a few thousand
    weights."""
    objectives: tuple[Any, ...]
    """As a recipe writes them: `"mlm"`, or `{"mlm": {"rate": 0.3}}`. The model must overfit with the first."""
    counts: Mapping[str, Mapping[Kind, int]]
    """Size → kind → published number of parameters, tied ones once."""
    kinds: tuple[Kind, ...] | None = None
    """Kinds whose outputs are compared with the library's; None: all that the family has."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the family, as in a recipe, besides dropout and positions."""
    tokenizer: Callable[[], Any] = word_tokenizer
    texts: MakeTexts = corpus
    batch: Callable[[type[Family], Kind, Any, Sequence[int]], PackedBatch] = random_batch
    """(family, kind, tokenizer, lengths [B]) → a batch for outputs."""
    ours: Callable[[PreTrainedModel, Kind, PackedBatch], list[Tensor]] = our_outputs
    plain: Callable[[PreTrainedModel, Kind, PackedBatch], list[Tensor]] = plain_outputs
    idle: tuple[str, ...] = ()
    """Patterns of the parameters that get no gradient from the objectives."""
    rate: float = 3e-3
    """Learning rate at which it overfits."""
    steps: int = 150
    """In which it overfits."""


def tiny_family(name: str, entry: Entry) -> type[Family]:
    """The family with one more size, `tiny-test`, which is that of nothing said."""
    family: Any = registry.get("family", name)
    sizes = {**family.sizes, "tiny-test": entry.tiny}
    return type(
        family.__name__, (family,), {"sizes": sizes, "default_size": "tiny-test", "__module__": "test"}
    )


def tiny_settings(name: str, entry: Entry, *, dropout: float = 0.0) -> Family:
    """The family's settings for its tiny size."""
    family = tiny_family(name, entry)
    values: dict[str, Any] = {"dropout": dropout, "attention_dropout": dropout, "positions": POSITIONS}
    values = {key: value for key, value in values.items() if key in family.model_fields}
    return family.model_validate({**values, "initialise": {"truncated_normal": 0.2}, **entry.settings})


def tiny_model(
    name: str, entry: Entry, kind: Kind, *, dropout: float = 0.0, classes: Sequence[str] = CLASSES
) -> PreTrainedModel:
    """A model of the kind with random weights, as a recipe would build it."""
    settings = tiny_settings(name, entry, dropout=dropout)
    labels = Labels(tuple(classes)) if kind in ("classification", "tokens") else None
    return settings.build(vocabulary=Vocabulary.of(entry.tokenizer()), seed=1, kind=kind, labels=labels)


def objective_of(written: Any) -> ObjectiveSettings:
    """The settings of an objective as a recipe writes it."""
    return Part("objective").parse(written)  # type: ignore[return-value]


def _starts(lengths: Sequence[int]) -> Any:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
