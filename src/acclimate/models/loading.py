"""Taking a model from a folder or the hub: safetensors only, fp32, packed attention on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from acclimate.errors import UserError
from acclimate.models.building import Kind, Labels, auto_class, seeded
from acclimate.models.packed_attention import register

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.models.bert import Vocabulary


def load_model(
    source: str | Path,
    kind: Kind,
    *,
    vocabulary: Vocabulary | None = None,
    labels: Labels | None = None,
    seed: int = 0,
    changes: dict[str, Any] | None = None,
) -> PreTrainedModel:
    """The model of `kind` with the weights in `source`; what the weights lack (a new head) is drawn from the seed.

    Raises UserError when there is no such folder, it holds no safetensors weights, or the tokenizer does not fit it.
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
    try:
        with seeded(seed):
            model = auto_class(kind).from_pretrained(
                source,
                config=config,
                attn_implementation=register(),
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=local,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{source}: the model cannot be loaded: {_first_line(error)}") from error
    return model


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
