"""XLM-R (Conneau et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from acclimate.models.families.roberta import Roberta, roberta_size


class XlmR(Roberta):
    """XLM-R: RoBERTa over a hundred languages, with a SentencePiece vocabulary of 250,002.

    Source: Conneau et al. 2020, "Unsupervised Cross-lingual Representation Learning at Scale".
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "xlm-r")
    model_types: ClassVar[tuple[str, ...]] = ("xlm-roberta",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "base": roberta_size(12, 768, 12),
        "large": roberta_size(24, 1024, 16),
    }
    preset: ClassVar[Mapping[str, Any]] = {**Roberta.preset, "vocab_size": 250002}

    size: Literal["base", "large"] | None = None  # type: ignore[assignment]
    """Layers/hidden/heads: base 12/768/12, large 24/1024/16. Base when nothing is given."""
