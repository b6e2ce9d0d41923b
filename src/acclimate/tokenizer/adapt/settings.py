"""The tokenizer part `adapt`: a checkpoint's own tokenizer, with entries for the domain's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.progress import Tell, silent
from acclimate.recipe.settings import Component, Part, Settings, problem
from acclimate.recipe.units import Count
from acclimate.tokenizer.adapt.choices import base_fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class Prune(Settings):
    """Taking entries away that the domain does not use: smaller embedding, faster softmax, and no way back to general
    text. Special tokens stay."""

    least: Count = Field(default=1, ge=1)
    """Entries that occur fewer times in the training text go. 1 leaves the training text's tokens as they are."""
    characters: bool = False
    """Take away single characters too; text that holds them can then not be spelt (Chinese has thousands)."""


class Adapt(Component):
    """Change the vocabulary of the checkpoint that `model.checkpoint` names, for the training part of the corpus.

    New entries come with a row of the embedding and of the output layer; what old tokens give is not touched by one
    bit. Before the training, the run tells what is gained: shorter text, bits per byte, speed.
    """

    registered_as: ClassVar[tuple[str, str]] = ("tokenizer", "adapt")
    bare: ClassVar[str | None] = "choose"
    reads_corpus: ClassVar[bool] = True
    of_checkpoint: ClassVar[bool] = True
    """Works on the tokenizer of `model.checkpoint`, and needs one."""

    choose: Annotated[Component, Part("token_choice")] = Field(default="saving")  # type: ignore[assignment]
    """Which words become tokens, and how many."""
    mode: Literal["extend", "replace"] = "extend"
    """extend: the vocabulary grows; replace: new entries take the places of old ones that the training text does not
    use, and the size stays."""
    initialise: Annotated[Component, Part("new_rows")] = Field(default="mean")  # type: ignore[assignment]
    """What the rows of new tokens start from."""
    prune: Prune | None = None
    """Take unused entries away; off unless given."""

    @model_validator(mode="after")
    def _one_way_out(self) -> Adapt:
        if self.mode == "replace" and self.prune is not None:
            raise problem(
                "prune takes away what `mode: replace` puts new entries into; give one", at=("prune",)
            )
        return self

    def choosing(self) -> dict[str, Any]:
        """What decides the vocabulary, as JSON; the rows are another matter, and the base text goes by its content."""
        chosen = {key: value for key, value in self.choose.model_dump(mode="json").items() if key != "base"}
        prune = None if self.prune is None else self.prune.model_dump(mode="json")
        return {"adapt": [self.choose.registered_as[1], chosen, self.mode, prune]}

    def fingerprint(self, digests: Callable[[Path], str], source: str) -> Any:
        """What the vocabulary's identity hangs on besides: the checkpoint's tokenizer, the base text."""
        from acclimate.tokenizer.loading import Load

        tokenizer = Load(source=source).fingerprint(digests)
        return {"tokenizer": tokenizer, "base": base_fingerprint(self.choose, digests)}

    def build(
        self,
        *,
        source: str,
        texts: Callable[[], Iterator[list[str]]],
        folder: Path,
        tell: Tell = silent,
    ) -> PreTrainedTokenizerFast:
        """Adapt the tokenizer in `source` to the texts, which are read twice, and save it with `adaptation.json`.

        Raises UserError when its kind cannot be adapted, when no token can be added, and as `load_tokenizer` does.
        """
        from acclimate.tokenizer.adapt.adapting import adapt
        from acclimate.tokenizer.loading import load_tokenizer

        adapt(self, source=source, texts=texts, folder=folder, tell=tell)
        return load_tokenizer(folder)
