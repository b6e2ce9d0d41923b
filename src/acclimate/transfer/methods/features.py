"""The body as a fixed source of features, and a classical classifier over them in the place of the head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.errors import UserError
from acclimate.recipe.settings import problem
from acclimate.recipe.units import Length
from acclimate.transfer.methods.method import Method, Plan
from acclimate.transfer.vectors.vector_settings import Vector

if TYPE_CHECKING:
    from torch import nn

    from acclimate.transfer.tuning import Course, Tuned


class Features(Method):
    """Nothing of the body is trained: what its head is given for each text, or a `vector` of it, is standardised and
    fitted by scikit-learn, on the training part alone. Takes one reading of the examples, not epochs.

    logistic: multinomial logistic regression. svm: a linear one for each class against the rest. Both are folded into
    the model's own head, which then gives their `decision_function`: an ordinary checkpoint is delivered and served. A
    head without bias (GPT-2, Llama) stays so: features are scaled alone then, and fitted without an intercept.
    forest: a random forest. It, and anything fitted to a `vector`, is stored as arrays in the model's file, and judged,
    but is no head of Transformers, so no service takes it.
    Source: Peters et al. 2019, "To Tune or Not to Tune?"; Devlin et al. 2019, section 5.3 (`vector`).
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "features")
    bare: ClassVar[str | None] = "by"
    kinds: ClassVar[tuple[str, ...]] = ("classification",)
    regularises: ClassVar[bool] = False
    by_gradient: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)

    by: Literal["logistic", "svm", "forest"] = "logistic"
    """What is fitted."""
    c: float | None = Field(default=None, gt=0)
    """Inverse of the penalty on weights, of logistic and svm: 1 unless given; smaller holds them closer to 0."""
    trees: int | None = Field(default=None, ge=1, le=2000)
    """How many trees a forest has: 200 unless given."""
    vector: Vector | None = None
    """What is made of a text's tokens; unless given what the model's own head is given, such as BERT's pooler makes of
    the first token, which pretraining by masks alone leaves at random."""

    @model_validator(mode="after")
    def _no_idle_setting(self) -> Features:
        if self.c is not None and self.by == "forest":
            raise problem("c: goes with logistic and svm", at=("c",))
        if self.trees is not None and self.by != "forest":
            raise problem("trees: goes with forest", at=("trees",))
        return self

    def build(self, *, model: nn.Module, length: Length, seed: int) -> Plan:
        """Nothing trains by gradients."""
        return Plan.of(())

    def estimator(self, *, seed: int, balanced: bool) -> Any:
        """Of scikit-learn, not yet fitted."""
        weights = "balanced" if balanced else None
        if self.by == "forest":
            from sklearn.ensemble import RandomForestClassifier

            return RandomForestClassifier(self.trees or 200, random_state=seed, class_weight=weights)
        if self.by == "svm":
            from sklearn.svm import LinearSVC

            return LinearSVC(C=self.c or 1.0, random_state=seed, class_weight=weights, max_iter=10_000)
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=self.c or 1.0, random_state=seed, class_weight=weights, max_iter=1000)

    def require_blocks(self, number: int) -> None:
        if self.vector is not None and self.vector.layers > number:
            words = f"vector.layers: the model has {number} layers, asked for the last {self.vector.layers}"
            raise UserError(f"transfer.features.{words}")

    def furnish(self, model: Any, source: Path) -> None:
        from acclimate.transfer.methods.heads_put_in import furnish

        furnish(model, source)

    def conduct(self, course: Course) -> Tuned:
        from acclimate.transfer.methods.fitted_heads import fit_head

        return fit_head(self, course)
