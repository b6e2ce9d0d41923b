"""`acclimate tokenizer …`: compare tokenizers on texts, and convert them from and to SentencePiece's format."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli.boundary import guarded
from acclimate.cli.options import JsonOption, OutputOption

if TYPE_CHECKING:
    from acclimate.tokenizer.compare.comparing import Text
    from acclimate.tokenizer.compare.subjects import Subject

tokenizer = typer.Typer(
    help="Compare tokenizers on texts; convert from and to SentencePiece.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Documents(StrEnum):
    """What is measured as one text."""

    file = "file"
    line = "line"
    paragraph = "paragraph"


_NAMED = re.compile(r"([\w.-]+)=(.+)", re.DOTALL)
_SURE = 0.99
"""Probability from which on a language counts as identified; of a title the guess is often another."""
_FIT = (
    ("tokens/\nword", "tokens_per_word", "{:.2f}"),
    ("tokens/\nchar", "tokens_per_character", "{:.3f}"),
    ("bytes/\ntoken", "bytes_per_token", "{:.2f}"),
    ("coverage", "coverage", "{:.2%}"),
    ("Rényi", "renyi_efficiency", "{:.3f}"),
)
_GAPS = (
    ("unknown", "unknown_rate", "{:.2%}"),
    ("bytes", "byte_rate", "{:.2%}"),
    ("whole\nwords", "whole_words", "{:.1%}"),
    ("crossing", "crossing_rate", "{:.1%}"),
    ("entries\nused", "vocabulary_use", "{:.1%}"),
)


@tokenizer.callback()
def _group() -> None:
    """Compare tokenizers on texts; convert from and to SentencePiece."""


@tokenizer.command("compare")
@guarded
def compare(
    tokenizers: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]TOKENIZER...",
            help="Folders, tokenizer.json or .model files, runs, or hub ids that were fetched before.",
        ),
    ],
    text: Annotated[
        list[str],
        typer.Option(
            "--text",
            "-t",
            metavar="[DOMAIN=]PATH[#COLUMN]",
            help="A file, glob or folder, and its column with the text.",
        ),
    ],
    documents: Annotated[
        Documents | None,
        typer.Option(help="What a document of plain text is; a file unless given.", show_default=False),
    ] = None,
    by_file: Annotated[
        bool, typer.Option("--by-file", help="Take every file as a domain of its own.")
    ] = False,
    most: Annotated[
        str, typer.Option(help="Characters that are read of each text at most, such as 20M.")
    ] = "20M",
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Write tables and plots as a page.", show_default=False),
    ] = None,
    output: Annotated[Path, OutputOption] = Path("runs"),
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """Tell how well tokenizers fit texts: fertility, coverage, efficiency, lengths, speed, by domain and language."""
    from acclimate.artifacts.durable import write_text
    from acclimate.cli.boundary import say
    from acclimate.cli.output import chatter_to_stderr, put_json
    from acclimate.errors import UserError
    from acclimate.tokenizer.compare.comparing import compare as compared

    with chatter_to_stderr():
        subjects = [_subject(one, output) for one in tokenizers]
        twice = [name for name, number in Counter(one.name for one in subjects).items() if number > 1]
        if twice:
            raise UserError(f"two tokenizers are called {twice[0]}; give them names: one=…, other=…")
        dropped: Counter[str] = Counter()
        found = compared(
            subjects,
            _texts(text, documents, by_file, _characters(most), dropped),
            segment=_segmenter(),
        )
        found["dropped"] = dict(sorted(dropped.items()))
        if page is not None:
            from acclimate.report.tokenizer_page import tokenizer_page

            write_text(page, tokenizer_page(found))
            say(f"wrote {page}")
    if json:
        put_json(found)
    else:
        _show(found)


@tokenizer.command("convert")
@guarded
def convert(
    source: Annotated[str, typer.Argument(help="A tokenizer's folder or hub id, or a .model file.")],
    target: Annotated[Path, typer.Argument(help="A new folder, or a file that ends in .model.")],
) -> None:
    """Write a SentencePiece .model as a tokenizer's folder, or a tokenizer as a .model."""
    from acclimate.artifacts.durable import replace_folder
    from acclimate.cli.output import chatter_to_stderr, put
    from acclimate.errors import UserError
    from acclimate.tokenizer.loading import load_tokenizer
    from acclimate.tokenizer.sentencepiece.writing import write_sentencepiece

    if target.exists():
        raise UserError(f"{target} exists already; name another place")
    with chatter_to_stderr():
        found = load_tokenizer(source, offline=True)
        if target.suffix == ".model":
            write_sentencepiece(found, target)
        else:
            replace_folder(target, lambda draft: _saved(found, draft))
    put(f"wrote {target}: {len(found):,} entries")


def _saved(found: Any, draft: Path) -> None:
    found.save_pretrained(str(draft))


def _subject(given: str, runs: Path) -> Subject:
    """The tokenizer that an argument means: where a path has a `=` in it, the path as it stands comes first."""
    from acclimate.tokenizer.compare.subjects import subject

    match = None if Path(given).exists() else _NAMED.fullmatch(given)
    name, source = match.groups() if match else (None, given)
    path = Path(source)
    if (
        path.is_dir()
        and not (path / "tokenizer.json").is_file()
        and (path / "model" / "tokenizer.json").is_file()
    ):
        return subject(path / "model", name or path.name)
    if not path.exists() and (runs / source).is_dir():
        from acclimate.pipeline.run_folder import find_run

        return subject(find_run(source, runs) / "model", name or source)
    return subject(source, name)


def _segmenter() -> Any:
    """Words of Chinese where rjieba is installed; without it each character counts as a word."""
    from acclimate.errors import UserError
    from acclimate.tokenizer.segmenting import chinese_words

    try:
        return chinese_words()
    except UserError:
        return None


def _characters(text: str) -> int:
    from pydantic import TypeAdapter, ValidationError

    from acclimate.errors import UserError
    from acclimate.recipe.units import Count

    try:
        return int(TypeAdapter(Count).validate_python(text))
    except ValidationError:
        raise UserError(f"--most {text}: expected a number of characters such as 500k or 20M") from None


def _texts(
    given: list[str], documents: str | None, by_file: bool, most: int, dropped: Counter[str]
) -> Iterator[Text]:
    """The documents of all texts, with their languages; what cannot be read is counted."""
    from pydantic import ValidationError

    from acclimate.corpus.document import Dropped
    from acclimate.corpus.sources.files import Files
    from acclimate.errors import UserError
    from acclimate.tokenizer.compare.comparing import Text

    for one in given:
        match = None if Path(one).exists() else _NAMED.fullmatch(one)
        domain, place = match.groups() if match else (Path(one).name.split(".")[0] or one, one)
        try:
            place, column = _column(place)
            asked = {"path": place, "documents": documents, **column}
            reader = Files.model_validate(asked, context={"base": str(Path.cwd())}).build()
        except ValidationError as error:
            raise UserError(f"--text {one}: {error.errors()[0]['msg']}") from None
        left = most
        for document in reader.read():
            if isinstance(document, Dropped):
                dropped[document.reason] += 1
                continue
            yield Text(document.source if by_file else domain, _language(document.text), document.text[:left])
            left -= len(document.text)
            if left <= 0:
                break


def _language(text: str) -> str:
    """The language's code, `und` (ISO 639-2: undetermined) where the guess is a weak one."""
    from acclimate.corpus.clean.languages import language_of

    code, probability = language_of(text)
    return code if probability >= _SURE else "und"


def _column(place: str) -> tuple[str, dict[str, str]]:
    """(path, setting of the column) of `path#column`; a path that has a `#` in it comes first."""
    path, mark, column = place.rpartition("#")
    if not mark or Path(place).exists():
        return place, {}
    return path, {"text": column}


def _show(found: dict[str, Any]) -> None:
    """The tables on standard output, which fit into 80 columns."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()

    def put(title: str, names: list[str], rows: list[list[str]], *, left: int) -> None:
        drawn = Table(
            title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
        )
        for place, name in enumerate(names):
            drawn.add_column(
                name, justify="left" if place < left else "right", no_wrap=place >= left, overflow="fold"
            )
        for row in rows:
            drawn.add_row(*row)
        console.print(drawn)

    def cells(measured: dict[str, Any], columns: tuple[tuple[str, str, str], ...]) -> list[str]:
        return ["–" if measured[key] is None else form.format(measured[key]) for _, key, form in columns]

    listed = found["tokenizers"]
    rows = []
    for one in listed:
        quantiles, speed = one["all"]["length_quantiles"], one["megabytes_per_second"]
        lengths = [f"{quantiles[key]:,.0f}" for key in ("0.5", "0.99", "1")]
        counts = [f"{one['vocabulary']:,}", f"{one['all']['tokens']:,}"]
        rows.append(
            [one["name"], one["algorithm"], *counts, *lengths, "–" if speed is None else f"{speed:.1f}"]
        )
    heading = ["tokenizer", "algorithm", "entries", "tokens", "50 %", "99 %", "longest", "MB/s"]
    put("lengths and speed", heading, rows, left=2)
    for columns in (_FIT, _GAPS):
        rows = [[one["name"], *cells(one["all"], columns)] for one in listed]
        put("all texts", ["tokenizer", *(name for name, _, _ in columns)], rows, left=1)
    for kind in ("domains", "languages"):
        if len(names := list(listed[0][kind])) > 1:
            heading = [kind[:-1], "tokenizer", *(name for name, _, _ in _FIT)]
            rows = [
                ["" if number else name, one["name"], *cells(one[kind][name], _FIT)]
                for name in names
                for number, one in enumerate(listed)
            ]
            put(f"by {kind[:-1]}", heading, rows, left=2)
    if not found["chinese_words"]:
        console.print("Chinese: every character counts as a word (pip install 'acclimate[zh]' for words)")
    if found["dropped"]:
        console.print(
            "not read: " + ", ".join(f"{number:,} {reason}" for reason, number in found["dropped"].items())
        )
