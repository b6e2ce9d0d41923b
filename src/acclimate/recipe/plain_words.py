"""The type of a setting in plain words: `count`, `path or null`, `whole number; at least 1`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic.fields import FieldInfo

from acclimate.recipe.portions import Portion
from acclimate.recipe.rendering import flow
from acclimate.recipe.settings import Part, Settings
from acclimate.recipe.units import Length
from acclimate.recipe.wording import Called

_PLAIN = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    NoneType: "`null`",
    Length: "length",
    Portion: "portion",
}
_BOUNDS: dict[type, tuple[str, str]] = {
    Ge: ("at least", "ge"),
    Gt: ("more than", "gt"),
    Le: ("at most", "le"),
    Lt: ("less than", "lt"),
}

Linked = Callable[[Part | type[Settings]], str]
"""What stands for a choice of a component, or for a group of settings: a word, perhaps with a link."""


def in_words(field: FieldInfo, linked: Linked) -> str:
    """The type of a field, with the bounds it states. Raises ValueError for a type that nobody named."""
    named = [one.words for one in field.metadata if isinstance(one, Called)]
    part = [linked(one) for one in field.metadata if isinstance(one, Part)]
    words = (named or part or [_words(field.annotation, linked)])[0]
    return "; ".join([words, *_bounds(field.metadata)])


def _words(annotation: Any, linked: Linked) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        for one in annotation.__metadata__:
            if isinstance(one, Called):
                return one.words
            if isinstance(one, Part):
                return linked(one)
        return "; ".join([_words(arguments[0], linked), *_bounds(annotation.__metadata__)])
    if origin in (Union, UnionType, Literal):
        return _either(_alternatives(annotation, linked))
    if origin is list or (origin is tuple and arguments[1:] == (Ellipsis,)):
        return f"list of {_words(arguments[0], linked)}"
    if origin is tuple:
        return f"list [{', '.join(_words(one, linked) for one in arguments)}]"
    if origin is dict:
        return f"mapping of {_words(arguments[0], linked)} to {_words(arguments[1], linked)}"
    if isinstance(annotation, type):
        if issubclass(annotation, Settings):
            return linked(annotation)
        if annotation in _PLAIN:
            return _PLAIN[annotation]
    raise ValueError(f"no words for the type {annotation!r}; name it with Annotated[…, Called('…')]")


def _alternatives(annotation: Any, linked: Linked) -> list[str]:
    """What a union or a literal admits, those of inner ones on a level with the rest."""
    if get_origin(annotation) in (Union, UnionType):
        return [words for one in get_args(annotation) for words in _alternatives(one, linked)]
    if get_origin(annotation) is Literal:
        return [f"`{flow(one)}`" for one in get_args(annotation)]
    return [_words(annotation, linked)]


def _either(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _bounds(metadata: Sequence[Any]) -> list[str]:
    found = []
    for one in metadata:
        for kind, (words, name) in _BOUNDS.items():
            if isinstance(one, kind):
                found.append(f"{words} {flow(getattr(one, name))}")
        if isinstance(one, MinLen):
            found.append("not empty" if one.min_length == 1 else f"at least {one.min_length} long")
        if isinstance(one, MaxLen):
            found.append(f"at most {one.max_length} long")
    return found
