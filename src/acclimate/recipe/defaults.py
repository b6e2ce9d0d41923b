"""Every key there is, with its default and what it means: one file, rendered from the settings themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from acclimate.recipe.registry import registry
from acclimate.recipe.rendering import STEP, about, comment, flow, indented, under, value_lines
from acclimate.recipe.sections import Recipe
from acclimate.recipe.settings import Settings
from acclimate.recipe.walking import part_of, settings_in

FILE = Path(__file__).with_name("defaults.yaml")
"""The rendering as it is committed."""

_HEAD = """\
Every key of a recipe with its default, made from the settings themselves. A key marked (needed) has no default.
First the sections; a section that is null unless given shows its keys as comments. Then, as a second document,
every component by role and name: the settings that a recipe may write below that name.
"""


def render_defaults() -> str:
    """The text of `defaults.yaml`."""
    lines = [line for paragraph in _HEAD.strip().split("\n") for line in comment(paragraph, 120)]
    lines += ["", *_class_lines(Recipe), "", "---"]
    for role in registry.roles():
        lines += ["", f"{role}:"]
        for name in sorted(registry.names(role)):
            cls = registry.get(role, name)
            title = (cls.__doc__ or "").strip().split("\n\n")[0]
            bare = f" A bare value sets `{cls.bare}`." if cls.bare else ""
            below = _class_lines(cls)
            has_keys = any(not line.startswith("#") for line in below)
            lines += indented([*comment(title + bare), f"{name}:" if has_keys else f"{name}: {{}}"])
            lines += indented(below, STEP * 2)
    return "\n".join(lines) + "\n"


def _class_lines(cls: type[Settings]) -> list[str]:
    lines: list[str] = []
    for key, name in cls.key_names().items():
        field = cls.model_fields[name]
        inner = settings_in(field.annotation)
        comments = about(cls, key)
        if field.is_required():
            comments[-1] += " (needed)"
            shown = [f"{key}:", *indented(_class_lines(inner))] if inner else [f"# {key}:"]
        else:
            shown = _default_lines(cls, key, name)
            if field.get_default(call_default_factory=True) is None and inner is not None:
                shown += indented([f"{key}:", *indented(_class_lines(inner))], "# ")
        lines += [*comments, *shown]
    return lines


def _default_lines(cls: type[Settings], key: str, name: str) -> list[str]:
    field = cls.model_fields[name]
    value = default_of(cls, name)
    part = part_of(field)
    if type(value) is settings_in(field.annotation) and value == type(value)():
        return [f"{key}:", *indented(_class_lines(type(value)))]
    below = value_lines(value, part)
    if below is None:
        return [f"{key}: {flow(adapter(cls, name).dump_python(value, mode='json'))}"]
    return under(key, below)


def default_of(cls: type[Settings], name: str) -> Any:
    """The default of a field as a validated value."""
    field = cls.model_fields[name]
    default = field.get_default(call_default_factory=True)
    try:
        return adapter(cls, name).validate_python(default)
    except ValidationError as error:
        raise ValueError(f"the default of {cls.__name__}.{name} is not valid: {error}") from error


def adapter(cls: type[Settings], name: str) -> TypeAdapter[Any]:
    """Reads and writes values of one field."""
    field = cls.model_fields[name]
    annotation: Any = field.annotation
    for one in field.metadata:
        annotation = Annotated[annotation, one]
    return TypeAdapter(annotation)
