"""Documents that a model of good text finds neither too strange nor too dull."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.corpus.document import Cleaned, Cleaner, Document, Dropped
from acclimate.recipe.paths import DataPath
from acclimate.recipe.settings import Component, Part
from acclimate.recipe.units import Count, Share

if TYPE_CHECKING:
    from acclimate.corpus.clean.learnt_perplexity import LearntPerplexity


class Perplexity(Component):
    """Drops documents by their perplexity under an n-gram model of a reference text, by reasons
    `perplexity:high` and `perplexity:low`.

    After CCNet (Wenzek et al. 2020), with interpolated modified Kneser–Ney (Chen and Goodman 1999). A unit is a
    word, digit, sign or, in scripts without spaces, a character; unknown words are spelt, so that gibberish is
    improbable. Perplexities depend on the reference, so `high` is by default read off the reference itself:
    a tenth of its documents is set aside, and what is stranger than nearly all of those is dropped. The
    reference should be what the corpus is meant to be like, in its language and of its length.
    """

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "perplexity")
    bare: ClassVar[str | None] = "reference"

    reference: Annotated[Component, Part("reader", default="files")] | None = None
    """Good text to learn from, as a source: `{path: …}` or a named reader."""
    model: DataPath | None = None
    """A folder with a model learnt before (`LearntPerplexity.save`), in place of a reference."""
    high: float | None = Field(default=None, gt=1)
    """Greatest perplexity of a document that stays; by default what `quantile` says."""
    low: float | None = Field(default=None, gt=1)
    """Least perplexity of a document that stays, against lists and templates; no bound unless given."""
    quantile: Share = 0.99
    """Share of the reference's documents set aside that would stay, where `high` is not given; ours."""
    order: int = Field(default=5, ge=1, le=8)
    """Longest n-gram (CCNet: 5)."""
    by: Literal["words", "characters"] = "words"
    """What a unit is; `characters` needs less reference text and judges spelling more than style."""
    most: Count = Field(default=30_000_000, ge=1000)
    """Characters of the reference that are learnt from at most; 30M take about 1 GB of memory for a minute."""

    @model_validator(mode="after")
    def _learn_or_load(self) -> Perplexity:
        if (self.reference is None) == (self.model is None):
            raise ValueError("either `reference` or `model` is needed, and not both")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self

    def build(self) -> Cleaner:
        """Raises UserError where there is no reference text, or no model in the folder."""
        learnt = self._learnt()
        low = 0.0 if self.low is None else self.low
        high = learnt.quantile(self.quantile) if self.high is None else self.high
        source = "" if self.high is not None else f" (the {self.quantile:.4g} quantile of the reference)"

        def clean(documents: list[Document]) -> Cleaned:
            cleaned = Cleaned()
            found = learnt.perplexities([document.text for document in documents])
            for document, value in zip(documents, found.tolist(), strict=True):
                if value > high:
                    detail = f"perplexity {value:.1f}, more than {high:.1f}{source}"
                    cleaned.dropped.append(Dropped("perplexity:high", document.place, detail))
                elif value < low:
                    detail = f"perplexity {value:.1f}, less than {low:.1f}"
                    cleaned.dropped.append(Dropped("perplexity:low", document.place, detail))
                else:
                    cleaned.documents.append(document)
            return cleaned

        return clean

    def prepared(self, folder: Path) -> Perplexity:
        """The same step with its model learnt and saved in the folder, so that many processes can load it."""
        if self.model is not None:
            return self
        self._learnt().save(folder)
        return self.model_copy(update={"reference": None, "model": str(folder)})

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """What the step's identity hangs on besides its settings: the reference, or the model's files."""
        if self.model is not None:
            folder = Path(self.model)
            return {str(path.relative_to(folder)): digests(path) for path in sorted(folder.rglob("*.*"))}
        return {"reference": _reader(self.reference).fingerprint(digests)}

    def _learnt(self) -> LearntPerplexity:
        from acclimate.corpus.clean.learnt_perplexity import LearntPerplexity

        if self.model is not None:
            return _loaded(self.model)
        texts = _until(_texts(_reader(self.reference)), self.most)
        return LearntPerplexity.train(texts, order=self.order, by=self.by)


def _reader(reference: Component | None) -> Any:
    assert reference is not None
    return reference.build()


def _texts(reader: Any) -> Iterator[str]:
    return (item.text for item in reader.read() if isinstance(item, Document) and item.text.strip())


def _until(texts: Iterator[str], most: int) -> list[str]:
    taken: list[str] = []
    for text in texts:
        taken.append(text[:most])
        most -= len(text)
        if most <= 0:
            break
    return taken


@cache
def _loaded(folder: str) -> LearntPerplexity:
    from acclimate.corpus.clean.learnt_perplexity import LearntPerplexity

    return LearntPerplexity.load(Path(folder))
