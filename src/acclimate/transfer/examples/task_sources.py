"""Where a task's examples come from, as a recipe states it: files with official parts, or one source that is split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from acclimate.recipe.paths import resolve_path
from acclimate.recipe.settings import Part, Settings, problem
from acclimate.recipe.units import Share


@dataclass(frozen=True)
class _FilesOrReader(Part):
    """A path to files whose columns the task names, or a reader."""

    def parse(self, value: Any, context: Any = None) -> Any:
        return (
            resolve_path(value, context) if isinstance(value, (str, Path)) else super().parse(value, context)
        )

    def dump(self, component: Any) -> Any:
        return component if isinstance(component, str) else super().dump(component)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, super().__get_pydantic_json_schema__(schema, handler)]}


Source = Annotated[Any, _FilesOrReader("reader", default="files")]


class TaskSplit(Settings):
    """Shares of one source that are held out."""

    validation: Share = 0.15
    """Watched during training: the best weights by it are kept."""
    test: Share = 0.25
    """Used once, for the figures."""

    @model_validator(mode="after")
    def _proper(self) -> TaskSplit:
        if not (self.validation and self.test):
            raise ValueError("validation and test must both be more than nothing")
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on")
        return self


def source_text(data: Any, text: Any) -> tuple[Any, Any]:
    """(data, text) with the text column said in one of the two places said in both; files have their own setting."""
    if isinstance(data, str):
        data = {"path": data}
    if not isinstance(data, Mapping):
        return data, text
    named = len(data) == 1 and isinstance(next(iter(data.values())), (Mapping, str)) and "path" not in data
    name, settings = next(iter(data.items())) if named else ("files", data)
    if name != "files":
        return data, text
    settings = {"path": settings} if isinstance(settings, str) else dict(settings)
    own = settings.get("text")
    if own is not None and text is not None and own != text:
        raise problem(
            f"the task's text column is {text!r}, but its data says {own!r}; say it once", at=("text",)
        )
    if own is None and text is not None:
        settings["text"] = text
    return settings, own if text is None else text


class Before(Settings):
    """The examples of an earlier period, read as the task's own are."""

    train: Source
    """What was learnt then."""
    validation: Source | None = None
    """What was watched; left out, a part of `train` is held out."""
    test: Source
    """What it was judged by, and is judged by again."""
