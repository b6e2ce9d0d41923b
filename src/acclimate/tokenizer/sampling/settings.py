"""Sampling as a recipe asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.recipe.settings import Component
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from acclimate.tokenizer.sampling.sampled import SampledEncoder


class BpeDropout(Component):
    """BPE-dropout (Provilkov et al. 2020): at every step of the segmentation each possible merge is left out with this
    probability, so that a word is met in several spellings. For tokenizers with merges."""

    registered_as: ClassVar[tuple[str, str]] = ("segmentation", "bpe_dropout")
    bare: ClassVar[str | None] = "rate"

    rate: Share = 0.1
    """Probability that a merge is left out: 10% as in the paper, which takes 60% for Chinese and Japanese; 0% is the
    plain segmentation."""
    copies: int = Field(default=1, ge=1, le=100)
    """How often the corpus is stored, each time split anew. An epoch goes over all copies."""

    def build(self, *, tokenizer: PreTrainedTokenizerFast, seed: int) -> SampledEncoder:
        """The encoder. Raises UserError for a tokenizer without merges."""
        from acclimate.tokenizer.sampling.bpe_dropout import MergeDropout
        from acclimate.tokenizer.sampling.sampled import SampledEncoder

        return SampledEncoder(tokenizer, seed, lambda inner: MergeDropout(inner, self.rate))


class UnigramSampling(Component):
    """Subword regularisation (Kudo 2018): of all segmentations x of a word one is drawn with P(x)^α, normalised. For
    unigram tokenizers."""

    registered_as: ClassVar[tuple[str, str]] = ("segmentation", "unigram_sampling")
    bare: ClassVar[str | None] = "alpha"

    alpha: float = Field(default=0.2, ge=0, le=1e4)
    """α: 0 takes every segmentation as often, a large one only the best; the paper takes 0.1 to 0.5."""
    best: int | None = Field(default=None, ge=1, le=1000)
    """Draw from this many best segmentations of each word; from all of them unless given."""
    copies: int = Field(default=1, ge=1, le=100)
    """How often the corpus is stored, each time split anew. An epoch goes over all copies."""

    def build(self, *, tokenizer: PreTrainedTokenizerFast, seed: int) -> SampledEncoder:
        """The encoder. Raises UserError for a tokenizer that is no unigram model."""
        from acclimate.tokenizer.sampling.sampled import SampledEncoder
        from acclimate.tokenizer.sampling.unigram_lattice import LatticeSampling

        return SampledEncoder(tokenizer, seed, lambda inner: LatticeSampling(inner, self.alpha, self.best))
