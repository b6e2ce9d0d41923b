"""The reference: one page in Markdown with every key of a recipe and every component, made from the settings.

Sections stand in pipeline order; below each stand the roles that are first chosen there, with their components.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from acclimate.recipe.defaults import adapter, default_of
from acclimate.recipe.plain_words import in_words
from acclimate.recipe.portions import TEXT_UNITS
from acclimate.recipe.registry import registry
from acclimate.recipe.rendering import flow
from acclimate.recipe.sections import Recipe
from acclimate.recipe.settings import Component, Part, Settings
from acclimate.recipe.units import BATCH_UNITS, UNITS
from acclimate.recipe.walking import part_of, settings_in

_ROLE = "Role: "

_HEAD = f"""\
# Reference

Every key of a recipe and every component it can name, made from the settings themselves
(`acclimate schema --reference` prints this page). [The guide](guide/README.md) shows how they go together.

## How values are written

| called here | written | means |
| --- | --- | --- |
| count | `16000`, `16k`, `1.5M` | a whole number; k, M, G, T are thousands, millions, …, not 1024 |
| share | `2%`, `0.02` | between 0% and 100% |
| length | `2000 steps`, `20M tokens`, `3 epochs` | an amount of training with its unit: {", ".join(UNITS)} |
| batch | `16k tokens`, `32 sequences` | how much goes at once, in {" or ".join(BATCH_UNITS)} |
| portion | `10%`, `2M words` | a share of the text, or an amount in {", ".join(TEXT_UNITS)} |
| path | `data/*.txt`, `${{DATA:-data}}/a.tsv` | starts at the recipe's folder; `${{NAME}}` is the \
environment's, `${{NAME:-else}}` has a default |
| column | `text`, `0` | the name of a column, or its number from 0 |
| name | `topic` | letters, digits, `.`, `_`, `-`: it names a folder |

Tokens never include padding. Where a component is chosen, its name alone takes its defaults;
`{{name: {{key: value}}}}` sets some.
"""


def render_reference() -> str:
    """The text of `docs/reference.md`."""
    page = _Page()
    page.recipe()
    return _HEAD + "\n" + "\n\n".join(page.blocks) + "\n"


def slug(heading: str) -> str:
    """The anchor that Markdown viewers give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


class _Page:
    def __init__(self) -> None:
        self.blocks: list[str] = []
        self._described: set[str] = set()
        self._uses = _uses()

    def recipe(self) -> None:
        """The top, then each section with what is first chosen in it."""
        top = "The recipe"
        self._say(f"## {top}", _prose(Recipe.__doc__), self._table(Recipe, ""))
        for key, name in Recipe.key_names().items():
            field = Recipe.model_fields[name]
            inner, part = settings_in(field.annotation), part_of(field)
            if inner is None and part is None:
                continue
            self._say(f"## {key}", field.description or "")
            if inner is not None:
                self._say(self._table(inner, key))
                self._inner(inner, key)
                self._roles(inner)
            if part is not None:
                self._role(part.role)
        for role in registry.roles():
            self._role(role)

    def _say(self, *blocks: str) -> None:
        self.blocks += [block for block in blocks if block]

    def _inner(self, cls: type[Settings], path: str) -> None:
        """The groups of settings below a class, each under the path by which it is reached."""
        for key, name in cls.key_names().items():
            below = settings_in(cls.model_fields[name].annotation)
            if below is not None:
                self._say(f"### {path}.{key}", _prose(below.__doc__), self._table(below, f"{path}.{key}"))
                self._inner(below, f"{path}.{key}")

    def _roles(self, cls: type[Settings]) -> None:
        """The roles that are chosen in a class and below it."""
        for field in cls.model_fields.values():
            below, part = settings_in(field.annotation), part_of(field)
            if below is not None:
                self._roles(below)
            if part is not None:
                self._role(part.role)

    def _role(self, role: str) -> None:
        if role in self._described:
            return
        self._described.add(role)
        components = [(name, registry.get(role, name)) for name in registry.names(role)]
        overview = _overview(role, {name: cls.facts() for name, cls in components})
        self._say(f"### {_ROLE}{role}", self._forms(role), *overview)
        for name, cls in components:
            self._say(f"#### {role} {name}", _prose(cls.__doc__))
            if cls.bare:
                self._say(f"Bare: `{{{name}: …}}` sets `{cls.bare}`.")
            path = _path(role, name)
            self._say(self._table(cls, path) if cls.model_fields else "It has no settings.")
            self._inner(cls, path)
        for _, cls in components:
            self._roles(cls)

    def _forms(self, role: str) -> str:
        """Where a role is chosen, and how it is written there."""
        said = []
        for part, places in self._uses.get(role, {}).items():
            where = ", ".join(f"`{place}`" for place in places)
            if part.tag:
                how = f"written `{{{part.tag}: name, key: value}}`"
            elif part.default:
                how = f"a bare value, or a mapping without a name, is for `{part.default}`"
            else:
                how = "written `name` or `{name: {key: value}}`"
            said.append(f"Chosen at {where}; {how}.")
        return " ".join(said) or "No section of a recipe names it by itself."

    def _table(self, cls: type[Settings], path: str) -> str:
        rows = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
        for key, name in cls.key_names().items():
            field = cls.model_fields[name]
            place = f"{path}.{key}" if path else key

            def linked(one: Part | type[Settings], place: str = place) -> str:
                if isinstance(one, Part):
                    return _link(one.role, _ROLE + one.role)
                if issubclass(one, Component):  # one that stands there for good; it has a block of its own
                    return _link(one.registered_as[1], " ".join(one.registered_as))
                return _link("keys", place)

            cells = (f"`{key}`", in_words(field, linked), _default(cls, name), _prose(field.description))
            rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
        return "\n".join(rows)


def _path(role: str, name: str) -> str:
    """What a component's groups of settings are called after: its name, with the role where others bear it too."""
    alone = sum(name in registry.names(one) for one in registry.roles()) == 1
    return name if alone else f"{role} {name}"


def _uses() -> dict[str, dict[Part, list[str]]]:
    """Role → form of the choice → where it is made."""
    found: dict[str, dict[Part, list[str]]] = {}

    def visit(cls: type[Settings], path: str) -> None:
        for key, name in cls.key_names().items():
            field = cls.model_fields[name]
            place = f"{path}.{key}" if path else key
            if part := part_of(field):
                found.setdefault(part.role, {}).setdefault(part, []).append(place)
            if below := settings_in(field.annotation):
                visit(below, place)

    visit(Recipe, "")
    for role, name in _components():
        visit(registry.get(role, name), name)
    return found


def _overview(role: str, facts: dict[str, dict[str, str]]) -> list[str]:
    """The table of what a role's components tell of themselves, where they do."""
    columns = list(next(iter(facts.values()), {}))
    if not columns:
        return []
    rows = [[_link(f"`{name}`", f"{role} {name}"), *told.values()] for name, told in facts.items()]
    table = [[role, *columns], ["---"] * (1 + len(columns)), *rows]
    return ["\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in table)]


def _components() -> Iterator[tuple[str, str]]:
    for role in registry.roles():
        for name in registry.names(role):
            yield role, name


def _default(cls: type[Settings], name: str) -> str:
    """The default as a recipe would write it."""
    field: FieldInfo = cls.model_fields[name]
    if field.is_required():
        return "needed"
    value = default_of(cls, name)
    if isinstance(value, Settings) and settings_in(type(value)) and value == type(value)():
        return "its keys' own"
    written = field.get_default(call_default_factory=True)
    if part_of(field) is None or not isinstance(written, (str, dict, list)):
        written = _dumped(cls, name, value)
    return f"`{flow(written)}`"


def _dumped(cls: type[Settings], name: str, value: Any) -> Any:
    return adapter(cls, name).dump_python(value, mode="json")


def _prose(text: str | None) -> str:
    """A docstring, each paragraph on one line."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _link(words: str, heading: str) -> str:
    return f"[{words}](#{slug(heading)})"


def _cell(text: str) -> str:
    return text.replace("\n\n", " ").replace("|", "\\|")
