"""How a model's text is looked for: the settings of decoding, wherever a recipe has them."""

from __future__ import annotations

from pydantic import Field, model_validator

from acclimate.recipe.settings import Settings, problem
from acclimate.recipe.units import Share


class Decoding(Settings):
    """How texts are looked for. Without any setting: greedily, the likeliest token each time."""

    beams: int = Field(default=1, ge=1, le=64)
    """So many beginnings are followed side by side, the likeliest ones; 1: greedy, or drawn."""
    length_penalty: float | None = Field(default=None, ge=-10, le=10)
    """α: beams are compared by log p / length^α, 1 unless given; more favours longer texts (Wu et al. 2016)."""
    temperature: float | None = Field(default=None, gt=0, le=10)
    """Tokens are drawn, by softmax(logits / temperature): towards 0 the likeliest, above 1 wildly."""
    top_k: int | None = Field(default=None, ge=1)
    """Tokens are drawn, of the likeliest k alone (Fan et al. 2018)."""
    top_p: Share | None = None
    """Tokens are drawn, of the likeliest ones that together have this probability, the fewest that do (Holtzman et al.
    2020)."""
    no_repeat_ngram: int | None = Field(default=None, ge=1)
    """No run of so many tokens is written twice in a text (Paulus et al. 2018)."""
    max_ratio: float | None = Field(default=None, gt=0)
    """Longest text: the source's tokens times this and ten more; it never goes beyond what the model may write."""

    @model_validator(mode="after")
    def _make_sense(self) -> Decoding:
        given = [name for name in ("temperature", "top_k", "top_p") if getattr(self, name) is not None]
        if given and self.beams > 1:
            words = "draws tokens, and beams follow the likeliest ones; leave one of them out"
            raise problem(f"{given[0]}: {words}", at=(given[0],))
        if self.length_penalty is not None and self.beams == 1:
            raise problem(
                "length_penalty: compares beams; it goes with `beams: 2` or more", at=("length_penalty",)
            )
        if self.top_p == 0:
            raise problem(
                "top_p: at 0% there is nothing to draw from; leave it out to be greedy", at=("top_p",)
            )
        if self.top_k == 1:
            raise problem(
                "top_k: of 1 token there is nothing to draw; leave it out to be greedy", at=("top_k",)
            )
        return self

    @property
    def draws(self) -> bool:
        """Whether tokens are drawn at random."""
        return any(one is not None for one in (self.temperature, self.top_k, self.top_p))
