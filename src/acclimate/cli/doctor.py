"""`acclimate doctor`: what this machine has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from acclimate.cli.options import JsonOption, OutputOption

_MARKS = {"ok": "✓", "note": "·", "missing": "✗"}


def doctor(
    output: Annotated[Path, OutputOption] = Path("runs"),
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """Say what this machine has (cores, memory, bf16, accelerators, disk) and what is missing for what."""
    from acclimate.cli.output import chatter_to_stderr, put, put_json
    from acclimate.pipeline.doctor import examine

    with chatter_to_stderr():
        findings = examine(output)
    if json:
        put_json({"findings": [finding.to_json() for finding in findings]})
        return
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        advice = f"  → {finding.advice}" if finding.advice else ""
        put(f"{_MARKS[finding.verdict]} {finding.name:<{width}}  {finding.value}{advice}")
