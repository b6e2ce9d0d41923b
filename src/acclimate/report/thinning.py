"""Fewer points for a line that looks the same: first, lowest, highest and last of each pixel column.

M4 aggregation (Jugel et al. 2014): a line through these four points of each column covers the same pixels as the
line through all, so that no spike is lost however many steps a run had.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def pieces(x: Floats, y: Floats, *, column: float = 1.0) -> list[tuple[Floats, Floats]]:
    """The drawn line as connected pieces, each at most four points per column of the page.

    x, y: places on the page, x ascending; NaN in either breaks the line. Among thinned points a break narrower than
    two columns is bridged: nobody could see it, and it would shatter the line into dots.
    """
    finite = np.isfinite(x) & np.isfinite(y)
    kept = np.flatnonzero(finite)
    if kept.size == 0:
        return []
    broken = np.diff(kept) > 1
    columns = np.floor(x[kept] / column)
    if kept.size > 4 * (columns[-1] - columns[0] + 1):
        chosen = _extremes(columns, y[kept])
        gap_before = np.concatenate([[0], np.cumsum(broken)])[chosen]
        kept = kept[chosen]
        broken = (np.diff(gap_before) > 0) & (np.diff(x[kept]) > 2 * column)
    cuts = np.flatnonzero(broken) + 1
    return list(zip(np.split(x[kept], cuts), np.split(y[kept], cuts), strict=True))


def _extremes(columns: Floats, y: Floats) -> NDArray[np.int64]:
    """Ascending places of the first, lowest, highest and last entry of each run of equal columns."""
    starts = np.flatnonzero(np.concatenate([[True], np.diff(columns) > 0]))
    ends = np.concatenate([starts[1:], [len(columns)]]) - 1
    group = np.repeat(np.arange(len(starts)), ends - starts + 1)
    by_value = np.lexsort((y, group))
    return np.unique(np.concatenate([starts, ends, by_value[starts], by_value[ends]]))


def smoothed(y: Floats, width: int) -> Floats:
    """The mean of the finite values in a centred window of `width` points; NaN where the value itself is NaN."""
    finite = np.isfinite(y)
    half = max(0, width // 2)
    total = np.concatenate([[0.0], np.cumsum(np.where(finite, y, 0.0))])
    number = np.concatenate([[0], np.cumsum(finite)])
    low = np.maximum(np.arange(len(y)) - half, 0)
    high = np.minimum(np.arange(len(y)) + half + 1, len(y))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(finite, (total[high] - total[low]) / (number[high] - number[low]), np.nan)
