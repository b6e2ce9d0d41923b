"""Answers beside those that people gave: exact match and F1 as SQuAD and CMRC define them.

squad (Rajpurkar et al. 2016): lower case, without ASCII punctuation, articles and extra white space; F1 of the bag of
words; with questions that have no answer (2018) both are 1 where nothing is said, else 0. cmrc (Cui et al. 2019): lower
case, without a fixed list of marks; F1 of the longest common run of characters of Chinese and words of other scripts.
For words of other scripts the official program calls NLTK; here they are runs of letters and digits, and single marks.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from acclimate.evaluate.classification import SHOWN, cut
from acclimate.evaluate.sums import Sums

Judge = Literal["squad", "cmrc"]
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_MARKS = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_HAN = re.compile("[\u4e00-\u9fa5]")
_CMRC_PIECES = re.compile("[\u4e00-\u9fa5]|[^\\W\u4e00-\u9fa5]+|[^\\w\\s]")


def squad_form(text: str) -> str:
    """What is left of an answer for SQuAD's exact match."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def squad_f1(truth: str, said: str) -> float:
    there, claimed = squad_form(truth).split(), squad_form(said).split()
    if not there or not claimed:
        return float(there == claimed)
    return _f1((Counter(there) & Counter(claimed)).total(), len(there), len(claimed))


def cmrc_form(text: str) -> str:
    """What is left of an answer for CMRC's exact match."""
    return "".join(one for one in text.lower().strip() if one not in _MARKS)


def cmrc_f1(truth: str, said: str) -> float:
    there, claimed = (_pieces(text) for text in (truth, said))
    if not there or not claimed:
        return float(there == claimed)
    return _f1(_longest_common_run(there, claimed), len(there), len(claimed))


def _pieces(text: str) -> list[str]:
    """Characters of Chinese, words of other scripts; a mark that is left out joins what stands beside it."""
    return _CMRC_PIECES.findall(cmrc_form(text))


def _longest_common_run(one: Sequence[str], other: Sequence[str]) -> int:
    best, row = 0, [0] * (len(other) + 1)
    for piece in one:
        row = [
            0,
            *(before + 1 if piece == theirs else 0 for before, theirs in zip(row[:-1], other, strict=True)),
        ]
        best = max(best, *row)
    return best


def _f1(shared: int, there: int, claimed: int) -> float:
    return 2 * shared / (there + claimed)


_JUDGES: dict[Judge, tuple[Callable[[str], str], Callable[[str, str], float]]] = {
    "squad": (squad_form, squad_f1),
    "cmrc": (cmrc_form, cmrc_f1),
}


def judge_of(texts: Sequence[str]) -> Judge:
    """cmrc where most of the questions have Chinese in them."""
    return "cmrc" if 2 * sum(_HAN.search(text) is not None for text in texts) > len(texts) else "squad"


@dataclass(frozen=True)
class Asked:
    """A question with what was said to it."""

    question: str
    passage: str
    truth: tuple[str, ...]
    """What people said; nothing where there is no answer."""
    said: str
    """Empty: that there is no answer."""
    score: float
    """How much higher the answer is scored than there being none."""


class ReadingOutcomes(Sums):
    """Answers beside true ones; the tally is the weighted sums [3, R] of exact matches, F1s and questions."""

    def __init__(self, asked: Sequence[Asked], judge: Judge, notes: Sequence[str] = ()) -> None:
        self.asked, self.judge = list(asked), judge
        form, f1 = _JUDGES[judge]
        rows = []
        for one in asked:
            truth = one.truth or ("",)
            exact = any(form(one.said) == form(text) for text in truth)
            rows.append((float(exact), max(f1(text, one.said) for text in truth), 1.0))
        super().__init__(rows, [f"exact match and F1 as {judge} defines them", *notes])

    @cached_property
    def answerable(self) -> int:
        """Questions that have an answer."""
        return sum(bool(one.truth) for one in self.asked)


def details(outcomes: ReadingOutcomes) -> dict[str, Any]:
    """What stands in evaluation.json besides the figures, all of the delivered model: some questions, and of those with
    nothing right the ones whose answers are scored highest."""
    num = outcomes.num_examples
    chosen = np.sort(np.random.default_rng(num).choice(num, size=min(num, SHOWN), replace=False))
    wrong = [index for index in range(num) if not outcomes.rows[index, 1]]
    worst = sorted(wrong, key=lambda index: -outcomes.asked[index].score)[:SHOWN]
    return {
        "judge": outcomes.judge,
        "questions": {"answerable": outcomes.answerable, "impossible": num - outcomes.answerable},
        "examples": [_shown(outcomes, index) for index in chosen.tolist()],
        "worst": [_shown(outcomes, index) for index in worst],
    }


def _shown(outcomes: ReadingOutcomes, index: int) -> dict[str, Any]:
    one = outcomes.asked[index]
    exact, f1, _ = outcomes.rows[index].tolist()
    return {
        "text": one.question,
        "pair": cut(one.passage),
        "label": list(dict.fromkeys(one.truth)) or ["(no answer)"],
        "predicted": [one.said or "(no answer)"],
        "exact_match": exact,
        "f1": f1,
    }
