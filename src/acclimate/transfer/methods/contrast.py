"""Drawing the texts of a class together before a head is fitted to them: for few examples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from acclimate.errors import UserError
from acclimate.recipe.roles import Every
from acclimate.recipe.settings import Component, Part
from acclimate.transfer.methods.method import Prelude

if TYPE_CHECKING:
    from acclimate.transfer.tuning import Course, Lesson, Tuned


class Contrast(Prelude):
    """First the vectors that the head is given are tuned by supervised contrast (objective `contrastive`): of all
    pairs of a batch those of one class are drawn together and the others apart, every text being read twice under
    dropout; then a logistic head is fitted to them.

    Source: Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts" (SetFit), who draw pairs one by one; the
    loss over all pairs of a batch is that of Khosla et al. 2020. Meant for tens of examples a class. With `before`
    `keep` holds in both parts; its ways `lwf` and `lookahead`, which take the task's own loss apart, are refused.
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "contrast")
    regularises: ClassVar[bool] = False
    trains_all_first: ClassVar[bool] = True
    kinds: ClassVar[tuple[str, ...]] = ("classification",)

    length: Every | None = None
    """How long it takes; as long as the task's `length` unless given."""
    temperature: float = Field(default=0.1, gt=0)
    """τ: what cosines are divided by."""
    then: Annotated[Component, Part("transfer")] = Field(default="features")  # type: ignore[assignment]
    """What follows: a way of transfer."""

    def conduct(self, course: Course) -> Tuned:
        from acclimate.transfer.methods.contrasting import ClassContrast
        from acclimate.transfer.methods.method import Plan
        from acclimate.transfer.methods.phased import train_by

        vector = getattr(self.following, "vector", None)  # what the head that follows is given
        pooling = None if vector is None else vector.build()

        def drawn(lesson: Lesson) -> Lesson:
            classes: Any = getattr(lesson.objective, "classes_of", None)
            if classes is None:
                raise UserError("transfer.contrast: takes tasks with one class for each text")
            return replace(lesson, objective=ClassContrast(classes, self.temperature, pooling))

        how: Any = course.how
        settings: dict[str, Any] = {"length": self.length or how.length, "regularise": []}
        first = replace(
            course,
            how=how.model_copy(update=settings),
            train=drawn(course.train),
            validation=drawn(course.validation),
        )
        names = [name for name, _ in course.model.named_parameters()]
        before = train_by(Plan.of(names), first, course.how.optimizer)
        after = self.following.conduct(course)
        return replace(
            after,
            steps=before.steps + after.steps,
            tokens=before.tokens + after.tokens,
            seconds=before.seconds + after.seconds,
        )
