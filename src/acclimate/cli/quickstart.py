"""`acclimate quickstart`: the main job on text that is already on the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from acclimate.cli.options import JsonOption, OutputOption, SetOption


def quickstart(
    overrides: Annotated[list[str] | None, SetOption] = None,
    output: Annotated[Path, OutputOption] = Path("runs"),
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """Run the whole job once, in minutes: documentation strings as corpus and task, no network needed.

    It is the ordinary recipe `quickstart.yaml`; `acclimate show` with its path shows it.
    """
    from acclimate.cli.run import run_and_tell
    from acclimate.cli.shipped import find_shipped

    run_and_tell(find_shipped("quickstart"), overrides or [], output, json)
