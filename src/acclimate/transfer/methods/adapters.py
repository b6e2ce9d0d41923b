"""Adapters: the body holds still, small additions to its layers train, and are merged into it in the end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.errors import UserError
from acclimate.recipe.settings import problem
from acclimate.recipe.units import Length, Share
from acclimate.transfer.methods.blocks import Blocks, near
from acclimate.transfer.methods.method import Method, Plan

if TYPE_CHECKING:
    from torch import nn

_IN_BLOCK = re.compile(r"\.\d+\.")


class Adapters(Method):
    """Every matrix W of the layers becomes W + ΔW with a ΔW of few parameters, which alone train beside the head; in
    the end they are merged, so that an ordinary checkpoint is delivered. Needs the extra `peft`.

    lora: ΔW = (α/r)·B·A, B 0 at the start (Hu et al. 2022, "LoRA"). rslora: with α/√r (Kalajdzievski 2023). dora: W's
    columns keep a length of their own, which trains, and LoRA turns them (Liu et al. 2024, "DoRA"). loha: the product,
    element by element, of two such (Hyeon-Woo et al. 2022, "FedPara"). lokr: their Kronecker product (Yeh et al. 2024).
    ia3: only a factor for each output (Liu et al. 2022, "Few-Shot Parameter-Efficient Fine-Tuning").
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "adapters")
    bare: ClassVar[str | None] = "kind"
    packages: ClassVar[tuple[str, ...]] = ("peft",)

    kind: Literal["lora", "rslora", "dora", "loha", "lokr", "ia3"] = "lora"
    """Which kind of addition."""
    rank: int | None = Field(default=None, ge=1)
    """r: 8 unless given. ia3 has none."""
    alpha: int | None = Field(default=None, ge=1)
    """α: twice the rank unless given. ia3 has none."""
    dropout: Share = 0.0
    """Share of an addition's inputs zeroed in training, of lora, rslora and dora; of loha and lokr the share of the
    addition itself that is left out. ia3 has none."""
    targets: list[str] = Field(default=["*"], min_length=1)
    """Patterns of names of linear layers inside the model's blocks that get one, `*` for anything: all (Dettmers et al.
    2023 found that to matter most), or `["*query", "*value"]` as Hu et al. for BERT."""

    @model_validator(mode="after")
    def _no_idle_setting(self) -> Adapters:
        for name in ("rank", "alpha", "dropout"):
            if self.kind == "ia3" and getattr(self, name):
                raise problem(f"{name}: ia3 has none", at=(name,))
        return self

    def named(self) -> Sequence[int | str]:
        return [] if self.targets == ["*"] else self.targets

    def build(self, *, model: nn.Module, length: Length, seed: int) -> Plan:
        from acclimate.kernels.products import forget_copies
        from acclimate.models.building import seeded
        from acclimate.models.quick_modules import slacken

        tuners = _tuners()
        head, known = Blocks(model).head, {name for name, _ in model.named_parameters()}
        targets = self._found(model)
        slacken(model)  # a quick module reads its layers' weights past what is put around them
        with seeded(seed):
            config = self._config(targets)
            tuner = tuners[config.peft_type](model, config, "default")
        added = {
            name for name, _ in model.named_parameters() if name.replace(".base_layer.", ".") not in known
        }

        def merge() -> None:
            tuner.merge_and_unload()
            if hasattr(model, "peft_config"):
                del model.peft_config
            forget_copies()

        return Plan.of(added, head).before(merge)

    def _found(self, model: nn.Module) -> list[str]:
        """Names of the layers that get an addition."""
        from torch import nn
        from transformers.pytorch_utils import Conv1D

        inside = [
            name
            for name, module in model.named_modules()
            if isinstance(module, (nn.Linear, Conv1D)) and _IN_BLOCK.search(f".{name}.")
        ]
        if not inside:
            raise UserError("transfer.adapters: the model has no linear layers in numbered blocks to adapt")
        for pattern in self.targets:
            if not any(fnmatchcase(name, pattern) for name in inside):
                words = f"{pattern!r} matches no linear layer; {near(pattern, inside)}"
                raise UserError(f"transfer.adapters.targets: {words}")
        return [name for name in inside if any(fnmatchcase(name, pattern) for pattern in self.targets)]

    def _config(self, targets: Sequence[str]) -> Any:
        import peft

        rank = self.rank or 8
        alpha = 2 * rank if self.alpha is None else self.alpha
        given: dict[str, Any] = {"target_modules": list(targets), "r": rank}
        if self.kind == "ia3":
            return peft.IA3Config(target_modules=list(targets), feedforward_modules=[])
        if self.kind == "loha":
            return peft.LoHaConfig(**given, alpha=alpha, module_dropout=self.dropout)
        if self.kind == "lokr":
            return peft.LoKrConfig(**given, alpha=alpha, module_dropout=self.dropout)
        how: dict[str, Any] = {"use_dora": self.kind == "dora", "use_rslora": self.kind == "rslora"}
        return peft.LoraConfig(**given, lora_alpha=alpha, lora_dropout=self.dropout, **how)


def _tuners() -> Any:
    """Kind of adapter → what puts it in. Raises UserError where the library is not installed."""
    try:
        from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
    except ImportError:
        raise UserError(
            "transfer.adapters needs the library peft, which is not installed: pip install 'acclimate[peft]'"
        ) from None
    return PEFT_TYPE_TO_TUNER_MAPPING
