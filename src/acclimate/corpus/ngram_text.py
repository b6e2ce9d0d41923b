"""An n-gram model of text: which units a text has, which of them are known, and what the unknown ones cost.

Units are by default words, single digits, single symbols and single characters of scripts without spaces, so that
Chinese and English can stand in one text; or characters throughout. A line is a sequence of its own.

A unit that the model does not know is `<unk>` and is then spelt, each of its characters and its end drawn evenly
from the reference's characters. So every text has a probability, and one full of unknown words is improbable
instead of a run of `<unk>`, which is a frequent token.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.artifacts import durable
from acclimate.corpus.ngram_model import NgramModel
from acclimate.errors import UserError

By = Literal["words", "characters"]
# Scripts without spaces: Thai to Tibetan, Burmese, Khmer, kana, Han.
_ALONE = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_UNIT = re.compile(rf"[{_ALONE}]|[^\W\d_{_ALONE}]+|\S")
_SPACE = re.compile(r"\s+")
_UNKNOWN = 0


def units_of(line: str, by: By) -> list[str]:
    """The units of a line: words, digits, symbols and unspaced characters, or all characters."""
    return _UNIT.findall(line) if by == "words" else list(_SPACE.sub(" ", line.strip()))


@dataclass(frozen=True)
class Vocabulary:
    """The known units; their ids begin at 1, 0 is every other one."""

    by: By
    ids: dict[str, int]
    characters: int
    """How many different characters the text had that it was made from: what spelling costs."""

    @classmethod
    def of(cls, texts: Iterable[str], by: By = "words") -> Vocabulary:
        """The units that stand in the texts at least twice, in the order of their spelling."""
        counts: Counter[str] = Counter()
        letters: set[str] = set()
        for text in texts:
            letters.update(text)
            for line in text.split("\n"):
                counts.update(units_of(line, by))
        return cls(
            by,
            {unit: n for n, unit in enumerate(sorted(u for u, c in counts.items() if c > 1), 1)},
            len(letters),
        )

    def __len__(self) -> int:
        return len(self.ids) + 1

    def encode(self, text: str) -> tuple[list[list[int]], float]:
        """(ids of each line that is not blank, natural log of the probability of the unknown units' spelling)."""
        get, cost, unknown = self.ids.get, 0, _UNKNOWN
        lines: list[list[int]] = []
        for line in text.split("\n"):
            units = units_of(line, self.by)
            if units:
                ids = [get(unit, unknown) for unit in units]
                if unknown in ids:
                    cost += sum(len(u) + 1 for u, i in zip(units, ids, strict=True) if i == unknown)
                lines.append(ids)
        return lines, -cost * math.log(self.characters + 1)


class NgramText:
    """Probabilities of texts under an n-gram model of their units."""

    def __init__(self, vocabulary: Vocabulary, model: NgramModel) -> None:
        self.vocabulary = vocabulary
        self.model = model

    @classmethod
    def train(
        cls, texts: Sequence[str], *, order: int = 5, by: By = "words", vocabulary: Vocabulary | None = None
    ) -> NgramText:
        """Learns from the texts. Models that are compared with each other need the same `vocabulary`."""
        vocabulary = vocabulary or Vocabulary.of(texts, by)
        lines = chain.from_iterable(vocabulary.encode(text)[0] for text in texts)
        sequences = [np.array(line, dtype=np.int32) for line in lines]
        return cls(vocabulary, NgramModel.train(sequences, order=order, vocab_size=len(vocabulary)))

    def cross_entropies(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """[len(texts)] nats for each unit (line ends count as one) of each text; `nan` for a blank text."""
        encoded = [self.vocabulary.encode(text) for text in texts]
        scores = self.model.score(list(chain.from_iterable(lines for lines, _ in encoded)))
        at, found = 0, np.full(len(texts), np.nan)
        for number, (lines, spelling) in enumerate(encoded):
            units = sum(map(len, lines)) + len(lines)
            if units:
                total = sum(float(one.sum()) for one in scores[at : at + len(lines)])
                found[number] = -(total + spelling) / units
            at += len(lines)
        return found

    def save(self, folder: Path) -> None:
        """Writes vocabulary and model into the folder, which appears whole."""
        durable.replace_folder(folder, self._fill)

    def _fill(self, folder: Path) -> None:
        words = {
            "by": self.vocabulary.by,
            "characters": self.vocabulary.characters,
            "units": list(self.vocabulary.ids),
        }
        durable.write_json(folder / "vocabulary.json", words)
        self.model.save(folder / "model")

    @classmethod
    def load(cls, folder: Path) -> NgramText:
        """What `save` wrote. Raises UserError."""
        try:
            words = json.loads((folder / "vocabulary.json").read_text("utf-8"))
            ids = {unit: n for n, unit in enumerate(words["units"], 1)}
            vocabulary = Vocabulary(words["by"], ids, int(words["characters"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder}: no n-gram model of text can be read there: {error}") from error
        return cls(vocabulary, NgramModel.load(folder / "model"))
