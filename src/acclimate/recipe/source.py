"""YAML with its places: the plain data of a text, and the line and column of every key and value.

YAML 1.2 by ruamel.yaml: `1e-3` is a number, `no` is text, duplicate keys are errors. The text is read as a
tree of nodes, never constructed into objects, so that tags cannot name classes and every problem is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from acclimate.recipe.problems import Path, Place, Problem

_MOST_VALUES = 50_000
"""A recipe has some hundred values; aliases that unfold into more than this are an attack or an accident."""
_PREFIX = "tag:yaml.org,2002:"
_TEXT = ("str", "timestamp")


@dataclass(frozen=True)
class Spot:
    """Where a key and its value stand."""

    key: Place
    value: Place
    leaf: bool
    """Whether the value is neither a list nor a mapping."""


@dataclass
class Source:
    """What a text says."""

    data: Any = None
    spots: dict[Path, Spot] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    node: Node | None = None
    """The tree of nodes, for edits that keep the author's own lines."""
    aliased: bool = False
    """Whether the text uses anchors, so that one place stands for several values."""


def read_source(text: str) -> Source:
    """The data of a YAML text with places; what is wrong with it as YAML stands in `problems`."""
    source = Source()
    yaml = YAML(typ="rt")
    try:
        node = yaml.compose(text)
    except ReaderError as error:
        position = min(error.position, len(text))
        line = text.count("\n", 0, position) + 1
        column = position - (text.rfind("\n", 0, position) + 1) + 1
        message = f"the character U+{int(error.character):04X} may not stand in YAML"
        source.problems.append(Problem(Place(line, column), (), message))
        return source
    except MarkedYAMLError as error:
        source.problems.extend(_syntax(error, text))
        return source
    except (YAMLError, ValueError, RecursionError) as error:
        source.problems.append(Problem(Place(), (), f"this is not YAML: {_one_line(str(error))}"))
        return source
    if node is not None:
        source.node = node
        _Reader(source, yaml).read(node)
    return source


def _syntax(error: MarkedYAMLError, text: str) -> list[Problem]:
    mark = error.problem_mark or error.context_mark
    place = Place(mark.line + 1, mark.column + 1) if mark else Place()
    words = _one_line(error.problem or error.context or str(error))
    if "'\\t'" in words:
        tabs = [
            Problem(Place(number, line.index("\t") + 1), (), "a tab; YAML is indented with spaces")
            for number, line in enumerate(text.split("\n"), 1)
            if "\t" in line[: len(line) - len(line.lstrip())]
        ]
        if tabs:
            return tabs
    if "another document" in words:
        words = "a second document starts here; a recipe is one document"
    elif error.context and error.context_mark and error.context_mark.line != place.line - 1:
        words += f" ({_one_line(error.context)} that starts in line {error.context_mark.line + 1})"
    return [Problem(place, (), f"not valid YAML: {words}")]


def _one_line(text: str) -> str:
    return " ".join(text.split())


class _Reader:
    """Walks the tree of nodes once."""

    def __init__(self, source: Source, yaml: YAML) -> None:
        self.source = source
        self.constructor = SafeConstructor(loader=yaml)
        self.open: list[Node] = []
        self.count = 0

    def read(self, node: Node) -> None:
        self.source.data = self._value(node, ())
        if () not in self.source.spots:
            self.source.spots[()] = Spot(_place(node), _place(node), False)

    def _problem(self, node: Node, path: Path, message: str) -> None:
        self.source.problems.append(Problem(_place(node), path, message))

    def _value(self, node: Node, path: Path) -> Any:
        self.source.aliased = self.source.aliased or bool(node.anchor)
        self.count += 1
        if any(node is parent for parent in self.open):
            self._problem(node, path, "this alias contains itself")
            return None
        if self.count > _MOST_VALUES:
            if self.count == _MOST_VALUES + 1:
                self._problem(node, path, f"more than {_MOST_VALUES} values: this is no recipe")
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        self.open.append(node)
        try:
            if isinstance(node, SequenceNode):
                self._known_tag(node, path, "seq")
                return [self._item(child, (*path, index)) for index, child in enumerate(node.value)]
            self._known_tag(node, path, "map")
            assert isinstance(node, MappingNode)
            return self._mapping(node, path)
        finally:
            self.open.pop()

    def _item(self, node: Node, path: Path) -> Any:
        self.source.spots[path] = Spot(_place(node), _place(node), isinstance(node, ScalarNode))
        return self._value(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        first: dict[str, Node] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._problem(key_node, path, "a key must be text, not a list or mapping")
                continue
            if key_node.tag == _PREFIX + "merge":
                self._problem(key_node, path, "`<<` is not known in a recipe; write the keys out")
                continue
            key = str(key_node.value)  # always text: `2019` names a task as `role` does
            if key in first:
                line = first[key].start_mark.line + 1
                self._problem(key_node, (*path, key), f"the key {key!r} stands twice, first in line {line}")
                continue
            first[key] = key_node
            empty = (
                isinstance(value_node, ScalarNode)
                and value_node.start_mark.index == value_node.end_mark.index
            )
            at = _place(key_node if empty else value_node)
            self.source.spots[(*path, key)] = Spot(_place(key_node), at, isinstance(value_node, ScalarNode))
            data[key] = self._value(value_node, (*path, key))
        return data

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        kind = str(node.tag).removeprefix(_PREFIX)
        if kind == "null":
            if not node.value:
                place = self.source.spots[path].value if path in self.source.spots else _place(node)
                message = "nothing stands here; write {} for the defaults, null for none"
                self.source.problems.append(Problem(place, path, message))
            return None
        if kind in _TEXT:
            return node.value
        if kind not in ("bool", "int", "float"):
            self._problem(node, path, f"the tag {node.tag} is not known in a recipe")
            return node.value
        try:
            made = getattr(self.constructor, f"construct_yaml_{kind}")(node)
        except (ValueError, OverflowError, KeyError, YAMLError):
            self._problem(node, path, f"cannot be read as {kind}: {node.value[:60]!r}")
            return None
        return bool(made) if kind == "bool" else int(made) if kind == "int" else float(made)

    def _known_tag(self, node: Node, path: Path, kind: str) -> None:
        if node.tag != _PREFIX + kind:
            self._problem(node, path, f"the tag {node.tag} is not known in a recipe")


def _place(node: Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
