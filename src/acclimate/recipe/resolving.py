"""A recipe with everything spelt out, as plain data and as YAML."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from acclimate.recipe.sections import Recipe


class Representer(SafeRepresenter):
    """Every value in full where it stands: no anchors, and keys in the order they have."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def resolved(recipe: Recipe) -> dict[str, Any]:
    """Every setting of the recipe, defaults included, paths absolute. Loading it gives an equal recipe."""
    return recipe.model_dump(mode="json")


def dump_yaml(data: Any) -> str:
    """Plain data as YAML that reads back equal."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = Representer
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 10**6
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()
