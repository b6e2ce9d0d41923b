"""mBART (Liu et al. 2020): BART over many languages, each text marked with the token of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from acclimate.models.families.bart import Bart, size
from acclimate.models.family import Vocabulary

if TYPE_CHECKING:
    from acclimate.batching.packed import PackedBatch, Row


class MBart(Bart):
    """mBART: BART with pre-norm layers, a norm after the last one of each stack, and embeddings times √hidden.

    A source ends with the token of its language, and what is written begins with that of the language wanted:
    give `generate` that token's id as `decoder_start_token_id`.

    Source: Liu et al. 2020, "Multilingual Denoising Pre-training for Neural Machine Translation"; sizes tiny and mini
    are ours.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "mbart")
    model_types: ClassVar[tuple[str, ...]] = ("mbart",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": size(2, 128, 2, 250027),
        "mini": size(4, 256, 4, 250027),
        "cc25": size(12, 1024, 16, 250027),
    }
    preset: ClassVar[Mapping[str, Any]] = {"max_position_embeddings": 1024, "scale_embedding": True}

    size: Literal["tiny", "mini", "cc25"] | None = None  # type: ignore[assignment]
    """Layers (of each stack)/hidden/heads: tiny 2/128/2, mini 4/256/4, cc25 12/1024/16. Mini when nothing is given."""

    @classmethod
    def closing_norm(cls, config: Any) -> str | None:
        return None

    @classmethod
    def decoder_start(cls, vocabulary: Vocabulary) -> int | None:
        return None

    @classmethod
    def read_again(cls, config: Any, batch: PackedBatch) -> Row:
        """The source with its last token, which tells the language, put before it."""
        from acclimate.batching.packed import Row

        tokens = batch.tokens.roll(1)
        tokens[batch.cu_seqlens[:-1]] = batch.tokens[batch.cu_seqlens[1:] - 1]
        return Row(tokens, batch.cu_seqlens, batch.positions)
