"""What was exported answers as the model does, for anybody who has ONNX Runtime and the folder alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from acclimate.errors import UserError
from acclimate.serve import export as exporting
from acclimate.serve.answers import Query
from acclimate.serve.engine import load
from acclimate.serve.export import export_onnx
from acclimate.serve.layout import find_models
from acclimate.serve.parity import Parity, sample_texts

torch.set_num_threads(1)

TEXTS = [
    "The court dismissed the appeal.",
    "法院",
    "A striker and a vaccine: inflation rose again, rates and risk of infection lower in children.",
    "央行再次加息以抑制通货膨胀, half time.",
    "court " * 200,
]


def run_onnx(folder: Path, texts: list[str]) -> list[Any]:
    """As a user of ONNX Runtime does it, who knows nothing of us."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="np")
    return session.run(None, dict(inputs))


def run_plain(folder: Path, auto: Any, texts: list[str]) -> tuple[Any, Any]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        return auto.from_pretrained(folder).eval()(**inputs), inputs["attention_mask"].bool().numpy()


def calmed(folder: Path) -> Path:
    """With weights as large as trained ones are: the fixture's are so wild that int8 is too coarse for them."""
    weights = load_file(folder / "model.safetensors")
    for name, value in weights.items():
        if "encoder" in name and value.dim() == 2:
            weights[name] = value * 0.1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("task", ["topic", "tags"])
def test_logits_equal_plain_transformers(run_folder: Path, tmp_path: Path, task: str) -> None:
    done = export_onnx(run_folder, tmp_path / "out" / "here", task=task)
    folder = run_folder / "tasks" / task / "model"
    expected, _ = run_plain(folder, AutoModelForSequenceClassification, TEXTS)
    (logits,) = run_onnx(done.folder, TEXTS)
    np.testing.assert_allclose(logits, expected.logits.numpy(), atol=1e-4)
    for row, text in zip(logits, TEXTS, strict=True):
        np.testing.assert_allclose(run_onnx(done.folder, [text])[0][0], row, atol=1e-4)
    labels = json.loads((done.folder / "labels.json").read_text("utf-8"))
    assert labels == {"labels": ["law", "health", "sport", "经济"], "multi_label": task == "tags"}
    config = json.loads((done.folder / "config.json").read_text("utf-8"))
    assert list(config["id2label"].values()) == labels["labels"]


def test_a_run_without_a_task_named_gives_its_own_model(run_folder: Path, tmp_path: Path) -> None:
    done = export_onnx(run_folder, tmp_path / "mlm")
    assert done.kind == "mlm"
    texts = ["The [MASK] dismissed the [MASK].", "法[MASK]驳回了租户的上诉。"]
    expected, real = run_plain(run_folder / "model", AutoModelForMaskedLM, texts)
    (logits,) = run_onnx(done.folder, texts)
    np.testing.assert_allclose(logits[real], expected.logits.numpy()[real], atol=2e-4)
    assert not (done.folder / "labels.json").exists()


@pytest.mark.parametrize("part", ["model", "tasks/topic/model"])
def test_the_body_gives_the_vectors_that_the_server_gives(
    run_folder: Path, tmp_path: Path, part: str
) -> None:
    done = export_onnx(run_folder / part, tmp_path / "body", kind="encoder")
    hidden, vectors = run_onnx(done.folder, TEXTS)
    expected, real = run_plain(run_folder / part, AutoModel, TEXTS)
    np.testing.assert_allclose(hidden[real], expected.last_hidden_state.numpy()[real], atol=1e-4)
    lane = load(find_models(run_folder / part), device="cpu", precision="fp32").embed
    served = [one.vector for one in lane.run(lane.encode([Query(text) for text in TEXTS]))]
    np.testing.assert_allclose(vectors, np.stack(served), atol=1e-4)


def test_the_graph_asks_for_what_the_tokenizer_gives(make: Any, tmp_path: Path) -> None:
    for segments in (True, False):
        folder = make(tmp_path / f"{segments}", "classification", labels=["a", "b"], segments=segments)
        done = export_onnx(folder, tmp_path / f"{segments}.onnx")
        session = onnxruntime.InferenceSession(done.folder / "model.onnx")
        names = ["input_ids", "attention_mask", *(["token_type_ids"] if segments else [])]
        assert [(one.name, one.shape, one.type) for one in session.get_inputs()] == [
            (name, ["batch", "length"], "tensor(int64)") for name in names
        ]
        assert session.get_outputs()[0].shape == ["batch", 2]
        assert run_onnx(done.folder, TEXTS)[0].shape == (len(TEXTS), 2)


def test_the_tokenizer_alone_neither_pads_nor_cuts(run_folder: Path, tmp_path: Path) -> None:
    done = export_onnx(run_folder, tmp_path / "out", task="topic")
    saved = json.loads((done.folder / "tokenizer.json").read_text("utf-8"))
    assert (saved["padding"], saved["truncation"]) == (None, None)


def test_a_tokenizer_that_allows_more_than_the_model_takes_is_mended(make: Any, tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "classification", labels=["a", "b"])
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "model_max_length": 100_000}))
    done = export_onnx(folder, tmp_path / "out")
    assert AutoTokenizer.from_pretrained(done.folder).model_max_length == 64
    assert np.isfinite(run_onnx(done.folder, ["court " * 300])[0]).all()


def test_int8_is_small_near_and_says_how_near(make: Any, tmp_path: Path) -> None:
    folder = calmed(make(tmp_path / "model", "classification", labels=["a", "b", "c"]))
    whole = export_onnx(folder, tmp_path / "fp32")
    small = export_onnx(folder, tmp_path / "int8", precision="int8")
    assert small.num_bytes < whole.num_bytes
    told = json.loads((tmp_path / "int8" / "parity.json").read_text())
    assert (told["precision"], told["kind"], told["num_texts"]) == (
        "int8",
        "classification",
        len(sample_texts()),
    )
    assert told["max_difference"] == small.parity.max_difference > 100 * whole.parity.max_difference
    (exact,), (near,) = run_onnx(tmp_path / "fp32", TEXTS), run_onnx(tmp_path / "int8", TEXTS)
    assert 0 < np.abs(exact - near).max() < 0.2 * np.abs(exact).max()
    assert any("Integer" in node.op_type for node in onnx.load(tmp_path / "int8" / "model.onnx").graph.node)
    assert sorted(one.name for one in (tmp_path / "int8").iterdir()) == [
        "config.json",
        "labels.json",
        "model.onnx",
        "parity.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_int8_that_changes_too_much_is_refused_and_leaves_nothing(make: Any, tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "mlm")
    weights = load_file(folder / "model.safetensors")
    for name, value in weights.items():
        if "encoder" in name and value.dim() == 2:
            value[:, 0] *= 100  # one step of int8 is now as large as all other weights
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"model: not exported: .*int8.*; export in fp32"):
        export_onnx(folder, tmp_path / "deep" / "out", precision="int8")
    assert list(tmp_path.iterdir()) == [folder]


def test_a_graph_that_differs_is_refused_and_leaves_nothing(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = exporting.write_graph

    def wrong(answers: Any, path: Path) -> None:
        write(answers, path)
        graph = onnx.load(path)
        (bias,) = [one for one in graph.graph.initializer if one.name.endswith("classifier.bias")]
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.002), bias.name))
        onnx.save(graph, path)

    monkeypatch.setattr(exporting, "write_graph", wrong)
    with pytest.raises(UserError, match=r"not exported: its fp32 answers differ by 0.002"):
        export_onnx(run_folder, tmp_path / "out", task="topic")
    assert list(tmp_path.iterdir()) == []


def test_answers_that_are_no_numbers_are_refused() -> None:
    assert Parity(1, 1, float("nan"), 1.0, 1.0).problem("int8", "mlm")
    assert Parity(1, 1, 1e-6, 1.0, 1.0).problem("fp32", "mlm") is None


@pytest.mark.parametrize(
    ("kind", "share", "words"),
    [("classification", 0.98, "agree"), ("mlm", 0.9, "agree"), ("encoder", 0.98, "cosine")],
)
def test_int8_may_change_few_answers(kind: str, share: float, words: str) -> None:
    assert Parity(100, 100, 0.1, 1.0, share).problem("int8", kind) is None
    found = Parity(100, 100, 0.1, 1.0, share - 0.01).problem("int8", kind)
    assert found is not None and words in found
    assert Parity(100, 100, 0.1, 1.0, share - 0.01).problem("fp32", kind) is not None
    assert Parity(100, 100, 0.2, 1.0, 1.0).problem("int8", kind) is not None


def test_the_same_model_gives_the_same_bytes(make: Any, tmp_path: Path) -> None:
    folder = calmed(make(tmp_path / "model", "classification", labels=["a", "b"], multi_label=True))
    for precision in ("fp32", "int8"):
        files = []
        for number in range(2):
            done = export_onnx(folder, tmp_path / f"{precision}{number}", precision=precision)
            files.append({one.name: one.read_bytes() for one in done.folder.iterdir()})
        assert files[0] == files[1]


def test_texts_of_ones_own_are_compared(run_folder: Path, tmp_path: Path) -> None:
    done = export_onnx(run_folder, tmp_path / "out", task="topic", texts=["court", "法院"])
    assert (done.parity.num_texts, done.parity.num_answers) == (2, 2)
    done = export_onnx(run_folder, tmp_path / "mlm", texts=["court", "法院"])
    assert done.parity.num_answers == 7  # tokens, the special ones included


def _file(path: Path) -> None:
    path.write_text("x")


def _filled(path: Path) -> None:
    path.mkdir()
    (path / "note").write_text("x")


def _link(path: Path) -> None:
    path.symlink_to(path.parent)


@pytest.mark.parametrize(
    ("prepare", "message"), [(_file, "no folder"), (_filled, "not empty"), (_link, "no folder")]
)
def test_a_target_that_is_taken_is_left_alone(
    run_folder: Path, tmp_path: Path, prepare: Callable[[Path], None], message: str
) -> None:
    prepare(tmp_path / "out")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=message):
        export_onnx(run_folder, tmp_path / "out")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_is_filled(run_folder: Path, tmp_path: Path) -> None:
    export_onnx(run_folder, tmp_path, task="topic")
    assert (tmp_path / "model.onnx").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "topics"}, "unknown task 'topics'; did you mean 'topic'"),
        ({"kind": "classification"}, "its kind is mlm; .* not as classification"),
        ({"texts": []}, "no texts"),
    ],
)
def test_what_is_not_there_cannot_be_exported(
    run_folder: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        export_onnx(run_folder, tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_several_tasks_and_no_model_of_its_own(run_folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    (root / "tasks").symlink_to(run_folder / "tasks")
    with pytest.raises(UserError, match="several tasks, name one: tags, topic"):
        export_onnx(root, tmp_path / "out")


@pytest.mark.parametrize(("name", "message"), [("nowhere", "no such folder"), ("empty", "config.json")])
def test_a_folder_without_a_model(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"{name}: .*{message}"):
        export_onnx(tmp_path / name, tmp_path / "out")


def test_an_exported_folder_is_no_model_to_export(run_folder: Path, tmp_path: Path) -> None:
    export_onnx(run_folder, tmp_path / "out")
    with pytest.raises(UserError, match=r"model\.safetensors: there is no such file"):
        export_onnx(tmp_path / "out", tmp_path / "again")


def test_without_the_extra_it_is_named(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install 'acclimate\[onnx\]'"):
        export_onnx(run_folder, tmp_path / "out")


def test_a_model_larger_than_a_file_can_be_is_refused(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acclimate.serve.onnx_graph.LARGEST", 10_000)
    with pytest.raises(UserError, match="an ONNX file holds at most"):
        export_onnx(run_folder, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_sample_texts_are_many_lengths_of_two_languages() -> None:
    texts = sample_texts()
    assert len(set(texts)) == len(texts) > 40
    assert min(map(len, texts)) < 5 and max(map(len, texts)) > 2000
    assert sum(text.isascii() for text in texts) > 10 < sum(not text.isascii() for text in texts)
