"""Translations: written by a model, and judged by BLEU and chrF with their intervals.

Legend: N texts, K statistics of a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import UserError
from acclimate.evaluate.bleu import metric, score, statistics
from acclimate.evaluate.resampling import Resampling
from acclimate.models.decoding import Decoding
from acclimate.progress import Tell, silent

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.objectives.translation import Translation


def translate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    objective: Translation,
    *,
    decoding: Decoding | None = None,
    tell: Tell = silent,
) -> list[str]:
    """A translation of each text, by a model that learnt by this objective; marks of languages are the objective's.

    The model is left as it is found. A text without tokens has an empty translation.
    """
    from acclimate.models.finding import family_of
    from acclimate.models.writing import Form, write
    from acclimate.tokenizer.encoding import Encoder

    if not texts:
        return []
    (before, after), (_, close) = objective.ends(tokenizer)
    row, lengths = Encoder(tokenizer, literal=True).encode(list(texts))
    sources = np.split(row, np.cumsum(lengths)[:-1])
    limit = family_of(model.config).max_length(model.config)
    most = None if limit is None else limit - len(before) - len(after)
    rows = [np.array([*before, *one[:most], *after] if len(one) else [], np.int64) for one in sources]
    form = Form(end=close[-1], pad=int(tokenizer.pad_token_id), start=objective.start(tokenizer))
    written = write(model, rows, form, decoding or Decoding(), tell=tell)
    return [text.strip() for text in tokenizer.batch_decode(written, skip_special_tokens=True)]


def translation_figures(
    translations: Sequence[str],
    references: Sequence[str],
    *,
    resampling: Resampling,
    language: str | None = None,
) -> dict[str, Any]:
    """bleu and chrf of the whole (0 to 100), each with value, low and high, and the `signature` of each, by sacrebleu
    (Post 2018; BLEU: Papineni et al. 2002, chrF: Popović 2015). Whole texts are resampled.

    language: that of the references; Chinese (`zh…`) is compared character by character, all else in words as `13a`
    cuts them. Raises UserError when there is nothing to judge, or the extra `eval` is not installed.
    """
    figures: dict[str, Any] = {}
    for name, used in _metrics(language).items():
        rows = _statistics(used, translations, references)
        figures[name] = resampling.sums_interval(rows, partial(score, used)).as_dict()
        figures[f"{name}_signature"] = str(used.get_signature())
    return figures


def translation_difference(
    with_: Sequence[str],
    without: Sequence[str],
    references: Sequence[str],
    *,
    resampling: Resampling,
    language: str | None = None,
) -> dict[str, dict[str, float]]:
    """bleu and chrf of `with_` less those of `without`, each with low and high: both on the same resamples (paired
    bootstrap, Koehn 2004)."""
    figures = {}
    for name, used in _metrics(language).items():
        both = [_statistics(used, one, references) for one in (with_, without)]
        width = both[0].shape[1]

        def difference(sums: NDArray[np.float64], used: Any = used, width: int = width) -> float:
            return score(used, sums[:width]) - score(used, sums[width:])

        figures[name] = resampling.sums_interval(np.concatenate(both, axis=1), difference).as_dict()
    return figures


def _metrics(language: str | None) -> dict[str, Any]:
    chinese = language is not None and language.lower().startswith(("zh", "cmn"))
    return {name: metric(name, chinese) for name in ("bleu", "chrf")}


def _statistics(used: Any, translations: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """[N, K] of each text what the metric adds up."""
    if len(translations) != len(references):
        raise ValueError(f"{len(translations)} translations and {len(references)} references")
    if not len(references):
        raise UserError("there are no translations to judge: the test part holds no pairs")
    return statistics(used, translations, [[one] for one in references])
