"""A full disk, a disk that may not be written, and files that are not as they were written."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from acclimate.artifacts.durable import read_lines


def mount(folder: Path, options: str) -> None:
    if os.geteuid():
        pytest.skip("only root can mount a small file system")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """disk("size=14m") → a folder with a file system of its own; again with other options changes it."""
    folder = tmp_path / "disk"

    def make(options: str) -> Path:
        if folder.exists():
            mount(folder, f"remount,{options}")
        else:
            folder.mkdir()
            mount(folder, options)
        return folder

    yield make
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


def run(project, output: Path) -> tuple[str, ...]:
    return ("run", str(project.folder / "recipe.yaml"), "--output", str(output))


def test_a_disk_that_fills_in_a_checkpoint_loses_nothing(
    acclimate_command, finished_project, untrained_output, disk
) -> None:
    output = untrained_output(disk("size=14m"))  # room for one state of 5.5 MB and the best one
    full = acclimate_command(*run(finished_project, output), folder=output)
    assert full.code == 1, full.err
    message = full.err.splitlines()[-1]
    found = re.fullmatch(
        r"acclimate: cannot write (\S+/checkpoints/step-000000010) \(at state.safetensors\): no space is left there "
        r"\(needed 5\.\d MB, free [0-4]\.\d MB\); what was there before is unchanged",
        message,
    )
    assert found, full.err
    assert "Traceback" not in full.err
    checkpoints = Path(found[1]).parent
    assert sorted(path.name for path in checkpoints.iterdir()) == ["best", "step-000000005"]

    disk("size=64m")
    ended = acclimate_command(*run(finished_project, output), folder=output)
    assert ended.code == 0, ended.err
    resumed = output / "tiny" / "latest"
    kinds = [(one["kind"], one.get("step")) for one in read_lines(resumed / "events.jsonl")]
    assert ("resumed", 5) in kinds
    weights = "tasks/topic/model/model.safetensors"
    assert (resumed / weights).read_bytes() == (finished_project.run / weights).read_bytes()


def test_a_disk_that_fills_early_is_named_too(acclimate_command, finished_project, disk) -> None:
    output = disk("size=40k")
    full = acclimate_command(*run(finished_project, output), folder=output)
    assert full.code == 1 and "no space is left there" in full.err.splitlines()[-1], full.err
    assert str(output) in full.err and "Traceback" not in full.err


def test_an_output_that_may_not_be_written(acclimate_command, finished_project, disk) -> None:
    output = disk("size=1m,ro")
    refused = acclimate_command(*run(finished_project, output), folder=finished_project.folder)
    assert refused.code == 1
    assert refused.err == (
        f"acclimate: cannot write {output}/tiny: the file system is read-only; what was there before is unchanged\n"
    )


def damage(path: Path, change: Callable[[bytes], bytes]) -> None:
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(change(data))


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def redone(metrics) -> set[str]:
    return {stage for stage, cost in metrics["stages"].items() if not cost["skipped"]}


def test_damaged_artifacts_are_found_named_and_made_again(acclimate_command, copied) -> None:
    corpus, tokenizer = copied.artifact("corpus"), copied.artifact("tokenizer")
    scores = copied.artifact("task-topic-with-0")
    damage(corpus / "documents/train/part-00000.parquet", flip)
    damage(scores / "test-answers.safetensors", lambda data: data[:-100])
    damage(tokenizer / "manifest.json", lambda data: data[: len(data) // 2])
    again = acclimate_command(*run(copied, copied.output), "--json", folder=copied.output)
    assert again.code == 0, again.err
    flat = " ".join(again.err.split())
    assert re.search(
        rf"{corpus}/documents/train/part-00000.parquet was changed: its digest is [0-9a-f]{{64}}", flat
    )
    assert re.search(rf"{scores}/test-answers.safetensors has \d+ bytes, the manifest says \d+", flat)
    assert f"{tokenizer}/manifest.json" in flat
    assert flat.count("will be made again") == 3
    # Corpus and tokenizer come out the same, so what stands on them stays.
    assert redone(again.told) == {"corpus", "tokenizer", "task-topic-with-0", "evaluation-topic"}
    assert {path.name for path in corpus.parent.iterdir()} == {corpus.name, f"{corpus.name}.corrupt-1"}
    assert again.told["tasks"] == copied.metrics["tasks"]


def test_damaged_weights_are_trained_again_to_the_same_bits(acclimate_command, copied) -> None:
    weights = copied.artifact("pretrain") / "model/model.safetensors"
    good = weights.read_bytes()
    damage(weights, flip)
    again = acclimate_command(*run(copied, copied.output), "--json", folder=copied.output)
    assert again.code == 0, again.err
    assert f"{weights} was changed" in " ".join(again.err.split())
    assert {"pretrain", "task-topic-with-0"} <= redone(again.told)
    assert "task-topic-without-0" not in redone(again.told)
    assert weights.read_bytes() == good


@pytest.mark.parametrize("change", [flip, lambda data: data[:-1000]])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_taken(
    acclimate_command, finished_project, untrained_output, tmp_path, change
) -> None:
    output = untrained_output(tmp_path / "runs")
    killed = acclimate_command(
        *run(finished_project, output),
        folder=tmp_path,
        after={"stage": "pretrain", "kind": "step", "step": 13},
    )
    assert killed.code == -signal.SIGKILL
    (newest,) = output.glob(".store/pretrain/.work-*/checkpoints/step-000000010")
    damage(newest / "state.safetensors", change)
    ended = acclimate_command(*run(finished_project, output), folder=tmp_path)
    assert ended.code == 0, ended.err
    flat = " ".join(ended.err.split())
    assert re.search(
        r"pretrain: checkpoint step-000000010 is damaged \(state.safetensors has digest \w{12}…, \w{12}… was "
        r"written\); taking the one before it",
        flat,
    )
    latest = output / "tiny/latest"
    assert [one["step"] for one in read_lines(latest / "events.jsonl") if one["kind"] == "resumed"] == [5]
    weights = "model/model.safetensors"
    assert (latest / weights).read_bytes() == (finished_project.run / weights).read_bytes()
