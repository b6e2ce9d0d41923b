"""`acclimate import SOURCE --to FOLDER`: a checkpoint of another program as an ordinary model folder."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acclimate.cli.options import JsonOption

if TYPE_CHECKING:
    from acclimate.models.importing.converting import Account, Imported

_SHOWN = 5


class Layout(StrEnum):
    """Which program wrote it."""

    auto = "auto"
    google = "google"
    uer = "uer"
    fairseq = "fairseq"
    torch = "torch"


def import_model(
    source: Annotated[
        Path,
        typer.Argument(
            help="A checkpoint: a folder, a .bin or .pt file, or a TensorFlow checkpoint's prefix."
        ),
    ],
    to: Annotated[Path, typer.Option("--to", help="Folder to write, new or empty.")],
    layout: Annotated[
        Layout,
        typer.Option(
            help="google: BERT, ALBERT, ELECTRA of TensorFlow; uer: UER-py and TencentPretrain; fairseq: RoBERTa, "
            "XLM-R, BART, mBART; torch: a Transformers folder with pytorch_model.bin; auto: told by the names."
        ),
    ] = Layout.auto,
    family: Annotated[
        str | None,
        typer.Option(help="Where names alone do not tell, e.g. xlm-r or camembert.", show_default=False),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            help="A vocabulary (vocab.txt, a .model) or a folder with one; else what stands beside the checkpoint.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="The model's settings (JSON); else what stands beside the checkpoint.", show_default=False
        ),
    ] = None,
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """Convert a checkpoint of another program to a Hugging Face folder, and say what became of every weight.

    Nothing is written, and the exit code is 1, when weights of the model's body are missing. Code that a file holds
    is never run.
    """
    from acclimate.cli.output import chatter_to_stderr, put_json

    with chatter_to_stderr():
        from acclimate.models.importing.converting import import_checkpoint

        account = import_checkpoint(
            source,
            to,
            layout=None if layout is Layout.auto else layout.value,  # type: ignore[arg-type]
            family=family,
            tokenizer=tokenizer,
            config=config,
        )
    if json:
        put_json(account.to_json())
    else:
        _tell(account)
    if not account.complete:
        raise typer.Exit(1)


def _tell(account: Account) -> None:
    from acclimate.cli.output import put

    for one in account.models:
        _tell_model(one, account)
    if account.tokens is not None:
        put(f"tokenizer: from {account.tokenizer}, {account.tokens:,} tokens")
        if spare := account.rows - account.tokens:
            put(
                f"  note: the model's table has {account.rows:,} rows: the last {spare:,} belong to no token. They are "
                "kept as padding; if they should have tokens, the vocabulary is cut short"
            )
    else:
        put(f"tokenizer: none written: {account.tokenizer}; name one with --tokenizer")
    if not account.complete:
        put(f"{account.folder}: not written: the model would not be the one that was trained")


def _tell_model(one: Imported, account: Account) -> None:
    from acclimate.cli.output import put

    told = one.to_json()
    dtypes = ", ".join(told["dtypes"])
    put(
        f"{account.folder / one.foreign.part}: {told['class']} ({told['family']}, {account.layout} layout), "
        f"{told['parameters']:,} parameters, {dtypes}"
    )
    put(f"  mapped: {len(told['mapped'])} weights")
    heads = "drawn at random when the model is loaded"
    put_names(f"missing, of the body: {len(one.lacking)}", one.lacking)
    put_names(f"without a place, of the body: {len(one.homeless)}", one.homeless)
    misshapen = told["misshapen"].items()
    put_names(
        "other shapes", [f"{name} {size['found']}, expected {size['expected']}" for name, size in misshapen]
    )
    drawn = [name for name in told["missing"] if name not in one.lacking]
    put_names(f"missing, {heads}: {len(drawn)}", drawn)
    put_names(f"left aside: {len(one.heads_aside)}", one.heads_aside)
    put_names("resized", [f"{name} {size['from']} → {size['to']}" for name, size in told["resized"].items()])
    put_names(f"no weights, not taken: {len(told['ignored'])}", told["ignored"])
    for note in told["notes"]:
        put(f"  note: {note}")


def put_names(title: str, names: list[str]) -> None:
    """A line for names, the first few; none without any."""
    from acclimate.cli.output import put

    if names:
        more = ", …" if len(names) > _SHOWN else ""
        put(f"  {title} ({', '.join(names[:_SHOWN])}{more})")
