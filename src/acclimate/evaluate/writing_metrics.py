"""Metrics of texts, as a recipe names them. Larger is better in all of them.

Those that compare with references go from 0 to 100, as they are published.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.evaluate.measures import Measure
    from acclimate.evaluate.spelling import Figure


class Bleu(Component):
    """BLEU (Papineni et al. 2002) by sacrebleu (Post 2018): precision of runs of 1 to 4 words, of the whole test.

    Words are cut as `13a` does, Chinese into characters (`zh`). Needs the extra `eval`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("metric", "bleu")

    def build(self) -> Measure:
        from acclimate.evaluate.bleu import bleu
        from acclimate.evaluate.measures import Measure

        return Measure("bleu", "BLEU", bleu)


class Chrf(Component):
    """chrF (Popović 2015) by sacrebleu: F2 of runs of 1 to 6 characters, of the whole test. Needs the extra `eval`."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "chrf")

    def build(self) -> Measure:
        from acclimate.evaluate.bleu import chrf
        from acclimate.evaluate.measures import Measure

        return Measure("chrf", "chrF", chrf)


class Rouge1(Component):
    """ROUGE-1 (Lin 2004): F1 of the words that a text shares with its reference, the mean over texts.

    Words in lower case, not stemmed; Chinese by characters. Of several references the best counts.
    """

    registered_as: ClassVar[tuple[str, str]] = ("metric", "rouge_1")

    def build(self) -> Measure:
        return _rouge("rouge_1", "ROUGE-1", 0)


class Rouge2(Component):
    """ROUGE-2 (Lin 2004): as `rouge_1`, of pairs of neighbouring words."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "rouge_2")

    def build(self) -> Measure:
        return _rouge("rouge_2", "ROUGE-2", 1)


class RougeL(Component):
    """ROUGE-L (Lin 2004): as `rouge_1`, of the longest common subsequence of words."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "rouge_l")

    def build(self) -> Measure:
        return _rouge("rouge_l", "ROUGE-L", 2)


class Gleu(Component):
    """GLEU of corrections (Napoles et al. 2015, 2016): BLEU that counts errors of the source against a text which
    keeps them.

    Words between white space, Chinese by characters. Of several references one is drawn for each text, 500 times.
    """

    registered_as: ClassVar[tuple[str, str]] = ("metric", "gleu")

    def build(self) -> Measure:
        from acclimate.evaluate.gleu import gleu
        from acclimate.evaluate.measures import Measure

        return Measure("gleu", "GLEU", gleu)


class DetectionPrecision(Component):
    """Of the texts that were changed, those where exactly the wrong characters were (percent)."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "detection_precision")

    def build(self) -> Measure:
        return _corrected("detection_precision", "precision", 2)


class DetectionRecall(Component):
    """Of the texts with errors, those where exactly the wrong characters were changed (percent)."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "detection_recall")

    def build(self) -> Measure:
        return _corrected("detection_recall", "recall", 2)


class DetectionF1(Component):
    """F1 of `detection_precision` and `detection_recall`: did it see which characters are wrong, text by text."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "detection_f1")

    def build(self) -> Measure:
        return _corrected("detection_f1", "f1", 2)


class CorrectionPrecision(Component):
    """Of the texts that were changed, those that had errors and now equal the reference (percent)."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "correction_precision")

    def build(self) -> Measure:
        return _corrected("correction_precision", "precision", 3)


class CorrectionRecall(Component):
    """Of the texts with errors, those that now equal the reference (percent)."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "correction_recall")

    def build(self) -> Measure:
        return _corrected("correction_recall", "recall", 3)


class CorrectionF1(Component):
    """F1 of `correction_precision` and `correction_recall`: SIGHAN's figure for whole texts."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "correction_f1")

    def build(self) -> Measure:
        return _corrected("correction_f1", "f1", 3)


class CharacterDetectionF1(Component):
    """F1 of the characters that were changed with those that were wrong (percent)."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "character_detection_f1")

    def build(self) -> Measure:
        return _corrected("character_detection_f1", "f1", 6)


class CharacterCorrectionF1(Component):
    """F1 of the characters that were put right (percent)."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "character_correction_f1")

    def build(self) -> Measure:
        return _corrected("character_correction_f1", "f1", 7)


class ExactText(Component):
    """Share of texts that equal a reference, white space aside (percent)."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "exact_text")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure
        from acclimate.evaluate.written import exact_text

        return Measure("exact_text", "exactly right texts", exact_text)


class LogLikelihood(Component):
    """How likely the true texts are to the model: log₂ p a byte of theirs, which is bits per byte with a minus sign.

    Of several references the first counts; those that were cut are left out.
    """

    registered_as: ClassVar[tuple[str, str]] = ("metric", "log_likelihood")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure
        from acclimate.evaluate.written import log_likelihood

        return Measure("log_likelihood", "log-likelihood a byte", log_likelihood)


class Distinct1(Component):
    """Share of different words among those of a text, over all texts (after Li et al. 2016, within texts)."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "distinct_1")

    def build(self) -> Measure:
        return _distinct(1)


class Distinct2(Component):
    """Share of different pairs of neighbouring words within texts."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "distinct_2")

    def build(self) -> Measure:
        return _distinct(2)


class Distinct4(Component):
    """Share of different runs of four words within texts: 1 less the repetition rep-4 of Welleck et al. 2020."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "distinct_4")

    def build(self) -> Measure:
        return _distinct(4)


def _rouge(name: str, title: str, column: int) -> Measure:
    from acclimate.evaluate.measures import Measure
    from acclimate.evaluate.rouge import mean_of

    return Measure(name, title, partial(mean_of, column))


def _corrected(name: str, figure: Figure, hits: int) -> Measure:
    from acclimate.evaluate.measures import Measure
    from acclimate.evaluate.spelling import corrected

    title = name.replace("character_", "character-level ").replace("_", " ").replace("f1", "F1")
    return Measure(name, title, partial(corrected, figure=figure, hits=hits))


def _distinct(n: int) -> Measure:
    from acclimate.evaluate.diversity import distinct
    from acclimate.evaluate.measures import Measure

    return Measure(f"distinct_{n}", f"distinct-{n}", partial(distinct, n=n))
