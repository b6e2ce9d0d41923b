"""`acclimate list [ROLE]`: which components a recipe can name."""

from __future__ import annotations

from typing import Annotated

import typer

from acclimate.cli.options import JsonOption


def list_components(
    role: Annotated[str | None, typer.Argument(help="Only this role, such as `optimizer`.")] = None,
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """List the components that a recipe can name, by role."""
    from acclimate.cli.output import put, put_json
    from acclimate.errors import UserError
    from acclimate.recipe.registry import registry
    from acclimate.recipe.wording import nearest

    if role is not None and role not in registry.roles():
        raise UserError(f"unknown role {role!r}; {nearest(role, registry.roles())}")
    names = {one: sorted(registry.names(one)) for one in ([role] if role else registry.roles())}
    if json:
        put_json(names)
        return
    for one, components in names.items():
        put(one)
        for name in components:
            about = " ".join((registry.get(one, name).__doc__ or "").split("\n\n")[0].split())
            put(f"  {name:<18} {about}")
