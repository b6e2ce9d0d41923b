"""The committed reference is what the settings say: every key and component, no link into nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from acclimate.recipe.plain_words import in_words
from acclimate.recipe.reference import render_reference, slug
from acclimate.recipe.registry import Registry, registry
from acclimate.recipe.sections import Recipe
from acclimate.recipe.settings import Component, Part, Settings
from acclimate.recipe.units import Batch, Count, Length, Share
from acclimate.recipe.walking import settings_in

FILE = Path(__file__).parents[2] / "docs" / "reference.md"


def test_the_committed_page_is_the_rendering() -> None:
    rendered = render_reference()
    if os.environ.get("REFRESH_GOLDEN") == "1":
        FILE.write_text(rendered, encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == rendered, "make it anew: REFRESH_GOLDEN=1 pytest tests/recipe"


def classes() -> dict[str, type[Settings]]:
    """Heading → every class of settings that a recipe can hold."""
    found: dict[str, type[Settings]] = {"The recipe": Recipe}

    def visit(cls: type[Settings], path: str) -> None:
        for key, name in cls.key_names().items():
            inner = settings_in(cls.model_fields[name].annotation)
            if inner is not None:
                found[f"{path}.{key}".lstrip(".")] = inner
                visit(inner, f"{path}.{key}".lstrip("."))

    visit(Recipe, "")
    for role in registry.roles():
        for name in registry.names(role):
            found[f"{role} {name}"] = registry.get(role, name)
            alone = sum(name in registry.names(one) for one in registry.roles()) == 1
            visit(registry.get(role, name), name if alone else f"{role} {name}")
    return found


def blocks(page: str) -> dict[str, str]:
    """Heading → what stands below it."""
    parts = re.split(r"(?m)^#+ (.+)$", page)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_class_has_a_block_with_each_of_its_keys_and_their_docstrings() -> None:
    page = blocks(render_reference())
    for heading, cls in classes().items():
        rows = [line.split(" | ") for line in page[heading].split("\n") if line.startswith("| `")]
        assert [row[0].strip("| `") for row in rows] == list(cls.key_names()), heading
        for row, name in zip(rows, cls.key_names().values(), strict=True):
            field = cls.model_fields[name]
            about = " ".join((field.description or "").split()).replace("|", "\\|")
            assert row[-1].removesuffix(" |") == about and about, (heading, name)
            assert len(row) == 4, (heading, row)
            assert (row[2] == "needed") == field.is_required(), (heading, name)
    assert {f"Role: {role}" for role in registry.roles()} <= set(page)


def test_every_link_leads_to_one_heading() -> None:
    text = render_reference()
    anchors = [slug(heading) for heading in re.findall(r"(?m)^#+ (.+)$", text)]
    assert len(anchors) == len(set(anchors)), "two headings with one anchor"
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert links and set(links) <= set(anchors)
    for path in re.findall(r"\]\((?!#)([^)]*)\)", text):
        assert (FILE.parent / path).is_file(), path


def test_sections_stand_in_pipeline_order() -> None:
    headings = list(blocks(render_reference()))
    assert [one for one in headings if one in Recipe.key_names()] == [
        "corpus", "tokenizer", "model", "pretrain", "tasks", "together", "evaluate", "hardware", "study"
    ]  # fmt: skip
    for earlier, later in [
        ("corpus", "reader files"),
        ("cleaner unicode", "tokenizer"),
        ("optimizer adamw", "tasks"),
        ("task classification", "metric auc"),
        ("metric auc", "evaluate"),
    ]:
        assert headings.index(earlier) < headings.index(later)


class Example(Settings):
    """A field of each kind."""

    count: Count | None = None
    share: Share = Field(default=0.5, gt=0)
    length: Length | None = None
    batch: Batch = Length.parse("1k tokens")
    one_of: Literal["a", "b", True] | None = None
    many: list[Annotated[Component, Part("metric")]] = Field(default=[], min_length=1)
    pair: tuple[float, int] = (0.5, 1)
    flag_or_text: bool | str = False
    named: dict[str, Share] = Field(default_factory=dict)
    unnamed: Any = None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("count", "count or `null`"),
        ("share", "share; more than 0"),
        ("length", "length or `null`"),
        ("batch", "batch"),
        ("one_of", "`a`, `b`, `true` or `null`"),
        ("many", "list of <metric>; not empty"),
        ("pair", "list [number, whole number]"),
        ("flag_or_text", "true or false or text"),
        ("named", "mapping of text to share"),
    ],
)
def test_types_in_words(name: str, words: str) -> None:
    assert in_words(Example.model_fields[name], lambda one: f"<{getattr(one, 'role', one)}>") == words


def test_a_type_without_words_is_told() -> None:
    with pytest.raises(ValueError, match=r"no words for the type typing\.Any"):
        in_words(Example.model_fields["unnamed"], str)


def test_a_new_component_appears(small: Registry) -> None:
    page = blocks(render_reference())
    assert "Bare: `{chain: …}` sets `steps`." in page["gradient chain"]
    assert (
        "| `steps` | list of [gradient](#role-gradient) | needed | What is done. |" in page["gradient chain"]
    )
    assert "`chain.steps`" in page["Role: gradient"]


def test_the_table_of_families_is_what_they_are() -> None:
    rows = [line.strip("| ").split(" | ") for line in blocks(render_reference())["Role: family"].split("\n")]
    told = {row[0]: row[1:] for row in rows if row[0].startswith("[`")}
    families: dict[str, Any] = {name: registry.get("family", name) for name in registry.names("family")}
    assert list(told) == [f"[`{name}`](#{slug(f'family {name}')})" for name in families]
    for (sizes, objectives, packed), family in zip(told.values(), families.values(), strict=True):
        assert sizes.split(", ") == list(family.sizes)
        assert packed == ("packed" if family.packed else "padded")
        trained = {registry.get("objective", name).trains for name in objectives.split(", ")}  # type: ignore[attr-defined]
        assert trained <= set(family.kinds)
    assert any("packed" in row for row in told.values()) and any("padded" in row for row in told.values())


def test_it_needs_no_torch() -> None:
    code = (
        "import sys; from acclimate.recipe.reference import render_reference as r; r(); "
        "print([m for m in ('torch', 'transformers', 'sklearn', 'pyarrow') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
