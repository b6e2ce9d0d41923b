"""Completing a recipe: what its author left out is written into it, their own lines stay.

The text is edited, not written anew: a block of keys gets the missing ones at its end, each below its docstring.
What was written inside braces or in a short form (`optimizer: adamw`) becomes a block with the same values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from acclimate.recipe.loading import LoadedRecipe
from acclimate.recipe.rendering import about, commented, field_lines, given_settings, indented, value_lines
from acclimate.recipe.settings import Component, Part, Settings
from acclimate.recipe.walking import part_of


def fill(loaded: LoadedRecipe) -> str:
    """The recipe's text with every key that it can have. Overrides given at loading are not in it."""
    node = loaded.source.node
    if loaded.source.aliased or not isinstance(node, MappingNode) or node.flow_style:
        # An anchor's lines stand for several places at once, so there is no line to edit for one of them.
        return "\n".join(commented(loaded.recipe, loaded.source.data)) + "\n"
    edits = _Edits(loaded.text if loaded.text.endswith("\n") else loaded.text + "\n")
    edits.mapping(node, loaded.recipe, loaded.source.data)
    return edits.applied()


@dataclass
class _Edits:
    text: str
    found: list[tuple[int, int, str]] = field(default_factory=list)
    """(start, end, text in its place), offsets into the text."""

    def applied(self) -> str:
        text = self.text
        # From the end, so that offsets stay true. Where an inner block ends with its outer one, the inner one was
        # recorded first, and what is put in last comes first.
        for _, (start, end, new) in sorted(
            enumerate(self.found), key=lambda one: (one[1][0], one[0]), reverse=True
        ):
            text = text[:start] + new + text[end:]
        return text

    def mapping(self, node: MappingNode, settings: Settings, raw: Mapping[str, Any]) -> None:
        """Complete a block of keys, and what stands below them."""
        cls = type(settings)
        nodes = {key.value: value for key, value in node.value}
        for key, name in cls.key_names().items():
            if key in nodes:
                below = _Below(nodes[key], getattr(settings, name), part_of(cls.model_fields[name]), raw[key])
                self.value(below, node.start_mark.column)
        missing: list[str] = []
        for key in cls.key_names():
            if key not in nodes:
                section = [""] if node.start_mark.column == 0 else []
                missing += [*section, *about(cls, key), *field_lines(settings, key)]
        if missing:
            self._append(node, indented(missing, " " * node.start_mark.column))

    def value(self, below: _Below, column: int) -> None:
        """Complete the value of a key or an entry; `column` is that of the key."""
        node, value, part, raw = below.node, below.value, below.part, below.raw
        if isinstance(value, list) and part is not None and not isinstance(node, SequenceNode):
            self.value(_Below(node, value[0], part, raw), column)
        elif getattr(node, "flow_style", False) or isinstance(node, ScalarNode):
            lines = value_lines(value, part, raw, given=True)
            if lines is not None:
                self._replace(node, lines, column)
        elif isinstance(value, list) and part is not None:
            for one, child, written in zip(value, node.value, raw, strict=True):
                self.value(_Below(child, one, part, written), -1)
        elif isinstance(value, dict) and part is not None:
            for key, child in node.value:
                self.value(_Below(child, value[key.value], part, raw[key.value]), node.start_mark.column)
        elif isinstance(value, Component) and part is not None:
            self._component(below, value, part)
        elif isinstance(value, Settings) and isinstance(node, MappingNode):
            self.mapping(node, value, raw)

    def _component(self, below: _Below, component: Component, part: Part) -> None:
        node, name = below.node, component.registered_as[1]
        assert isinstance(node, MappingNode)
        named = len(node.value) == 1 and node.value[0][0].value == name and not part.tag
        if not named:
            self.mapping(node, component, below.raw)
            return
        inner = node.value[0][1]
        settings = given_settings(component, part, below.raw)
        if isinstance(inner, MappingNode) and not inner.flow_style:
            self.mapping(inner, component, settings)
        else:
            self._replace(inner, commented(component, settings), node.start_mark.column)

    def _append(self, node: MappingNode, lines: list[str]) -> None:
        end = _last(node).end_mark.index
        if self.text[end - 1] != "\n":
            end = self.text.index("\n", end) + 1
        self.found.append((end, end, "\n".join(lines) + "\n"))

    def _replace(self, node: Node, lines: list[str], column: int) -> None:
        """Put a block in place of a value: below its key, or beside its dash when `column` is -1."""
        if not lines:
            return
        start, end = node.start_mark.index, node.end_mark.index
        if column < 0:
            margin = " " * node.start_mark.column
            new = ("\n" + margin).join(lines)
        else:
            margin = " " * (column + 2)
            start = len(self.text[:start].rstrip(" "))
            new = "".join("\n" + margin + line for line in lines)
        self.found.append((start, end, new))


@dataclass(frozen=True)
class _Below:
    """A value: its node in the text, what it became, what kind of choice it is, and what was written."""

    node: Node
    value: Any
    part: Part | None
    raw: Any


def _last(node: Any) -> Any:
    """The last leaf, or whole flow collection, of a block."""
    while not isinstance(node, ScalarNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node
