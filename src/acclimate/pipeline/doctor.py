"""What this machine has, and what is missing for which part. Findings only; who shows them is not our matter."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import psutil

from acclimate.artifacts.faults import free_bytes, size_text

_OLDEST_PYTHON = (3, 11)
_KEY_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow", "scikit-learn")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SMALL_MEMORY = 4_000_000_000
_SMALL_DISK = 5_000_000_000
_UNLIMITED = 1 << 60


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    value: str
    verdict: Literal["ok", "note", "missing"]
    """missing: something that is needed for what `name` says is not there."""
    advice: str = ""
    """What to do about it; empty when there is nothing to do."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def examine(output: Path = Path("runs")) -> list[Finding]:
    """Looks at the machine, and at the disk where runs would go. Takes seconds: torch is loaded."""
    return [
        _python(),
        _cores(),
        _memory(),
        *_computing(),
        _disk(output),
        *_packages(),
        _torchvision(),
        _browser(),
        *_extras(),
    ]


def _python() -> Finding:
    found = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        return Finding("python", found, "missing", "Python 3.11 or newer is needed")
    return Finding("python", found, "ok")


def _cores() -> Finding:
    usable, present = usable_cores(), os.cpu_count()
    value = f"{usable:g} usable" + (f" of {present}" if present and usable < present else "")
    if usable < 2:
        return Finding("cores", value, "note", "training on one core is slow; start with the size tiny")
    return Finding("cores", value, "ok")


def usable_cores() -> float:
    """Cores this process may use: by affinity, and by the quota of its control group."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = float(len(affinity(0)) if affinity else os.cpu_count() or 1)
    for group in _control_groups("cpu"):
        limit, _, period = _read(group / "cpu.max").partition(" ")
        if not limit:
            limit, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
        if limit.isdigit() and period.isdigit() and int(period):
            cores = min(cores, int(limit) / int(period))
    return cores


def usable_memory() -> int:
    """Bytes this process may use in all: the machine's, or the limit of its control group."""
    total = int(psutil.virtual_memory().total)
    for group in _control_groups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(group / name)
            if text.isdigit() and int(text) < _UNLIMITED:
                total = min(total, int(text))
    return total


def _control_groups(controller: str) -> Iterator[Path]:
    """The folders of this process's control group and those above it, of either version of the interface."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        number, controllers, place = line.split(":", 2)
        if number == "0":
            root = Path("/sys/fs/cgroup")
        elif controller in controllers.split(","):
            root = Path("/sys/fs/cgroup") / controllers
        else:
            continue
        folder = root / place.lstrip("/")
        yield from (one for one in (folder, *folder.parents) if one.is_relative_to(root))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, ValueError):
        return ""


def _memory() -> Finding:
    total, free = usable_memory(), int(psutil.virtual_memory().available)
    value = f"{size_text(total)}, {size_text(min(free, total))} free"
    if total < _SMALL_MEMORY:
        return Finding(
            "memory", value, "note", "use the sizes tiny and mini, or set hardware.micro_batch lower"
        )
    return Finding("memory", value, "ok")


def _computing() -> list[Finding]:
    """bf16 of the processor, and accelerators: as far as torch can be loaded."""
    flags = _processor_flags()
    if flags is None:
        value, advice = "unknown: this system does not list the processor's features", ""
    elif found := sorted(flags & {"amx_bf16", "avx512_bf16", "bf16"}):
        value, advice = ", ".join(found), ""
    else:
        value, advice = "none: precision auto computes in fp32", ""
    is_known = flags is not None and not value.startswith("none")
    findings = [Finding("processor bf16", value, "ok" if is_known else "note", advice)]
    try:
        import torch
    except Exception as error:  # a broken installation is just what is looked for here
        advice = "install again: pip install --force-reinstall acclimate"
        return [*findings, Finding("accelerators", f"torch cannot be loaded: {error}", "missing", advice)]
    return [*findings, _kernels(), *_accelerators(torch)]


def _kernels() -> Finding:
    """Whether the native parts are there. What can be built and is not yet is built now."""
    from acclimate.kernels.build import NAMES, SWITCH, cache_folder, library, problems

    lacking = [name for name in NAMES if library(name) is None]
    if lacking:
        reasons = dict.fromkeys(problems[name].splitlines()[0] for name in lacking)
        advice = (
            f"everything works without, slower; they need a C++ compiler (g++ or clang++) and no {SWITCH}=0"
        )
        return Finding("native kernels", f"not built: {'; '.join(reasons)}", "note", advice)
    folder = cache_folder()
    if any(Path(getattr(library(name), "_name", "")).parent != folder for name in NAMES):
        advice = "every command compiles them anew, some seconds each; let XDG_CACHE_HOME name a folder to write to"
        return Finding("native kernels", f"built, but {folder} cannot be written", "note", advice)
    return Finding("native kernels", f"built, in {folder}", "ok")


def _processor_flags() -> set[str] | None:
    """Features of the processor as Linux lists them; None where it does not."""
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return None


def _accelerators(torch: Any) -> list[Finding]:
    if not torch.cuda.is_available():
        build = "this build of torch has no CUDA" if torch.version.cuda is None else "CUDA finds no device"
        return [Finding("accelerators", f"none ({build})", "note", "everything runs on the processor")]
    findings = []
    for number in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(number)
        bf16 = "bf16" if device.major >= 8 else "no bf16"
        value = f"{device.name}, {size_text(device.total_memory)}, {bf16}"
        findings.append(Finding(f"accelerator cuda:{number}", value, "ok"))
    return findings


def _disk(output: Path) -> Finding:
    free = free_bytes(output.absolute())
    name = f"disk at {output}"
    if free is None:
        return Finding(name, "unknown", "note")
    place = next(one for one in (output.absolute(), *output.absolute().parents) if one.is_dir())
    if not os.access(place, os.W_OK):
        return Finding(name, f"{place} cannot be written", "missing", "choose another folder with --output")
    value = f"{size_text(free)} free"
    if free < _SMALL_DISK:
        return Finding(name, value, "note", "a run of the size base needs several GB; see --output")
    return Finding(name, value, "ok")


def _packages() -> list[Finding]:
    findings = []
    for name in _KEY_PACKAGES:
        found = _version(name)
        if found is None:
            findings.append(Finding(name, "not installed", "missing", "pip install acclimate"))
        else:
            findings.append(Finding(name, found, "ok"))
    return findings


def _torchvision() -> Finding:
    if importlib.util.find_spec("torchvision") is None:
        return Finding("torchvision", "absent, as it should be", "ok")
    advice = (
        "pip uninstall torchvision: beside a processor build of torch it breaks every import of transformers"
    )
    return Finding("torchvision", f"installed ({_version('torchvision')})", "note", advice)


def _browser() -> Finding:
    found = next((place for name in _BROWSERS if (place := shutil.which(name))), None)
    if found is None:
        advice = "install chromium to run the tests that look at the report; nothing else needs it"
        return Finding("browser for tests", "none found", "note", advice)
    return Finding("browser for tests", found, "ok")


def _extras() -> list[Finding]:
    """Each extra that the package declares, with what of it is not installed or too old."""
    lacking: dict[str, list[str]] = {}
    try:
        declared = metadata.metadata("acclimate").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        advice = "pip install acclimate (or make install in the repository)"
        return [Finding("extras", "acclimate itself is not installed", "missing", advice)]
    for extra in declared:
        lacking[extra] = _lacking(extra)
    findings = []
    for extra, names in sorted(lacking.items()):
        if names:
            advice = f"pip install 'acclimate[{extra}]'"
            findings.append(Finding(f"extra {extra}", f"lacks {', '.join(names)}", "note", advice))
        else:
            findings.append(Finding(f"extra {extra}", "complete", "ok"))
    return findings


def _lacking(extra: str) -> list[str]:
    """The requirements of an extra that are not met here."""
    from packaging.requirements import Requirement

    names = []
    for text in metadata.requires("acclimate") or []:
        need = Requirement(text)
        if (
            need.marker is None
            or need.marker.evaluate({"extra": ""})
            or not need.marker.evaluate({"extra": extra})
        ):
            continue
        found = _version(need.name)
        if found is None:
            names.append(need.name)
        elif not need.specifier.contains(found, prereleases=True):
            names.append(f"{need.name}{need.specifier} (found {found})")
    return names


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
