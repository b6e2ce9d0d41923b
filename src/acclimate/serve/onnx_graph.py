"""A plain Transformers model as an ONNX graph: padded inputs, free batch and length axes, fp32 or int8.

The tracing exporter on eager attention, and no other way, was chosen by measurement (torch 2.13, ONNX Runtime 1.31,
BERT mini, batch 1, 24 tokens, 2 cores): ONNX Runtime's dynamic quantiser refuses the newer exporter's graph (two shapes
that differ in shape inference), and the guards against NaN that `sdpa` leaves in a graph keep ONNX Runtime from fusing
the attention: int8 then takes 1.29 ms instead of 0.60 ms. All of them are exact in fp32.
"""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from acclimate.errors import UserError
from acclimate.serve.layout import Kind

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

Precision = Literal["fp32", "int8"]
OPSET = 17
"""The first with a layer norm of its own; every ONNX Runtime since 1.12 reads it."""
LARGEST = 2_000_000_000
"""Bytes that fit into one ONNX file."""


def require_onnx() -> None:
    """Raises UserError where the packages of the extra are not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"export needs onnx and onnxruntime ({error}); install them with: pip install 'acclimate[onnx]'"
        ) from error


def input_names(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """What the graph asks for: what the tokenizer gives and the model takes; the mask in any case."""
    takes = inspect.signature(model.forward).parameters
    segments = "token_type_ids" in tokenizer.model_input_names and "token_type_ids" in takes
    return ["input_ids", "attention_mask", *(["token_type_ids"] if segments else [])]


def output_names(kind: Kind) -> list[str]:
    """`logits`; of a body the last layer [batch, length, hidden] and its mean over real tokens [batch, hidden]."""
    return ["last_hidden_state", "embedding"] if kind == "encoder" else ["logits"]


class Answers(torch.nn.Module):
    """The model as a function of its inputs in order, which gives what the graph gives."""

    def __init__(self, model: PreTrainedModel, kind: Kind, inputs: Sequence[str]) -> None:
        super().__init__()
        self.model, self.kind, self.inputs = model, kind, list(inputs)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(self.inputs, tensors, strict=True))
        out = self.model(**given, return_dict=True)
        if self.kind != "encoder":
            return (out.logits,)
        hidden = out.last_hidden_state
        mask = given["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        return hidden, (hidden * mask).sum(1) / mask.sum(1)


def write_graph(answers: Answers, path: Path) -> None:
    """Write the fp32 graph. Raises UserError for a model that one ONNX file cannot hold."""
    size = sum(tensor.numel() * 4 for tensor in answers.state_dict().values())
    if size > LARGEST:
        raise UserError(
            f"the model's weights take {size / 1e9:.1f} GB in fp32; an ONNX file holds at most {LARGEST / 1e9:g}"
        )
    ids = torch.ones(2, 5, dtype=torch.int64)
    mask = torch.tensor([[1] * 5, [1] * 3 + [0] * 2])
    examples = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    outputs = output_names(answers.kind)
    free = {name: {0: "batch", 1: "length"} for name in [*answers.inputs, *outputs]}
    if answers.kind == "classification":
        free["logits"] = {0: "batch"}
    elif answers.kind == "encoder":
        free["embedding"] = {0: "batch"}
    answers.model.set_attn_implementation("eager")
    # Quiet: the tracer warns of every Python number that it makes a constant of; the parity check judges those.
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            answers.eval(),
            tuple(examples[name] for name in answers.inputs),
            str(path),
            dynamo=False,
            input_names=answers.inputs,
            output_names=outputs,
            dynamic_axes=free,
            opset_version=OPSET,
        )


def quantise(source: Path, target: Path) -> None:
    """Write the int8 form of a graph: weights now, activations while it runs (dynamic quantisation)."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises, through the root logger, a step that changes nothing here
    try:
        quantize_dynamic(source, target, weight_type=QuantType.QInt8)
    finally:
        root.setLevel(level)


def open_graph(path: Path) -> Any:
    """An ONNX Runtime session on the processor, with as many threads as torch has."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
