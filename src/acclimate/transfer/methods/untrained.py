"""The way of transfer of tasks that look at a model as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from acclimate.transfer.methods.method import Method

if TYPE_CHECKING:
    from acclimate.transfer.tuning import Course, Tuned


class Untrained(Method):
    """Nothing is trained. It is no choice of a recipe's: a task either learns or does not."""

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "untrained")
    regularises: ClassVar[bool] = False
    by_gradient: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)  # what finds clusters

    def conduct(self, course: Course) -> Tuned:
        from acclimate.transfer.tuning import Tuned

        return Tuned(0.0, 0, 0, 0.0)
