"""What an objective is to the pipeline and to the loop. Pretraining, tuning and distillation all look like this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from acclimate.batching.packed import PackedBatch, Sequences
from acclimate.progress import Tell
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.batching.sequence_store import TextStore

Mark = Literal["words", "sentences"]


@dataclass(frozen=True)
class Texts:
    """Where one part (train, validation or test) of what there is to learn from stands."""

    corpus: Path
    """A token store."""
    own: Path | None = None
    """What the objective's `write` wrote of the part, for an objective that brings data."""
    streams: int | None = None
    """The batch in sequences where the part is trained on; None where it is measured on."""


class ObjectiveSettings(Component):
    """A choice of objective in a recipe: what it needs of the text and of the model, and the objective itself."""

    trains: ClassVar[str]
    """The kind of model (`models/kinds.py`) that it needs."""
    gives: ClassVar[tuple[str, ...]] = ()
    """What its batches hold of each token (`by_token`) that is of no use to a model which does not take it."""
    likelihood: ClassVar[Literal["every", "some"] | None] = "some"
    """Whether its loss is −log p of the text's tokens, so that bits per byte can be stated: of every token, of some
    (an estimate, decision 0003), or not at all."""

    by_sequence: ClassVar[bool] = False
    """Whether its loss is one term, of which each sequence has its own (`Loss.only`)."""
    scores: ClassVar[bool] = False
    """Whether it can tell the probabilities that it scores (`ScoredObjective`)."""
    in_streams: ClassVar[bool] = False
    """Whether it reads the text from beginning to end, and carries on what the model remembers."""

    @property
    def kind(self) -> str:
        """The kind of model that it needs, where settings decide it."""
        return self.trains

    @property
    def marks(self) -> frozenset[Mark]:
        """What must be known of the text besides its tokens: where words and sentences start."""
        return frozenset()

    @property
    def knows_sources(self) -> bool:
        """Whether it must know which of the corpus's sources each document is from."""
        return False

    def extra_tokens(self, sequence_length: int) -> tuple[str, ...]:
        """Special tokens that it needs besides the usual ones: a tokenizer that is trained gets them, one that is
        loaded must have them."""
        return ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of what its head tells apart, where that is for the objective to say."""
        return ()

    @property
    def data(self) -> Component | None:
        """The reader of data that it brings besides the corpus, such as parallel texts; None: the corpus is all."""
        return None

    @property
    def brings_data(self) -> bool:
        """Whether it reads data of its own."""
        return self.data is not None

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """Identity by content of that data; `digests` names a file's content."""
        return {} if self.data is None else {"data": self.data.build().fingerprint(digests)}

    def write(
        self, folder: Path, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int, tell: Tell
    ) -> dict[str, Any]:
        """Write what `data` reads, ready to be drawn from, into the folder's `train`, `validation` and `test`.

        Returns the account: `read`, `kept`, `dropped` by reason, and samples of what was dropped in `dropped.jsonl`.
        """
        raise NotImplementedError

    def store(
        self, texts: Texts, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int
    ) -> TextStore:
        """The sequences that it learns from; `sequence_length` counts special tokens."""
        from acclimate.batching.sequence_store import WindowStore
        from acclimate.batching.token_store import TokenStore
        from acclimate.tokenizer.template import boundaries

        return WindowStore(TokenStore(texts.corpus), sequence_length, *boundaries(tokenizer))

    def furnish(self, model: PreTrainedModel, seed: int) -> None:
        """Give the model what is learnt with it and nobody needs afterwards, such as a head of the objective's own."""

    def suit(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
        """Make plain calls of what is delivered mean what was learnt, such as the tokens that tell languages."""

    def stand_in(self, sequences: Sequences) -> Sequences:
        """Sequences of random tokens, as far as can be in the shape of those of its own store: for a dry batch."""
        return sequences

    if TYPE_CHECKING:

        def build(self, *, tokenizer: Any, seed: int, fixed: bool = False) -> Objective:
            """The objective at work. With `fixed`, what is hidden does not change with the epoch: for validation."""
            ...


@dataclass(frozen=True)
class Loss:
    """A loss before it is divided: the loop divides by the counts of the whole step, all micro-batches and ranks."""

    sum: torch.Tensor
    """Scalar, fp32, differentiable."""
    count: float
    """What the sum is to be divided by: targets, or the sum of their weights."""
    per_sequence: torch.Tensor | None = None
    """[B] summed loss of each sequence, detached, where the objective can say (intervals are drawn from it)."""
    counts: torch.Tensor | None = None
    """[B] the matching counts."""
    only: Callable[[torch.Tensor], Loss] | None = None
    """keep [B] bool → the loss of those sequences alone, where each has one of its own: nothing of the others goes into
    it, or back through it. Good for one use, of the sequences that were run."""
    parts: dict[str, float] = field(default_factory=dict)
    """Sums of named parts, for the log; each is divided by `count`."""
    name: str = ""
    """Of this term, where a loss has several."""
    weight: float = 1.0
    """Of this term: what is minimised is the sum over terms of weight · sum / count, counts taken over the step."""
    others: tuple[Loss, ...] = ()
    """More terms, after this one, which leads: figures of held-out text are made of it."""

    @property
    def terms(self) -> tuple[Loss, ...]:
        return (self, *self.others)

    def with_term(self, term: Loss) -> Loss:
        """One term more, after those there are; `only` would not hold of it, and goes."""
        return replace(self, only=None, name=self.name or "task", others=(*self.others, term))


class Objective(Protocol):
    """Prepares batches and computes the loss.

    One that keeps tensors from step to step, such as the memory of a recurrent model, has `carried` and `carry`
    (`engine/state.py`), and they are saved with the state.
    """

    @property
    def num_terms(self) -> int:
        """How many terms its losses have; the same at every step."""
        ...

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Choose what is hidden and what is asked. A function of (seed, sequences.epochs, sequences.ids) alone."""
        ...

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """What `loss` would give as count of each of its terms, without running the model."""
        ...

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The summed loss of the batch."""
        ...


class ScoredObjective(Objective, Protocol):
    """One that can tell the probabilities that it scores."""

    def scored(self, model: PreTrainedModel, batch: PackedBatch) -> tuple[Loss, torch.Tensor]:
        """The loss, and the log probabilities [M, K] of the K answers to each target."""
        ...
