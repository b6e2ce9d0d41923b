"""BLEU and chrF as sacrebleu counts them, taken apart into what each text adds.

Legend: N texts, K statistics of a text, R weightings.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import UserError
from acclimate.evaluate.outcomes import Floats

if TYPE_CHECKING:
    from acclimate.evaluate.written import Written, WrittenTally


@cache
def metric(name: str, chinese: bool) -> Any:
    """sacrebleu's `bleu` or `chrf`; BLEU compares Chinese character by character, all else in words as `13a` cuts them.

    Raises UserError where the extra `eval` is not installed.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError:
        raise UserError("BLEU needs the package sacrebleu: pip install 'acclimate[eval]'") from None
    return BLEU(tokenize="zh" if chinese else "13a", force=True) if name == "bleu" else CHRF()


def statistics(
    metric: Any, outputs: Sequence[str], references: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    """[N, K] what each text adds up; references [N] one or more of each."""
    most = max(map(len, references))
    sides = [[several[at] if at < len(several) else None for several in references] for at in range(most)]
    return np.array(metric._extract_corpus_statistics(list(outputs), sides), dtype=np.float64)


def score(metric: Any, sums: NDArray[np.float64]) -> float:
    """0 to 100 of the sums [K] over a corpus."""
    return float(metric._compute_score_from_stats([round(one) for one in sums]).score)


def signature(name: str, texts: Written) -> str:
    """What exactly was counted, in sacrebleu's words."""
    used = metric(name, texts.chinese)
    statistics(used, texts.outputs[:1], texts.references[:1])
    return str(used.get_signature())


def bleu_statistics(texts: Written) -> Floats:
    """[N, 10] lengths, and matches and totals of 1 to 4 words."""
    return statistics(metric("bleu", texts.chinese), texts.outputs, texts.references)


def chrf_statistics(texts: Written) -> Floats:
    """[N, 18] of each order 1 to 6: characters of the output, of the reference, and matches."""
    return statistics(metric("chrf", texts.chinese), texts.outputs, texts.references)


def bleu(tally: WrittenTally) -> Floats:
    used = metric("bleu", tally.texts.chinese)
    return np.array([score(used, one) for one in tally.sums(bleu_statistics).T])


def chrf(tally: WrittenTally) -> Floats:
    used = metric("chrf", tally.texts.chinese)
    return np.array([score(used, one) for one in tally.sums(chrf_statistics).T])
