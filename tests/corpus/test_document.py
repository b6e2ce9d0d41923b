from __future__ import annotations

import hashlib

import pytest

from acclimate.corpus.document import Document, comparable, find_column
from acclimate.recipe.registry import registry


def test_the_id_is_the_hash_of_the_text_alone() -> None:
    one = Document("a", "a:1", "中文 and English", {})
    other = Document("b", "b:7", "中文 and English", {"x": "y"})
    assert one.id == other.id == hashlib.sha256("中文 and English".encode()).hexdigest()[:32]


def test_comparable_texts_differ_in_more_than_case_and_white_space() -> None:
    assert comparable(" Straße\n  IST\tda ") == comparable("strasse ist DA")
    assert comparable("不 同") != comparable("不同")


def test_columns_are_found_by_name_or_number() -> None:
    fields = {"label": "1", "text": "x"}
    assert [find_column(fields, key) for key in ("text", 1, 0, 2, "0")] == [
        "text",
        "text",
        "label",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("role", "name"),
    [("reader", "files"), ("reader", "docstrings")]
    + [("cleaner", name) for name in ("unicode", "length", "language", "quality")],
)
def test_components_are_registered_and_every_field_is_documented(role: str, name: str) -> None:
    component = registry.get(role, name)
    assert component.__doc__
    for field, info in component.model_fields.items():
        assert info.description, f"{name}.{field}"
