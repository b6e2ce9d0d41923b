"""Translation language modelling (Conneau and Lample 2019): masked tokens are guessed from a text's translation too.

Legend: T tokens in the row, B pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import model_validator

from acclimate.batching.packed import PackedBatch, Sequences
from acclimate.batching.pair_store import Ends
from acclimate.errors import UserError
from acclimate.objectives.mlm import Mlm
from acclimate.objectives.parallel_data import ParallelData
from acclimate.objectives.protocol import Loss, Objective
from acclimate.recipe.settings import nearest, problem

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class Tlm(ParallelData, Mlm):
    """Translation language modelling: masked language modelling on a text and its translation, read as one sequence.

    Input: pairs of texts (`pairs`, a column each), put together as `[/s] x [/s] [/s] y [/s]`; `[/s]` is the tokenizer's
    first and last special token, which in the paper are one. Positions start again at 0 for y where the model is
    given positions, and models with language embeddings are told the language of each token. Tokens of both sides are
    hidden, as in `mlm`: [T] tokens in, [M] targets out.
    Requires: a masked language model (kind mlm). A pair must fit into `sequence_length`.
    Source: Conneau and Lample 2019, "Cross-lingual Language Model Pretraining" (XLM; XLM-R does without).
    Example: `objective: {mix: {of: [mlm, {tlm: {pairs: {tab_pairs: {path: cmn.txt, sides: [en, zh]}}}}]}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "tlm")
    bare: ClassVar[str | None] = None
    by_sequence: ClassVar[bool] = True

    languages: tuple[str, str] | None = None
    """What the model calls the two languages, where it has language embeddings; unless given the columns' names."""

    @model_validator(mode="after")
    def _text_alone(self) -> Tlm:
        if self.marks:
            raise problem(
                "unit: tlm does not know where the words of its pairs start; it hides tokens", at=("unit",)
            )
        return self

    def ends(self, tokenizer: PreTrainedTokenizerFast) -> tuple[Ends, Ends]:
        from acclimate.tokenizer.template import boundaries

        first, last = boundaries(tokenizer)
        return ((first,), (last,)), ((first,), (last,))

    def build(  # type: ignore[override]
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> TranslationLanguageModel:
        masked: Any = Mlm.build(self, tokenizer=tokenizer, seed=seed, fixed=fixed)
        return TranslationLanguageModel(masked, self.languages or self.language_names())


class TranslationLanguageModel:
    """The objective at work: what `mlm` hides of both sides, with the places and languages of a pair."""

    num_terms = 1

    def __init__(self, masked: Objective, languages: tuple[str, str]) -> None:
        self._masked = masked
        self._languages = languages

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """As `mlm`; in `positions` those of y start at 0, and `languages` [T] in `by_token` are 0 for x, 1 for y."""
        import torch

        batch = self._masked.prepare(sequences)
        row = np.arange(len(sequences.tokens))
        begins = np.zeros(len(row), dtype=bool)
        begins[sequences.cu_seqlens[:-1]] = True
        begins[1:] |= np.diff(sequences.segments) > 0
        starts = np.maximum.accumulate(np.where(begins, row, 0))
        return replace(
            batch,
            positions=torch.from_numpy(row - starts),
            by_token={**batch.by_token, "languages": batch.segments},
        )

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of targets."""
        return self._masked.count(batch)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """As `mlm`'s. Raises UserError when the model embeds languages and does not know one of these."""
        import torch

        known = language_ids(model.config)
        if known is not None:
            ids = [_known(name, known) for name in self._languages]
            mapped = torch.tensor(ids, device=batch.tokens.device)[batch.by_token["languages"]]
            batch = replace(batch, by_token={**batch.by_token, "languages": mapped})
        return self._masked.loss(model, batch)


def language_ids(config: Any) -> Mapping[str, int] | None:
    """Language → row of a model's language embedding; None where it has none."""
    if not getattr(config, "use_lang_emb", False) or getattr(config, "n_langs", 1) < 2:
        return None
    return dict(getattr(config, "lang2id", None) or {})


def _known(name: str, known: Mapping[str, int]) -> int:
    if name not in known:
        raise UserError(
            f"tlm: the model has no embedding for the language {name!r}; {nearest(name, known)} "
            "(`languages` says what the model calls the two)"
        )
    return known[name]
