"""Building on first use: cached by what it is made of, and never in the way of a machine that cannot."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from acclimate.kernels import build

SOURCE = '#include "number.h"\nextern "C" int answer() { return NUMBER; }\n'


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty cache folder, and nothing known of earlier attempts."""
    if build.find_compiler() is None:
        pytest.skip("there is no C++ compiler here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(build.SWITCH, raising=False)
    monkeypatch.setattr(build, "problems", {})
    build.library.cache_clear()
    yield tmp_path / "cache" / "acclimate" / "kernels"
    build.library.cache_clear()


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "small.cpp").write_text(SOURCE)
    (folder / "number.h").write_text("#define NUMBER 41\n")
    return folder


def built(sources: Path) -> ctypes.CDLL:
    compiler = build.find_compiler()
    assert compiler is not None
    return build._built(sources, "small", compiler)


def answers(sources: Path, processes: int) -> list[str]:
    """What processes that build and load at the same time get."""
    code = (
        "import sys; from pathlib import Path; from acclimate.kernels import build; "
        "print(build._built(Path(sys.argv[1]), 'small', build.find_compiler()).answer())"
    )
    command = [sys.executable, "-c", code, str(sources)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return [one.communicate()[0].strip() for one in started]


def files(cache: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}


def test_a_second_use_takes_what_is_there(
    cache: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert built(sources).answer() == 41
    before = files(cache)
    assert len(before) == 1
    commands = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **k: commands.append(command) or run(command, **k))
    assert built(sources).answer() == 41
    assert files(cache) == before
    assert all("--version" in command for command in commands)


def test_source_headers_flags_and_processor_are_in_the_name(
    cache: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(sources)
    (sources / "number.h").write_text("#define NUMBER 42\n")
    assert built(sources).answer() == 42
    (sources / "small.cpp").write_text(SOURCE + "// changed\n")
    built(sources)
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-DMORE"))
    built(sources)
    monkeypatch.setattr(build, "_abilities", lambda: "another machine")
    built(sources)
    assert len(files(cache)) == 5


def test_a_damaged_library_is_built_again(cache: Path, sources: Path) -> None:
    built(sources)
    (path,) = cache.iterdir()
    path.unlink()  # and not overwritten: this process has it loaded
    path.write_bytes(b"no library")
    assert answers(sources, 1) == ["41"]


def test_a_file_of_another_owner_is_not_loaded(
    cache: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(sources)
    (path,) = cache.iterdir()
    before = path.stat().st_ino
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)
    assert built(sources).answer() == 41
    assert path.stat().st_ino != before


def test_a_cache_that_cannot_be_written(cache: Path, sources: Path) -> None:
    cache.parent.parent.mkdir(parents=True, exist_ok=True)
    cache.parent.write_text("a file where the folder should be")
    assert built(sources).answer() == 41


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        ("/nonexistent", "no C++ compiler"),
        ("false", "false failed"),
        ("true", "true failed"),
        ("' '", "no C++ compiler"),
    ],
)
def test_without_a_compiler_that_works_the_reason_is_kept(
    cache: Path, monkeypatch: pytest.MonkeyPatch, compiler: str, reason: str
) -> None:
    monkeypatch.setenv("CXX", compiler)
    assert build.library("training") is None
    assert reason in build.problems["training"]
    assert not list(cache.glob("*"))


def test_an_empty_name_of_a_compiler_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    found = build.find_compiler()
    monkeypatch.setenv("CXX", " ")
    assert build.find_compiler() == found


def test_what_the_compiler_says_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FLAGS", ("--no-such-flag",))
    assert build.library("training") is None
    assert "failed: " in build.problems["training"] and "no-such-flag" in build.problems["training"]


def test_no_room_for_the_build(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.tempfile, "gettempdir", lambda: "/proc/nowhere")
    assert build.library("training") is None
    assert "/proc" in build.problems["training"]


def test_the_switch_turns_it_off(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(build.SWITCH, "0")
    assert not build.switched_on()
    assert build.library("training") is None
    assert build.problems["training"] == "ACCLIMATE_FAST=0"


def test_several_processes_at_once(cache: Path, sources: Path) -> None:
    assert answers(sources, 3) == ["41"] * 3
    assert len(files(cache)) == 1  # and no draft beside it


def test_everything_that_is_listed_builds(cache: Path) -> None:
    """Where a compiler is: else every test of the kernels would be skipped, and nobody would see why."""
    assert {name: build.library(name) is not None for name in build.NAMES} == dict.fromkeys(
        build.NAMES, True
    ), build.problems
    assert {path.stem for path in (Path(build.__file__).parent / "source").glob("*.cpp")} == set(build.NAMES)
    assert build.library("training") is build.library("training")


def test_where_there_is_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/not/a/place")
    assert build.cache_folder().is_absolute()

    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    assert str(os.getuid()) in str(build.cache_folder())
