"""How a Transformer knows where a token stands: something added to its embedding, a turn of its queries and keys, or a
bias on scores that depends on the distance.

Legend: N rows, L places of each, H hidden size, E embedding size, A heads, D head size, R longest distance of a table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Positions(nn.Module):
    """Nothing of all this: a token's place is not known."""

    def __init__(self, config: Any) -> None:
        super().__init__()

    def added(self, positions: Tensor) -> Tensor | None:
        """[N, L] → [N, L, E], to be added to the embeddings."""
        return None

    def turns(self, positions: Tensor) -> tuple[Tensor, Tensor] | None:
        """[N, L] → cosine and sine [N, 1, L, D], by which queries and keys are turned."""
        return None

    def by_distance(self, reach: int, device: torch.device) -> Tensor | None:
        """[A, 2R+1] in fp32, to be added to scores: element R + (the key's place - the query's)."""
        return None


class Learnt(Positions):
    """A vector for each place, learnt with the rest (Devlin et al. 2019)."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        size = config.embedding_size or config.hidden_size
        self.table = nn.Embedding(config.max_position_embeddings, size)

    def added(self, positions: Tensor) -> Tensor:
        return self.table(positions)  # type: ignore[no-any-return]


class Sinusoidal(Positions):
    """Sines and cosines of falling frequency, 10000^(-2i/E) (Vaswani et al. 2017), times a factor that starts at 1/√E.

    The paper multiplies the embeddings by √E instead; the factor is learnt as Geiping & Goldstein (2022) do.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.size = config.embedding_size or config.hidden_size
        self.factor = nn.Parameter(torch.full((1,), self.size**-0.5))

    def added(self, positions: Tensor) -> Tensor:
        return sinusoids(positions, self.size) * self.factor


class Relative(Positions):
    """A bias for each head and bucket of distances, learnt, the same in all layers (Raffel et al. 2020).

    Half of the buckets are single distances, the others widen up to `relative_max_distance`; where both sides are seen,
    half of them are for keys behind the query.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.both = config.direction != "left_to_right"
        self.furthest = config.relative_max_distance
        self.table = nn.Embedding(config.relative_buckets, config.num_attention_heads)

    def by_distance(self, reach: int, device: torch.device) -> Tensor:
        distance = torch.arange(-reach, reach + 1, device=device)
        buckets = distance_buckets(distance, self.table.num_embeddings, self.furthest, both=self.both)
        return self.table(buckets).T.float()  # type: ignore[no-any-return]


class Rope(Positions):
    """Queries and keys are turned by an angle that grows with the place, pair by pair of values (Su et al. 2021)."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.size = config.hidden_size // config.num_attention_heads
        self.theta = config.rope_theta

    def turns(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        steps = torch.arange(0, self.size, 2, device=positions.device).float() / self.size
        angles = positions.float().unsqueeze(-1) * (1.0 / self.theta**steps)
        angles = torch.cat([angles, angles], -1).unsqueeze(1)
        return angles.cos(), angles.sin()


class Alibi(Positions):
    """Scores fall with the distance, by a slope of each head's own (Press et al. 2022); nothing is learnt.

    Where both sides are seen, keys behind the query fall as those before it do.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.heads = config.num_attention_heads

    def by_distance(self, reach: int, device: torch.device) -> Tensor:
        distance = torch.arange(-reach, reach + 1, device=device).abs().float()
        return -torch.tensor(alibi_slopes(self.heads), device=device).unsqueeze(1) * distance


POSITIONS: Mapping[str, type[Positions]] = {
    "learnt": Learnt,
    "sinusoidal": Sinusoidal,
    "relative": Relative,
    "rope": Rope,
    "alibi": Alibi,
}


def sinusoids(positions: Tensor, size: int) -> Tensor:
    """[…] → […, size] in fp32: sines at even places, cosines at odd ones."""
    steps = torch.arange(0, size, 2, device=positions.device).float() / size
    angles = positions.float().unsqueeze(-1) * 10000.0**-steps
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)[..., :size]


def turned(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """[N, A, L, D]: each pair (i, i + D/2) of values turned by its angle."""
    cos, sin = turns
    first, second = x.float().chunk(2, -1)
    return (x.float() * cos + torch.cat([-second, first], -1) * sin).to(x.dtype)


def alibi_slopes(heads: int) -> list[float]:
    """2^(-8i/n) for n a power of two; else those of the power below, then every second one of the power above."""
    below = 2 ** math.floor(math.log2(heads))
    slopes = [2.0 ** (-8 * number / below) for number in range(1, below + 1)]
    between = [2.0 ** (-8 * number / (2 * below)) for number in range(1, 2 * below + 1, 2)]
    return slopes + between[: heads - below]


def distance_buckets(distance: Tensor, num_buckets: int, furthest: int, *, both: bool) -> Tensor:
    """Bucket of each distance (the key's place - the query's), int64 of the same shape."""
    start = torch.zeros_like(distance)
    if both:
        num_buckets //= 2
        start = (distance > 0) * num_buckets
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    single = num_buckets // 2
    share = torch.log(distance.clamp(min=1).float() / single) / math.log(furthest / single)
    wide = single + (share * (num_buckets - single)).long()
    return start + torch.where(distance < single, distance, wide.clamp(max=num_buckets - 1))
