"""What the libraries under torch must be told before they are loaded.

The C library is told to keep the memory it has: it maps and unmaps every large tensor else, and each new page is a
fault. Worth 1.06 times the speed of training tiny BERT, 1.01 of mini (benchmarks/parts.py).
"""

from __future__ import annotations

import ctypes
import os
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


def before_torch() -> None:
    """Call it before torch is imported for the first time; the user's own settings stay."""
    # oneDNN keeps a compiled kernel for each of the last 1,024 shapes of products, and every step has shapes of its
    # own: that grew a tiny model's process by 0.9 GB in 250 steps. With 64 it is as fast.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    # A thread that waits for the others gives its core back after some microseconds and not after milliseconds: as fast
    # where nothing else runs, twice as fast where one other program does (benchmarks/ranks.py --busy 1).
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    keep_memory()
