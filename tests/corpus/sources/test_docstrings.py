from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from acclimate.corpus.sources.docstrings import DEFAULT_PACKAGES, Docstrings, docstrings_in
from acclimate.errors import UserError

Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]
SOURCE = '''"""Of the module.

    Indented.
"""
import os
os.abort()

class A:
    """Of the class."""

    async def b(self):
        "Of the method 方法."

try:
    pass
except ImportError:
    def c():
        r"""With \\d escape."""
if True:
    def d(): "%s" % 1
'''


def package(folder: Path, name: str, files: dict[str, str]) -> None:
    for path, source in files.items():
        place = folder / name / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(source, encoding="utf-8")


def test_all_docstrings_of_a_source_and_nothing_is_run() -> None:
    assert docstrings_in(SOURCE.encode()) == [
        (1, "Of the module.\n\nIndented."),
        (9, "Of the class."),
        (12, "Of the method 方法."),
        (18, "With \\d escape."),
    ]


def test_a_package_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sorted_out: Sort) -> None:
    long = "A docstring that is long enough to be taken, number {}, with some more words to be sure of it."
    package(
        tmp_path,
        "own_package",
        {
            "__init__.py": f'"""{long.format(0)}"""\nraise SystemExit("imported!")\n',
            "one.py": f'"""{long.format(1)}"""\ndef f():\n    """{long.format(0)}"""\ndef g():\n    "Short."\n',
            "tests/test_one.py": f'"""{long.format(2)}"""\n',
            "broken.py": "def (:\n",
            "half.py": f'"""{long.format(3)} \\ud800"""\n',
        },
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    reader = Docstrings(packages=["own_package"]).build()
    assert reader.check() == []
    kept, dropped = sorted_out(reader.read())
    assert sorted(one.text for one in kept) == [long.format(0), long.format(1)]
    assert all(one.fields == {"package": "own_package"} and one.source == "own_package" for one in kept)
    assert dropped == {"exact_duplicate": 1, "too_short": 1, "malformed_python": 1, "invalid_encoding": 1}
    before = reader.fingerprint(lambda path: "")
    package(tmp_path, "own_package", {"two.py": "x = 1\n"})
    assert reader.fingerprint(lambda path: "") != before


def test_packages_take_turns_and_the_share_is_bounded(sorted_out: Sort) -> None:
    settings = Docstrings(packages=["python", "numpy"], most_per_package=60, min_characters=200)
    kept, dropped = sorted_out(settings.build().read())
    counts = Counter(one.fields["package"] for one in kept)
    assert counts == {"python": 60, "numpy": 60}
    assert min(len(one.text) for one in kept) >= 200 and dropped["too_short"]
    assert len({one.text for one in kept}) == 120
    changes = sum(one.source != other.source for one, other in pairwise(kept[:40]))
    assert changes > 8
    assert max(Counter(one.place.rsplit(":", 1)[0] for one in kept).values()) <= 3
    again, _ = sorted_out(settings.build().records())
    assert [one.fields["text"] for one in again] == [one.text for one in kept]
    assert set(again[0].fields) == {"text", "package"}


def test_the_default_share_is_read_and_nothing_is_imported() -> None:
    before = set(sys.modules)
    reader = Docstrings(most_per_package=100).build()
    assert reader.check() == []
    packages = {one.fields["package"] for one in reader.read() if hasattr(one, "fields")}
    assert packages == set(DEFAULT_PACKAGES)
    imported = {name.partition(".")[0] for name in set(sys.modules) - before}
    assert not imported & {"torch", "transformers", "sympy", "sklearn", "networkx"}


def test_the_identity_is_versions_not_text() -> None:
    found = Docstrings(packages=["python", "numpy"]).build().fingerprint(lambda path: pytest.fail("read"))
    import numpy

    assert found["packages"] == {"python": sys.version.split()[0], "numpy": numpy.__version__}
    assert found["settings"] == {"most_per_package": 1500, "min_characters": 80}


def test_what_is_not_installed_is_named_with_the_nearest() -> None:
    reader = Docstrings(packages=["numpi", "no_such_package_at_all"]).build()
    problems = reader.check()
    assert "'numpi' is not installed or has no Python source; did you mean 'numpy'" in problems[0]
    assert "installed are, among others: python, torch" in problems[1]
    with pytest.raises(UserError, match="numpi"):
        next(reader.read())
    with pytest.raises(ValidationError, match="expected the name of a package"):
        Docstrings(packages=["os.path"])
    with pytest.raises(ValidationError, match="stands twice"):
        Docstrings(packages=["numpy", "numpy"])
