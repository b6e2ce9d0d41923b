"""XLM (Conneau and Lample 2019), through Transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from acclimate.models.family import Family, Vocabulary
from acclimate.models.kinds import Kind

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch

_XNLI = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")


def _size(layers: int, hidden: int, heads: int, vocabulary: int, languages: int = 1) -> dict[str, Any]:
    return {
        "n_layers": layers,
        "emb_dim": hidden,
        "n_heads": heads,
        "vocab_size": vocabulary,
        "n_langs": languages,
        "use_lang_emb": languages > 1,
    }


class Xlm(Family):
    """XLM: a bidirectional Transformer encoder over many languages, post-norm, GELU, learnt positions, and an embedding
    of each token's language where `languages` names some.

    Objectives that know the languages of their text (`tlm`) tell the model; without, no language is added.
    Source: Conneau and Lample 2019, "Cross-lingual Language Model Pretraining"; sizes 15 (MLM and TLM on the XNLI
    languages) and 100 (MLM, no language embedding) as released.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "xlm")
    model_types: ClassVar[tuple[str, ...]] = ("xlm",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mini": _size(4, 256, 4, 30145),
        "small": _size(6, 512, 8, 30145),
        "15": {
            **_size(12, 1024, 8, 95000, len(_XNLI)),
            "lang2id": {name: number for number, name in enumerate(_XNLI)},
        },
        "100": _size(16, 1280, 16, 200000, 100) | {"use_lang_emb": False},
    }
    default_size: ClassVar[str] = "mini"
    preset: ClassVar[Mapping[str, Any]] = {"max_position_embeddings": 512}
    packed: ClassVar[bool] = False
    kinds: ClassVar[Mapping[Kind, str]] = {**Family.kinds, "mlm": "XLMWithLMHeadModel"}
    token_inputs: ClassVar[Mapping[str, str]] = {"languages": "langs"}

    size: Literal["mini", "small", "15", "100"] | None = None
    """Layers/hidden/heads: mini 4/256/4, small 6/512/8, 15 12/1024/8, 100 16/1280/16. Mini when nothing is given."""
    languages: tuple[str, ...] | None = None
    """Languages that have an embedding, in the order of its rows; unless given the 15 of XNLI in size 15, none in
    others."""

    @classmethod
    def of_random_weights(cls) -> tuple[str, ...]:
        return (*super().of_random_weights(), "languages")

    def config(self, vocabulary: Vocabulary | None = None) -> Any:
        config = super().config(vocabulary)
        if self.languages is not None:
            config.n_langs = max(1, len(self.languages))
            config.use_lang_emb = len(self.languages) > 1
            config.lang2id = {name: number for number, name in enumerate(self.languages)}
        if vocabulary is not None and vocabulary.special is not None:
            special = vocabulary.special
            config.bos_token_id = special.get("bos_token", special.get("cls_token"))
            config.eos_token_id = special.get("eos_token", special.get("sep_token"))
            config.mask_token_id = special.get("mask_token")
            config.unk_index = special.get("unk_token")
            config.mask_index = special.get("mask_token")
        return config

    def changes(self) -> dict[str, Any]:
        return {
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "summary_first_dropout": self.dropout,
        }

    @classmethod
    def inputs(cls, batch: PackedBatch) -> dict[str, Tensor]:
        """Languages where the batch tells them."""
        found = {"input_ids": batch.tokens, "position_ids": batch.positions}
        known = {ours: theirs for ours, theirs in cls.token_inputs.items() if ours in batch.by_token}
        return found | {theirs: batch.by_token[ours] for ours, theirs in known.items()}

    @classmethod
    def pooled(cls, model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor:
        return hidden.index_select(0, batch.cu_seqlens[:-1])

    @classmethod
    def classify(cls, model: PreTrainedModel, pooled: Tensor) -> Tensor:
        return model.sequence_summary(pooled.unsqueeze(1))
