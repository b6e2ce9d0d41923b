"""Rebuilding a model for another vocabulary: embedding, output layer and bias get their new rows, all else stays.

Old tokens keep their rows to the bit, so whatever the model made of them it makes of them still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from acclimate.errors import UserError
from acclimate.models.vocabulary.rows import NewRows
from acclimate.tokenizer.adapt.plan import NEW, Adaptation

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def change_vocabulary(model: PreTrainedModel, adaptation: Adaptation, new_rows: NewRows) -> int:
    """Give the model, in place, one row for each token of the adapted tokenizer; returns how many rows were padding.

    Rows beyond the old tokenizer's size (checkpoints pad to round numbers) stand for no token and are left out.
    Tied weights stay tied, untied ones get rows of their own by the same rule. Raises UserError when the embedding has
    fewer rows than the tokenizer had tokens, or the model has parts of the vocabulary's size that are not known here.
    """
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    size = embedding.weight.shape[0]
    if size < adaptation.old_size:
        raise UserError(
            f"model and tokenizer do not fit together: the tokenizer has {adaptation.old_size:,} tokens, the model's "
            f"embedding {size:,} rows"
        )
    parts = [embedding.weight, *(one for one in _of_head(model, head) if one.shape[:1] == (size,))]
    rebuilt = {id(part): _rebuilt(part, adaptation, new_rows) for part in parts}  # tied ones once
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None and id(parameter) in rebuilt:
                module._parameters[name] = rebuilt[id(parameter)]
    _tell_sizes(model, embedding, head, adaptation)
    _require_whole(model, len(adaptation.from_old))
    return size - adaptation.old_size


def _of_head(model: PreTrainedModel, head: Any) -> list[nn.Parameter]:
    """Parameters of the output layer and of the modules around it: some keep its bias there."""
    name = next((name for name, module in model.named_modules() if module is head), None)
    if name is None or head is None:
        return []
    around = [name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)]
    modules = [model.get_submodule(one) for one in around]
    return [one for module in modules for one in module.parameters(recurse=False)]


@torch.no_grad()
def _rebuilt(part: nn.Parameter, adaptation: Adaptation, new_rows: NewRows) -> nn.Parameter:
    old = part.detach().cpu()
    from_old = torch.tensor(adaptation.from_old)
    weight = old.new_empty((len(from_old), *old.shape[1:]))
    stayed = from_old != NEW
    weight[stayed] = old[from_old[stayed]]
    if adaptation.new:
        flat = old[: adaptation.old_size].float().reshape(adaptation.old_size, -1).numpy()
        made = torch.from_numpy(np.ascontiguousarray(new_rows.rows(flat)))
        places = torch.tensor([token.id for token in adaptation.new])
        weight[places] = made.reshape(len(places), *old.shape[1:]).to(weight.dtype)
    return nn.Parameter(weight.to(part.device), requires_grad=part.requires_grad)


def _tell_sizes(model: PreTrainedModel, embedding: Any, head: Any, adaptation: Adaptation) -> None:
    """What modules and configurations know of sizes and ids."""
    size = len(adaptation.from_old)
    ids = {old: new for new, old in enumerate(adaptation.from_old) if old != NEW}
    embedding.num_embeddings = size
    if getattr(embedding, "padding_idx", None) is not None:
        embedding.padding_idx = ids.get(embedding.padding_idx)
    if head is not None and hasattr(head, "out_features"):
        head.out_features = size
    model.config.vocab_size = size
    for config in (model.config, getattr(model, "generation_config", None)):
        for name in [name for name in (vars(config) if config else ()) if name.endswith("_token_id")]:
            old = getattr(config, name)
            if isinstance(old, int) and old in ids:
                setattr(config, name, ids[old])
            elif isinstance(old, list):
                setattr(config, name, [ids[one] for one in old if one in ids])


@torch.inference_mode()
def _require_whole(model: PreTrainedModel, size: int) -> None:
    """Run the model once: what still has the old size shows itself."""
    training = model.training
    model.eval()
    ids = torch.tensor([[0, size - 1]], device=model.device)
    try:
        out = model(input_ids=ids, attention_mask=torch.ones_like(ids))
    except (RuntimeError, IndexError, ValueError) as error:
        kind = model.config.model_type
        raise UserError(f"models of type {kind!r} cannot get another vocabulary here: {error}") from error
    finally:
        model.train(training)
    logits = getattr(out, "logits", None)
    if model.get_output_embeddings() is not None and (logits is None or logits.shape[-1] != size):
        raise UserError(f"models of type {model.config.model_type!r} cannot get another vocabulary here")
