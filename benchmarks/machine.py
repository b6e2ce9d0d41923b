"""What a figure was measured on, and whether that machine was free meanwhile."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PACKAGES = (
    *("acclimate", "torch", "transformers", "tokenizers", "accelerate", "numpy"),
    *("onnx", "onnxruntime", "sentence-transformers", "fastapi", "uvicorn", "pyarrow"),
)
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")


def describe(threads: int) -> dict[str, Any]:
    """Processor, cores, memory, versions, revision of the code, date."""
    processor = _processor()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor.get("model name", platform.processor() or "unknown"),
        "instructions": [flag for flag in _FLAGS if flag in processor.get("flags", "").split()],
        "cores": os.cpu_count(),
        "cores_used": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "threads": threads,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}, {platform.libc_ver()[1] or 'unknown'} libc",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "native_kernels": _kernels(),
        "switches": {key: value for key, value in sorted(os.environ.items()) if key.startswith("ACCLIMATE_")},
        "revision": _git("rev-parse", "--short", "HEAD"),
        "changed_files": len((_git("status", "--porcelain", "--", "src") or "").splitlines()),
    }


def _kernels() -> dict[str, str]:
    """Each native part: `native`, or why its plain twin is taken."""
    from importlib import resources

    from acclimate.kernels import build

    sources = resources.files("acclimate.kernels") / "source"
    names = sorted(file.name.removesuffix(".cpp") for file in sources.iterdir() if file.name.endswith(".cpp"))
    return {name: "native" if build.library(name) else build.problems[name] for name in names}


def _processor() -> dict[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return {}
    first = text.split("\n\n")[0]
    return {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def peak_memory() -> int:
    """Most bytes this process ever held in memory.

    VmHWM of Linux, which a new program starts at nothing; `ru_maxrss` would begin with what its parent held.
    """
    return _status("VmHWM")


def own_memory() -> int:
    """Bytes held in memory now that are the process's own and no file's."""
    return _status("RssAnon")


def _status(field: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


@dataclass(frozen=True)
class Clock:
    """The clocks at one moment; the difference of two says how long something took, and who was in the way."""

    wall: float
    """Seconds."""
    cpu: float
    """Processor seconds of this process, all threads."""
    waiting: float | None
    """Seconds in which a thread of this process could have run and got no core, all threads; None: not known here."""
    stolen: float | None
    """Seconds that the hypervisor took from our cores, all cores together; None: not known here."""

    @classmethod
    def now(cls) -> Clock:
        waiting, stolen = _waiting(), _stolen()
        return cls(time.perf_counter(), time.process_time(), waiting, stolen)

    def since(self, before: Clock) -> dict[str, float]:
        """Wall and processor seconds between; `waiting` and `stolen` as shares of the wall time."""
        wall = self.wall - before.wall
        found = {"seconds": wall, "cpu_seconds": self.cpu - before.cpu}
        for name in ("waiting", "stolen"):
            after, earlier = getattr(self, name), getattr(before, name)
            if after is not None and earlier is not None and wall > 0:
                found[name] = max(0.0, after - earlier) / wall
        return found


BUSY = 0.05
"""A round with more waiting or stealing than this share of its time was disturbed."""


def busy(rounds: list[dict[str, Any]]) -> float:
    """Share of rounds that were disturbed."""
    disturbed = [max(figures.get("waiting", 0.0), figures.get("stolen", 0.0)) > BUSY for figures in rounds]
    return sum(disturbed) / len(disturbed) if disturbed else 0.0


def _waiting() -> float | None:
    """Second field of `schedstat`: nanoseconds on a run queue."""
    total = 0
    try:
        for task in Path("/proc/self/task").iterdir():
            try:
                total += int((task / "schedstat").read_text("ascii").split()[1])
            except FileNotFoundError:  # the thread has ended
                continue
    except (OSError, IndexError):
        return None
    return total / 1e9


def _stolen() -> float | None:
    """Column `steal` of our cores in /proc/stat."""
    try:
        lines = Path("/proc/stat").read_text("ascii").splitlines()
        own = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        return sum(int(line.split()[8]) for line in lines if line.split()[0] in own) / os.sysconf(
            "SC_CLK_TCK"
        )
    except (OSError, AttributeError, IndexError):
        return None
