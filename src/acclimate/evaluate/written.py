"""What a model wrote, beside what it was given and what would have been right.

Legend: N texts, K statistics of a text, R weightings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.words import UNSPACED
from acclimate.evaluate.outcomes import Floats
from acclimate.evaluate.sums import Sums

if TYPE_CHECKING:
    from acclimate.evaluate.measures import Measure

_SHOWN, _MOST_CHARACTERS = 20, 500
_ALONE = "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED)
_WORD = re.compile(rf"[{_ALONE}]|[^\W_{_ALONE}]+")
_PIECE = re.compile(rf"[{_ALONE}]|[^\s{_ALONE}]+")
_SENTENCE = re.compile(r".+?(?:[。！？!?]|\.(?=\s|$)|$)")


def words(text: str) -> list[str]:
    """Runs of letters and digits in lower case; in scripts without spaces (Chinese, kana, Thai, …) each character."""
    return _WORD.findall(text.lower())


def pieces(text: str) -> list[str]:
    """What stands between white space; in scripts without spaces each character."""
    return _PIECE.findall(text)


Statistic = Callable[["Written"], Floats]
"""[N, K] what each text adds to the sums that a metric is a function of."""


@dataclass(frozen=True)
class WrittenTally:
    """The texts under R weightings."""

    texts: Written
    weights: Floats
    """[N, R]"""

    def sums(self, statistic: Statistic) -> Floats:
        """[K, R]"""
        return self.texts.sums(statistic).weigh(self.weights)


class Written:
    """Texts of a model."""

    def __init__(
        self,
        sources: Sequence[str],
        references: Sequence[Sequence[str]],
        outputs: Sequence[str],
        *,
        losses: NDArray[Any] | None = None,
        tokens: NDArray[Any] | None = None,
        cut: NDArray[Any] | None = None,
        measures: Sequence[Measure] = (),
        baselines: Sequence[str] = (),
    ) -> None:
        """references: [N] right texts of each, one at least. losses, tokens: [N] −log p in nats of the first of them,
        and its tokens. cut: [N, 3] whether source, target and output were cut. measures: what is measured, the judged
        one first. baselines: `copy` (the source as it is), `lead` (its first sentence)."""
        if not len(sources) == len(references) == len(outputs) or not sources:
            raise ValueError(f"{len(sources)} sources, {len(references)} references, {len(outputs)} outputs")
        if not all(references):
            raise ValueError("a text without a reference cannot be judged")
        self.sources, self.references, self.outputs = sources, references, outputs
        self.losses, self.tokens = losses, tokens
        self.cut = np.zeros((len(sources), 3), np.uint8) if cut is None else cut
        self.measures = {one.name: one for one in measures}
        self._baselines = baselines
        self._sums: dict[Statistic, Sums] = {}

    @property
    def num_examples(self) -> int:
        return len(self.sources)

    def weigh(self, weights: Floats | None = None) -> WrittenTally:
        """Under weights [N, R]; under equal ones (R = 1) when none are given."""
        return WrittenTally(self, np.ones((self.num_examples, 1)) if weights is None else weights)

    def sums(self, statistic: Statistic) -> Sums:
        """What a statistic says of each text, counted once however often it is asked for."""
        if statistic not in self._sums:
            self._sums[statistic] = Sums(statistic(self))
        return self._sums[statistic]

    @cached_property
    def chinese(self) -> bool:
        """Whether most characters of the references' words are of scripts without spaces."""
        found = [word for several in self.references for one in several for word in words(one)]
        alone = sum(len(word) == 1 and bool(re.match(f"[{_ALONE}]", word)) for word in found)
        return 2 * alone > sum(map(len, found))

    @cached_property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Of each baseline the figures that are defined for it."""
        found = {}
        for name in self._baselines:
            outputs = list(self.sources) if name == "copy" else [lead(one) for one in self.sources]
            tally = Written(self.sources, self.references, outputs).weigh()
            figures = {one.name: float(one.over(tally)[0]) for one in self.measures.values()}
            found[name] = {key: value for key, value in figures.items() if not math.isnan(value)}
        return found

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures should know."""
        judged = next(iter(self.measures.values()), None)
        said = {"copy": "the source as it is", "lead": "the source's first sentence"}
        notes = [
            f"{said[name]} would have {judged.title} {figures[judged.name]:.2f}"
            for name, figures in self.baselines.items()
            if judged is not None and judged.name in figures
        ]
        for number, what in zip(
            self.cut.sum(axis=0).tolist(), ("sources", "targets", "outputs"), strict=True
        ):
            if number:
                notes.append(
                    f"{number} of {self.num_examples} {what} were cut, being longer than the model takes"
                )
        return notes


def lead(text: str) -> str:
    """The first sentence."""
    found = _SENTENCE.match(text.strip())
    return found.group(0) if found else text


def likelihood(texts: Written) -> Floats:
    """[N, 3] bits, UTF-8 bytes and tokens of each text's first reference; of one that was cut none."""
    if texts.losses is None or texts.tokens is None:
        return np.zeros((texts.num_examples, 3))
    sizes = [len(several[0].encode()) for several in texts.references]
    rows = np.stack([texts.losses / math.log(2), np.array(sizes, float), texts.tokens], axis=1)
    return np.where(texts.cut[:, 1:2] != 0, 0.0, rows)


def details(texts: Written) -> dict[str, Any]:
    """What stands in evaluation.json for a task that writes besides its figures; all of the delivered model."""
    bits, size, tokens = texts.sums(likelihood).weigh()[:, 0].tolist()
    score, name = _scores(texts)
    shown = np.random.default_rng(texts.num_examples).permutation(texts.num_examples)[:_SHOWN]
    worst = np.argsort(score, kind="stable")[:_SHOWN]
    return {
        "test_loss": bits * math.log(2) / tokens if tokens else None,
        "perplexity": math.exp(min(700.0, bits * math.log(2) / tokens)) if tokens else None,
        "bits_per_byte": bits / size if size else None,
        "baselines": texts.baselines,
        "cut": dict(zip(("sources", "targets", "outputs"), texts.cut.sum(axis=0).tolist(), strict=True)),
        "empty": sum(not one for one in texts.outputs),
        "signatures": _signatures(texts),
        "diversity": {
            "outputs": _diversity(texts.outputs),
            "references": _diversity([several[0] for several in texts.references]),
        },
        "scored_by": name,
        "examples": [_example(texts, score, int(at)) for at in np.sort(shown)],
        "worst": [_example(texts, score, int(at)) for at in worst],
    }


def _scores(texts: Written) -> tuple[Floats, str]:
    """[N] how good each text is, and by what: likeness to a reference, or where none is asked for, likelihood."""
    from acclimate.evaluate.rouge import rouge

    if next(iter(texts.measures), "").startswith(("log_", "distinct_")):
        bits, sizes, _ = texts.sums(likelihood).rows.T
        return np.where(sizes > 0, -bits / np.maximum(sizes, 1), 0.0), "log_likelihood"
    return texts.sums(rouge).rows[:, 2], "rouge_l"


def _signatures(texts: Written) -> dict[str, str]:
    from acclimate.evaluate.bleu import signature

    return {name: signature(name, texts) for name in ("bleu", "chrf") if name in texts.measures}


def _diversity(outputs: Sequence[str]) -> dict[str, float]:
    """Mean length in words, and of all texts together the share of different ones among runs of 1, 2 words (Li et al.
    2016). Resamples would repeat texts, so that these have no interval; the metrics look within texts."""
    cut = [words(one) for one in outputs]
    found = {"mean_words": sum(map(len, cut)) / len(cut)}
    for n in (1, 2):
        runs = [tuple(one[at : at + n]) for one in cut for at in range(len(one) - n + 1)]
        found[f"distinct_{n}_of_all"] = len(set(runs)) / len(runs) if runs else 0.0
    return found


def _example(texts: Written, score: Floats, at: int) -> dict[str, Any]:
    several = [_short(one) for one in texts.references[at]]
    return {
        "text": _short(texts.sources[at]),
        "label": several[0] if len(several) == 1 else several,
        "predicted": _short(texts.outputs[at]),
        "score": float(score[at]),
    }


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"


def log_likelihood(tally: WrittenTally) -> Floats:
    """[R] −bits a byte; NaN where nothing was judged."""
    bits, size, _ = tally.sums(likelihood)
    return np.divide(-bits, size, out=np.full_like(size, np.nan), where=size > 0)


def _exact(texts: Written) -> Floats:
    """[N, 2] whether it equals a reference, and 1."""
    pairs = zip(texts.outputs, texts.references, strict=True)
    rights = [one.split() in [right.split() for right in several] for one, several in pairs]
    return np.stack([np.array(rights, float), np.ones(len(rights))], axis=1)


def exact_text(tally: WrittenTally) -> Floats:
    """[R] percent."""
    right, every = tally.sums(_exact)
    return np.asarray(100 * right / every)
