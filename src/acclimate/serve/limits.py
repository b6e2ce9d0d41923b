"""What the server takes on. Everything that a client could make large has a bound here."""

from __future__ import annotations

from pydantic import Field, model_validator

from acclimate.recipe.settings import Settings
from acclimate.recipe.units import Count


class Limits(Settings):
    """Bounds of the server; each refusal names the bound that it met."""

    max_queue: Count = Field(default=256, ge=1)
    """Texts that may wait for the model. Beyond it: 429 with Retry-After."""
    max_batch_texts: Count = Field(default=64, ge=1)
    """Most texts in one forward pass."""
    max_batch_tokens: Count = Field(default=8192, ge=1)
    """Most tokens in one forward pass; a single longer text still runs, alone."""
    wait_milliseconds: float = Field(default=0.0, ge=0, le=10_000)
    """How long the first text of a batch waits for company while the model is idle. While the model is busy company
    gathers anyway, so that waiting pays only where a pass costs much and a text more costs little."""
    deadline_seconds: float = Field(default=30.0, gt=0)
    """Time from the end of a request's body to its answer. Beyond it: 504, and what waits is dropped."""
    body_seconds: float = Field(default=10.0, gt=0)
    """Time a client has to send its body. Beyond it: 408."""
    max_body_bytes: Count = Field(default=1_000_000, ge=1)
    """Most bytes of a request's body, counted as they arrive. Beyond it: 413."""
    max_texts: Count = Field(default=64, ge=1)
    """Most texts in one request. Beyond it: 413."""
    max_characters: Count = Field(default=20_000, ge=1)
    """Most characters of one text, both sides of a pair together. Beyond it: 413."""
    max_top: Count = Field(default=100, ge=1)
    """Most proposals for one mask."""
    max_connections: Count = Field(default=512, ge=2)
    """Connections held open at once. Beyond it: 503."""

    @model_validator(mode="after")
    def _request_fits_the_queue(self) -> Limits:
        if self.max_texts > self.max_queue:
            raise ValueError(
                f"max_texts ({self.max_texts}) is larger than max_queue ({self.max_queue}): "
                "a full request could never be taken"
            )
        return self
