from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acclimate.transfer.classification import Classification
from acclimate.transfer.examples import build_examples


@pytest.fixture
def task(tmp_path: Path) -> Callable[..., Classification]:
    """A task over files that are written here: text for a name, and settings."""

    def make(files: dict[str, str | bytes] | None = None, /, **settings: Any) -> Classification:
        for name, content in (files or {}).items():
            path = tmp_path / name
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Classification.model_validate(settings, context={"base": tmp_path})

    return make


@pytest.fixture
def build(task: Callable[..., Classification], tmp_path: Path) -> Callable[..., tuple[dict[str, Any], Path]]:
    """The same, built: (statistics, folder)."""

    def make(files: dict[str, str | bytes] | None = None, /, **settings: Any) -> tuple[dict[str, Any], Path]:
        folder = tmp_path / f"examples-{sum(one.name.startswith('examples-') for one in tmp_path.iterdir())}"
        folder.mkdir()
        return build_examples(task(files, **settings), folder), folder

    return make


@pytest.fixture(scope="session")
def data() -> Path:
    """The real sets beside the repository."""
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not at {folder}")
    return folder
