"""Settings: typed, frozen, documented, unknown keys refused with the nearest valid spelling.

`Settings` is what a section of a recipe is made of. `Component` is a choice a recipe names: a small class
of settings that stands beside the code it configures and can build it. `Part(role)` marks the place in a
section where such a choice is made.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from acclimate.recipe.wording import either, found, nearest, told

__all__ = ["Component", "Part", "Settings", "about_key", "nearest", "problem"]

_OURS = "acclimate"
_OURS_KEY = "acclimate_key"


def problem(
    message: str, *, at: tuple[int | str, ...] = (), value: object = None, key: bool = False
) -> ValidationError:
    """A validation error with our own words, at a place below the current one; `key`: the key is wrong."""
    return _errors([_detail(message, at, value, key)])


def plain(message: str) -> str:
    """Pydantic's message without its opening words for an error that a validator of ours raised."""
    return message.removeprefix("Value error, ")


def about_key(error: ErrorDetails) -> bool:
    """Whether a finding is about the key at its place, not about the value."""
    return error["type"] == _OURS_KEY


def _detail(message: str, at: tuple[int | str, ...], value: object, key: bool = False) -> InitErrorDetails:
    # The message is passed as data: braces in it must not be read as a template.
    message = plain(message)
    words = PydanticCustomError(_OURS_KEY if key else _OURS, "{message}", {"message": message})
    return InitErrorDetails(type=words, loc=at, input=value)


def _errors(details: list[InitErrorDetails]) -> ValidationError:
    return ValidationError.from_exception_data("recipe", details)


def _relocated(error: ValidationError, prefix: tuple[int | str, ...]) -> ValidationError:
    """The same problems, each with the prefix before its place."""
    return _errors(
        [
            _detail(one["msg"], prefix + one["loc"], one["input"], about_key(one))
            for one in error.errors(include_url=False)
        ]
    )


class Settings(BaseModel):
    """A group of settings. Frozen; every field has a docstring, from which help and reference are made."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
        serialize_by_alias=True,
    )

    @classmethod
    def key_names(cls) -> dict[str, str]:
        """Key as a recipe writes it → name of the field."""
        return {field.alias or name: name for name, field in cls.model_fields.items()}

    @model_validator(mode="wrap")
    @classmethod
    def _explain(
        cls, data: Any, handler: ModelWrapValidatorHandler[Settings], info: ValidationInfo
    ) -> Settings:
        try:
            return handler(data)
        except ValidationError as error:
            raise _errors(cls._in_our_words(error, data)) from None

    @classmethod
    def _in_our_words(cls, error: ValidationError, data: Any) -> list[InitErrorDetails]:
        """pydantic's findings about `data`, reworded, those of the members of a union drawn together."""
        details: list[InitErrorDetails] = []
        unions: dict[tuple[int | str, ...], list[tuple[tuple[int | str, ...], str, Any]]] = {}
        for one in error.errors(include_url=False):
            loc, kind = one["loc"], one["type"]
            ours = kind in (_OURS, _OURS_KEY)
            message = one["msg"] if ours else told(kind, one["msg"], one["input"], one.get("ctx", {}))
            key = kind == _OURS_KEY
            if kind == "extra_forbidden":
                message, key = f"unknown key {loc[-1]!r}; {nearest(loc[-1], cls.key_names())}", True
            elif kind == "missing":
                message = "this key is needed and missing"
            elif loc[-1:] == ("[key]",):
                loc, key = loc[:-1], True
            elif label := cls._label(loc, data, ours):
                unions.setdefault(loc[:label], []).append((loc[label + 1 :], message, one["input"]))
                continue
            details.append(_detail(message, loc, one["input"], key))
        for place, members in unions.items():
            deeper = [member for member in members if member[0]]
            for rest, message, value in deeper:
                details.append(_detail(message, place + rest, value))
            if not deeper:
                details.append(_detail(either([message for _, message, _ in members]), place, members[0][2]))
        return details

    @classmethod
    def _label(cls, loc: tuple[int | str, ...], data: Any, ours: bool) -> int:
        """Where in a place the name of a union's member stands, which is no key of the data; 0: nowhere."""
        field = cls.model_fields.get(cls.key_names().get(str(loc[0]), "")) if loc else None
        if field is None or len(loc) < 2:
            return 0
        if len([one for one in _members(field.annotation) if one is not type(None)]) > 1:
            return 1
        if ours:
            return 0
        for depth, step in enumerate(loc):
            known: Any = range(len(data)) if isinstance(data, (list, tuple)) else data
            if not isinstance(known, (range, Mapping)) or step not in known:
                return depth
            data = data[step]
        return 0


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()


class Component(Settings):
    """A choice that a recipe names. A subclass sets `registered_as` and defines `build(...)`.

    `build` takes runtime objects by keyword and calls an ordinary constructor or function, so that the class
    is usable without any recipe. Modules of components must not import torch or transformers at the top.
    """

    registered_as: ClassVar[tuple[str, str]]
    """(role, name); the registry's list repeats it with the import path, and a test compares the two."""
    bare: ClassVar[str | None] = None
    """The field a bare value sets: with "max_norm", `{clip_norm: 1}` means `{clip_norm: {max_norm: 1}}`."""
    one_of: ClassVar[str | None] = None
    """What it does that a list may do only once, in words: of several that say the same, one is refused."""

    if TYPE_CHECKING:
        build: ClassVar[Callable[..., Any]]

    @classmethod
    def facts(cls) -> dict[str, str]:
        """What the reference tells of the component in a table of its role, by column; nothing for most roles."""
        return {}

    def dumped(self) -> dict[str, Any]:
        """The component as it is written in a recipe: `{name: {setting: value, …}}`."""
        return {self.registered_as[1]: self.model_dump(mode="json")}


@dataclass(frozen=True)
class Part:
    """Annotation for a field that holds a component of a role.

    A recipe writes `name`, `{name: bare value}` or `{name: {key: value}}`. With `default`, a mapping that
    names no registered component is the settings of the default one. With `tag`, the name stands inside the
    mapping under that key: `{family: bert, size: mini}`.
    """

    role: str
    default: str | None = None
    tag: str | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            lambda value, info: self.parse(value, info.context),
            serialization=core_schema.plain_serializer_function_ser_schema(self.dump),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        from acclimate.recipe.jsonschema import part_schema

        return part_schema(self.role, self.default, self.tag)

    def dump(self, component: Component) -> dict[str, Any]:
        name = component.registered_as[1]
        if self.tag:
            return {self.tag: name, **component.model_dump(mode="json")}
        if name == self.default:
            return component.model_dump(mode="json")
        return component.dumped()

    def steps(self, component: Component) -> tuple[str, ...]:
        """The keys between the field and the component's own: its name, unless the name goes without saying."""
        name = component.registered_as[1]
        return () if self.tag or name == self.default else (name,)

    def parse(self, value: Any, context: Any = None) -> Component:
        """The component that the value describes. Raises ValidationError with places below the value."""
        from acclimate.recipe.registry import registry

        if isinstance(value, Component):
            if value.registered_as[0] != self.role:
                raise problem(f"expected a {self.role}, found the {' '.join(value.registered_as)}")
            return value
        name, settings, prefix = self.split(value, registry.names(self.role))
        cls = registry.get(self.role, name)
        if settings is None:
            settings = {}
        elif not isinstance(settings, Mapping):
            if cls.bare is None:
                keys = ", ".join(cls.key_names()) or "none"
                raise problem(
                    f"{name} takes a mapping of settings (keys: {keys}), found {found(settings)}", at=prefix
                )
            settings = {cls.bare: settings}
        try:
            return cls.model_validate(settings, context=context)
        except ValidationError as error:
            raise _relocated(error, prefix) from None

    def split(self, value: Any, names: Mapping[str, str]) -> tuple[str, Any, tuple[str, ...]]:
        """(registered name, settings, where the settings stand) of a value. Raises ValidationError."""
        if self.tag:
            return self._split_tagged(self.tag, value, names)
        if isinstance(value, str):
            if value in names:
                return value, None, (value,)
            if self.default is None:
                raise self._unknown(value, names)
            return self.default, value, ()
        if not isinstance(value, Mapping):
            raise problem(f"expected the name of a {self.role}, found {found(value)}", value=value)
        if len(value) == 1:
            ((name, settings),) = value.items()
            if name in names:
                return str(name), settings, (str(name),)
            if self.default is None or self._means_a_name(name, names):
                raise self._unknown(name, names, at=(str(name),))
        if self.default is None:
            raise problem(
                f"expected one {self.role}, as `name` or `{{name: settings}}`, found a mapping with the keys "
                + (", ".join(map(str, value)) or "(none)"),
                value=value,
            )
        return self.default, dict(value), ()

    def _split_tagged(
        self, tag: str, value: Any, names: Mapping[str, str]
    ) -> tuple[str, Any, tuple[str, ...]]:
        if not isinstance(value, Mapping):
            raise problem(f"expected a mapping with the key {tag!r}, found {found(value)}", value=value)
        if tag not in value:
            raise problem(f"the key {tag!r} is needed; choose from: {', '.join(sorted(names))}", value=value)
        if not isinstance(value[tag], str) or value[tag] not in names:
            raise self._unknown(value[tag], names, at=(tag,), key=False)
        return value[tag], {key: one for key, one in value.items() if key != tag}, ()

    def _means_a_name(self, key: object, names: Mapping[str, str]) -> bool:
        """Whether an unknown single key looks more like a component's name than like a key of the default."""
        from acclimate.recipe.registry import registry

        keys = registry.get(self.role, str(self.default)).key_names()
        if key in keys:
            return False
        close = difflib.get_close_matches(str(key), [*keys, *names], n=1)
        return bool(close) and close[0] in names

    def _unknown(
        self, name: object, names: Mapping[str, str], at: tuple[str, ...] = (), key: bool = True
    ) -> ValidationError:
        from acclimate.recipe.registry import registry

        word = repr(name) if isinstance(name, str) else found(name)
        taken = registry.component_that_takes(self.role, name) if isinstance(name, str) else None
        choice = nearest(name, names) if taken is None else f"did you mean `{taken}: {name}`?"
        return problem(f"unknown {self.role} {word}; {choice}", at=at, key=key and bool(at))
