"""`acclimate serve FOLDER`: a model over HTTP."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Device(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Precision(StrEnum):
    """Which arithmetic the model's products use."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    int8 = "int8"


def serve(
    folder: Annotated[
        str, typer.Argument(help="A run (its folder, its name, or `latest`) or a model folder.")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Another interface than loopback needs a key.")] = "127.0.0.1",
    key_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the key that requests must bear; or set ACCLIMATE_KEY.", show_default=False
        ),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="Where to compute; auto takes an accelerator when there is one.")
    ] = Device.auto,
    precision: Annotated[
        Precision,
        typer.Option(
            help="Arithmetic of the model's products; auto: bf16 where the processor has it. "
            "int8 is faster and changes some answers."
        ),
    ] = Precision.auto,
    output: Annotated[str, typer.Option("--output", "-o", help="Folder of the runs.")] = "runs",
) -> None:
    """Serve a run's models: predict, fill masks, embed, with a page at `/` to try them."""
    from acclimate.cli.boundary import say
    from acclimate.serve.app import serve as serve_folder
    from acclimate.serve.security import read_key

    place = Path(folder)
    if not place.is_dir():
        from acclimate.pipeline.run_folder import find_run

        place = find_run(folder, Path(output))
    serve_folder(
        place,
        host=host,
        port=port,
        key=read_key(None if key_file is None else str(key_file)),
        device=None if device is Device.auto else device.value,
        precision=precision.value,
        tell=say,
    )
