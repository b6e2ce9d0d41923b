"""The parameters of a model by its blocks: what stands below them, the blocks from the bottom, what stands above."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from acclimate.errors import UserError
from acclimate.optim.parameter_groups import depths

if TYPE_CHECKING:
    from torch import nn

EMBEDDINGS, HEAD = "embeddings", "head"
_NUMBERED = re.compile(r"^(.*?\.\d+)\.")


class Blocks:
    """A model's repeated layers, numbered from 0 at the bottom; two stacks of layers count as one, side by side."""

    def __init__(self, model: nn.Module) -> None:
        self.names = [name for name, _ in model.named_parameters()]
        self._depth = depths(self.names)
        self.number = max(0, max(self._depth.values(), default=1) - 1)

    @property
    def all(self) -> frozenset[str]:
        return frozenset(self.names)

    @property
    def head(self) -> frozenset[str]:
        """What stands above the last block: pooler and head."""
        return self._at(0)

    @property
    def embeddings(self) -> frozenset[str]:
        """What stands below the first block."""
        return self._at(self.number + 1)

    def block(self, number: int) -> frozenset[str]:
        """Block 0 is the lowest, −1 the top one."""
        return self._at(self.number - number if number >= 0 else -number)

    def modules(self, number: int) -> list[str]:
        """Names of the modules that make up a block."""
        found = (_NUMBERED.match(name) for name in self.names if name in self.block(number))
        return list(dict.fromkeys(match[1] for match in found if match))

    def _at(self, depth: int) -> frozenset[str]:
        return frozenset(name for name in self.names if self._depth[name] == depth)

    def require_numbered(self, setting: str) -> None:
        """Raises UserError for a model without blocks, or with nothing above them."""
        if not self.number or not self.head:
            raise UserError(f"{setting}: the model has no head above numbered layers")

    def chosen(self, parts: Iterable[int | str], setting: str) -> frozenset[str]:
        """Names of the parameters in these parts: a block by its number, `embeddings`, `head`, or a pattern of names.

        Raises UserError for a part that the model does not have.
        """
        found: frozenset[str] = frozenset()
        for part in parts:
            if isinstance(part, int):
                require_block(part, self.number, setting)
                found |= self.block(part)
            elif part in (EMBEDDINGS, HEAD):
                found |= self.embeddings if part == EMBEDDINGS else self.head
            else:
                matching = frozenset(name for name in self.names if fnmatchcase(name, part))
                if not matching:
                    raise UserError(f"{setting}: {part!r} matches no parameter; {near(part, self.names)}")
                found |= matching
        return found


def near(pattern: str, names: Iterable[str]) -> str:
    """Words that name the pattern nearest to one that matches none of the dotted names."""
    fragments = {EMBEDDINGS, HEAD}
    for name in names:
        parts = name.split(".")
        fragments |= {".".join(parts[i:j]) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1)}
    close = difflib.get_close_matches(pattern.strip("*."), sorted(fragments), n=1)
    if not close:
        return "`acclimate show optim` lists the names"
    return (
        f"did you mean {close[0]!r}?" if close[0] in (EMBEDDINGS, HEAD) else f"did you mean '*{close[0]}*'?"
    )


def require_block(part: int, number: int, setting: str) -> None:
    """Raises UserError where there is no such block among so many."""
    if not -number <= part < number:
        known = f"its blocks are 0 to {number - 1}" if number else "it has no numbered blocks"
        raise UserError(f"{setting}: the model has no block {part}; {known}")


def require_blocks(parts: Sequence[int | str], number: int, setting: str) -> None:
    """Raises UserError where one of the parts is a block that is not there."""
    for part in parts:
        if isinstance(part, int):
            require_block(part, number, setting)
