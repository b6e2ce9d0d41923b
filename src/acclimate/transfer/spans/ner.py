"""The task of finding labelled spans in texts, as a recipe states it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.errors import UserError
from acclimate.recipe.columns import Column
from acclimate.recipe.settings import problem
from acclimate.transfer.task import Answers, Metric, TaskSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.corpus.document import Dropped, Record
    from acclimate.evaluate.entities import EntityOutcomes
    from acclimate.models.building import Labels
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.examples.rows import Row
    from acclimate.transfer.spans.tag_set import TagSet
    from acclimate.transfer.spans.tagging import Tagging

_METRICS = ("micro_f1", "micro_precision", "micro_recall", "macro_f1", "macro_precision", "macro_recall")


class Ner(TaskSettings):
    """Named entities and other labelled spans: sequence labelling, each word judged at its first token.

    Examples: a text with `entities`, as the readers conll, conll2003, msra_ner, weibo_ner, span_ner and cluener give
    them (tags of any scheme, IOB1 to BMEWO, are read as spans), tokens with tags in columns of JSON lines, or pages of
    forms (funsd), whose boxes go to models that take them. A text longer than `sequence_length` is read in windows with
    context on either side, and no word of it is lost. An entity counts as found where both borders and its label are
    right (Tjong Kim Sang & De Meulder 2003); `micro_f1` is the usual entity F1, and equals seqeval's, `macro_f1` the
    mean over labels. Spans that tags cannot say are counted, left out of the training, and missed in the figures.
    Spans of white space alone are left out, and of those given twice one is read; both are counted (`lost_spans`).
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "ner")
    kind: ClassVar[str] = "tokens"
    one_row: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]] = ("text", "entities", "tokens", "tags")
    shaping: ClassVar[tuple[str, ...]] = ("boxes", "unit", "nested")
    tuning: ClassVar[tuple[str, ...]] = ("unit", "scheme", "nested", "crf", "decode")
    measured_by: ClassVar[tuple[str, ...]] = _METRICS

    text: Column | None = None
    """Column of the text; `text` unless `tags` is given."""
    entities: Column | None = None
    """Column of its spans, a JSON list of {start, end, label} or [start, end, label] in characters, the end exclusive;
    `entities` unless `tags` is given."""
    tokens: Column | None = None
    """Column of the words, a JSON list or words with spaces between. Needed with `tags`; else used where it is there,
    and texts without are cut into words as `unit` says."""
    tags: Column | None = None
    """Column of the words' tags, in any scheme, instead of `text` and `entities`."""
    boxes: Literal["pixels", "thousandths"] = "pixels"
    """Of pages of forms: what their boxes are counted in, as in the objective mvlm."""
    unit: Literal["word", "character"] = "word"
    """What is judged in texts that come without words. word: runs of letters and digits, each Chinese or Japanese
    character, each mark; character: every character, so that spans may end inside words."""
    scheme: Literal["iob2", "iobes"] = "iob2"
    """The tags that the model learns, whatever those of the data: iob2 (B-, I-, O), or iobes, which tells ends and
    single words besides."""
    nested: bool = False
    """Whether spans of different labels may lie in each other: then each label has tags of its own, independent of the
    others'. Spans of one label that overlap cannot be said either way: the longest is learnt."""
    crf: bool = False
    """Whether a linear-chain conditional random field scores which tag follows which (Lafferty et al. 2001). It is
    stored with the model's weights; plain Transformers load the model without it."""
    decode: Literal["valid", "free"] = "valid"
    """valid: the best sequence of tags that the scheme allows; free: the best one of all, and what it breaks is read as
    the CoNLL evaluation does."""
    sequence_length: int = Field(default=128, ge=8)
    """Longest window in tokens, special ones included; longer texts are read in several."""
    metric: Metric = Field(default="micro_f1")  # type: ignore[assignment]
    """The verdict's metric."""
    metrics: list[Metric] = Field(default=list(_METRICS))  # type: ignore[arg-type]
    """What is measured on the test; the verdict's metric always is."""

    @model_validator(mode="before")
    @classmethod
    def _spans_or_tags(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        filled = dict(value)
        if filled.get("tags") is None:
            filled.setdefault("text", "text")
            filled.setdefault("entities", "entities")
        else:
            filled.setdefault("tokens", "tokens")
        return filled

    @model_validator(mode="after")
    def _one_shape(self) -> Ner:
        if self.tags is not None and (self.entities is not None or self.text is not None):
            name = "entities" if self.entities is not None else "text"
            raise problem(
                f"{name}: the words and their `tags` say it already; give one of the two", at=(name,)
            )
        return self

    def row(self, record: Record) -> Row | Dropped:
        from acclimate.transfer.spans.entity_rows import Columns, span_row

        return span_row(record, Columns(self.text, self.entities, self.tokens, self.tags, self.boxes))

    def names(self, rows: Sequence[Row]) -> list[str]:
        """The labels of spans by code point."""
        found = sorted({label for row in rows for label in row.labels})
        if not found:
            raise UserError(f"{rows[0].place}: none of the {len(rows)} texts has a labelled span")
        return found

    def settle(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> None:
        """Every label must be among those of the training part, and have spans there."""
        from acclimate.transfer.examples.labels import known_labels, no_class_lost

        known_labels(rows, names)
        no_class_lost(rows, names)

    def told(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> dict[str, Any]:
        """Of each part the spans of each label, those that cannot be said by reason, and what else is lost."""
        from acclimate.transfer.spans.entity_rows import in_words, words_of

        tag_set = self.tag_set(names)
        counts, unsaid, lost = {}, {}, Counter[str]()
        gone: dict[str, Counter[str]] = {}
        for part, some in rows.items():
            found = Counter(label for row in some for _, _, label in row.more["entities"])
            counts[part] = {name: found[name] for name in names}
            unsaid[part] = Counter[str]()
            for row in some:
                words = words_of(row.text, row.more, self.unit)
                unsaid[part] += in_words(row.more["entities"], words, tag_set).lost
                lost.update(row.more.get("lost_words", {}))
                gone.setdefault(part, Counter()).update(row.more.get("lost_spans", {}))
        told = {"class_counts": counts, "unsaid_spans": {part: dict(one) for part, one in unsaid.items()}}
        if any(gone.values()):
            told["lost_spans"] = {part: dict(sorted(one.items())) for part, one in gone.items() if one}
        return {**told, "lost_words": dict(sorted(lost.items()))} if lost else told

    def tag_set(self, names: Sequence[str]) -> TagSet:
        """What the head tells apart."""
        from acclimate.transfer.spans.tag_set import TagSet

        return TagSet(tuple(names), self.scheme, self.nested)

    def labels(self, names: Sequence[str]) -> Labels:
        from acclimate.models.building import Labels

        return Labels(self.tag_set(names).names)

    def furnish(
        self, model: PreTrainedModel, *, names: Sequence[str], seed: int, source: Path | None = None
    ) -> None:
        """The CRF, where one is asked for."""
        from acclimate.models.crf import attach_crf

        if self.crf:
            tag_set = self.tag_set(names)
            attach_crf(model, tag_set.num_chains, tag_set.num_tags, source)

    def build(self, *, names: Sequence[str], tokenizer: PreTrainedTokenizerFast, seed: int) -> Tagging:
        from acclimate.transfer.spans.tagging import Tagging

        return Tagging(
            tokenizer,
            self.tag_set(names),
            sequence_length=self.sequence_length,
            unit=self.unit,
            valid=self.decode == "valid",
        )

    def outcomes(self, names: Sequence[str], examples: Examples, answers: Answers) -> EntityOutcomes:
        from acclimate.evaluate.entities import Entity, EntityOutcomes
        from acclimate.transfer.spans.entity_rows import in_words, words_of

        tag_set = self.tag_set(names)
        starts, tags = answers["starts"].tolist(), answers["tags"]
        truth, said = [], []
        unsaid = Counter[str]()
        for number, (text, more) in enumerate(zip(examples.texts, examples.more, strict=True)):
            words = words_of(text, more, self.unit)
            unsaid += in_words(more["entities"], words, tag_set).lost
            truth.append({Entity(label, start, end) for start, end, label in more["entities"]})
            found = tag_set.decode(tags[starts[number] : starts[number + 1]])
            said.append(
                {Entity(one.label, int(words[one.start, 0]), int(words[one.end - 1, 1])) for one in found}
            )
        return EntityOutcomes(names, truth, said, unsaid)

    def details(self, names: Sequence[str], examples: Examples, outcomes: EntityOutcomes) -> dict[str, Any]:
        """Labels, figures of each, texts with what was found in them."""
        from acclimate.evaluate.entities import details

        return details(examples.texts, outcomes)
