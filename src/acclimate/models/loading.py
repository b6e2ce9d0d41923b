"""Taking a model from a folder or the hub: safetensors only, fp32, packed attention on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from acclimate.errors import UserError
from acclimate.models.building import Labels, model_class, seeded
from acclimate.models.finding import family_of
from acclimate.models.kinds import Kind
from acclimate.models.packed_attention import register

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.models.family import Family, Vocabulary


def load_model(
    source: str | Path,
    kind: Kind,
    *,
    vocabulary: Vocabulary | None = None,
    labels: Labels | None = None,
    seed: int = 0,
    changes: dict[str, Any] | None = None,
    warn: Callable[[str], object] = lambda text: None,
    family: type[Family] | None = None,
) -> PreTrainedModel:
    """The model of `kind` with the weights in `source`; what the weights lack (a new head) is drawn from the seed.

    Raises UserError when there is no such folder, it holds no safetensors weights, it lacks weights of the model's
    body, or the tokenizer does not fit it. `warn` is told of a masked language model's head that had to be drawn.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig

    path = Path(source)
    local = path.is_dir()
    if not local and (path.is_absolute() or str(source).startswith((".", "~"))):
        raise UserError(f"{source}: there is no such folder to load a model from")
    if local and not (path / "config.json").is_file():
        raise UserError(f"{source}: no config.json in it, so it is no Transformers model folder")
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=local)
    except (OSError, ValueError) as error:
        raise UserError(f"{source}: {_first_line(error)}") from error
    if vocabulary is not None and vocabulary.size > config.vocab_size:
        raise UserError(
            f"{source}: model and tokenizer do not fit together: the tokenizer has {vocabulary.size:,} tokens, "
            f"the model's embedding {config.vocab_size:,} rows"
        )
    for name, value in (changes or {}).items():
        setattr(config, name, value)
    if labels is not None:
        labels.write_into(config)
    family = family or family_of(config)
    if config.model_type not in family.model_types:
        raise UserError(
            f"{source} holds a model of type {config.model_type!r}, which the family {family.registered_as[1]} does "
            f"not take; it takes: {', '.join(family.model_types)}"
        )
    packed = {"attn_implementation": register()} if family.packed else {}
    try:
        with seeded(seed):
            model, report = model_class(kind, family).from_pretrained(
                source,
                config=config,
                **packed,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=local,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{source}: the model cannot be loaded: {_first_line(error)}") from error
    _require_body(str(source), kind, model, sorted(report["missing_keys"]), warn)
    return model


def _require_body(
    source: str, kind: Kind, model: PreTrainedModel, missing: list[str], warn: Callable[[str], object]
) -> None:
    """Only heads may be new. Transformers would draw the body at random too, without a word that is heard."""
    body = [name for name in missing if name.startswith(f"{model.base_model_prefix}.") or kind == "encoder"]
    body = [name for name in body if "pooler" not in name]
    if body:
        raise UserError(
            f"{source}: {len(body)} weights of the model's body are not in it, such as {body[0]}; "
            "it holds another model, or its weights bear other names"
        )
    if kind == "mlm" and missing:
        warn(f"{source} has no masked language model's head ({missing[0]}, …): a new one is drawn at random")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
