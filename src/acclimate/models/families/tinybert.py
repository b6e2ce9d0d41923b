"""TinyBERT (Jiao et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from acclimate.models.families.bert import Bert


class TinyBert(Bert):
    """TinyBERT: BERT made small for distillation layer by layer; its checkpoints are BERT's.

    Source: Jiao et al. 2020, "TinyBERT: Distilling BERT for Natural Language Understanding".
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "tinybert")
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "4": {
            "num_hidden_layers": 4,
            "hidden_size": 312,
            "num_attention_heads": 12,
            "intermediate_size": 1200,
        },
        "6": {
            "num_hidden_layers": 6,
            "hidden_size": 768,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
        },
    }
    default_size: ClassVar[str] = "4"
    preset: ClassVar[Mapping[str, Any]] = {**Bert.preset, "vocab_size": 30522}

    size: Literal["4", "6"] | None = None  # type: ignore[assignment]
    """Layers/hidden/heads/feed-forward: 4 has 4/312/12/1200, 6 has 6/768/12/3072. 4 when nothing is given."""
