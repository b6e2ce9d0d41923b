"""Settings as commented YAML: every key with its value, and its docstring above it."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from acclimate.recipe.registry import registry
from acclimate.recipe.resolving import Representer
from acclimate.recipe.settings import Component, Part, Settings
from acclimate.recipe.walking import part_of

_WIDTH = 100
STEP = "  "


def flow(value: Any) -> str:
    """Plain data as YAML on one line."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = Representer
    yaml.default_flow_style = True
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 10**6
    stream = io.StringIO()
    if isinstance(value, Mapping):
        yaml.dump(value, stream)
        return stream.getvalue().strip()
    yaml.dump([value], stream)  # a scalar alone would end with the mark of a document's end
    return stream.getvalue().strip().removeprefix("[").removesuffix("]")


def comment(text: str, width: int = _WIDTH) -> list[str]:
    """The text as comment lines."""
    return ["# " + line for line in textwrap.wrap(" ".join(text.split()), width - 2, break_long_words=False)]


def about(cls: type[Settings], key: str) -> list[str]:
    """The docstring of a key as comment lines."""
    return comment(cls.model_fields[cls.key_names()[key]].description or "")


def indented(lines: list[str], by: str = STEP) -> list[str]:
    return [by + line if line else line for line in lines]


def commented(settings: Settings, raw: Mapping[str, Any] | None = None, tag: str | None = None) -> list[str]:
    """Every key of the settings as lines of YAML.

    `raw` is what a user wrote: those keys come first, as written and without comment; what was left out follows,
    each key below its docstring. `tag` is a key of `raw` that is no setting.
    """
    cls = type(settings)
    written = raw or {}
    keys = [key for key in written if key in cls.key_names()]
    lines = [f"{tag}: {flow(written[tag])}"] if tag and tag in written else []
    for key in keys:
        lines += field_lines(settings, key, written[key], given=True)
    for key in cls.key_names():
        if key not in keys:
            lines += about(cls, key)
            lines += field_lines(settings, key)
    return lines


def field_lines(settings: Settings, key: str, raw: Any = None, given: bool = False) -> list[str]:
    """One key with its value, without the comment; `given`: `raw` is what a user wrote there."""
    cls = type(settings)
    name = cls.key_names()[key]
    value = getattr(settings, name)
    part = part_of(cls.model_fields[name])
    below = value_lines(value, part, raw, given)
    if below is None:
        dumped = raw if given else settings.model_dump(mode="json", include={name})[key]
        return [f"{flow(key)}: {flow(dumped)}"]
    return under(key, below)


def under(key: str, below: list[str]) -> list[str]:
    """A block of lines below its key; the name alone of a component without settings stands beside it."""
    if len(below) == 1 and below[0].isidentifier():
        return [f"{flow(key)}: {below[0]}"]
    return [f"{flow(key)}:", *indented(below)] if below else [f"{flow(key)}: {{}}"]


def value_lines(value: Any, part: Part | None, raw: Any = None, given: bool = False) -> list[str] | None:
    """The block below a key; None for a value that stands beside its key."""
    if isinstance(value, Component) and part is not None:
        return component_lines(value, part, raw, given)
    if isinstance(value, Settings):
        return commented(value, raw if isinstance(raw, Mapping) else None)
    if part is None:
        return None
    if isinstance(value, list) and value:
        entries = raw if isinstance(raw, list) else [raw]
        lines: list[str] = []
        for index, one in enumerate(value):
            block = value_lines(one, part, entries[index] if given else None, given) or []
            lines += ["- " + block[0], *indented(block[1:])]
        return lines
    if isinstance(value, dict) and value:
        lines = []
        for name, one in value.items():
            block = value_lines(one, part, raw[name] if given else None, given) or []
            lines += under(name, block)
        return lines
    return None


def component_lines(component: Component, part: Part, raw: Any = None, given: bool = False) -> list[str]:
    """A component in the form that its place in a recipe takes, all settings spelt out."""
    name = component.registered_as[1]
    written = given_settings(component, part, raw) if given else {}
    if part.tag:
        return commented(component, {part.tag: name, **written}, part.tag)
    block = commented(component, written)
    if not part.steps(component):
        return block
    return [f"{flow(name)}:", *indented(block)] if block else [flow(name)]


def given_settings(component: Component, part: Part, raw: Any) -> dict[str, Any]:
    """The settings that a user wrote for a component, whatever the form."""
    _, settings, _ = part.split(raw, registry.names(part.role))
    if isinstance(settings, Mapping):
        return dict(settings)
    return {} if settings is None or component.bare is None else {component.bare: settings}
