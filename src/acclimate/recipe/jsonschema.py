"""The JSON Schema of a recipe, so that editors complete and check it while it is written.

Every component's settings stand once in `$defs` as `role.name`; every choice of a role stands there too, in
each of the forms that `Part` reads.
"""

from __future__ import annotations

import copy
from typing import Any

from acclimate.recipe.registry import registry
from acclimate.recipe.sections import Recipe
from acclimate.recipe.settings import Component, Settings

Schema = dict[str, Any]
_MARK = "x-acclimate-part"


def part_schema(role: str, default: str | None, tag: str | None) -> Schema:
    """What stands for a component in the schema of one class, until `recipe_schema` fills it in."""
    return {_MARK: {"role": role, "default": default, "tag": tag}}


def recipe_schema() -> Schema:
    """The whole schema, draft 2020-12, every registered component included."""
    builder = _Builder()
    schema = builder.settings(Recipe)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Acclimate recipe",
        "$defs": dict(sorted(builder.defs.items())),
    }


class _Builder:
    def __init__(self) -> None:
        self.defs: dict[str, Schema] = {}

    def settings(self, cls: type[Settings]) -> Schema:
        """The schema of a class; inner classes move to `defs` under names of their own, parts are filled in."""
        schema = cls.model_json_schema(by_alias=True, ref_template="{model}")
        inner = schema.pop("$defs", {})
        names = {name: f"{cls.__module__.rpartition('.')[2]}.{name}" for name in inner}
        for name, one in inner.items():
            if names[name] not in self.defs:
                self.defs[names[name]] = {}
                self.defs[names[name]] = self._filled(one, names)
        return {**self._filled(schema, names)}

    def _filled(self, node: Any, names: dict[str, str]) -> Any:
        if isinstance(node, list):
            return [self._filled(one, names) for one in node]
        if not isinstance(node, dict):
            return node
        if _MARK in node:
            rest = {key: value for key, value in node.items() if key != _MARK}
            return {**self._part(**node[_MARK]), **self._filled(rest, names)}
        filled: Schema = {}
        for key, value in node.items():
            filled[key] = value if key == "default" else self._filled(value, names)
        if isinstance(node.get("$ref"), str):
            filled["$ref"] = f"#/$defs/{names[node['$ref']]}"
        return filled

    def _part(self, role: str, default: str | None, tag: str | None) -> Schema:
        name = role + (f"-or-{default}" if default else "") + (f"-by-{tag}" if tag else "")
        if name not in self.defs:
            self.defs[name] = {}
            forms: list[Schema] = []
            for component in sorted(registry.names(role)):
                forms += self._forms(role, component, default, tag)
            self.defs[name] = {"description": f"One {role}.", "anyOf": forms}
        return {"$ref": f"#/$defs/{name}"}

    def _forms(self, role: str, name: str, default: str | None, tag: str | None) -> list[Schema]:
        cls = registry.get(role, name)
        ref = self._component(role, name, cls)
        about = {"description": ref["description"]} if "description" in ref else {}
        if tag:
            whole = copy.deepcopy(ref)
            whole["properties"] = {tag: {"const": name, **about}, **whole.get("properties", {})}
            whole["required"] = [tag, *whole.get("required", [])]
            return [whole]
        inside: list[Schema] = [{"$ref": f"#/$defs/{role}.{name}"}]
        if not ref.get("required"):
            inside.append({"type": "null"})
        if cls.bare:
            inside.append(self._bare(ref, cls))
        value = inside[0] if len(inside) == 1 else {"anyOf": inside}
        named = {
            "type": "object",
            "properties": {name: value},
            "required": [name],
            "additionalProperties": False,
        }
        forms: list[Schema] = [{**named, **about}]
        if not ref.get("required"):
            forms.insert(0, {"const": name, **about})
        if name == default:
            forms.append(inside[0])
            if cls.bare:
                forms.append(self._bare(ref, cls))
        return forms

    def _component(self, role: str, name: str, cls: type[Component]) -> Schema:
        key = f"{role}.{name}"
        if key not in self.defs:
            self.defs[key] = {}
            self.defs[key] = self.settings(cls)
        return self.defs[key]

    @staticmethod
    def _bare(ref: Schema, cls: type[Component]) -> Schema:
        bare = {key: value for key, value in ref["properties"][cls.bare].items() if key != "default"}
        # A mapping is always read as the settings themselves.
        return {"allOf": [bare, {"not": {"type": "object"}}]} if _takes_objects(bare) else bare


def _takes_objects(schema: Schema) -> bool:
    return not ({"type", "const", "enum"} & schema.keys()) or schema.get("type") == "object"
