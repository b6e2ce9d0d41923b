"""The committed file of defaults is what the settings say, and it is true."""

from __future__ import annotations

import os
from typing import Any

from ruamel.yaml import YAML

from acclimate.recipe.defaults import FILE, default_of, render_defaults
from acclimate.recipe.registry import Registry, registry
from acclimate.recipe.resolving import resolved


def documents(text: str) -> list[Any]:
    return list(YAML(typ="safe").load_all(text))


def test_the_committed_file_is_the_rendering() -> None:
    rendered = render_defaults()
    if os.environ.get("REFRESH_GOLDEN") == "1":
        FILE.write_text(rendered, encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == rendered, "make it anew: REFRESH_GOLDEN=1 pytest tests/recipe"


def test_the_first_document_is_a_recipe_of_defaults(recipes: Any) -> None:
    sections, _ = documents(render_defaults())
    sections["corpus"]["sources"] = ["text.txt"]
    sections["model"] = {"family": "bert"}
    from acclimate.recipe.resolving import dump_yaml

    written = resolved(recipes.load(dump_yaml(sections)).recipe)
    left_out = resolved(recipes.load("corpus: {sources: [text.txt]}\nmodel: {family: bert}\n").recipe)
    assert written == left_out


def test_sections_that_are_left_out_show_their_keys_as_comments(small: Registry) -> None:
    text = render_defaults()
    assert (
        "\n# pretrain:\n#   # What is hidden from the model, and the loss.\n#   objective:\n#     mlm:\n"
        in text
    )
    assert "\n    # near:\n    #   # Documents at least this similar" in text
    assert "\n  # What to read: `{path: …}` for files, or a named reader. (needed)\n  # sources:\n" in text


def test_the_second_document_has_every_component_with_every_key() -> None:
    _, components = documents(render_defaults())
    assert {(role, name) for role in components for name in components[role]} == {
        (role, name) for role in registry.roles() for name in registry.names(role)
    }
    for role, names in components.items():
        for name, settings in names.items():
            cls = registry.get(role, name)
            given = {
                key for key, field in cls.key_names().items() if not cls.model_fields[field].is_required()
            }
            assert set(settings) == given, (role, name)


def test_defaults_read_back_as_themselves() -> None:
    """What the file shows for a key means the default of that key."""
    _, components = documents(render_defaults())
    from acclimate.recipe.defaults import adapter

    for role, names in components.items():
        for name, settings in names.items():
            cls = registry.get(role, name)
            for key, shown in settings.items():
                field = cls.key_names()[key]
                assert adapter(cls, field).validate_python(shown) == default_of(cls, field), (
                    role,
                    name,
                    key,
                )
