"""Multiple choice at work: questions with their choices, and a tuned model's scores.

Legend: N questions, S choices of all of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from acclimate.batching.choice_store import Asked, ChoiceStore
from acclimate.batching.packed import Sequences, pack
from acclimate.batching.sampler import sequential
from acclimate.models.inference import Inference
from acclimate.objectives.choose import Choosing, split_choices
from acclimate.transfer.tuning import BATCH, Lesson

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.transfer.examples.preparing import Examples


class ChoosingTask:
    """The task over questions about texts."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, *, sequence_length: int, cut: Literal["start", "end"]
    ) -> None:
        """cut: where a context that does not fit loses tokens."""
        self._tokenizer = tokenizer
        self._length = sequence_length
        self._cut: Literal["start", "end"] = cut

    def lesson(self, examples: Examples, train: Examples) -> Lesson:
        """The questions in the order they have."""
        answers = np.array([one["label"] for one in examples.more], dtype=np.int64)
        return Lesson(Choosing(answers), self._store(examples))

    def answers(
        self, model: PreTrainedModel, examples: Examples, *, precision: Any, device: Any
    ) -> dict[str, NDArray[Any]]:
        """`scores`: logits [S] of the choices in the order of their questions; `counts`: [N] choices of each."""
        store, inference = self._store(examples), Inference(model.to(device), precision)
        out = np.empty(int(store.counts.sum()), dtype=np.float32)
        first = np.cumsum(store.counts) - store.counts
        nothing = np.zeros(0, dtype=np.int64)
        for ids in sequential(store.lengths, BATCH, by_length=True):
            sequences = split_choices(store.fetch(ids, np.zeros_like(ids)))
            batch = pack(sequences, target_positions=nothing, targets=nothing)
            scores = inference.class_logits(batch.to(device))[:, 0].cpu().numpy()
            places = [np.arange(first[one], first[one] + store.counts[one]) for one in ids.tolist()]
            out[np.concatenate(places)] = scores
        return {"scores": out, "counts": store.counts}

    def stand_in(self, sequences: Sequences) -> Sequences:
        """Each as a question with two choices."""
        starts = np.zeros(len(sequences.tokens), np.uint8)
        starts[sequences.cu_seqlens[:-1]] = 1
        starts[sequences.cu_seqlens[:-1] + sequences.lengths // 2] = 1
        choices = np.full(len(sequences), 2)
        return replace(sequences, by_token={"starts": starts}, by_sequence={"choices": choices})

    def rehearsal(self, number: int) -> Choosing:
        return Choosing(np.arange(number) % 2)

    def _store(self, examples: Examples) -> ChoiceStore:
        assert examples.pairs is not None
        rows = zip(examples.texts, examples.pairs, examples.more, strict=True)
        asked = [Asked(text, question, more["choices"]) for text, question, more in rows]
        return ChoiceStore(asked, self._tokenizer, self._length, cut=self._cut)
