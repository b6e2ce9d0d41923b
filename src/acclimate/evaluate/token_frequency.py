"""What a model would lose that knows nothing but how often each token stands in the training text.

The floor of every language model: training that stays on it has learnt no language. Transformers whose learning rate
is too high settle there, and what is built on them is worth less than random weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CHUNK = 10_000_000


def frequency_losses(
    train: NDArray[np.integer],
    held_out: NDArray[np.integer],
    offsets: NDArray[np.int64],
    vocabulary_size: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Summed loss in nats [D] and tokens [D] of each held-out document, by token frequencies plus one in `train`.

    held_out: tokens of all documents one after the other; offsets [D + 1]: where each begins. Reads in pieces.
    """
    counts = np.ones(vocabulary_size)
    for start in range(0, len(train), _CHUNK):
        counts += np.bincount(train[start : start + _CHUNK], minlength=vocabulary_size)
    losses = np.log(counts.sum()) - np.log(counts)
    sums = np.zeros(len(offsets) - 1)
    document_of = np.repeat(np.arange(len(sums)), np.diff(offsets))
    for start in range(0, len(held_out), _CHUNK):
        rows = slice(start, start + _CHUNK)
        sums += np.bincount(document_of[rows], losses[held_out[rows]], len(sums))
    return sums, np.diff(offsets)
