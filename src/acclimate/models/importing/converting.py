"""A foreign checkpoint as an ordinary model folder: config.json, model.safetensors and the tokenizer's files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.artifacts import durable
from acclimate.errors import UserError
from acclimate.models.importing import fairseq, google, torch_layout, uer
from acclimate.models.importing.fitting import Fitted, configuration, fit, in_body
from acclimate.models.importing.foreign import Foreign
from acclimate.models.importing.sources import Found, Layout, find
from acclimate.models.importing.vocabularies import find_tokenizer, num_ids
from acclimate.models.quiet import quiet
from acclimate.recipe.settings import nearest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FAMILIES = {
    "google": ("bert", "albert", "electra"),
    "uer": ("bert", "albert", "gpt2"),
    "fairseq": ("roberta", "xlm-roberta", "camembert", "bart", "mbart"),
}
"""Which types of models each layout can hold."""
_CALLED = {"xlm-r": "xlm-roberta"}


@dataclass
class Imported:
    """One model of the checkpoint: what became of its weights."""

    foreign: Foreign
    fitted: Fitted
    lacking: list[str] = field(default_factory=list)
    """Weights of the body that are missing or of another shape."""
    homeless: list[str] = field(default_factory=list)
    """Weights of the checkpoint's body that the model has no place for."""

    @property
    def complete(self) -> bool:
        return not self.lacking and not self.homeless

    @property
    def heads_aside(self) -> list[str]:
        """Heads of the checkpoint that the model has no place for, by their names there."""
        left = [self.foreign.origins.get(name, name) for name in self.fitted.left]
        return [name for name in (*self.foreign.unexpected, *left) if name not in self.homeless]

    def to_json(self) -> dict[str, Any]:
        fitted = self.fitted
        return {
            "part": self.foreign.part,
            "family": self.foreign.model_type,
            "class": fitted.model_class,
            "complete": self.complete,
            "parameters": sum(one.numel() for one in fitted.state.values()),
            "dtypes": dict(Counter(str(one.dtype).removeprefix("torch.") for one in fitted.state.values())),
            "mapped": {
                name: {
                    "from": fitted.origins[name],
                    "shape": list(one.shape),
                    "dtype": str(one.dtype).removeprefix("torch."),
                }
                for name, one in sorted(fitted.state.items())
            },
            "missing": sorted({*fitted.missing, *self.lacking}),
            "misshapen": {
                name: {"found": list(found), "expected": list(wanted)}
                for name, (found, wanted) in fitted.misshapen.items()
            },
            "unexpected": sorted([*self.heads_aside, *self.homeless]),
            "resized": {
                name: {"from": list(before), "to": list(after)}
                for name, (before, after) in self.foreign.resized.items()
            },
            "ignored": sorted(self.foreign.ignored),
            "notes": self.foreign.notes,
        }


@dataclass
class Account:
    """What an import did."""

    source: Path
    layout: str
    folder: Path
    models: list[Imported]
    tokenizer: str
    """What the tokenizer was made from; why there is none where it has no `tokens`."""
    tokens: int | None
    """Ids of the tokenizer."""
    rows: int
    """Of the model's table of tokens; those behind the tokenizer's are padding, and belong to no token."""

    @property
    def complete(self) -> bool:
        """Whether every model's body is whole; nothing is written otherwise."""
        return all(one.complete for one in self.models)

    def to_json(self) -> dict[str, Any]:
        return {
            "source": str(self.source),
            "layout": self.layout,
            "folder": str(self.folder) if self.complete else None,
            "complete": self.complete,
            "tokenizer": {
                "found": self.tokens is not None,
                "told": self.tokenizer,
                "tokens": self.tokens,
                "rows": self.rows,
            },
            "models": [one.to_json() for one in self.models],
        }


def import_checkpoint(
    source: Path,
    target: Path,
    *,
    layout: Layout | None = None,
    family: str | None = None,
    tokenizer: Path | None = None,
    config: Path | None = None,
) -> Account:
    """Read the checkpoint, and write it into the target folder, which is new or empty, unless its body has holes.

    Raises UserError for what cannot be read, is damaged or holds code; nothing is left behind then.
    """
    _require_free(target)
    with quiet():
        found = find(source, layout, config)
        models = [_imported(one) for one in _converted(found, family)]
        lead = models[0]
        rows = int(lead.fitted.config.vocab_size)
        vocabulary, told = find_tokenizer(
            found.folder if tokenizer is None else _existing(tokenizer),
            lead.foreign.model_type,
            rows,
            languages=_languages(found),
        )
        tokens = None if vocabulary is None else num_ids(vocabulary)
        account = Account(source, found.layout, target, models, told, tokens, rows)
        if account.complete:
            near = next(place for place in target.absolute().parents if place.is_dir())
            with durable.scratch_folder(near) as scratch:
                for one in models:
                    _write(one, scratch / one.foreign.part, vocabulary)
                durable.link_tree(scratch, target)
    return account


def _require_free(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UserError(f"{target}: this is no folder; name a new one or an empty one")
    if target.is_dir() and any(target.iterdir()):
        raise UserError(f"{target}: the folder is not empty; name a new one or an empty one")


def _existing(place: Path) -> Path:
    if not place.exists():
        raise UserError(f"{place}: there is no such file or folder to take a tokenizer from")
    return place


def _converted(found: Found, family: str | None) -> list[Foreign]:
    model_type = found.model_type or ""
    if family is not None:
        wanted = _CALLED.get(family, family)
        known = FAMILIES.get(found.layout, (model_type,))
        if wanted not in known:
            raise UserError(
                f"--family {family}: import finds no such model in this layout ({found.layout}); "
                f"{nearest(wanted, known)}"
            )
        model_type = wanted
    elif model_type == "roberta" and any(found.folder.glob("*.model")):
        # The names are the same; RoBERTa's pieces are bytes, XLM-R's come from SentencePiece.
        model_type = "xlm-roberta"
    if found.layout == "google":
        return google.convert(found.tensors, model_type, found.settings)
    if found.layout == "uer":
        return uer.convert(found.tensors, model_type, found.settings)
    if found.layout == "fairseq":
        return fairseq.convert(found.tensors, model_type, found.settings)
    return torch_layout.convert(found.tensors, found.settings)


def _imported(foreign: Foreign) -> Imported:
    config = configuration(foreign)
    fitted = fit(foreign, config)
    # A class with heads is taken only when nothing is missing; a pooler may be drawn anew.
    lacking = [name for name in (*fitted.missing, *fitted.misshapen) if "pooler" not in name]
    homeless = [name for name in foreign.unexpected if foreign.in_body(name)]
    homeless += [foreign.origins.get(name, name) for name in fitted.left if in_body(foreign, fitted, name)]
    return Imported(foreign, fitted, lacking, homeless)


def _languages(found: Found) -> list[str]:
    """mBART's, as its settings list them."""
    named = found.settings.get("langs", "")
    return [one for one in str(named).split(",") if one] if found.model_type == "mbart" else []


def _write(one: Imported, folder: Path, tokenizer: PreTrainedTokenizerFast | None) -> None:
    import torch
    from safetensors.torch import save_file

    durable.new_folder(folder)
    # Each with memory of its own: the file format has no views.
    state = {
        name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in one.fitted.state.items()
    }
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    one.fitted.config.save_pretrained(folder)
    if tokenizer is not None:
        positions = getattr(one.fitted.config, "max_position_embeddings", None)
        if positions is not None:
            shift = 2 if one.foreign.model_type in fairseq.ROBERTAS else 0
            tokenizer.model_max_length = min(int(tokenizer.model_max_length), int(positions) - shift)
        tokenizer.save_pretrained(folder)
