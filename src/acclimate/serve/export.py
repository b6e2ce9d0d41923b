"""A run's model or a model folder as an ONNX model with its tokenizer and labels, checked before it is handed out.

The folder that is written:
    model.onnx                     input_ids, attention_mask, token_type_ids [batch, length] → logits, or of a body
                                   last_hidden_state and embedding
    tokenizer.json, …              the fast tokenizer, its longest text set to what the model takes
    config.json, labels.json       labels in the order of the logits, and whether several may hold
    parity.json                    how near the answers are to the model's, and on what they were compared
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from acclimate.artifacts import durable
from acclimate.errors import UserError
from acclimate.serve.integrity import check_digests
from acclimate.serve.layout import Kind, Layout, Source, find_models, unknown_task
from acclimate.serve.onnx_graph import (
    Answers,
    Precision,
    input_names,
    open_graph,
    output_names,
    quantise,
    require_onnx,
    write_graph,
)
from acclimate.serve.parity import Parity, compare, sample_texts

GRAPH = "model.onnx"
_PACKAGES = ("onnx", "onnxruntime", "torch", "transformers")


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    model: Path
    """The folder that it was made from."""
    kind: Kind
    num_bytes: int
    """Of the graph."""
    parity: Parity


def export_onnx(
    folder: str | Path,
    target: Path,
    *,
    task: str | None = None,
    kind: Kind | None = None,
    precision: Precision = "fp32",
    texts: Sequence[str] | None = None,
) -> Exported:
    """Write the model in a run folder or model folder into the target folder, which is new or empty.

    `task` names a run's task; without it the run's own model is taken. `kind` "encoder" takes the body of a model with
    a head. `texts` are what parity is checked on, built-in ones unless given. Raises UserError, with nothing left
    behind: no such model, a target that holds something, missing packages, answers that differ too much.
    """
    require_onnx()
    _require_free(target)
    layout = find_models(folder)
    source = _chosen(layout, task)
    if source.folder.absolute() in target.absolute().parents:
        raise UserError(f"{target}: this lies inside the model that is exported; name a folder outside it")
    check_digests(replace(layout, base=source, tasks=()))
    kind = _kind(source, kind)
    texts = sample_texts() if texts is None else texts
    if not texts:
        raise UserError("no texts to compare the answers on")
    with durable.scratch_folder(_nearest_folder(target)) as scratch:
        parity = _write(source, kind, precision, texts, scratch)
        problem = parity.problem(precision, kind)
        if problem:
            better = "; export in fp32, or judge by texts of its own kind" if precision == "int8" else ""
            raise UserError(f"{source.folder}: not exported: {problem}{better}")
        durable.link_tree(scratch, target)
    return Exported(target, source.folder, kind, (target / GRAPH).stat().st_size, parity)


def _require_free(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UserError(f"{target}: this is no folder; name a new one or an empty one")
    if target.is_dir() and any(target.iterdir()):
        raise UserError(f"{target}: the folder is not empty; name a new one or an empty one")


def _nearest_folder(target: Path) -> Path:
    """Where the target will stand, or the nearest folder above that is there: the same file system, nothing made."""
    return next(place for place in target.absolute().parents if place.is_dir())


def _chosen(layout: Layout, task: str | None) -> Source:
    tasks = {source.name: source for source in layout.tasks}
    if task is not None and task not in tasks:
        if task in layout.others:
            does = layout.others[task]
            raise UserError(f"{layout.root}: the task {task} {does}: only what classifies texts is exported")
        raise UserError(f"{layout.root}: {unknown_task(task, tasks)}")
    if task is None and layout.base is None and len(tasks) > 1:
        raise UserError(f"{layout.root}: holds several tasks, name one: {', '.join(sorted(tasks))}")
    return tasks[task] if task is not None else layout.base or next(iter(tasks.values()))


def _kind(source: Source, wanted: Kind | None) -> Kind:
    if wanted not in (None, "encoder", source.kind):
        raise UserError(
            f"{source.folder}: its kind is {source.kind}; it can be exported as that or as encoder, not as {wanted}"
        )
    return wanted or source.kind


def _write(source: Source, kind: Kind, precision: Precision, texts: Sequence[str], folder: Path) -> Parity:
    """Fill the folder; how near its answers are. Nothing is judged here."""
    from acclimate.models.loading import load_model
    from acclimate.tokenizer.loading import load_tokenizer

    tokenizer = load_tokenizer(source.folder)
    model = load_model(source.folder, source.kind).eval()
    positions = int(getattr(model.config, "max_position_embeddings", 0) or tokenizer.model_max_length)
    tokenizer.model_max_length = min(positions, int(tokenizer.model_max_length))
    part = model.base_model if kind == "encoder" else model
    answers = Answers(part, kind, input_names(part, tokenizer))
    graph = folder / GRAPH
    write_graph(answers, graph)
    if precision == "int8":
        whole = folder / "fp32.onnx"
        durable.move(graph, whole)
        quantise(whole, graph)
        durable.remove(whole)
    # Before anything is tokenised: a call with padding stays switched on in the tokenizer and would be saved with it.
    tokenizer.save_pretrained(folder)
    parity = compare(answers, open_graph(graph), tokenizer, texts, multi_label=source.multi_label)
    durable.write_bytes(folder / "config.json", (source.folder / "config.json").read_bytes())
    if kind == "classification":
        labels = {"labels": list(source.labels), "multi_label": source.multi_label}
        durable.write_json(folder / "labels.json", labels)
    durable.write_json(folder / "parity.json", _told(source.name, precision, answers, parity))
    return parity


def _told(name: str, precision: Precision, answers: Answers, parity: Parity) -> dict[str, Any]:
    return {
        "name": name,
        "kind": answers.kind,
        "precision": precision,
        "inputs": answers.inputs,
        "outputs": output_names(answers.kind),
        **parity.to_json(),
        "versions": {name: metadata.version(name) for name in _PACKAGES},
    }
