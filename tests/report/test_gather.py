from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acclimate.errors import UserError
from acclimate.report.build import write_report
from acclimate.report.gather import LogBuilder, read_run


def test_what_a_whole_run_holds(whole_run: Callable[[str], Path]) -> None:
    run = read_run(whole_run("zh"))
    assert run.recipe["name"] == "thucnews-titles"
    assert len(run.pretrain.steps) == 900
    assert set(run.pretrain.steps.columns) == {"loss", "lr", "gradient_norm"}
    assert set(run.pretrain.validations.columns) == {"loss", "bits_per_byte"}
    assert run.tokenizer == {"algorithm": "WordPiece", "vocab_size": 8000}
    assert [task.name for task in run.tasks] == ["topic"]
    assert set(run.tasks[0].trainings) == {(arm, seed) for arm in ("with", "without") for seed in "012"}
    assert len(run.tasks[0].trainings["with", "0"].steps) == 320
    assert set(run.manifests) >= {"corpus", "pretrain", "evaluation-topic"}


def test_missing_parts_are_absent(make_run: Callable[..., Any]) -> None:
    run = read_run(make_run().done())
    assert (run.corpus, run.dropped, run.tokenizer, run.figures, run.tasks) == (None, [], None, None, [])
    assert len(run.pretrain.steps) == 0


def test_a_stage_without_a_log_of_its_own_is_read_from_the_events(make_run: Callable[..., Any]) -> None:
    maker = make_run().pretrain(50).task(curves=False)
    events = [
        {"stage": "task-topic-with-0", "kind": "step", "step": n, "loss": 1 / n, "time": "t"}
        for n in (1, 2, 3)
    ]
    events += [{"stage": "task-topic-with-0", "kind": "validation", "step": 3, "loss": 0.5}]
    events += [
        {"stage": "pretrain", "kind": "step", "step": 1, "loss": -1},
        {"stage": "run", "kind": "stopped"},
    ]
    text = "".join(json.dumps(one) + "\n" for one in events)
    (maker.folder / "events.jsonl").write_text(text + '{"stage": "pretrain", "ki')  # torn by a kill
    run = read_run(maker.done())
    assert run.tasks[0].trainings["with", "0"].steps.columns["loss"].tolist() == [1, 1 / 2, 1 / 3]
    assert run.tasks[0].trainings["with", "0"].validations.step.tolist() == [3]
    assert len(run.tasks[0].trainings["with", "1"].steps) == 0
    assert run.pretrain.steps.columns["loss"].min() > 0  # the artifact's own log, not the event


def test_a_step_that_was_logged_twice_counts_once_and_steps_ascend() -> None:
    builder = LogBuilder(("loss", "lr"))
    for step, loss in ((1, 1.0), (3, 3.0), (4, None), (3, 33.0), (2, 2.0), (None, 9.0), (5, float("nan"))):
        builder.add({"step": step, "loss": loss})
    log = builder.log()
    assert log.step.tolist() == [1, 2, 3, 4, 5]
    assert np.array_equal(log.columns["loss"], [1, 2, 33, np.nan, np.nan], equal_nan=True)
    assert "lr" not in log.columns


def test_tasks_stand_in_the_recipes_order(make_run: Callable[..., Any]) -> None:
    run = read_run(make_run().task("zebra", ["a", "b"]).task("ant", ["a", "b"]).done())
    assert [task.name for task in run.tasks] == ["zebra", "ant"]


def test_names_that_begin_alike_do_not_mix(make_run: Callable[..., Any]) -> None:
    run = read_run(make_run().task("topic", ["a", "b"]).task("topic-with", ["a", "b"], baseline=False).done())
    trained = {task.name: set(task.trainings) for task in run.tasks}
    assert trained["topic-with"] == {("with", seed) for seed in "012"}
    assert trained["topic"] == {(arm, seed) for arm in ("with", "without") for seed in "012"}


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent: no such run folder"):
        read_run(tmp_path / "absent")
    with pytest.raises(UserError, match=r"neither metrics.json nor recipe.resolved.yaml"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metrics.json", b'{"stages": ', "not valid JSON"),
        ("metrics.json", b"\xff\xfe", "not valid JSON"),
        ("artifacts/corpus/statistics.json", b"", "not valid JSON"),
        ("recipe.resolved.yaml", b"a: [1", "not valid YAML"),
    ],
)
def test_a_broken_file_is_named(
    whole_run: Callable[[str], Path], name: str, content: bytes, said: str
) -> None:
    folder = whole_run("en")
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        read_run(folder)
    assert str(folder / name) in str(caught.value)


def test_a_unigram_vocabulary_is_counted(make_run: Callable[..., Any]) -> None:
    folder = make_run().done()
    (folder / "artifacts" / "tokenizer").mkdir(parents=True)
    vocabulary = {
        "model": {"type": "Unigram", "vocab": [["a", -1], ["b", -2]]},
        "added_tokens": [{"content": "[MASK]"}],
    }
    (folder / "artifacts" / "tokenizer" / "tokenizer.json").write_text(json.dumps(vocabulary))
    assert read_run(folder).tokenizer == {"algorithm": "Unigram", "vocab_size": 3}


def test_warnings_are_kept_once_each_in_their_order(make_run: Callable[..., Any]) -> None:
    maker = make_run()
    told = [
        {"stage": "pretrain", "kind": "warning", "message": "没有 head"},
        {"stage": "corpus", "kind": "warning", "message": "<b>"},
    ]
    lines = "".join(
        json.dumps(one) + "\n" for one in (*told, told[0], {"stage": "x", "kind": "note", "message": "y"})
    )
    (maker.folder / "events.jsonl").write_text(lines, encoding="utf-8")
    run_folder = maker.done()
    assert read_run(run_folder).warnings == [("pretrain", "没有 head"), ("corpus", "<b>")]
    page = write_report(run_folder).read_text("utf-8")
    assert "没有 head" in page and "&lt;b&gt;" in page and page.count('id="warnings"') == 1
