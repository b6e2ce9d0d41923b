"""What a checkpoint's weights became: which were missing, which found no place, which had another shape."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from acclimate.errors import UserError

Shape = tuple[int, ...]
RECKONED = re.compile(r"(.*\.)?(position_ids|token_type_ids|attn\.bias|attn\.masked_bias|inv_freq)")
"""Tables in older files that models reckon anew, and are no weights."""


@dataclass(frozen=True)
class LoadReport:
    """Names are those of the model's weights; of unexpected ones those of the file."""

    source: str
    missing: tuple[str, ...] = ()
    """Drawn at random, as there were none."""
    unexpected: tuple[str, ...] = ()
    """In the file, and not in the model."""
    resized: tuple[tuple[str, Shape, Shape], ...] = ()
    """Drawn at random, as the file's had another shape: (name, the file's, the model's)."""

    @classmethod
    def of(cls, source: str, info: Any) -> LoadReport:
        """From what Transformers tells of a loading."""
        return cls(
            source,
            tuple(sorted(info["missing_keys"])),
            tuple(sorted(name for name in info["unexpected_keys"] if not RECKONED.fullmatch(name))),
            tuple(sorted((name, tuple(old), tuple(new)) for name, old, new in info["mismatched_keys"])),
        )

    def require(self, in_body: Callable[[str], bool]) -> None:
        """Raises UserError when the body is not the file's: Transformers would draw it at random."""
        missing = [name for name in self.missing if in_body(name)]
        if missing:
            raise UserError(
                f"{self.source}: {len(missing)} weights of the model's body are not in it, such as {missing[0]}; "
                "it holds another model, or its weights bear other names"
            )
        resized = [one for one in self.resized if in_body(one[0])]
        if resized:
            name, old, new = resized[0]
            raise UserError(
                f"{self.source}: {len(resized)} weights of the model's body have another shape than its config.json "
                f"says, such as {name}: {_shape(old)} instead of {_shape(new)}"
            )

    def tell(self, warn: Callable[[str], object], *, expects_head: bool) -> None:
        """A warning for each kind of difference. expects_head: a missing head is news, not the rule."""
        if self.missing and expects_head:
            warn(
                f"{self.source} has no {heads(self.missing)}, such as {self.missing[0]}: a new one is drawn at random"
            )
        if self.resized:
            each = ", ".join(f"{name} {_shape(old)} → {_shape(new)}" for name, old, new in self.resized[:3])
            more = ", …" if len(self.resized) > 3 else ""
            warn(f"{self.source}: of another shape, so drawn at random: {each}{more}")
        if self.unexpected:
            warn(f"{self.source}: not used, as the model has no place for it: {heads(self.unexpected)}")


def heads(names: Iterable[str]) -> str:
    """Weights by the layer that they belong to: `cls.seq_relationship (2 weights)`."""
    layers = Counter(name.rpartition(".")[0] or name for name in names)
    shown = [f"{layer} ({number} weight{'s' if number > 1 else ''})" for layer, number in layers.items()]
    more = f" and {len(shown) - 6} more" if len(shown) > 6 else ""
    return ", ".join(shown[:6]) + more


def _shape(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "one number"
