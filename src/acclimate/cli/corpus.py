"""`acclimate corpus RECIPE`: the corpus alone; `acclimate corpus why ID`: what became of one document."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from acclimate.cli.options import JsonOption, OutputOption, SetOption

if TYPE_CHECKING:
    from acclimate.corpus.lookup import Found
    from acclimate.recipe.corpus_section import Corpus
    from acclimate.recipe.loading import LoadedRecipe

_MOST = 20
_MOST_BYTES = 20_000_000
"""A text that `why` is asked about may have so many."""


def corpus(
    what: Annotated[str, typer.Argument(metavar="RECIPE|why", help="The recipe, a YAML file; or `why`.")],
    item: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]",
            help="With `why`: an id or its beginning, FILE:LINE, a file with the text, or - for standard input.",
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Argument(metavar="[RECIPE|RUN]", help="With `why`: whose corpus; the newest unless given."),
    ] = None,
    overrides: Annotated[list[str] | None, SetOption] = None,
    output: Annotated[Path, OutputOption] = Path("runs"),
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """Build the corpus of a recipe and nothing else, or say why a document is not in it.

    The recipe needs no other section; texts of its tasks are held out. `acclimate corpus why ID` names the rule that
    dropped a document, and the value it found.
    """
    if what == "why" and not Path(what).is_file():
        _why(item, where, overrides or [], output, json)
        return
    from acclimate.errors import UserError

    if item is not None:
        raise UserError(f"expected `corpus RECIPE` or `corpus why ID [RECIPE]`, found `corpus {what} {item}`")
    _build(Path(what), overrides or [], output, json)


def _build(path: Path, overrides: list[str], output: Path, json: bool) -> None:
    from acclimate.cli.output import chatter_to_stderr, put_json
    from acclimate.corpus.build import NothingLeft

    try:
        with chatter_to_stderr():
            built = _made(_loaded(path, overrides), output)
    except NothingLeft as error:
        if json:
            put_json({key: error.totals[key] for key in ("read", "kept", "dropped")} | {"documents": None})
        raise
    statistics = built.statistics
    if json:
        counts = {key: statistics[key] for key in ("read", "kept", "dropped")}
        put_json({**counts, "documents": str(built.documents)})
    else:
        _table(statistics, built.documents)


def _loaded(path: Path, overrides: list[str]) -> LoadedRecipe:
    from acclimate.recipe.checking import require_sound
    from acclimate.recipe.loading import load_recipe
    from acclimate.recipe.sections import CorpusRecipe

    loaded = load_recipe(path, overrides, CorpusRecipe)
    require_sound(loaded, ("corpus", "tasks"))
    return loaded


def _made(loaded: LoadedRecipe, output: Path) -> Any:
    from acclimate.cli.run_console import RunConsole
    from acclimate.pipeline.corpus_run import run_corpus

    with RunConsole() as console:
        return run_corpus(loaded, output=output, listener=console)


def _table(statistics: dict[str, Any], documents: Path) -> None:
    from acclimate.cli.output import put

    read = statistics["read"]
    dropped = sorted(statistics["dropped"].items(), key=lambda one: (-one[1], one[0]))
    rows = [("read", read), ("kept", statistics["kept"]), *((f"dropped: {name}", n) for name, n in dropped)]
    rows += [(f"changed: {name}", n) for name, n in statistics["changed"].items()]
    rows += [(f"in {split}", counts["documents"]) for split, counts in statistics["splits"].items()]
    width = max(len(name) for name, _ in rows)
    for name, number in rows:
        put(f"{name:<{width}}  {number:>13,}  {number / read if read else 0:7.2%}")
    put(f"Documents: {documents}")


def _why(item: str | None, where: str | None, overrides: list[str], output: Path, json: bool) -> None:
    from acclimate.cli.output import put, put_json
    from acclimate.errors import UserError

    if item is None:
        raise UserError(
            "expected `corpus why ID`: an id, FILE:LINE, a file with the text, or - for standard input"
        )
    folder, corpus, has_sources = _corpus_of(where, overrides, output)
    found = _found(folder, corpus, has_sources, item)
    if not found:
        message = (
            f"{item}: no document of {folder} is known by that; it was never read, or under another name"
        )
        if not has_sources and re.search(r":\d+$", item):
            message = (
                f"{item}: nothing that was dropped from {folder} is known by that; to find what was kept by FILE:LINE, "
                f"name the recipe too: `acclimate corpus why {item} RECIPE`"
            )
        raise UserError(message)
    if json:
        put_json({"corpus": str(folder), "found": [one.as_dict() for one in found]})
        return
    for one in found:
        if one.kept is not None:
            put(f"{one.id}: kept: {one.kept} (from {one.source})")
        else:
            put(f"{one.id or '(no id)'}: dropped: {one.reason}: {one.detail} ({one.place})")
    if len(found) == _MOST:
        put(f"(the first {_MOST})")


def _corpus_of(where: str | None, overrides: list[str], output: Path) -> tuple[Path, Corpus, bool]:
    """The corpus folder that is meant, the section that made it, and whether that names its sources."""
    from acclimate.artifacts.manifest import read_manifest
    from acclimate.cli.output import chatter_to_stderr
    from acclimate.pipeline.corpus_run import newest_corpus
    from acclimate.pipeline.run_folder import find_run
    from acclimate.recipe.corpus_section import Corpus
    from acclimate.recipe.sections import CorpusRecipe

    if where is not None and (Path(where).is_file() or Path(where).suffix in (".yaml", ".yml")):
        with chatter_to_stderr():
            loaded = _loaded(Path(where), overrides)
            return _made(loaded, output).artifact.folder, loaded.recipe.corpus, True
    if where is None:
        folder = newest_corpus(output)
        settings = read_manifest(folder).settings
        known = {key: value for key, value in settings.items() if key in Corpus.key_names()}
        # Where its sources were is not kept with a corpus.
        return folder, Corpus.model_validate({**known, "sources": ["unknown"]}), False
    run = find_run(where, output)
    from acclimate.recipe.loading import load_recipe

    recipe = load_recipe(run / "recipe.resolved.yaml", (), CorpusRecipe).recipe
    return (run / "artifacts" / "corpus").resolve(), recipe.corpus, True


def _found(folder: Path, corpus: Corpus, has_sources: bool, item: str) -> list[Found]:
    from acclimate.corpus.lookup import by_id, by_place, by_text, looks_like_id, read_again

    if item == "-":
        return by_text(folder, corpus, _text_of(sys.stdin.buffer, "standard input"), _MOST)
    is_file = Path(item).is_file()
    if looks_like_id(item) and not is_file:
        return by_id(folder, item, _MOST)
    dropped = by_place(folder, item, _MOST)
    if dropped:
        return dropped
    if is_file:
        with Path(item).open("rb") as file:
            return by_text(folder, corpus, _text_of(file, item), _MOST)
    text = read_again(corpus, item) if has_sources else None
    return [] if text is None else by_text(folder, corpus, text, _MOST)


def _text_of(file: BinaryIO, name: str) -> str:
    """Raises UserError for what cannot be the text of one document."""
    from acclimate.errors import UserError

    data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise UserError(
            f"{name}: longer than {_MOST_BYTES // 10**6} MB; expected the text of one document; "
            "FILE:LINE names one in a file"
        )
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name}: nothing was dropped by that place, and it is no text: byte {error.start + 1} is not UTF-8"
        ) from None
