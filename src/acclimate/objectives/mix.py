"""Several objectives in one training: every step holds sequences of each, and the loss is their weighted sum.

Legend: K objectives, B sequences in the batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from acclimate.batching.packed import PackedBatch, Sequences
from acclimate.batching.union_store import UnionStore, in_order, of_store, united
from acclimate.objectives.protocol import Loss, Mark, Objective, ObjectiveSettings, Texts
from acclimate.progress import Tell
from acclimate.recipe.settings import Component, Part

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.batching.sequence_store import TextStore

_BOTH_HEADS = {frozenset(("mlm", "pretraining")): "pretraining"}
"""Kinds that one model can be at once, and the kind that it is then."""
_SAMPLES = 100


class Mix(ObjectiveSettings):
    """Several objectives at once: loss = Σ w_k · (mean loss of objective k over the step), each over its own
    sequences.

    An objective's share of the sequences is n^α / Σ n^α of its number n of sequences (Conneau and Lample 2019). The
    first objective leads: figures of held-out text are made of it; all are logged apart. To learn masked tokens and
    sentence pairs from the same sequences, see `nsp` and `sop`.

    Example: `objective: {mix: {of: [mlm, {tlm: {…}}], alpha: 0.5}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "mix")

    of: list[Annotated[Component, Part("objective")]] = Field(min_length=2)
    """The objectives; all must train a model of one kind, and each stands once."""
    weights: list[float] | None = None
    """w_k: the weight of each objective's loss; 1 each unless given."""
    alpha: float = Field(default=1.0, ge=0, le=1)
    """α: 1 leaves sizes as they are, 0 makes all shares equal; 0.3 to 0.7 lifts small ones."""

    @model_validator(mode="after")
    def _fit(self) -> Mix:
        names = [part.registered_as[1] for part in self.of]
        twice = sorted(name for name, number in Counter(names).items() if number > 1)
        if twice:
            raise ValueError(f"{twice[0]} stands twice; give its data as one source")
        if "mix" in names:
            raise ValueError("a mix holds no mix: name its objectives here")
        if streamed := [part.registered_as[1] for part in self.objectives if part.in_streams]:
            raise ValueError(
                f"{streamed[0]} reads the text in its own order, and cannot be mixed with others"
            )
        if self.weights is not None and len(self.weights) != len(self.of):
            raise ValueError(f"{len(self.weights)} weights for {len(self.of)} objectives")
        if self.weights is not None and (min(self.weights) < 0 or not any(self.weights)):
            raise ValueError("weights are 0 or more, and not all of them 0")
        kinds = frozenset(part.kind for part in self.objectives)
        if len(kinds) > 1 and kinds not in _BOTH_HEADS:
            told = ", ".join(f"{one.registered_as[1]} a model for {one.kind}" for one in self.objectives)
            raise ValueError(f"these objectives need different models: {told}")
        return self

    @property
    def objectives(self) -> list[ObjectiveSettings]:
        return self.of  # type: ignore[return-value]

    @property
    def kind(self) -> str:
        kinds = frozenset(part.kind for part in self.objectives)
        return _BOTH_HEADS.get(kinds) or next(iter(kinds))

    @property
    def marks(self) -> frozenset[Mark]:
        return frozenset().union(*(part.marks for part in self.objectives))

    @property
    def knows_sources(self) -> bool:
        return any(part.knows_sources for part in self.objectives)

    def suit(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
        self.leads.suit(model, tokenizer)

    def extra_tokens(self, sequence_length: int) -> tuple[str, ...]:
        tokens = [token for part in self.objectives for token in part.extra_tokens(sequence_length)]
        return tuple(dict.fromkeys(tokens))

    @property
    def classes(self) -> tuple[str, ...]:
        return next((part.classes for part in self.objectives if part.classes), ())

    @property
    def leads(self) -> ObjectiveSettings:
        return self.objectives[0]

    @property
    def likelihood(self) -> Literal["every", "some"] | None:  # type: ignore[override]
        return self.leads.likelihood

    @property
    def brings_data(self) -> bool:
        return any(part.brings_data for part in self.objectives)

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        found = [part.fingerprint(digests) for part in self.objectives]
        return {f"{k}/{name}": one for k, part in enumerate(found) for name, one in part.items()}

    def write(
        self, folder: Path, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int, tell: Tell
    ) -> dict[str, Any]:
        from acclimate.artifacts.durable import new_folder, write_bytes

        read = kept = 0
        dropped: Counter[str] = Counter()
        samples: list[str] = []
        for k, part in enumerate(self.objectives):
            if not part.brings_data:
                continue
            own = new_folder(folder / str(k))
            for split in ("train", "validation", "test"):
                new_folder(own / split)
            found = part.write(
                own, tokenizer=tokenizer, sequence_length=sequence_length, seed=seed, tell=tell
            )
            read, kept = read + found["read"], kept + found["kept"]
            dropped.update(found["dropped"])
            if (own / "dropped.jsonl").exists():
                samples += (own / "dropped.jsonl").read_text("utf-8").splitlines()[:_SAMPLES]
        write_bytes(folder / "dropped.jsonl", "".join(f"{line}\n" for line in samples).encode())
        return {"read": read, "kept": kept, "dropped": dict(dropped)}

    def store(
        self, texts: Texts, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int
    ) -> TextStore:
        stores = []
        for k, part in enumerate(self.objectives):
            own = texts.own.parent / str(k) / texts.own.name if texts.own and part.brings_data else None
            stores.append(
                part.store(
                    replace(texts, own=own), tokenizer=tokenizer, sequence_length=sequence_length, seed=seed
                )
            )
        return UnionStore(stores, self.alpha)

    def furnish(self, model: PreTrainedModel, seed: int) -> None:
        for part in self.objectives:
            part.furnish(model, seed)

    def stand_in(self, sequences: Sequences) -> Sequences:
        """Each objective has as many as the others, in turn."""
        store = np.arange(len(sequences)) % len(self.objectives)
        parts = []
        for k, part in enumerate(self.objectives[: len(sequences)]):
            places = np.flatnonzero(store == k)
            parts.append((part.stand_in(in_order(sequences, places)), places))
        return united(parts, store, sequences.ids, sequences.epochs)

    def build(self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False) -> Any:
        """The objectives at work. With `fixed`, what is hidden does not change with the epoch."""
        parts = [part.build(tokenizer=tokenizer, seed=seed, fixed=fixed) for part in self.objectives]
        names = [part.registered_as[1] for part in self.objectives]
        return MixedObjective(parts, names, self.weights or [1.0] * len(parts))


@dataclass(frozen=True)
class MixedBatch:
    """A batch for each objective; None where a step holds none of its sequences."""

    parts: tuple[PackedBatch | None, ...]
    places: tuple[NDArray[np.int64], ...]
    """Which sequences of the whole batch each part holds."""
    ids: NDArray[np.int64]
    """[B]"""

    def to(self, device: torch.device) -> MixedBatch:
        return replace(self, parts=tuple(one and one.to(device) for one in self.parts))

    @property
    def num_tokens(self) -> int:
        return sum(one.num_tokens for one in self.parts if one is not None)


class MixedObjective:
    """Objectives side by side. Its terms are theirs, named after them."""

    def __init__(self, parts: list[Objective], names: list[str], weights: list[float]) -> None:
        self._parts, self._names, self._weights = parts, names, list(weights)

    def leave_out(self, number: int) -> None:
        """From now on this objective does not count. It is asked only where a batch holds nothing else, for a step of
        nothing but momentum and decay."""
        self._weights[number] = 0.0

    @property
    def num_terms(self) -> int:
        return sum(part.num_terms for part in self._parts)

    @property
    def owners(self) -> tuple[int, ...]:
        """Of each term the number of its objective."""
        return tuple(k for k, part in enumerate(self._parts) for _ in range(part.num_terms))

    def prepare(self, sequences: Sequences) -> MixedBatch:
        """Each objective prepares its own sequences as if it were alone."""
        parts: list[PackedBatch | None] = []
        places = []
        for k, objective in enumerate(self._parts):
            own, where = of_store(sequences, k)
            parts.append(objective.prepare(own) if len(own) else None)
            places.append(where)
        return MixedBatch(tuple(parts), tuple(places), sequences.ids)

    def count(self, batch: MixedBatch) -> tuple[float, ...]:
        """That of every term of every objective."""
        counts: list[float] = []
        for objective, part in zip(self._parts, batch.parts, strict=True):
            counts += objective.count(part) if part is not None else (0.0,) * objective.num_terms
        return tuple(counts)

    def loss(self, model: PreTrainedModel, batch: MixedBatch) -> Loss:
        """The terms of all objectives, each with its objective's weight."""
        import torch

        terms: list[Loss] = []
        some_count = any(
            weight and part is not None for weight, part in zip(self._weights, batch.parts, strict=True)
        )
        for k, (objective, part) in enumerate(zip(self._parts, batch.parts, strict=True)):
            name, weight = self._names[k], self._weights[k]
            if part is None or (some_count and not weight):
                nothing = torch.zeros((), device=model.device)
                own: tuple[Loss, ...] = (Loss(nothing, 0.0),) * objective.num_terms
            else:
                own = objective.loss(model, part).terms
            for term in own:
                told = name if term.name in ("", name) else f"{name}_{term.name}"
                terms.append(replace(term, name=told, weight=weight * term.weight, others=()))
        leading = terms[0]
        sums, counts = (torch.zeros(len(batch.ids), device=model.device) for _ in range(2))
        if leading.per_sequence is not None and leading.counts is not None:
            where = torch.from_numpy(batch.places[0]).to(model.device)
            sums[where] = leading.per_sequence.to(sums.dtype)
            counts[where] = leading.counts.to(counts.dtype)
        return replace(leading, per_sequence=sums, counts=counts, others=tuple(terms[1:]))

    def carried(self) -> dict[str, torch.Tensor]:
        """What the objectives keep from step to step."""
        kept: dict[str, torch.Tensor] = {}
        for k, part in enumerate(self._parts):
            if hasattr(part, "carried"):
                kept |= {f"{k}/{name}": one for name, one in part.carried().items()}
        return kept

    def carry(self, tensors: dict[str, torch.Tensor]) -> None:
        for k, part in enumerate(self._parts):
            if hasattr(part, "carry"):
                prefix = f"{k}/"
                part.carry(
                    {
                        name.removeprefix(prefix): one
                        for name, one in tensors.items()
                        if name.startswith(prefix)
                    }
                )
