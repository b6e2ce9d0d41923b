"""A linear-chain conditional random field over the scores that a head gives words.

Legend: S texts, W words of the longest, L chains of tags that know nothing of each other, K tags in a chain.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from acclimate.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_NEVER = -1e9
"""Score of what rules forbid: finite, so that a text without any valid tags has a best path still."""


class Crf(nn.Module):
    """score(y) = Σ_t scores[t, y_t] + Σ_t transitions[y_t, y_t+1] + start[y_first] + end[y_last].

    All of it is 0 at first, which is cross entropy of each word by itself. A part of a text counts `start` only where
    it begins the text, `end` only where it ends it.
    Source: Lafferty et al. 2001; Huang et al. 2015, "Bidirectional LSTM-CRF Models for Sequence Tagging".
    """

    def __init__(self, num_chains: int, num_tags: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(num_chains, num_tags))
        self.transitions = nn.Parameter(torch.zeros(num_chains, num_tags, num_tags))
        self.end = nn.Parameter(torch.zeros(num_chains, num_tags))

    def nll(self, scores: Tensor, tags: Tensor, real: Tensor, begins: Tensor, ends: Tensor) -> Tensor:
        """[S] −log p of tags [S, W, L] under scores [S, W, L, K], exactly: the partition goes over all sequences.

        real [S, W]: which words there are, no gaps between them. begins, ends [S]: whether the text does there. 0 for
        a text without words.
        """
        some = real.any(1)
        every = self._partition(scores, real, begins, ends)
        path = self._path(scores, tags, real, begins, ends)
        return torch.where(some, (every - path).sum(-1), 0.0)

    def _partition(self, scores: Tensor, real: Tensor, begins: Tensor, ends: Tensor) -> Tensor:
        """[S, L] log of the sum over all tag sequences."""
        forward = scores[:, 0] + self.start * begins[:, None, None]
        for word in range(1, scores.shape[1]):
            onward = torch.logsumexp(forward.unsqueeze(-1) + self.transitions, dim=-2) + scores[:, word]
            forward = torch.where(real[:, word, None, None], onward, forward)
        return torch.logsumexp(forward + self.end * ends[:, None, None], dim=-1)

    def _path(self, scores: Tensor, tags: Tensor, real: Tensor, begins: Tensor, ends: Tensor) -> Tensor:
        """[S, L] score of the tags."""
        chain = torch.arange(tags.shape[-1], device=tags.device)
        at_words = scores.gather(-1, tags.unsqueeze(-1)).squeeze(-1) * real[:, :, None]
        between = self.transitions[chain, tags[:, :-1], tags[:, 1:]] * real[:, 1:, None]
        last = tags[torch.arange(len(tags), device=tags.device), (real.sum(1) - 1).clamp(min=0)]
        return (
            at_words.sum(1)
            + between.sum(1)
            + self.start[chain, tags[:, 0]] * begins[:, None]
            + self.end[chain, last] * ends[:, None]
        )


class Rules:
    """Which tags may follow which: [K, K], begin a text [K], and end one [K]."""

    def __init__(self, follows: Any, begins: Any, ends: Any) -> None:
        self.follows, self.begins, self.ends = (
            torch.where(torch.as_tensor(one), 0.0, _NEVER) for one in (follows, begins, ends)
        )

    @classmethod
    def none(cls, num_tags: int) -> Rules:
        """Everything is allowed."""
        yes = torch.ones(num_tags, dtype=torch.bool)
        return cls(yes[:, None] & yes, yes, yes)


@torch.inference_mode()
def best_tags(scores: Tensor, real: Tensor, rules: Rules, crf: Crf | None = None) -> Tensor:
    """[S, W, L] the sequence of tags with the highest score for whole texts (Viterbi 1967); 0 where no word is.

    scores [S, W, L, K] of words, real [S, W]; without a CRF what counts besides is rules alone. On the processor.
    """
    chains, tags = scores.shape[2:]
    zeros = torch.zeros(chains, tags)
    start, end = (zeros, zeros) if crf is None else (crf.start.float().cpu(), crf.end.float().cpu())
    moves = rules.follows + (0.0 if crf is None else crf.transitions.float().cpu())
    moves = moves.expand(chains, tags, tags)
    best = scores[:, 0] + start + rules.begins
    back = []
    for word in range(1, scores.shape[1]):
        value, come_from = (best.unsqueeze(-1) + moves).max(dim=-2)
        here = real[:, word, None, None]
        best = torch.where(here, value + scores[:, word], best)
        back.append(torch.where(here, come_from, torch.arange(tags)))
    now = (best + end + rules.ends).argmax(-1)  # [S, L]
    path = [now]
    for come_from in reversed(back):
        now = come_from.gather(-1, now.unsqueeze(-1)).squeeze(-1)
        path.append(now)
    return torch.stack(path[::-1], dim=1) * real[:, :, None]


def crf_of(model: nn.Module) -> Crf | None:
    """The model's own, if it has one."""
    return getattr(model, "crf", None)


def attach_crf(
    model: PreTrainedModel, num_chains: int, num_tags: int, source: str | Path | None = None
) -> None:
    """Give a model a CRF, which then is saved among its weights as `crf.*`, with those of the folder `source`, if any.

    Programs that do not know of it load the model without, and take each word's best tag.
    """
    crf = Crf(num_chains, num_tags)
    if source is not None:
        _load(crf, Path(source))
    model.crf = crf.to(model.device)


def _load(crf: Crf, folder: Path) -> None:
    """Raises UserError where the weights hold no such CRF."""
    from safetensors import safe_open

    names = {f"crf.{name}": name for name, _ in crf.named_parameters()}
    found: dict[str, Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as weights:
            there = names.keys() & set(weights.keys())
            found |= {names[one]: weights.get_tensor(one) for one in there}
    shapes = {name: one.shape for name, one in crf.named_parameters()}
    if {name: one.shape for name, one in found.items()} != shapes:
        raise UserError(
            f"{folder}: the weights hold no CRF of {shapes['start'][0]} chains of {shapes['start'][1]} tags"
        )
    crf.load_state_dict(found)
