"""What tasks that write text share: a source, what is to be written to it, how it is looked for and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr, model_validator

from acclimate.errors import UserError
from acclimate.models.decoding import Decoding
from acclimate.models.kinds import Kind
from acclimate.recipe.columns import Column
from acclimate.recipe.settings import problem
from acclimate.recipe.units import Share
from acclimate.transfer.task import Answers, TaskSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from acclimate.corpus.document import Dropped, Record
    from acclimate.evaluate.written import Written
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.examples.rows import Row
    from acclimate.transfer.writing.composing import Composing, Layout


class Writing(TaskSettings):
    """A text, and one text or several that are right answers to it.

    An encoder-decoder reads the source and writes; a causal model goes on behind the source and what separates it from
    the target. The loss is cross entropy of the target's tokens and its end. Of several targets each epoch learns from
    another one. Sources and targets that are too long are cut and counted.
    """

    columns: ClassVar[tuple[str, ...]] = ("text",)
    shaping: ClassVar[tuple[str, ...]] = ("target",)
    tuning: ClassVar[tuple[str, ...]] = (
        "target_length",
        "prefix",
        "separator",
        "smoothing",
        "decoding",
    )
    kinds: ClassVar[tuple[Kind, ...]] = ("seq2seq", "clm")
    """Kinds of model that can do it; the first that a family has is taken."""
    joined: ClassVar[bool] = False
    """Whether targets go on where sources stop."""
    baselines: ClassVar[tuple[str, ...]] = ("copy",)
    """What is judged beside the model: see `evaluate/written.py`."""

    text: Column = "text"
    """Column of the source. A JSON list of texts is joined by spaces."""
    target: Column | list[Column] = "target"
    """Column of the target, or columns of several; those that a record has count. A JSON list is several targets."""
    target_length: int | None = Field(default=None, ge=2)
    """Longest target in tokens, its end included; as long as sources may be unless given, for causal models half of
    `sequence_length`, which there holds both."""
    prefix: str = ""
    """Put before every source, such as `summarize: ` for T5."""
    separator: str | None = Field(default=None, min_length=1)
    """Causal models: what stands between source and target, such as ` TL;DR: `; the token that closes a text unless
    given."""
    smoothing: Share = 0.0
    """ε of the training targets (1 − ε)·y + ε/V (Szegedy et al. 2016); held-out ones are always judged without."""
    decoding: Decoding = Decoding()
    """How texts are looked for."""

    _kind: Kind = PrivateAttr(default="seq2seq")

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        """The kind of model that it was suited to."""
        return self._kind

    def suited(self, family: Any) -> Writing:
        """With the first kind of model that the family has."""
        suited = self.model_copy()
        suited._kind = next((one for one in self.kinds if one in family.kinds), self.kinds[0])
        return suited

    def idle(self) -> tuple[str, str] | None:
        if self.separator is not None and self.joined:
            return "separator", "nothing stands between a text and how it goes on"
        if self.separator is not None and self.kind != "clm":
            return (
                "separator",
                "stands before a causal model's target; an encoder-decoder has source and target apart",
            )
        return None

    @model_validator(mode="after")
    def _columns_apart(self) -> Writing:
        if self.text in self.targets:
            raise problem(f"target: column {self.text!r} is the source's own", at=("target",))
        if self.target == [] or len(set(self.targets)) < len(self.targets):
            raise problem("target: expected one column or several different ones", at=("target",))
        if isinstance(self.train, str) and not self.header:
            for column in self.targets:
                if isinstance(column, str) and not column.isdigit():
                    words = f"without a header columns are numbers from 0, found {column!r}"
                    raise problem(words, at=("target",))
        return self

    @model_validator(mode="after")
    def _lengths_fit(self) -> Writing:
        if self.target_length is not None and self.target_length > self.sequence_length:
            words = f"expected {self.sequence_length} (`sequence_length`) at most, found {self.target_length}"
            raise problem(f"target_length: {words}", at=("target_length",))
        return self

    @property
    def targets(self) -> list[Column]:
        """The columns of targets."""
        return self.target if isinstance(self.target, list) else [self.target]

    def check(self) -> list[tuple[tuple[str, ...], str]]:
        """What can be seen of the first records, their targets too."""
        from acclimate.transfer.writing.written_rows import without_target

        found = super().check()
        absent = () if found or not self.targets else without_target(self.readers().values(), self.targets)
        return [*found, *((("target",), words) for words in absent)]

    def row(self, record: Record) -> Row | Dropped:
        """A row with a source; its targets are `more["targets"]`."""
        from acclimate.transfer.writing.written_rows import written_row

        return written_row(record, text=self.text, targets=self.targets)

    def told(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> dict[str, Any]:
        """Of each part how many targets a source has, and how long they are."""
        from acclimate.transfer.writing.written_rows import target_statistics

        return {"targets": {part: target_statistics(some) for part, some in rows.items()}}

    def layout(self) -> Layout:
        """How sources and targets become sequences."""
        from acclimate.transfer.writing.composing import Layout

        return Layout(
            sequence_length=self.sequence_length,
            target_length=self.target_length,
            prefix=self.prefix,
            separator=self.separator,
            joined=self.joined,
        )

    def build(self, *, names: Sequence[str], tokenizer: PreTrainedTokenizerFast, seed: int) -> Composing:
        from acclimate.transfer.writing.composing import Composing

        return Composing(
            tokenizer,
            self.layout(),
            causal=self.kind == "clm",
            decoding=self.decoding,
            smoothing=self.smoothing,
            seed=seed,
        )

    def outcomes(self, names: Sequence[str], examples: Examples, answers: Answers) -> Written:
        from acclimate.evaluate.written import Written
        from acclimate.transfer.examples.text_arrays import unpack_texts

        losses = answers["losses"]
        if bad := int((losses != losses).sum()):
            raise UserError(f"the model gives losses that are not numbers for {bad} test examples")
        return Written(
            examples.texts,
            [one["targets"] for one in examples.more],
            unpack_texts(answers),
            losses=losses,
            tokens=answers["tokens"],
            cut=answers["cut"],
            measures=[one.build() for one in (self.metric, *self.metrics)],
            baselines=self.baselines,
        )

    def details(self, names: Sequence[str], examples: Examples, outcomes: Written) -> dict[str, Any]:
        """What a figure is worth: baselines, perplexity, what was cut, texts written, the worst."""
        from acclimate.evaluate.written import details

        return details(outcomes)
