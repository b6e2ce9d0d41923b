"""The list of components is known by heart: a golden file, and every class keeps the rules of the house."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from acclimate.errors import UserError
from acclimate.recipe.parts import PARTS
from acclimate.recipe.registry import Registry, registry
from acclimate.recipe.settings import Component, Part

GOLDEN = Path(__file__).parent / "golden" / "registry.json"
HEAVY = ("torch", "transformers", "sklearn", "scipy", "pandas", "matplotlib")


def test_the_golden_list_names_every_component() -> None:
    names = {}
    for role, name, _ in PARTS:
        names.setdefault(role, []).append(name)
    names = {role: sorted(names[role]) for role in sorted(names)}
    if os.environ.get("REFRESH_GOLDEN") == "1":
        GOLDEN.write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")
    assert json.loads(GOLDEN.read_text(encoding="utf-8")) == names, "REFRESH_GOLDEN=1 pytest tests/recipe"


@pytest.mark.parametrize(("role", "name", "target"), PARTS, ids=[f"{role}-{name}" for role, name, _ in PARTS])
def test_a_component_is_documented_and_knows_its_name(role: str, name: str, target: str) -> None:
    cls = registry.get(role, name)
    assert issubclass(cls, Component)
    assert cls.registered_as == (role, name)
    assert cls.__doc__ and cls.__doc__.strip()
    assert callable(getattr(cls, "build", None))
    assert cls.bare is None or cls.bare in cls.key_names()
    for key, field in cls.model_fields.items():
        assert field.description, f"{cls.__name__}.{key} has no docstring"


def test_every_settings_class_below_a_component_is_documented() -> None:
    from acclimate.recipe.jsonschema import recipe_schema

    for name, one in recipe_schema()["$defs"].items():
        if one.get("type") == "object":
            assert one.get("description"), name


def test_no_settings_module_imports_anything_heavy() -> None:
    modules = sorted({target.partition(":")[0] for _, _, target in PARTS})
    code = (
        "import sys, importlib, json\n"
        "told = {}\n"
        f"for module in {modules!r}:\n"
        "    importlib.import_module(module)\n"
        f"    told[module] = [one for one in {HEAVY!r} if one in sys.modules]\n"
        "print(json.dumps(told))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert list(told) == modules
    assert {module: heavy for module, heavy in told.items() if heavy} == {}


def test_a_name_is_taken_once() -> None:
    some = Registry([("optimizer", "adamw", "a:B")])
    with pytest.raises(ValueError, match="registered twice: a:B and c:D"):
        some.add("optimizer", "adamw", "c:D")
    some.add("schedule", "adamw", "c:D")
    assert some.roles() == ["optimizer", "schedule"]


def test_an_unknown_name_lists_what_is_near() -> None:
    with pytest.raises(UserError, match=r"unknown optimizer 'adamww'; did you mean 'adamw'\?"):
        registry.get("optimizer", "adamww")
    with pytest.raises(UserError, match=r"unknown wizard 'merlin'; choose from: \(nothing\)"):
        registry.get("wizard", "merlin")


def test_a_word_that_a_component_takes_leads_to_it() -> None:
    assert registry.component_that_takes("transfer", "lora") == "adapters"
    assert registry.component_that_takes("transfer", "LORA") is None
    with pytest.raises(ValueError, match=r"unknown transfer 'forest'; did you mean `features: forest`\?"):
        Part("transfer").parse({"forest": {"trees": 3}})


def test_a_class_under_a_wrong_name_is_refused() -> None:
    some = Registry([("optimizer", "other", "acclimate.optim.adamw:AdamW")])
    with pytest.raises(ValueError, match="calls itself"):
        some.get("optimizer", "other")


def test_entry_points_join(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def points(group: str) -> list[metadata.EntryPoint]:
        return [metadata.EntryPoint("optimizer.lion", "acclimate.optim.adamw:AdamW", group)]

    monkeypatch.setattr(metadata, "entry_points", points)
    some = Registry()
    some.add_entry_points()
    assert dict(some.names("optimizer")) == {"lion": "acclimate.optim.adamw:AdamW"}
    monkeypatch.setattr(metadata, "entry_points", lambda group: [metadata.EntryPoint("lion", "a:B", group)])
    with pytest.raises(UserError, match=r"expected ROLE\.NAME"):
        some.add_entry_points()
