"""CamemBERT (Martin et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from acclimate.models.families.roberta import Roberta, roberta_size


class Camembert(Roberta):
    """CamemBERT: RoBERTa for French, with a SentencePiece vocabulary of 32,005.

    Source: Martin et al. 2020, "CamemBERT: a Tasty French Language Model".
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "camembert")
    model_types: ClassVar[tuple[str, ...]] = ("camembert",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "base": roberta_size(12, 768, 12),
        "large": roberta_size(24, 1024, 16),
    }
    preset: ClassVar[Mapping[str, Any]] = {**Roberta.preset, "vocab_size": 32005}

    size: Literal["base", "large"] | None = None  # type: ignore[assignment]
    """Layers/hidden/heads: base 12/768/12, large 24/1024/16. Base when nothing is given."""
