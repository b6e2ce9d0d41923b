"""The reader of documentation strings: text that is on every machine where Acclimate is installed.

Source files are parsed with `ast`, never imported. Files are taken in the order of a hash of their path until
a package has given enough, so that a share of a large package is a fair one and needs little reading.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator

from acclimate.corpus.document import Document, Dropped, Record, text_digest
from acclimate.corpus.sources.jsonl_format import unwritable
from acclimate.errors import UserError
from acclimate.recipe.settings import Component, nearest
from acclimate.recipe.units import Count

STANDARD_LIBRARY = "python"
DEFAULT_PACKAGES = (
    STANDARD_LIBRARY,
    "torch",
    "transformers",
    "sympy",
    "scipy",
    "sklearn",
    "numpy",
    "networkx",
)
_LEFT_OUT = frozenset(
    ("test", "tests", "site-packages", "dist-packages", "__pycache__", "lib2to3", "idlelib")
)
_FILES_OF_SHARE = 20
"""A single file gives at most one in this many of a package's share."""


class Docstrings(Component):
    """Documentation strings of the Python standard library and of installed packages, as columns `text`,
    `package`.

    Each is kept once, wherever it stands again. Tests are left out.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "docstrings")

    packages: list[str] | None = Field(default=None, min_length=1)
    """Names as in `import`; `python` is the standard library. By default it and seven scientific packages
    that are installed with Acclimate."""
    most_per_package: Count = Field(default=1500, ge=1)
    """Docstrings that are taken of a package at most."""
    min_characters: Count = 80
    """Shorter ones are dropped by reason `too_short`."""

    @field_validator("packages")
    @classmethod
    def _names(cls, value: list[str] | None) -> list[str] | None:
        for name in value or ():
            if not name.isidentifier():
                raise ValueError(f"expected the name of a package as in `import`, found {name!r}")
        if value is not None and len(set(value)) < len(value):
            raise ValueError(f"a package stands twice in {', '.join(value)}")
        return value

    def build(self) -> DocstringsReader:
        return DocstringsReader(self)


class DocstringsReader:
    """Reads the docstrings of a `Docstrings`, packages in turn."""

    def __init__(self, settings: Docstrings) -> None:
        self.settings = settings
        self.name = "docstrings"
        self.bytes_done = 0
        self._packages = list(settings.packages or DEFAULT_PACKAGES)

    def records(self) -> Iterator[Record | Dropped]:
        """One of each package in turn, until all are at their end. Raises UserError for one that is not
        installed."""
        problems = self.check()
        if problems:
            raise UserError(problems[0])
        self.bytes_done = 0
        seen: set[bytes] = set()
        turns = [self._package_records(name, seen) for name in self._packages]
        while turns:
            for turn in list(turns):
                item = next(turn, None)
                if item is None:
                    turns.remove(turn)
                else:
                    yield item

    def read(self) -> Iterator[Document | Dropped]:
        """The same as documents, with `package` as their column."""
        for record in self.records():
            if isinstance(record, Dropped):
                yield record
            else:
                yield Document(record.source, record.place, record.fields.pop("text"), record.fields)

    def _package_records(self, package: str, seen: set[bytes]) -> Iterator[Record | Dropped]:
        most = self.settings.most_per_package
        most_of_file = -(-most // _FILES_OF_SHARE)
        taken = 0
        for path in _ordered_files(package):
            of_file = 0
            for item in self._file_records(package, path, seen):
                yield item
                if isinstance(item, Record):
                    taken += 1
                    of_file += 1
                if taken == most:
                    return
                if of_file == most_of_file:
                    break

    def _file_records(self, package: str, path: Path, seen: set[bytes]) -> Iterator[Record | Dropped]:
        try:
            source = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from error
        self.bytes_done += len(source)
        try:
            found = docstrings_in(source)
        except (SyntaxError, ValueError, RecursionError) as error:
            yield Dropped("malformed_python", str(path), str(error))
            return
        for line, text in found:
            place = f"{path}:{line}"
            if len(text) < self.settings.min_characters:
                detail = f"{len(text)} characters, fewer than {self.settings.min_characters}"
                yield Dropped("too_short", place, detail)
                continue
            fields = {"text": text, "package": package}
            if reason := unwritable(fields):
                yield Dropped(reason, place, "by an escape in the string")
                continue
            digest = text_digest(text)
            if digest in seen:
                yield Dropped(
                    "exact_duplicate", place, f"the same docstring (id {digest.hex()}) was read before"
                )
            else:
                seen.add(digest)
                yield Record(package, place, fields)

    def bytes_total(self) -> int | None:
        """Unknown: how many files are needed shows while reading."""
        return None

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """Versions of Python and of the packages, and the settings."""
        return {
            "reader": "docstrings",
            "settings": self.settings.model_dump(mode="json", exclude={"packages"}),
            "packages": {name: _version(name) for name in self._packages},
        }

    def check(self) -> list[str]:
        """Names packages that are not installed or hold no Python source."""
        problems = []
        for name in self._packages:
            if not _has_source(name):
                installed = [known for known in DEFAULT_PACKAGES if _has_source(known)]
                everything = {*installed, *_distributions()}
                hint = nearest(name, everything)
                if not hint.startswith("did you"):
                    hint = "installed are, among others: " + ", ".join(installed)
                problems.append(
                    f"docstrings: the package {name!r} is not installed or has no Python source; {hint}"
                )
        return problems


def docstrings_in(source: bytes) -> list[tuple[int, str]]:
    """(line, cleaned docstring) of the module, its classes and functions, in the order of the source.

    Raises SyntaxError or ValueError for what is not Python.
    """
    with warnings.catch_warnings():
        # Other people's source: wrong escapes are their business.
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    found = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node, clean=True)
            if text and text.strip():
                found.append((node.body[0].lineno, text.strip()))
        # Definitions stand in statements; expressions are not searched.
        waiting += [
            child for child in ast.iter_child_nodes(node) if isinstance(child, (ast.stmt, ast.ExceptHandler))
        ]
    return sorted(found)


@cache
def _roots(package: str) -> tuple[Path, ...]:
    """The package's folders, or its only file; empty when it is not installed."""
    if package == STANDARD_LIBRARY:
        return (Path(sysconfig.get_paths()["stdlib"]),)
    try:
        # For a name without dots the finder looks, it does not import.
        spec = util.find_spec(package)
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    if spec.submodule_search_locations is not None:
        return tuple(Path(place) for place in spec.submodule_search_locations)
    return (Path(spec.origin),) if spec.origin and spec.origin.endswith(".py") else ()


def package_files(package: str) -> Iterator[tuple[str, Path]]:
    """(path below the package, path) of its source files, tests left out, in no fixed order; none if not
    installed."""
    for root in _roots(package):
        if root.is_file():
            yield root.name, root
            continue
        for path in root.rglob("*.py"):
            name = path.relative_to(root)
            if _LEFT_OUT.isdisjoint(name.parts[:-1]):
                yield name.as_posix(), path


def _has_source(package: str) -> bool:
    return next(package_files(package), None) is not None


def _ordered_files(package: str) -> list[Path]:
    files = sorted(package_files(package), key=lambda item: (hashlib.sha256(item[0].encode()).digest(), item))
    return [path for _, path in files]


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _version(package: str) -> str:
    if package == STANDARD_LIBRARY:
        return sys.version.split()[0]
    names = _distributions().get(package)
    if names:
        return metadata.version(names[0])
    # Source without a distribution: its files stand in for the version.
    described = [(name, path.stat().st_size) for name, path in sorted(package_files(package))]
    return "files:" + hashlib.sha256(repr(described).encode()).hexdigest()[:32]
