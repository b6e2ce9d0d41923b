"""A recipe from a file: read, overridden, validated, every problem told at once with its line and column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from acclimate.recipe.overrides import apply_overrides
from acclimate.recipe.problems import Path, Place, Problem, RecipeError
from acclimate.recipe.sections import Recipe
from acclimate.recipe.settings import about_key, plain
from acclimate.recipe.source import Source, Spot, read_source

_MOST_BYTES = 4_000_000
Schema = type[Recipe] | Callable[[Mapping[str, Any]], type[Recipe]]


@dataclass(frozen=True)
class Positions:
    """Where each value of a recipe was written."""

    spots: Mapping[Path, Spot] = field(default_factory=dict)
    overrides: Mapping[Path, Place] = field(default_factory=dict)

    def place(self, path: Path, key: bool = False) -> Place:
        """The place of the value (or of its key), or of the nearest thing above it that was written."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.overrides:
                return self.overrides[path[:end]]
        at: Path = ()
        exact = True
        for step in path:
            if (*at, step) in self.spots:
                at = (*at, step)
                continue
            exact = False
            # An index need not be written: one entry stands for a list of one.
            if isinstance(step, str):
                break
        if not exact:
            for overridden, place in self.overrides.items():
                if overridden[: len(path)] == path:
                    return place
        spot = self.spots.get(at)
        if spot is None:
            return Place()
        return spot.key if at and (key if exact else not spot.leaf) else spot.value


@dataclass(frozen=True)
class LoadedRecipe:
    """A valid recipe and where it came from."""

    recipe: Recipe
    raw: dict[str, Any]
    """What was written, overrides included, as plain data."""
    positions: Positions
    path: FilePath
    """The file, absolute."""
    source: Source = field(repr=False)
    """The file as it was read, without the overrides."""
    text: str = field(repr=False)

    def error(self, problems: Iterable[tuple[Path, str]]) -> RecipeError:
        """An error that tells these (path, message) with their places."""
        placed = [Problem(self.positions.place(at), at, message) for at, message in problems]
        return RecipeError(shown(self.path), placed)


def shown(path: FilePath) -> str:
    """The path as messages name it: short where it lies below the current folder."""
    try:
        return str(path.relative_to(FilePath.cwd()))
    except (ValueError, OSError):
        return str(path)


def load_recipe(path: FilePath | str, overrides: Sequence[str] = (), schema: Schema = Recipe) -> LoadedRecipe:
    """Read a recipe. Raises RecipeError with all its problems.

    `overrides` are `a.b.c=value`. Relative paths in the recipe start at its own folder, in overrides too. `schema` may
    depend on what was written.
    """
    path = FilePath(path)
    text = _read(path)
    path = path.resolve()
    source = read_source(text)
    file = shown(path)
    problems = list(source.problems)
    if not problems and not isinstance(source.data, dict):
        what = "nothing" if source.data is None else f"a {type(source.data).__name__}"
        message = f"expected sections such as `corpus:` and `model:`, found {what}"
        problems.append(Problem(Place(), (), message))
    if not isinstance(source.data, dict):
        raise RecipeError(file, problems)
    context = {"base": path.parent}
    full = _full(source.data, context, _schema(schema, source.data)) if overrides else None
    applied = apply_overrides(source.data, overrides, full)
    problems += applied.problems
    positions = Positions(source.spots, applied.places)
    try:
        recipe = _schema(schema, applied.data).model_validate(applied.data, context=context)
    except ValidationError as error:
        known = {problem.path for problem in problems}
        for one in error.errors(include_url=False):
            at: Path = one["loc"]
            # A value that could not even be read need not be called wrong a second time.
            if not any(at[:end] in known for end in range(1, len(at) + 1)):
                problems.append(Problem(positions.place(at, about_key(one)), at, plain(one["msg"])))
        raise RecipeError(file, problems) from None
    if problems:
        raise RecipeError(file, problems)
    return LoadedRecipe(recipe, applied.data, positions, path, source, text)


def _schema(schema: Schema, data: Mapping[str, Any]) -> type[Recipe]:
    return schema if isinstance(schema, type) else schema(data)


def _full(data: dict[str, Any], context: dict[str, Any], schema: type[Recipe]) -> dict[str, Any] | None:
    from acclimate.recipe.resolving import resolved

    try:
        return resolved(schema.model_validate(data, context=context))
    except ValidationError:
        return None


def _read(path: FilePath) -> str:
    """The text of the file. Raises RecipeError for what is no text."""

    def wrong(message: str, place: Place | None = None) -> RecipeError:
        return RecipeError(str(path), [Problem(place or Place(), (), message)])

    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise wrong(f"there is no such file{_neighbours(path)}") from None
    except IsADirectoryError:
        raise wrong("this is a folder; a recipe is a YAML file") from None
    except OSError as error:
        raise wrong(f"cannot be read: {error.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise wrong(f"longer than {_MOST_BYTES // 10**6} MB: this is no recipe")
    if b"\0" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise wrong("this is a binary file, not YAML text")
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise wrong(message, Place(line, column)) from None
    if not text.strip():
        raise wrong("the file is empty; `acclimate init` writes a recipe to start from")
    return text


def _neighbours(path: FilePath) -> str:
    """Recipes beside a file that is not there."""
    try:
        names = sorted(one.name for one in path.parent.iterdir() if one.suffix in (".yaml", ".yml"))
    except OSError:
        return f": the folder {path.parent} is not there either"
    from acclimate.recipe.wording import nearest

    return f"; {nearest(path.name, names)}" if names and len(names) <= 20 else ""
