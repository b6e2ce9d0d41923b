from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from acclimate.artifacts.store import Store
from acclimate.errors import UserError
from acclimate.serve.integrity import check_digests
from acclimate.serve.layout import find_models


@pytest.fixture
def run(run_folder: Path, tmp_path: Path) -> Path:
    """A run whose models come from a store's artifacts, linked as a run links them."""
    root = tmp_path / "run"
    shutil.copytree(run_folder, root)
    store = Store(tmp_path / ".store")
    (root / "artifacts").mkdir()
    # The two tasks' models have equal weights and different configs: each must be found in its own artifact.
    for stage, model in (
        ("pretrain", "model"),
        ("task-tags-with-0", "tasks/tags/model"),
        ("task-topic-with-0", "tasks/topic/model"),
    ):

        def fill(folder: Path, model: str = model) -> None:
            shutil.copytree(root / model, folder / "model")

        artifact = store.write(stage, "0" * 64, settings={}, inputs={}, versions={}, fill=fill)
        (root / "artifacts" / stage).symlink_to(artifact.folder)
    return root


def test_what_the_run_wrote_passes(run: Path) -> None:
    check_digests(find_models(run))


def test_a_folder_without_manifests_passes(run_folder: Path) -> None:
    check_digests(find_models(run_folder))


def test_other_weights_are_refused_by_name(run: Path) -> None:
    weights = run / "tasks" / "topic" / "model" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(UserError, match=r"topic/model/model\.safetensors: not what the run wrote"):
        check_digests(find_models(run))


def test_labels_of_another_run_are_refused_by_name(run: Path) -> None:
    config = run / "tasks" / "topic" / "model" / "config.json"
    config.write_text(config.read_text().replace("law", "war"))
    with pytest.raises(
        UserError, match=r"topic/model/config\.json: does not belong to the weights beside it"
    ):
        check_digests(find_models(run))


def test_a_missing_file_is_named(run: Path) -> None:
    (run / "model" / "tokenizer_config.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer_config\.json: missing"):
        check_digests(find_models(run))


def test_a_model_folder_inside_an_artifact_is_checked_too(run: Path) -> None:
    artifact = (run / "artifacts" / "pretrain").resolve()
    folder = artifact / "model"
    check_digests(find_models(folder))
    for path in (artifact, folder, folder / "config.json"):
        path.chmod(0o755)
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    with pytest.raises(UserError, match=r"config\.json: does not belong"):
        check_digests(find_models(folder))
