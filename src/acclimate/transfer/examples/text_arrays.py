"""Texts as arrays, so that a file of tensors can hold them.

Legend: N texts, B bytes of them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack_texts(texts: Sequence[str], name: str = "texts") -> dict[str, NDArray[Any]]:
    """`name`: their UTF-8 bytes end to end, uint8 [B]; `name_ends`: where each ends, int64 [N].

    What UTF-8 cannot write, a lone surrogate, becomes U+FFFD.
    """
    encoded = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode() for text in texts]
    row = np.frombuffer(b"".join(encoded), np.uint8).copy()
    return {name: row, f"{name}_ends": np.cumsum([len(one) for one in encoded], dtype=np.int64)}


def unpack_texts(arrays: Mapping[str, NDArray[Any]], name: str = "texts") -> list[str]:
    """The texts that `pack_texts` packed under this name."""
    row, ends = arrays[name].tobytes(), arrays[f"{name}_ends"].tolist()
    return [row[start:end].decode() for start, end in pairwise([0, *ends])]
