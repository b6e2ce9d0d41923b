"""The metrics a recipe names. Larger is better in all of them; every one is reported with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.evaluate.measures import Measure


class Accuracy(Component):
    """Share of examples whose prediction is right; with several labels at once, whose whole set of labels is."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "accuracy")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure, accuracy

        return Measure("accuracy", "accuracy", accuracy)


class MacroF1(Component):
    """Mean over classes of F1, the harmonic mean of precision and recall: every class counts the same."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "macro_f1")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure, macro_f1

        return Measure("macro_f1", "macro-F1", macro_f1)


class MicroF1(Component):
    """F1 over all decisions together; equals accuracy where each example has one label."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "micro_f1")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure, micro_f1

        return Measure("micro_f1", "micro-F1", micro_f1)


class F1(Component):
    """F1 of the second of two classes, which tasks of pairs call positive: what MRPC and QQP state.

    Where a task has more or fewer classes, or several labels at once, take `macro_f1`; this one is then left out.
    """

    registered_as: ClassVar[tuple[str, str]] = ("metric", "f1")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure, f1_of_second

        return Measure("f1", "F1", f1_of_second)


class Mcc(Component):
    """Matthews' correlation of predicted and true classes: 1 is perfect, 0 what guessing reaches; what CoLA states.

    Not defined for several labels at once; it is then left out.
    """

    registered_as: ClassVar[tuple[str, str]] = ("metric", "mcc")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure, matthews

        return Measure("mcc", "Matthews' correlation", matthews)


class MacroPrecision(Component):
    """Mean over classes of precision, the share of the predictions of a class that are right."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "macro_precision")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure, macro_precision

        return Measure("macro_precision", "macro-precision", macro_precision)


class MacroRecall(Component):
    """Mean over classes of recall, the share of the examples of a class that are found."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "macro_recall")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure, macro_recall

        return Measure("macro_recall", "macro-recall", macro_recall)


class MicroPrecision(Component):
    """Precision over all decisions together; equals accuracy where each example has one label."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "micro_precision")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure, micro_precision

        return Measure("micro_precision", "micro-precision", micro_precision)


class MicroRecall(Component):
    """Recall over all decisions together; equals accuracy where each example has one label."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "micro_recall")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure, micro_recall

        return Measure("micro_recall", "micro-recall", micro_recall)


class Auc(Component):
    """Area under the ROC curve: of the second class where there are two, else the mean of each class against the rest.

    Classes that the test has no examples of (or nothing else but) have no area; they are left out and their number is
    reported. Where no class has one, the metric is absent from the results.
    """

    registered_as: ClassVar[tuple[str, str]] = ("metric", "auc")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure, auc

        return Measure("auc", "AUC", auc)
