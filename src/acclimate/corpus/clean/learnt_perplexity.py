"""A model of a reference text, and how strange documents of the same kind are to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acclimate.artifacts import durable
from acclimate.corpus.document import text_digest
from acclimate.corpus.ngram_text import By, NgramText
from acclimate.errors import UserError

HELD_OUT = 10
"""Every tenth document of the reference, by its hash, is not learnt from."""
_BATCH = 256


@dataclass(frozen=True)
class LearntPerplexity:
    """A model of the reference, and the perplexities of those of its documents that it has not seen."""

    model: NgramText
    held_out: NDArray[np.float64]
    """In ascending order."""

    @classmethod
    def train(cls, texts: list[str], *, order: int, by: By) -> LearntPerplexity:
        """Learns from nine in ten texts. Raises UserError where there are fewer than twenty."""
        if len(texts) < 2 * HELD_OUT:
            raise UserError(
                f"perplexity: the reference has {len(texts)} documents, fewer than {2 * HELD_OUT}; "
                "read it by paragraph or line (`documents: paragraph`), or give more text"
            )
        aside = [int.from_bytes(text_digest(text)[:8], "big") % HELD_OUT == 0 for text in texts]
        # Where chance sets none aside, or all, the first one stands for the others.
        aside[0] = aside[0] or not any(aside)
        model = NgramText.train(
            [text for text, out in zip(texts, aside, strict=True) if not out], order=order, by=by
        )
        rest = (text for text, out in zip(texts, aside, strict=True) if out)
        found: list[NDArray[np.float64]] = []
        while batch := list(islice(rest, _BATCH)):
            found.append(np.exp(model.cross_entropies(batch)))
        return cls(model, np.sort(np.concatenate(found)))

    def quantile(self, share: float) -> float:
        """The perplexity that this share of the documents set aside does not exceed."""
        return float(np.quantile(self.held_out, share))

    def perplexities(self, texts: list[str]) -> NDArray[np.float64]:
        """[len(texts)] perplexity of each text by unit; infinite for a blank one."""
        with np.errstate(over="ignore"):
            return np.nan_to_num(np.exp(self.model.cross_entropies(texts)), nan=np.inf, posinf=np.inf)

    def save(self, folder: Path) -> None:
        """Writes both into the folder, which appears whole."""

        def fill(draft: Path) -> None:
            self.model.save(draft / "ngrams")
            durable.write_json(draft / "held_out.json", {"perplexities": self.held_out.tolist()})

        durable.replace_folder(folder, fill)

    @classmethod
    def load(cls, folder: Path) -> LearntPerplexity:
        """What `save` wrote. Raises UserError."""
        try:
            held_out = np.array(json.loads((folder / "held_out.json").read_text("utf-8"))["perplexities"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder}: no perplexity model can be read there: {error}") from error
        return cls(NgramText.load(folder / "ngrams"), held_out)
