"""Compiling the native parts on first use and loading them through ctypes.

The package works without a compiler: where there is none, or the build fails, or `ACCLIMATE_FAST=0` is set,
`library` answers None and callers take their plain twin. Built files lie in the user's cache folder, named by what
they were made of: source, compiler, flags and the processor's abilities (they are compiled for this very processor).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path

from acclimate.artifacts.durable import new_folder, scratch_folder, write_bytes
from acclimate.errors import UserError

SWITCH = "ACCLIMATE_FAST"
FLAGS = (
    "-std=gnu++17",
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fopenmp",
    "-fPIC",
    "-shared",
)
"""No -ffast-math: sums keep their order, infinities and NaN their meaning, so results repeat and faults show."""
NAMES = ("training", "encoder", "corpus", "prose", "words")
"""The libraries that there are."""
_SECONDS = 120

problems: dict[str, str] = {}
"""Why a library is not there, by its name; `acclimate doctor` shows it."""


def switched_on() -> bool:
    """Whether fast paths may be taken at all: `ACCLIMATE_FAST=0` in the environment turns every one of them off."""
    return os.environ.get(SWITCH, "1") != "0"


@cache
def library(name: str) -> ctypes.CDLL | None:
    """The compiled `source/<name>.cpp`, or None; the reason then stands in `problems`."""
    if not switched_on():
        problems[name] = f"{SWITCH}=0"
        return None
    compiler = find_compiler()
    if compiler is None:
        problems[name] = _no_compiler()
        return None
    folder = resources.files("acclimate.kernels") / "source"
    with resources.as_file(folder) as sources:
        try:
            return _built(Path(sources), name, compiler)
        except (OSError, UserError, subprocess.SubprocessError, UnicodeDecodeError) as error:
            output = getattr(error, "stderr", None) or str(error)
            problems[name] = f"{compiler[0]} failed: {output.strip()[-2000:]}"
            return None


def find_compiler() -> tuple[str, ...] | None:
    """`CXX` if it is set, else the first that there is."""
    try:
        wanted = shlex.split(os.environ.get("CXX", ""))
    except ValueError:  # an open quotation
        return None
    if wanted:
        return (*wanted,) if shutil.which(wanted[0]) else None
    return next(((path,) for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)


def _no_compiler() -> str:
    named = os.environ.get("CXX", "").strip()
    if named:
        return f"no C++ compiler: CXX={named} names no program"
    return "no C++ compiler (c++, g++ or clang++) was found"


def _built(sources: Path, name: str, compiler: tuple[str, ...]) -> ctypes.CDLL:
    source = sources / f"{name}.cpp"
    key = hashlib.sha256()
    for path in (source, *sorted(sources.glob("*.h"))):
        key.update(path.read_bytes())
    for fact in (*compiler, *FLAGS, _version(compiler), _abilities()):
        key.update(fact.encode() + b"\0")
    cached = cache_folder() / f"{name}-{key.hexdigest()[:24]}.so"
    if _is_ours(cached):
        with suppress(OSError):  # damaged: built again
            return ctypes.CDLL(str(cached))
    with scratch_folder() as draft:
        made = draft / f"{name}.so"
        command = [*compiler, *FLAGS, f"-I{sources}", str(source), "-o", str(made)]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS)
        try:
            write_bytes(new_folder(cached.parent) / cached.name, made.read_bytes())
        except (OSError, UserError):  # no home to write to: built anew by each process
            return ctypes.CDLL(str(made))
    return ctypes.CDLL(str(cached))


def cache_folder() -> Path:
    """Where built libraries lie: `$XDG_CACHE_HOME` or `~/.cache`, then `acclimate/kernels`."""
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        root = Path(home) if home and Path(home).is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        root = Path(tempfile.gettempdir()) / f"acclimate-{os.getuid()}"
    return root / "acclimate" / "kernels"


def _is_ours(path: Path) -> bool:
    """A library of another user's making is not loaded."""
    try:
        return path.stat().st_uid == os.getuid()
    except (OSError, AttributeError):
        return False


def _version(compiler: tuple[str, ...]) -> str:
    return subprocess.run(
        [*compiler, "--version"], check=True, capture_output=True, text=True, timeout=20
    ).stdout


def _abilities() -> str:
    """What -march=native depends on: a cache folder may be shared by several machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(dict.fromkeys(x for x in lines if x.startswith(("flags", "model name", "Features"))))
