"""What objectives that learn from pairs of texts share: where the pairs are read, how they are held out, their store.

Legend: N pairs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from acclimate.batching.packed import Sequences
from acclimate.batching.pair_store import Ends, PairStore, build_pair_store
from acclimate.errors import UserError
from acclimate.objectives.protocol import ObjectiveSettings, Texts
from acclimate.progress import Tell
from acclimate.recipe.columns import Column
from acclimate.recipe.settings import Component, Part, Settings
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from acclimate.batching.sequence_store import TextStore
    from acclimate.corpus.aligned import AlignedPairs

Reader = Annotated[Component, Part("reader", default="files")]


class PairSplit(Settings):
    """Shares of the pairs that are held out, by a hash of their texts: pairs that share a side stay together, and more
    data move none, unless they tie two groups into one."""

    validation: Share = 0.02
    """Held out for validation, where `validation` names no pairs of its own."""
    test: Share = 0.02
    """Held out for the final figures, where `test` names no pairs of its own."""

    @model_validator(mode="after")
    def _leave_some(self) -> PairSplit:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on")
        return self


class ParallelData(ObjectiveSettings):
    """Pairs of texts to learn from. A subclass says what they are put between, and what is asked of the model."""

    @model_validator(mode="before")
    @classmethod
    def _text_is_the_source(cls, value: Any) -> Any:
        """Files whose text column is not named hold the source there."""
        if not isinstance(value, Mapping):
            return value
        filled = dict(value)
        for name in ("pairs", "validation", "test"):
            data = {"path": filled[name]} if isinstance(filled.get(name), str) else filled.get(name)
            if isinstance(data, Mapping) and "path" in data and "text" not in data and "source" in filled:
                filled[name] = {**data, "text": filled["source"]}
        return filled

    pairs: Reader
    """The pairs to learn from: any reader of records, such as `{moses: {path: data/train, sides: [en, de]}}`,
    `tab_pairs`, `tmx`, or a path of TSV, CSV or JSON lines."""
    source: Column = 0
    """The column with the first text, by name or by number from 0; readers of parallel text call it as their side."""
    target: Column = 1
    """The column with the second text."""
    validation: Reader | None = None
    """Official pairs for validation; unless given, a share of `pairs` is held out."""
    test: Reader | None = None
    """Official pairs for the final figures; unless given, a share of `pairs` is held out. Pairs to train on that share
    a side with held-out ones are dropped (`in_held_out`)."""
    split: PairSplit = Field(default=PairSplit())
    """Which shares are held out."""

    @property
    def data(self) -> Component | None:
        return self.pairs

    def readers(self) -> list[tuple[str, Component]]:
        """(part, reader) of each source of pairs."""
        named = {"train": self.pairs, "validation": self.validation, "test": self.test}
        return [(part, reader) for part, reader in named.items() if reader is not None]

    def check(self) -> list[tuple[tuple[str, ...], str]]:
        """(place below, what is wrong) of what the first records of each source show, and of files aligned by line
        that are of different length."""
        from acclimate.corpus.document import ONE_LENGTH
        from acclimate.corpus.first_records import column_problems

        columns = {"source": self.source, "target": self.target}
        if self.mark is not None:
            columns["label" if hasattr(self, "label") else "score"] = self.mark
        found: list[tuple[tuple[str, ...], str]] = []
        for part, settings in self.readers():
            name = "pairs" if part == "train" else part
            try:
                reader = settings.build()
                for role, message in column_problems(reader, columns):
                    found.append(((role or name,), message))
                if misaligned := getattr(reader, "misaligned", lambda: None)():
                    found.append(((name,), f"{misaligned}; {ONE_LENGTH}"))
            except UserError as error:
                found.append(((name,), str(error)))
        return found

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        return {part: reader.build().fingerprint(digests) for part, reader in self.readers()}

    def language_names(self) -> tuple[str, str]:
        """What the data call the languages of the source and of the target: the columns' names, or the sides."""
        sides = getattr(self.pairs, "sides", [])
        source, target = (
            column if isinstance(column, str) else sides[column] if column < len(sides) else str(column)
            for column in (self.source, self.target)
        )
        return source, target

    def ends(self, tokenizer: PreTrainedTokenizerFast) -> tuple[Ends, Ends]:
        """Special tokens around a source and around a target."""
        raise NotImplementedError

    def room(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.int64]:
        """[N] how long a sequence the model must take for pairs of so many tokens, special ones included in both."""
        return source + target

    @property
    def mark(self) -> str | int | None:
        """The column of a label or a score of each pair, where the objective learns from one."""
        return None

    def meaning(self, text: str) -> float | None:
        """The number that a mark's text means; None: none, and the pair is dropped."""
        raise NotImplementedError

    def write(
        self, folder: Path, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int, tell: Tell
    ) -> dict[str, Any]:
        """A pair store for each part. Dropped are, by reason: what the reader cannot use, pairs with a blank side
        (`one_sided`), those whose mark means nothing (`no_mark`), `duplicate`, `in_held_out`, pairs that do not fit the
        sequence length (`long_pair`), and pairs of which a side has no tokens (`no_tokens`)."""
        from acclimate.artifacts import durable
        from acclimate.corpus.aligned import AlignedPairs

        special = [sum(map(len, one)) for one in self.ends(tokenizer)]

        def room(source: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.int64]:
            return self.room(source + special[0], target + special[1])

        def fits(source: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.bool_]:
            return (source > 0) & (target > 0) & (room(source, target) <= sequence_length)

        with ExitStack() as stack:
            scratch = stack.enter_context(durable.scratch_folder(folder))
            sources = [(part, reader.build()) for part, reader in self.readers()]
            mark = None if self.mark is None else (self.mark, self.meaning)
            pairs = AlignedPairs(sources, (self.source, self.target), scratch, stack, tell, mark)
            pairs.settle(0 if self.validation else self.split.validation, 0 if self.test else self.split.test)
            for part in ("train", "validation", "test"):
                numbers = pairs.numbers(part)
                lengths, _ = build_pair_store(
                    lambda side, part=part: pairs.texts(part, side),  # type: ignore[misc]
                    tokenizer,
                    folder / part,
                    fits,
                    pairs.marks(part),
                )
                blank = lengths.min(axis=1, initial=1) == 0
                long = ~blank & (room(lengths[:, 0], lengths[:, 1]) > sequence_length)
                pairs.drop(numbers[blank], "no_tokens", "a side of it has no tokens")
                pairs.drop(
                    numbers[long], "long_pair", f"it does not fit a sequence of {sequence_length} tokens"
                )
            for part in ("validation", "test"):
                durable.write_text(folder / part / "texts.jsonl", _lines(pairs, part))
            durable.write_text(folder / "dropped.jsonl", pairs.account.samples_jsonl())
            return pairs.totals()

    def stand_in(self, sequences: Sequences) -> Sequences:
        """The second half of each is its target."""
        halves = sequences.cu_seqlens[:-1] + sequences.lengths // 2
        target = np.arange(len(sequences.tokens)) >= np.repeat(halves, sequences.lengths)
        return replace(sequences, segments=target.astype(np.int64))

    def store(
        self, texts: Texts, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int
    ) -> TextStore:
        assert texts.own is not None
        return PairStore(texts.own, *self.ends(tokenizer))


def _lines(pairs: AlignedPairs, part: str) -> str:
    """The texts of a held-out part as JSON lines, for whoever wants to see them."""
    sides = (chain.from_iterable(pairs.texts(part, side)) for side in (0, 1))
    rows = ({"source": source, "target": target} for source, target in zip(*sides, strict=True))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
