"""What a layout makes of a checkpoint: a configuration and weights under Transformers' names, and how it got there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Rule:
    """One way of naming: a pattern for the whole of a foreign name, and what it is called in Transformers."""

    pattern: str
    target: str
    change: Callable[[Tensor], Tensor] | None = None


@dataclass
class Foreign:
    """A model on its way: nothing is written yet."""

    model_type: str
    config: dict[str, Any]
    """Values of the configuration, by Transformers' names."""
    weights: dict[str, Tensor] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    """Transformers' name → the name, or names, that the weight had."""
    resized: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    """Weights that lost or won rows: shape before and after."""
    unexpected: list[str] = field(default_factory=list)
    """Foreign weights that have no place."""
    in_body: Callable[[str], bool] = lambda name: True
    """Whether a foreign name is of the model's body, which must find its place, or of a head."""
    ignored: list[str] = field(default_factory=list)
    """What is no weight: the optimizer's state, counters, tables that are reckoned anew."""
    notes: list[str] = field(default_factory=list)
    """What was assumed."""
    part: str = ""
    """Folder inside the target, where a checkpoint holds several models."""

    def take(self, tensors: Mapping[str, Tensor], rules: Iterable[Rule]) -> None:
        """Give each tensor the name that the first fitting rule says; of two for one name the first stays."""
        ready = [(re.compile(rule.pattern), rule) for rule in rules]
        for name in tensors:
            found = next(((m, rule) for pattern, rule in ready if (m := pattern.fullmatch(name))), None)
            target = found and found[0].expand(found[1].target).replace("/", ".")
            if found is None or target is None or target in self.weights:
                self.unexpected.append(name)
                continue
            tensor = tensors[name]
            self.put(target, tensor if found[1].change is None else found[1].change(tensor), name, tensor)

    def put(self, target: str, tensor: Tensor, origin: str, before: Tensor | None = None) -> None:
        """A weight under its new name, told where it came from."""
        self.weights[target] = tensor
        self.origins[target] = origin
        if before is not None and before.numel() != tensor.numel():
            self.resized[target] = (tuple(before.shape), tuple(tensor.shape))


LEAVES = (("weight", "weight"), ("bias", "bias"), ("gamma", "weight"), ("beta", "bias"))
"""What the numbers of a layer are called → what Transformers calls them."""


def layers(pairs: Mapping[str, str], end: str = ".") -> Iterator[Rule]:
    """Rules for layers that are called otherwise, and whose weights and biases stand as they are."""
    for pattern, target in pairs.items():
        for theirs, ours in LEAVES:
            yield Rule(f"{pattern}{re.escape(end)}{theirs}", f"{target}.{ours}")


def numbered(names: Iterable[str], pattern: str) -> int:
    """How many layers there are: one more than the highest number that the pattern's group finds."""
    found = [int(match[1]) for name in names if (match := re.match(pattern, name))]
    return max(found, default=-1) + 1


def heads_of(hidden: int, notes: list[str]) -> int:
    """Attention heads where nothing tells: 64 wide each, as in all published sizes but the smallest."""
    heads = max(1, hidden // 64)
    notes.append(
        f"nothing tells how many attention heads there are: {heads} taken, each {hidden // heads} wide"
    )
    return heads
