"""New rows from the pieces that stood for the token, or from nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.models.vocabulary.rows import NewRows, Rows
    from acclimate.tokenizer.adapt.plan import Adaptation


class Mean(Component):
    """The mean of the rows of the old pieces.

    Source: among others Hong et al. 2021, "AVocaDo"; Gee et al. 2022, "Fast Vocabulary Transfer".
    """

    registered_as: ClassVar[tuple[str, str]] = ("new_rows", "mean")
    needs_text: ClassVar[bool] = False

    def build(self, *, adaptation: Adaptation, tokens: Any = None, seed: int = 0) -> NewRows:
        """The maker of the rows."""
        from acclimate.models.vocabulary.rows import mean_of_pieces

        return mean_of_pieces(adaptation)


class WeightedMean(Component):
    """The mean of the rows of the old pieces, frequent pieces weighing less: a / (a + p), p the piece's share of the
    training text as the old tokenizer cuts it; `##s` says less of a word than `cardi`.

    Source: smooth inverse frequency, Arora, Liang & Ma 2017, "A Simple but Tough-to-Beat Baseline for Sentence
    Embeddings"; here the weights add up to one.
    """

    registered_as: ClassVar[tuple[str, str]] = ("new_rows", "weighted_mean")
    bare: ClassVar[str | None] = "a"
    needs_text: ClassVar[bool] = False

    a: float = Field(default=1e-3, gt=0)
    """A piece with this share of the text weighs half of a rare one."""

    def build(self, *, adaptation: Adaptation, tokens: Any = None, seed: int = 0) -> NewRows:
        """The maker of the rows."""
        from acclimate.models.vocabulary.rows import combination

        counts = adaptation.old_counts
        total = max(1, sum(counts))
        columns = [token.pieces for token in adaptation.new]
        weights = [[self.a / (self.a + counts[piece] / total) for piece in one] for one in columns]
        return combination(columns, weights, adaptation.old_size)


class Random(Component):
    """Rows drawn from a normal distribution, biases 0: for comparison, this is what a plain resize gives."""

    registered_as: ClassVar[tuple[str, str]] = ("new_rows", "random")
    bare: ClassVar[str | None] = "std"
    needs_text: ClassVar[bool] = False

    std: float = Field(default=0.02, gt=0)
    """Standard deviation."""

    def build(self, *, adaptation: Adaptation, tokens: Any = None, seed: int = 0) -> NewRows:
        """The maker of the rows."""
        return _Drawn(len(adaptation.new), self.std, seed)


class _Drawn:
    def __init__(self, number: int, std: float, seed: int) -> None:
        self._number, self._std, self._seed = number, std, seed

    def rows(self, old: Rows) -> Rows:
        import numpy as np

        if old.shape[1] == 1:  # a bias
            return np.zeros((self._number, 1), np.float32)
        drawn = np.random.default_rng(self._seed).normal(0, self._std, (self._number, old.shape[1]))
        return drawn.astype(np.float32)
