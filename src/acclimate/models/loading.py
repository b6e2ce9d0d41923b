"""Taking a model from a folder or the hub: safetensors only, fp32, packed attention on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from acclimate.errors import UserError
from acclimate.models.building import Labels, model_class, seeded
from acclimate.models.finding import family_of
from acclimate.models.folder import require_safetensors, require_type
from acclimate.models.kinds import Kind
from acclimate.models.load_report import LoadReport
from acclimate.models.packed_attention import register
from acclimate.models.quiet import quiet

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

    Raises UserError when there is no such folder, it holds no safetensors weights, its body's weights are missing or of
    another shape, or the tokenizer does not fit it. `warn` is told of heads that had to be drawn, and of weights that
    have no place in the model.
    """
    from safetensors import SafetensorError

    import acclimate.models.register  # noqa: F401

    local = Path(source).is_dir()
    config = configuration_of(source, local)
    family = family or family_of(config)
    require_type(source, {"model_type": config.model_type}, family.registered_as[1], family.model_types)
    rows = getattr(config, "text_config", config).vocab_size
    if vocabulary is not None and vocabulary.size > rows:
        raise UserError(
            f"{source}: model and tokenizer do not fit together: the tokenizer has {vocabulary.size:,} tokens, "
            f"the model's embedding {rows:,} rows"
        )
    for name, value in (changes or {}).items():
        setattr(config, name, value)
    if labels is not None:
        labels.write_into(config)
    packed = {"attn_implementation": register()} if family.packed else {}
    try:
        with seeded(seed), quiet():
            model, info = model_class(kind, family).from_pretrained(
                source,
                config=config,
                **packed,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=local,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{source}: the model cannot be loaded: {_first_line(error)}") from error
    report = LoadReport.of(str(source), info)
    report.require(lambda name: in_body(name, model, kind))
    report.tell(warn, expects_head=kind not in ("classification", "tokens", "spans"))
    return model


def configuration_of(source: str | Path, local: bool) -> Any:
    """Its configuration; no code that comes with it is run. Raises UserError when there is none, or no weights."""
    from transformers import AutoConfig

    path = Path(source)
    if not local and (path.is_absolute() or str(source).startswith((".", "~"))):
        raise UserError(f"{source}: there is no such folder to load a model from")
    if local:
        require_safetensors(path)
    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=local)
    except Exception as error:  # strict configurations raise errors of their own kinds
        reason = _first_line(error)
        if "custom code" in str(error):
            reason = "its config.json asks for code of its own, which is not run"
        raise UserError(f"{source}: {reason}") from error


def in_body(name: str, model: PreTrainedModel, kind: Kind) -> bool:
    """Whether a weight is of the model's body. Only heads may be new, and poolers."""
    if "pooler" in name or name.startswith(("lm_head.", "matching.")):
        return False
    # Of T5's models the one that writes is its own body, with a head beside.
    prefix = "" if model.base_model is model else f"{model.base_model_prefix}."
    return kind == "encoder" or name.startswith(prefix)


def _first_line(error: Exception) -> str:
    """The first line that says something, and the next where it ends in a colon."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
