"""How much memory a stretch of work took at most."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from types import TracebackType

import psutil

_PAUSE = 0.05
# Finding children means reading the whole table of processes, which would cost a tenth of a core at every look.
_LOOKS_PER_SEARCH = 10
_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class PeakMemory:
    """Measures the largest resident memory of this process and its children while inside; `peak` in bytes.

    A thread looks each 50 ms, for new children each half second. Where the kernel keeps a high-water mark that
    can be reset (Linux), short peaks of this process between two looks count too. Pages that a child shares with
    its parent are counted twice. May be nested.
    """

    _active: list[PeakMemory] = []  # noqa: RUF012 (shared on purpose: the kernel has one mark for all of them)
    _guard = threading.Lock()

    def __init__(self) -> None:
        self.peak = 0
        """Bytes; grows while inside."""
        self._process = psutil.Process()
        self._children: list[psutil.Process] = []
        self._looks = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        with self._guard:
            self._spread_mark()
            self._active.append(self)
            _reset_mark()
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._look()
        with self._guard:
            self._spread_mark()
            self._active.remove(self)

    def _watch(self) -> None:
        while not self._ended.wait(_PAUSE):
            self._look()

    def _look(self) -> None:
        total = 0
        with contextlib.suppress(psutil.Error):
            total = self._process.memory_info().rss
            if self._looks % _LOOKS_PER_SEARCH == 0:
                self._children = self._process.children(recursive=True)
        self._looks += 1
        for child in self._children:
            with contextlib.suppress(psutil.Error):
                total += child.memory_info().rss
        self.peak = max(self.peak, total)

    @classmethod
    def _spread_mark(cls) -> None:
        """All who measure take the mark, before one who begins resets it."""
        mark = _high_water_mark() if _resettable() else 0
        for one in cls._active:
            one.peak = max(one.peak, mark)


def _high_water_mark() -> int:
    """The kernel's mark in bytes; 0 where there is none."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in _STATUS.read_text("ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


_can_reset: bool | None = None


def _resettable() -> bool:
    """Whether the mark can be reset; where not, it is the mark of the whole process's life and says nothing here."""
    global _can_reset
    if _can_reset is None:
        _can_reset = _reset_mark()
    return _can_reset


def _reset_mark() -> bool:
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True
