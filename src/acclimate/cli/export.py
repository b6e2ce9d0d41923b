"""`acclimate export MODEL --to FOLDER`: a model for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from acclimate.cli.options import JsonOption, OutputOption


class Format(StrEnum):
    """What is written."""

    onnx = "onnx"


class Precision(StrEnum):
    """How numbers are kept."""

    fp32 = "fp32"
    int8 = "int8"


class Kind(StrEnum):
    """What the model answers with."""

    mlm = "mlm"
    classification = "classification"
    encoder = "encoder"


def export(
    model: Annotated[
        str, typer.Argument(help="A run (its folder, its name, or `latest`) or a model folder.")
    ],
    to: Annotated[Path, typer.Option("--to", help="Folder to write, new or empty.")],
    task: Annotated[
        str | None,
        typer.Option(help="A task of the run; without it the run's own model.", show_default=False),
    ] = None,
    precision: Annotated[
        Precision, typer.Option(help="int8: a quarter of the size, faster, answers a little different.")
    ] = Precision.fp32,
    kind: Annotated[
        Kind | None,
        typer.Option(help="encoder: the body alone, for vectors; else what it is.", show_default=False),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            help="Texts to compare the answers on, one a line; else built-in ones.", show_default=False
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="What is written.")] = Format.onnx,
    output: Annotated[Path, OutputOption] = Path("runs"),
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """Write a model as ONNX with its tokenizer and labels, its answers compared with the original's."""
    from acclimate.cli.output import chatter_to_stderr, put, put_json

    place = Path(model)
    if not place.is_dir():
        from acclimate.pipeline.run_folder import find_run

        place = find_run(model, output)
    with chatter_to_stderr():
        import transformers

        from acclimate.serve.export import export_onnx

        transformers.utils.logging.disable_progress_bar()
        done = export_onnx(
            place,
            to,
            task=task,
            kind=None if kind is None else kind.value,
            precision=precision.value,
            texts=None if texts is None else _lines(texts),
        )
    if json:
        put_json({"folder": str(to), "bytes": done.num_bytes, **done.parity.to_json()})
        return
    same = "smallest cosine" if done.kind == "encoder" else "equal answers"
    put(f"{to}: {done.kind} of {done.model}, {precision.value}, {done.num_bytes / 1e6:.1f} MB")
    put(
        f"compared on {done.parity.num_texts} texts: largest difference {done.parity.max_difference:.2g} "
        f"where the largest answer is {done.parity.scale:.3g}; {same} {done.parity.agreement:.4f}"
    )


def _lines(path: Path) -> list[str]:
    from acclimate.errors import UserError

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"{path}: {reason}") from error
    found = [line for line in lines if line.strip()]
    if not found:
        raise UserError(f"{path}: no text in it")
    return found
