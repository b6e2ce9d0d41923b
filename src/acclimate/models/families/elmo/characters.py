"""Words as ELMo sees them: by the bytes of their spelling, through convolutions and highways.

Legend: V tokens of the vocabulary, N words, W characters of a word, F filters, P projected size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from acclimate.models.families.elmo.configuration import ElmoConfig

_TEXT_BEGINS, _TEXT_ENDS, _WORD_BEGINS, _WORD_ENDS, _NOTHING = range(256, 261)


def spelt(words: Sequence[str], longest: int, special: Mapping[str, int]) -> NDArray[np.int16]:
    """[V, W] the characters of each token: a mark, the bytes of its spelling as far as there is room, a mark.

    special: role → id; tokens that begin or end a text are spelt by a mark of their own.
    """
    found = np.full((len(words), longest), _NOTHING, dtype=np.int16)
    for number, word in enumerate(words):
        inner = list(word.encode("utf-8", "surrogatepass")[: longest - 2])
        found[number, : len(inner) + 2] = [_WORD_BEGINS, *inner, _WORD_ENDS]
    for roles, mark in ((("sep_token", "eos_token"), _TEXT_ENDS), (("cls_token", "bos_token"), _TEXT_BEGINS)):
        for id in {special[role] for role in roles if role in special}:
            found[id] = _NOTHING
            found[id, :3] = [_WORD_BEGINS, mark, _WORD_ENDS]
    return found


class Highway(nn.Module):
    """x ← c⊙x + (1 − c)⊙relu(Wx + b), c = σ(Vx + d) (Srivastava et al. 2015)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.both = nn.Linear(size, 2 * size)

    @torch.no_grad()
    def begin_open(self) -> None:
        """It begins by carrying."""
        self.both.bias.chunk(2)[1].fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        changed, carry = self.both(x).chunk(2, dim=-1)
        carry = carry.sigmoid()
        return carry * x + (1 - carry) * changed.relu()


class CharacterCnn(nn.Module):
    """Characters → for each filter its largest answer in the word → highways → projection."""

    def __init__(self, config: ElmoConfig) -> None:
        super().__init__()
        filters = config.filters or []
        self.embed = nn.Embedding(config.characters, config.character_size)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.character_size, number, width) for width, number in filters
        )
        size = sum(number for _, number in filters)
        self.highways = nn.ModuleList(Highway(size) for _ in range(config.highways))
        self.projection = nn.Linear(size, config.hidden_size)

    def forward(self, characters: Tensor) -> Tensor:
        """[N, W] → [N, P]"""
        x = self.embed(characters).transpose(1, 2)
        x = torch.cat([functional.relu(one(x).amax(-1)) for one in self.convolutions], dim=-1)
        for highway in self.highways:
            x = highway(x)
        return self.projection(x)  # type: ignore[no-any-return]
