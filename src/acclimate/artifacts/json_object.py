"""Reading JSON files that come from outside, of which an object is expected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from acclimate.errors import UserError


def read_object(path: Path) -> dict[str, Any]:
    """The file's object. Raises UserError that names the file where it cannot be read or holds something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a JSON object")
    return value
