"""New rows by way of word vectors made on the domain's text, in which old and new tokens stand side by side.

Legend: V old tokens, N new ones, K dimensions of the vectors, D of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.recipe.settings import Component
from acclimate.recipe.units import Count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from acclimate.batching.token_store import TokenStore
    from acclimate.models.vocabulary.rows import NewRows, Rows
    from acclimate.tokenizer.adapt.plan import Adaptation


class _ByVectors(Component):
    needs_text: ClassVar[bool] = True

    dimensions: int = Field(default=100, ge=2, le=1000)
    """Of the word vectors (co-occurrence, positive pointwise mutual information, SVD)."""
    text: Count = Field(default=20_000_000, ge=1)
    """Tokens of the training text that the vectors are made from, at most."""

    def _space(self, adaptation: Adaptation, tokens: TokenStore, seed: int) -> Space:
        from acclimate.models.vocabulary.vectors import token_vectors

        size = len(adaptation.from_old)
        vectors = token_vectors(tokens, size, dimensions=self.dimensions, most=self.text, seed=seed)
        return space(adaptation, vectors)


class Mapped(_ByVectors):
    """The token's word vector, carried over by the affine map that fits the shared tokens' rows best (least squares).

    Source: Sachidananda, Kessler & Lai 2021 (the projection of word2vec vectors); Mikolov, Le & Sutskever 2013 (the
    map). Tokens without a vector take the mean of their pieces.
    """

    registered_as: ClassVar[tuple[str, str]] = ("new_rows", "mapped")

    def build(self, *, adaptation: Adaptation, tokens: TokenStore, seed: int = 0) -> NewRows:
        """The maker of the rows."""
        return _Map(self._space(adaptation, tokens, seed), adaptation)


class Focus(_ByVectors):
    """A combination of the rows of shared tokens, by sparsemax of the cosines between their word vectors and the new
    token's.

    Source: Dobler & de Melo 2023, "FOCUS" (there with fastText). Tokens without a vector take the mean of their pieces.
    """

    registered_as: ClassVar[tuple[str, str]] = ("new_rows", "focus")

    def build(self, *, adaptation: Adaptation, tokens: TokenStore, seed: int = 0) -> NewRows:
        """The maker of the rows."""
        from acclimate.models.vocabulary.similarity import sparsemax

        return combined(self._space(adaptation, tokens, seed), adaptation, sparsemax)


class Wechsel(_ByVectors):
    """A combination of the rows of the nearest shared tokens, by softmax of their word vectors' cosines.

    Source: Minixhofer, Paischer & Rekabsaz 2022, "WECHSEL". There two languages share the space; here old and new
    tokens do, for both stand in the domain's text. Tokens without a vector take the mean of their pieces.
    """

    registered_as: ClassVar[tuple[str, str]] = ("new_rows", "wechsel")

    neighbours: int = Field(default=10, ge=1)
    """How many of the nearest shared tokens take part."""
    temperature: float = Field(default=0.1, gt=0)
    """Cosines are divided by it; smaller means that the nearest one decides."""

    def build(self, *, adaptation: Adaptation, tokens: TokenStore, seed: int = 0) -> NewRows:
        """The maker of the rows."""
        from acclimate.models.vocabulary.similarity import nearest_softmax

        def weigh(cosines: Any) -> Any:
            return nearest_softmax(cosines, self.neighbours, self.temperature)

        return combined(self._space(adaptation, tokens, seed), adaptation, weigh)


@dataclass(frozen=True)
class Space:
    """Word vectors of both kinds of tokens, and who has one."""

    shared: NDArray[np.int64]
    """[S] old ids of tokens that stayed and have a vector."""
    old_vectors: NDArray[np.float32]
    """[S, K]"""
    new_vectors: NDArray[np.float32]
    """[N, K], zero where there is none."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """[N] new tokens with a vector."""
        import numpy as np

        return np.asarray(self.new_vectors.any(axis=1))


def space(adaptation: Adaptation, vectors: NDArray[np.float32]) -> Space:
    """From the vectors [new V, K] of the adapted tokenizer's tokens."""
    import numpy as np

    from_old = np.asarray(adaptation.from_old)
    stayed = np.flatnonzero((from_old >= 0) & vectors.any(axis=1))
    new = np.array([token.id for token in adaptation.new], np.int64)
    return Space(from_old[stayed], vectors[stayed], vectors[new])


def combined(space: Space, adaptation: Adaptation, weigh: Any) -> NewRows:
    """Combinations by `weigh` of cosines [n, S] → weights [n, S]; the mean of the pieces without a vector."""
    import numpy as np

    from acclimate.models.vocabulary.rows import combination

    columns = [token.pieces for token in adaptation.new]
    weights = [[1.0] * len(one) for one in columns]
    for start in range(0, len(columns), 256):
        part = slice(start, start + 256)
        cosines = space.new_vectors[part].astype(np.float64) @ space.old_vectors.T.astype(np.float64)
        for number, row in enumerate(weigh(cosines), start):
            taken = np.flatnonzero(row)
            if space.known[number] and len(taken):
                columns[number] = space.shared[taken].tolist()
                weights[number] = row[taken].tolist()
    return combination(columns, weights, adaptation.old_size)


class _Map:
    def __init__(self, space: Space, adaptation: Adaptation) -> None:
        self._space, self._adaptation = space, adaptation

    def rows(self, old: Rows) -> Rows:
        import numpy as np

        from acclimate.models.vocabulary.rows import mean_of_pieces

        found = mean_of_pieces(self._adaptation).rows(old)
        space, known = self._space, self._space.known
        inputs, new = (
            np.column_stack([vectors.astype(np.float64), np.ones(len(vectors))])
            for vectors in (space.old_vectors, space.new_vectors[known])
        )
        if len(inputs):
            solution = np.linalg.lstsq(inputs, old[space.shared].astype(np.float64), rcond=None)[0]
            found[known] = (new @ solution).astype(np.float32)
        return found
