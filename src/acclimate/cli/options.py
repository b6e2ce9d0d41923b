"""The options that several verbs share. Loaded at every start, so it imports nothing but typer."""

from __future__ import annotations

import typer

JsonOption = typer.Option("--json", help="Print one JSON object on standard output, for programs.")
SetOption = typer.Option("--set", "-s", metavar="A.B.C=VALUE", help="Override one value; may be repeated.")
OutputOption = typer.Option("--output", "-o", help="Folder of the runs.")
