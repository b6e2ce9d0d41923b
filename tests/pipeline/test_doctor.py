from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from acclimate.kernels import build
from acclimate.pipeline import doctor
from acclimate.pipeline.doctor import examine


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    return {one.name: one for one in examine(tmp_path_factory.mktemp("out") / "runs")}


def test_everything_that_is_promised_is_looked_at(findings):
    expected = {"python", "cores", "memory", "processor bf16", "native kernels", "torch", "transformers"}
    assert expected | {"torchvision"} | {"browser for tests", "extra dev"} <= set(findings)
    assert any(name.startswith("accelerator") for name in findings)
    assert any(name.startswith("disk at ") for name in findings)
    assert all(one.verdict in ("ok", "note", "missing") and one.value for one in findings.values())
    assert all(one.advice for one in findings.values() if one.verdict == "missing")
    json.dumps([one.to_json() for one in findings.values()])


def test_values_are_those_of_this_machine(findings):
    assert findings["python"].value == ".".join(map(str, sys.version_info[:3]))
    assert findings["torch"].value == metadata.version("torch")
    has_bf16 = "bf16" in Path("/proc/cpuinfo").read_text()
    assert (findings["processor bf16"].verdict == "ok") == has_bf16


def test_native_kernels_are_built_or_it_is_told_why_not(findings, monkeypatch):
    assert findings["native kernels"].value.startswith(
        "built, in " if build.library("training") else "not built: "
    )
    monkeypatch.setattr(build, "library", lambda name: None)
    monkeypatch.setattr(build, "problems", dict.fromkeys(build.NAMES, "c++ failed: no space\nand so on"))
    finding = doctor._kernels()
    assert (finding.verdict, finding.value) == ("note", "not built: c++ failed: no space")
    assert "works without" in finding.advice and "ACCLIMATE_FAST=0" in finding.advice


def test_cores_follow_the_affinity():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from acclimate.pipeline import doctor; "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(doctor.usable_cores(), doctor._cores().verdict)"],
        capture_output=True,
        text=True,
        check=True,
    )
    cores, verdict = done.stdout.split()
    assert float(cores) <= 1
    assert verdict == "note"


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        ({"cpu.max": "50000 100000", "memory.max": "1000000000"}, 0.5, 10**9),
        ({"cpu.max": "max 100000", "memory.max": "max"}, None, None),
        (
            {"cpu.cfs_quota_us": "25000", "cpu.cfs_period_us": "100000", "memory.limit_in_bytes": "5000"},
            0.25,
            5000,
        ),
        (
            {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000", "memory.limit_in_bytes": str(1 << 62)},
            None,
            None,
        ),
    ],
)
def test_limits_of_control_groups_are_read(tmp_path, monkeypatch, files, cores, memory):
    whole_cores, whole_memory = doctor.usable_cores(), doctor.usable_memory()
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(doctor, "_control_groups", lambda controller: [tmp_path])
    assert doctor.usable_cores() == (whole_cores if cores is None else cores)
    assert doctor.usable_memory() == (whole_memory if memory is None else memory)


def test_extras_name_what_is_missing_or_too_old(monkeypatch):
    needs = [
        "numpy>=2",
        "httpx>=0.27; extra == 'dev'",
        "no-such-package; extra == 'viz'",
        "pytest<1; extra == 'viz'",
        "numpy>=2; extra == 'viz'",
        "other; python_version < '3' and extra == 'viz'",
    ]
    monkeypatch.setattr(metadata, "requires", lambda name: needs)
    assert doctor._lacking("dev") == []
    assert doctor._lacking("viz") == ["no-such-package", f"pytest<1 (found {metadata.version('pytest')})"]
    assert "other" not in doctor._lacking("viz")
    found = {one.name: one for one in doctor._extras()}
    assert found["extra dev"].verdict == "ok"


def test_an_incomplete_extra_is_a_note_with_the_command(monkeypatch):
    monkeypatch.setattr(metadata, "requires", lambda name: ["no-such-package; extra == 'dev'"])
    (finding,) = [one for one in doctor._extras() if one.name == "extra dev"]
    assert finding.verdict == "note"
    assert finding.value == "lacks no-such-package"
    assert finding.advice == "pip install 'acclimate[dev]'"


def test_a_missing_package_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, "_KEY_PACKAGES", ("no-such-package",))
    (finding,) = doctor._packages()
    assert (finding.verdict, finding.value) == ("missing", "not installed")


def test_an_output_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    finding = doctor._disk(tmp_path / "runs")
    assert finding.verdict == "missing"
    assert str(tmp_path) in finding.value
    assert "--output" in finding.advice


def test_a_processor_that_says_nothing_is_unknown_not_guessed(monkeypatch):
    monkeypatch.setattr(doctor, "_processor_flags", lambda: None)
    finding = doctor._computing()[0]
    assert finding.value.startswith("unknown")
    assert finding.verdict == "note"


def test_a_cache_that_cannot_be_written_is_told(monkeypatch, tmp_path) -> None:
    (tmp_path / "file").write_text("no folder can be made below this")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    build.library.cache_clear()
    try:
        finding = doctor._kernels()
    finally:
        build.library.cache_clear()
    if build.find_compiler() is None or not build.switched_on():
        pytest.skip("there is no C++ compiler here, or the kernels are switched off")
    assert (
        finding.verdict == "note"
        and "cannot be written" in finding.value
        and "XDG_CACHE_HOME" in finding.advice
    )
