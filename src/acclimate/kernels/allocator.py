"""Telling the C library to keep what it has: it maps and unmaps every large tensor else, and each new page is a fault.

With glibc's defaults a third of a small model's training went into page faults. Measured in benchmarks/parts.py.
"""

from __future__ import annotations

import ctypes
import sys

from acclimate.kernels.build import switched_on

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_memory() -> bool:
    """Large blocks come from the heap and stay in it. Call it before the first tensor is made; whether it worked."""
    if not (sys.platform == "linux" and switched_on()):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl has none
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 * 2**20))
    return all(bool(mallopt(name, value)) for name, value in settings)
