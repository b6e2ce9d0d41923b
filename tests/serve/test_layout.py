from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acclimate.errors import UserError
from acclimate.serve.layout import find_models


def _edit(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, **changes}))


def test_a_run_holds_a_base_model_and_its_tasks(run_folder: Path) -> None:
    layout = find_models(run_folder)
    assert layout.name == "news"
    assert layout.base is not None
    assert layout.base.kind == "mlm"
    assert [(task.name, task.multi_label) for task in layout.tasks] == [("tags", True), ("topic", False)]
    assert layout.tasks[1].labels == ("law", "health", "sport", "经济")


def test_the_folder_of_runs_means_its_latest(run_folder: Path) -> None:
    latest = run_folder.parent / "latest"
    latest.symlink_to(run_folder.name)
    try:
        assert find_models(run_folder.parent).root == run_folder.resolve()
        assert find_models(latest).name == "news"
    finally:
        latest.unlink()


def test_a_single_model_folder_is_served_by_what_it_is(run_folder: Path, make: Any, tmp_path: Path) -> None:
    task = find_models(run_folder / "tasks" / "topic" / "model")
    assert (task.base, [one.name for one in task.tasks]) == (None, ["topic"])
    encoder = find_models(make(tmp_path / "plain", "encoder"))
    assert encoder.base is not None
    assert (encoder.base.kind, encoder.name) == ("encoder", "plain")


def test_what_other_tasks_do_instead_is_told(run_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "news"
    shutil.copytree(run_folder, copy)
    changes: dict[str, dict[str, Any]] = {
        "相似": {"problem_type": "regression"},
        "names": {"architectures": ["BertForTokenClassification"]},
        "reading": {"architectures": ["BertForQuestionAnswering"]},
        "choice": {"architectures": ["BertForMultipleChoice"]},
        "titles": {"architectures": ["BartForConditionalGeneration"], "is_encoder_decoder": True},
        "vectors": {"architectures": ["BertModel"]},
        "fitted": {"fitted_head": "forest"},
    }
    for name, change in changes.items():
        shutil.copytree(run_folder / "tasks" / "topic", copy / "tasks" / name)
        _edit(copy / "tasks" / name / "model", **change)
    layout = find_models(copy)
    assert layout.others == {
        "相似": "predicts numbers",
        "names": "marks words",
        "reading": "finds answers in a passage",
        "choice": "chooses among answers",
        "titles": "writes texts",
        "vectors": "gives vectors",
        "fitted": "has a fitted head",
    }
    assert "相似 (predicts numbers)" in layout.not_served and len(layout.tasks) == 2


def test_finding_models_loads_no_torch(run_folder: Path) -> None:
    program = (
        "import sys; from acclimate.serve.app import find_models; find_models(sys.argv[1]); "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(run_folder)], check=True)


def _smaller_vocabulary(folder: Path) -> None:
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {word: n for word, n in vocabulary.items() if n < 40}
    file.write_text(json.dumps(tokenizer))


def _larger_vocabulary(folder: Path) -> None:
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["model"]["vocab"]["extra"] = len(tokenizer["model"]["vocab"])
    file.write_text(json.dumps(tokenizer))


def _cut(name: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return cut


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


SPOILED: dict[str, tuple[Callable[[Path], None], str]] = {
    "tokenizer too large": (
        _larger_vocabulary,
        r"tokenizer has .* tokens, the model's embedding .* do not fit",
    ),
    "a label too many": (
        lambda f: _edit(f, id2label={str(n): f"c{n}" for n in range(5)}),
        "names 5 labels, the classification head has 4 rows: model and labels do not fit together",
    ),
    "labels not numbered": (
        lambda f: _edit(f, id2label={"1": "a", "2": "b"}),
        "id2label is expected to name",
    ),
    "label twice": (lambda f: _edit(f, id2label={"0": "a", "1": "a", "2": "b", "3": "c"}), "a label twice"),
    "no head": (
        lambda f: _edit(f, architectures=["BertForQuestionAnswering"]),
        "BertForQuestionAnswering is not served",
    ),
    "code of its own": (lambda f: _edit(f, auto_map={"AutoModel": "evil.Model"}), "auto_map names code"),
    "regression": (lambda f: _edit(f, problem_type="regression"), "regression"),
    "a fitted head": (
        lambda f: _edit(f, fitted_head={"by": "forest"}),
        "its head was fitted to vectors, or is a forest .*judged, not served",
    ),
    "weights cut": (_cut("model.safetensors"), r"model.safetensors: .* bytes, its header says .* cut off"),
    "tokenizer cut": (_cut("tokenizer.json"), "tokenizer.json: not a tokenizer"),
    "config cut": (_cut("config.json"), "config.json: not valid JSON"),
    "pickle": (_pickle, "is a pickle, which is never loaded"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer.json"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_model_is_refused_by_name(name: str, make: Any, tmp_path: Path) -> None:
    spoil, message = SPOILED[name]
    folder = make(tmp_path / "model", "classification", labels=["a", "b", "c", "d"])
    find_models(folder)
    spoil(folder)
    with pytest.raises(UserError, match=message) as caught:
        find_models(folder)
    assert str(folder) in str(caught.value)


def test_a_tokenizer_of_a_much_smaller_model_is_refused(tmp_path: Path, make: Any) -> None:
    folder = make(tmp_path / "model", "mlm")
    _smaller_vocabulary(folder)
    with pytest.raises(UserError, match="do not fit together"):
        find_models(folder)


def test_classifying_weights_without_a_head_are_refused(tmp_path: Path, make: Any) -> None:
    folder = make(tmp_path / "model", "mlm")
    _edit(folder, architectures=["BertForSequenceClassification"])
    with pytest.raises(UserError, match="hold no classification head"):
        find_models(folder)


@pytest.mark.parametrize(
    ("path", "message"), [("nowhere", "no such folder"), ("file", "a file"), ("empty", "config.json")]
)
def test_a_folder_without_a_model_says_what_is_wanted(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"{path}: .*{message}.*give a run folder"):
        find_models(tmp_path / path)
