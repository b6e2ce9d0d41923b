"""The command starts fast, knows its verbs, and ends with the right code."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import Any

HEAVY = (
    "torch",
    "transformers",
    "sklearn",
    "scipy",
    "numpy",
    "pyarrow",
    "pydantic",
    "ruamel",
    "rich",
    "fastapi",
)
VERBS = (
    "quickstart",
    "init",
    "check",
    "run",
    "runs",
    "show",
    "serve",
    "export",
    "tokenizer",
    "diff",
    "fill",
    "list",
    "schema",
    "doctor",
)


def test_help_lists_the_verbs_and_loads_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv = ['acclimate', '--help']\nfrom acclimate.cli.main import main\n"
        f"try: main()\nexcept SystemExit: print([one for one in {HEAVY!r} if one in sys.modules], file=sys.stderr)\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stderr.strip() == "[]"
    for verb in VERBS:
        assert f"\n  {verb} " in done.stdout
    # Processor time, for the machine may be busy.
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 0.5


def test_every_verb_has_help(acclimate: Any) -> None:
    for verb in VERBS:
        ended = acclimate(verb, "--help")
        assert ended.code == 0
        assert f"Usage: acclimate {verb}" in ended.out


def test_python_m_acclimate_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "acclimate", "list", "optimizer", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["optimizer"][:3] == ["adafactor", "adam", "adamw"]
    assert done.stderr == ""


def test_wrong_usage_ends_with_2(acclimate: Any) -> None:
    ended = acclimate("chekc")
    assert (ended.code, ended.out) == (2, "")
    assert "Did you mean 'check'?" in ended.err
    assert acclimate("run").code == 2
    assert acclimate("run", "x.yaml", "--nonsense").code == 2


def test_a_reader_that_goes_away_is_no_bug() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m acclimate schema | head -1; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traceback" not in done.stderr
    assert done.stdout.split("\n")[0] == "{"
