"""Which models a folder holds and whether each fits its tokenizer and labels: from headers, without torch.

A run folder holds `model/` and `tasks/NAME/model/`; any other is taken as one model in Hugging Face layout.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from acclimate.artifacts.json_object import read_object
from acclimate.errors import UserError
from acclimate.recipe.settings import nearest

Kind = Literal["mlm", "classification", "encoder"]
_HEADS = (
    "classifier.weight",
    "classifier.out_proj.weight",
    "classification_head.out_proj.weight",
    "score.weight",
)
_EMBEDDINGS = ("word_embeddings.weight", "embed_tokens.weight", "tok_embeddings.weight")
_INSTEAD = {
    "ForTokenClassification": "marks words",
    "ForQuestionAnswering": "finds answers in a passage",
    "ForMultipleChoice": "chooses among answers",
    "ForConditionalGeneration": "writes texts",
    "ForCausalLM": "writes texts",
    "LMHeadModel": "writes texts",
    "Model": "gives vectors",
}
"""How architectures are called → what their models do."""
_HEADER_BYTES = 100_000_000


@dataclass(frozen=True)
class Source:
    """One model folder that may be served."""

    folder: Path
    kind: Kind
    name: str
    """Of a task: what clients call it. Otherwise the folder's name."""
    labels: tuple[str, ...] = ()
    """Of a task, in the order of the head's rows."""
    multi_label: bool = False


@dataclass(frozen=True)
class Layout:
    """What is served from a folder."""

    root: Path
    """The run folder or the model folder, links followed."""
    name: str
    base: Source | None
    """The masked language model or plain encoder; None where only tasks are served."""
    tasks: tuple[Source, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)
    """Tasks whose models are not served → what these do instead of classifying texts, in words."""

    @property
    def not_served(self) -> str:
        """The others in words."""
        return ", ".join(f"{name} ({does})" for name, does in self.others.items())

    @property
    def sources(self) -> list[Source]:
        return [*([self.base] if self.base else []), *self.tasks]


def find_models(folder: str | Path) -> Layout:
    """The models in a run folder, a recipe's folder of runs (its `latest` is taken) or one model folder.

    Raises UserError for a folder that holds none, or one whose parts do not fit together.
    """
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise UserError(
            f"{folder}: {'this is a file' if path.exists() else 'there is no such folder'}; {_wanted()}"
        )
    if not _is_model(path) and not _is_run(path) and (path / "latest").is_dir():
        path = path / "latest"
    root = path.resolve()
    if _is_run(root):
        models = sorted(root.glob("tasks/*/model"))
        models = [model for model in models if _is_model(model)]
        served = [model for model in models if _kind(read_object(model / "config.json")) == "classification"]
        tasks = tuple(_read(model, name=model.parent.name) for model in served)
        base = _read(root / "model", name=root.name) if _is_base(root / "model", alone=not tasks) else None
        if base is None and not tasks:
            _read(models[0], name=root.name)  # says why it is not served
        others = {
            model.parent.name: _instead(read_object(model / "config.json"))
            for model in models
            if model not in served
        }
        return Layout(root, _run_name(root), base, tasks, others)
    if not _is_model(root):
        raise UserError(f"{folder}: no config.json, model/ or tasks/*/model/ in it; {_wanted()}")
    source = _read(root, name=root.parent.name if root.name == "model" else root.name)
    if source.kind == "classification":
        return Layout(root, source.name, None, (source,))
    return Layout(root, source.name, source)


def _wanted() -> str:
    return "give a run folder (runs/NAME/latest) or a model folder in Hugging Face layout"


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file()


def _is_base(folder: Path, *, alone: bool) -> bool:
    """Whether to serve a run's pretrained model; where there are tasks besides, one that is not served is left out."""
    return _is_model(folder) and (alone or _kind(read_object(folder / "config.json")) is not None)


def _is_run(folder: Path) -> bool:
    return _is_model(folder / "model") or any(_is_model(model) for model in folder.glob("tasks/*/model"))


def _run_name(root: Path) -> str:
    # runs/NAME/<timestamp>-<digest8>: the name says more than the timestamp.
    return root.parent.name if root.name[:4].isdigit() and root.parent.name else root.name


def _read(folder: Path, *, name: str) -> Source:
    config = read_object(folder / "config.json")
    if config.get("auto_map"):
        raise UserError(
            f"{folder / 'config.json'}: auto_map names code to be run; such models are not served"
        )
    kind = _kind(config)
    if config.get("fitted_head"):
        raise UserError(
            f"{folder}: its head was fitted to vectors, or is a forest (transfer.features): such models are judged, "
            "not served; `by: logistic` and `by: svm` without `vector` make one that is"
        )
    if config.get("problem_type") == "regression":
        raise UserError(f"{folder}: this model predicts numbers (regression); only classification is served")
    if kind is None:
        raise UserError(
            f"{folder / 'config.json'}: architecture {_architecture(config) or '(none)'} is not served; "
            "served are …ForMaskedLM, …ForSequenceClassification and plain encoders (…Model)"
        )
    shapes = _weight_shapes(folder)
    _check_tokenizer(folder, config, shapes)
    if kind != "classification":
        return Source(folder, kind, name)
    rows = next((shapes[head][0] for head in _HEADS if head in shapes), None)
    if rows is None:
        raise UserError(
            f"{folder}: the weights hold no classification head, though config.json says the model classifies"
        )
    labels = _labels(folder, config)
    if rows != len(labels):
        raise UserError(
            f"{folder}: config.json names {len(labels)} labels, the classification head has {rows} rows: "
            "model and labels do not fit together"
        )
    return Source(folder, kind, name, labels, config.get("problem_type") == "multi_label_classification")


def _architecture(config: dict[str, Any]) -> str:
    architectures = config.get("architectures") or []
    return str(architectures[0]) if architectures else ""


def _kind(config: dict[str, Any]) -> Kind | None:
    """None for an architecture that is not served, such as one that writes text."""
    name = _architecture(config)
    if name.endswith(("ForMaskedLM", "ForPreTraining")):
        return "mlm"
    if name.endswith("ForSequenceClassification"):
        other = config.get("problem_type") == "regression" or config.get("fitted_head")
        return None if other else "classification"
    writes = name.endswith("LMHeadModel") or config.get("is_encoder_decoder")
    return "encoder" if name.endswith("Model") and not writes else None


def _instead(config: dict[str, Any]) -> str:
    """What a model does that is not served."""
    if config.get("fitted_head"):
        return "has a fitted head"
    if config.get("problem_type") == "regression":
        return "predicts numbers"
    name = _architecture(config)
    return next((does for end, does in _INSTEAD.items() if name.endswith(end)), f"is a {name}")


def _labels(folder: Path, config: dict[str, Any]) -> tuple[str, ...]:
    named = config.get("id2label") or {}
    try:
        numbered = {int(number): str(label) for number, label in named.items()}
    except ValueError:
        numbered = {}
    if len(numbered) < 2 or sorted(numbered) != list(range(len(numbered))):
        raise UserError(
            f"{folder / 'config.json'}: id2label is expected to name at least two labels by 0, 1, 2, …"
        )
    labels = tuple(numbered[number] for number in range(len(numbered)))
    if len(set(labels)) < len(labels):
        raise UserError(f"{folder / 'config.json'}: id2label names a label twice")
    return labels


def _check_tokenizer(folder: Path, config: dict[str, Any], shapes: dict[str, list[int]]) -> None:
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    if not file.is_file():
        raise UserError(f"{folder}: no tokenizer.json in it; save the fast tokenizer beside the model")
    try:
        vocabulary = Tokenizer.from_file(str(file)).get_vocab(with_added_tokens=True)
    except Exception as error:  # the library raises plain Exception
        raise UserError(f"{file}: not a tokenizer: {error}") from error
    tokens = max(vocabulary.values(), default=-1) + 1
    rows = next(
        (shape[0] for name, shape in shapes.items() if name.endswith(_EMBEDDINGS)), config.get("vocab_size")
    )
    if not isinstance(rows, int):
        raise UserError(f"{folder / 'config.json'}: no vocab_size")
    # Some models pad their embedding to a round number of rows; a wider gap means another tokenizer's model.
    if tokens > rows or rows - tokens > max(128, rows // 100):
        raise UserError(
            f"{folder}: the tokenizer has {tokens:,} tokens, the model's embedding {rows:,} rows: "
            "model and tokenizer do not fit together"
        )


def _weight_shapes(folder: Path) -> dict[str, list[int]]:
    """Shape of every tensor, from the files' headers."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(read_object(index).get("weight_map", {}).values()))
        if not all(isinstance(name, str) and Path(name).name == name for name in names):
            raise UserError(f"{index}: weight_map is expected to name files of this folder")
    else:
        names = ["model.safetensors"]
    shapes: dict[str, list[int]] = {}
    for name in names:
        file = folder / name
        if not file.is_file():
            others = [p.name for p in folder.glob("*.bin")]
            why = (
                f"; {others[0]} is a pickle, which is never loaded: save the model as safetensors"
                if others
                else ""
            )
            raise UserError(f"{file}: there is no such file{why}")
        shapes |= _header(file)
    return shapes


def _header(file: Path) -> dict[str, list[int]]:
    # Format: 8 bytes little-endian length, then that much JSON, then the data up to the last offset.
    with file.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header = stream.read(size) if size <= _HEADER_BYTES else b""
    try:
        entries = json.loads(header)
        tensors = {name: entry for name, entry in entries.items() if name != "__metadata__"}
        end = 8 + size + max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
        shapes = {name: [int(n) for n in entry["shape"]] for name, entry in tensors.items()}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UserError(f"{file}: not a safetensors file, or cut off at its head") from error
    if file.stat().st_size != end:
        raise UserError(
            f"{file}: {file.stat().st_size:,} bytes, its header says {end:,}: the file is cut off or damaged"
        )
    return shapes


def unknown_task(name: str, tasks: Iterable[str]) -> str:
    """What to say about a task that is not served."""
    return f"unknown task {name!r}; {nearest(name, tasks)}"
