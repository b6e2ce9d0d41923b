"""The command `acclimate`: one verb per file, loaded only when it is asked for."""

from __future__ import annotations

import os
import sys

import typer

from acclimate.cli import (
    check,
    corpus,
    diff,
    doctor,
    export,
    fill,
    import_,
    init,
    prune,
    quickstart,
    run,
    runs,
    schema,
    serve,
    show,
    study,
    tokenizer,
)
from acclimate.cli import list as list_command
from acclimate.cli.boundary import guarded
from acclimate.kernels.before_torch import before_torch

app = typer.Typer(
    name="acclimate",
    help="From a domain's text to an evaluated, served domain language model.",
    epilog="A first run, on text that is already on this machine: acclimate quickstart",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _first_sentence(text: str | None) -> str:
    return (text or "").split(".\n")[0].split(". ")[0].removesuffix(".")


for name, verb in (
    ("quickstart", quickstart.quickstart),
    ("init", init.init),
    ("check", check.check),
    ("run", run.run),
    ("study", study.study),
    ("corpus", corpus.corpus),
    ("runs", runs.runs),
    ("show", show.show),
    ("serve", serve.serve),
    ("export", export.export),
    ("prune", prune.prune),
    ("import", import_.import_model),
    ("diff", diff.diff),
    ("fill", fill.fill),
    ("list", list_command.list_components),
    ("schema", schema.schema),
    ("doctor", doctor.doctor),
):
    # The list of verbs shows the first sentence of each.
    app.command(name, short_help=_first_sentence(verb.__doc__))(guarded(verb))

app.add_typer(tokenizer.tokenizer, name="tokenizer")


def main() -> None:
    """The entry point. Exit codes: 0, 1 a user's error, 2 a wrong recipe or usage, 70 a bug, 128 + a signal."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets it escaped, not a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    before_torch()  # whichever stage is the first to load it
    try:
        app(prog_name="acclimate")
    except BrokenPipeError:
        # Who read us has gone, as `head` does; Python would complain once more while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
