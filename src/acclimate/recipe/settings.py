"""Settings: typed, frozen, documented, unknown keys refused with the nearest valid spelling.

`Settings` is what a section of a recipe is made of. `Component` is a choice that a recipe names: a small class of
settings that stands beside the code it configures and can build it. `Part(role)` marks the place in a section where
such a choice is made.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ModelWrapValidatorHandler, ValidationError
from pydantic import ValidationInfo, model_validator
from pydantic.json_schema import GetJsonSchemaHandler, JsonSchemaValue
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema


def nearest(word: object, choices: Iterable[str]) -> str:
    """A closing phrase that names the nearest of the choices, or all of them when none is near."""
    known = sorted(choices)
    close = difflib.get_close_matches(str(word), known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return "choose from: " + ", ".join(known)


def problem(message: str, *, at: tuple[int | str, ...] = (), value: object = None) -> ValidationError:
    """A validation error with our own words, at a place below the current one."""
    return _errors([InitErrorDetails(type=_own(message), loc=at, input=value)])


def _own(message: str) -> PydanticCustomError:
    # The message is passed as data: braces in it must not be read as a template.
    return PydanticCustomError("acclimate", "{message}", {"message": message})


def _errors(details: list[InitErrorDetails]) -> ValidationError:
    return ValidationError.from_exception_data("recipe", details)


def _relocated(error: ValidationError, prefix: tuple[int | str, ...]) -> ValidationError:
    """The same problems, each with the prefix before its place."""
    details = []
    for one in error.errors(include_url=False):
        details.append(InitErrorDetails(type=_own(one["msg"]), loc=prefix + one["loc"], input=one["input"]))
    return _errors(details)


class Settings(BaseModel):
    """A group of settings. Frozen; every field has a docstring, from which help and reference are made."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )

    @model_validator(mode="wrap")
    @classmethod
    def _explain_unknown_keys(
        cls, data: Any, handler: ModelWrapValidatorHandler[Settings], info: ValidationInfo
    ) -> Settings:
        try:
            return handler(data)
        except ValidationError as error:
            details = []
            for one in error.errors(include_url=False):
                message = one["msg"].removeprefix("Value error, ")
                if one["type"] == "extra_forbidden" and len(one["loc"]) == 1:
                    message = f"unknown key {one['loc'][0]!r}; {nearest(one['loc'][0], cls.model_fields)}"
                elif one["type"] == "missing":
                    message = "this key is needed and missing"
                elif one["type"] in ("model_type", "model_attributes_type", "dict_type"):
                    message = f"expected a mapping of keys, found {one['input']!r}"
                details.append(InitErrorDetails(type=_own(message), loc=one["loc"], input=one["input"]))
            raise _errors(details) from None


class Component(Settings):
    """A choice that a recipe names. A subclass sets `registered_as` and defines `build(...)`.

    `build` takes runtime objects by keyword and calls an ordinary constructor or function, so that the class is usable
    without any recipe. Modules that define components must not import torch or transformers at the top.
    """

    registered_as: ClassVar[tuple[str, str]]
    """(role, name); the registry's list repeats it with the import path, and a test compares the two."""
    bare: ClassVar[str | None] = None
    """The field that a bare value sets: with `bare = "max_norm"`, `{clip_norm: 1.0}` means `{clip_norm: {max_norm: 1.0}}`."""

    if TYPE_CHECKING:
        build: ClassVar[Callable[..., Any]]

    def dumped(self) -> dict[str, Any]:
        """The component as it is written in a recipe: `{name: {setting: value, …}}`."""
        return {self.registered_as[1]: self.model_dump(mode="json")}


@dataclass(frozen=True)
class Part:
    """Annotation for a field that holds a component of a role.

    A recipe writes `name`, `{name: bare value}` or `{name: {key: value}}`. With `default`, a mapping that does not name
    a registered component is the settings of the default one. With `tag`, the name stands inside the mapping under that
    key: `{family: bert, size: mini}`.
    """

    role: str
    default: str | None = None
    tag: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            lambda value, info: self.parse(value, info.context),
            serialization=core_schema.plain_serializer_function_ser_schema(self.dump),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        from acclimate.recipe.jsonschema import part_schema

        return part_schema(self)

    def dump(self, component: Component) -> dict[str, Any]:
        name = component.registered_as[1]
        if self.tag:
            return {self.tag: name, **component.model_dump(mode="json")}
        if name == self.default:
            return component.model_dump(mode="json")
        return component.dumped()

    def parse(self, value: Any, context: Any = None) -> Component:
        """The component that the value describes. Raises ValidationError with places relative to the value."""
        from acclimate.recipe.registry import registry

        if isinstance(value, Component):
            if value.registered_as[0] != self.role:
                raise problem(f"expected a {self.role}, found the {' '.join(value.registered_as)}")
            return value
        name, settings, prefix = self._split(value, registry.names(self.role))
        if name not in registry.names(self.role):
            at = (self.tag,) if self.tag else ()
            raise problem(
                f"unknown {self.role} {name!r}; {nearest(name, registry.names(self.role))}", at=at, value=name
            )
        cls = registry.get(self.role, name)
        if settings is None:
            settings = {}
        elif not isinstance(settings, Mapping):
            if cls.bare is None:
                keys = ", ".join(cls.model_fields) or "none"
                raise problem(
                    f"{name} takes a mapping of settings (keys: {keys}), found {settings!r}", at=prefix, value=settings
                )
            settings = {cls.bare: settings}
        try:
            return cls.model_validate(settings, context=context)
        except ValidationError as error:
            raise _relocated(error, prefix) from None

    def _split(self, value: Any, names: Iterable[str]) -> tuple[Any, Any, tuple[str, ...]]:
        """(name, settings, where the settings stand) of a value."""
        if self.tag:
            if not isinstance(value, Mapping):
                raise problem(f"expected a mapping with the key {self.tag!r}, found {value!r}", value=value)
            if self.tag not in value:
                raise problem(f"the key {self.tag!r} is needed; choose from: {', '.join(sorted(names))}", value=value)
            return value[self.tag], {k: v for k, v in value.items() if k != self.tag}, ()
        if isinstance(value, Mapping):
            if len(value) == 1:
                ((name, settings),) = value.items()
                if name in names or self.default is None:
                    return name, settings, (str(name),)
            if self.default is not None:
                return self.default, dict(value), ()
            raise problem(
                f"expected one {self.role}, as `name` or `{{name: settings}}`, found a mapping with the keys "
                + (", ".join(map(str, value)) or "(none)"),
                value=value,
            )
        if isinstance(value, str):
            if self.default is not None and value not in names:
                return self.default, value, ()
            return value, None, (value,)
        raise problem(f"expected the name of a {self.role}, found {value!r}", value=value)
