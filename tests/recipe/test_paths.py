"""Paths start at the recipe's folder and may hold variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from acclimate.recipe.paths import DataPath, ModelSource, expand_variables

PATHS, SOURCES = TypeAdapter(DataPath), TypeAdapter(ModelSource)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a.txt", "/base/a.txt"),
        ("../数据/*.txt", "/数据/*.txt"),
        ("/abs/./a/../b.txt", "/abs/b.txt"),
        ("${HERE}/x", "/here/x"),
        ("${NOT_SET:-else}/x", "/base/else/x"),
        ("${EMPTY:-else}", "/base/else"),
        ("~/x", "/home/me/x"),
        ("**/*.jsonl.gz", "/base/**/*.jsonl.gz"),
    ],
)
def test_where_a_path_leads(monkeypatch: pytest.MonkeyPatch, written: str, read: str) -> None:
    monkeypatch.setenv("HERE", "/here")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("NOT_SET", raising=False)
    assert PATHS.validate_python(written, context={"base": Path("/base")}) == read
    # What was resolved once stays.
    assert PATHS.validate_python(read, context={"base": Path("/elsewhere")}) == read


def test_without_a_recipe_a_path_is_as_written() -> None:
    assert PATHS.validate_python("a/../b.txt") == "b.txt"


@pytest.mark.parametrize("written", ["", "  ", "${NOT_SET}", 3, None, ["a"]])
def test_what_is_no_path(monkeypatch: pytest.MonkeyPatch, written: object) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(ValidationError):
        PATHS.validate_python(written)


def test_braces_of_a_pattern_are_no_variables() -> None:
    assert expand_variables("a{b,c}$d/$") == "a{b,c}$d/$"


def test_a_model_is_a_folder_or_a_hub_id(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    context = {"base": tmp_path}
    assert SOURCES.validate_python("mine", context=context) == str(tmp_path / "mine")
    assert SOURCES.validate_python("owner/name", context=context) == "owner/name"
    for wrong in ("./nowhere", "/nowhere/at/all", "a/b/c", ""):
        with pytest.raises(ValidationError, match=r"there is no folder|nothing"):
            SOURCES.validate_python(wrong, context=context)
