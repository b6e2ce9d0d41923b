"""Answering questions from passages at work: windows with answers, and the best stretch that a tuned model finds.

Legend: N questions, V windows, T tokens in a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from acclimate.batching.packed import Sequences
from acclimate.batching.passage_store import Answer, PassageStore
from acclimate.batching.sampler import sequential
from acclimate.engine.precision import compute_in
from acclimate.errors import UserError
from acclimate.models.forward import encode, span_logits
from acclimate.models.quick_modules import quicken
from acclimate.objectives.answer_spans import AnswerSpans
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.tuning import BATCH, Lesson

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class Answering:
    """The task with its windows."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        *,
        sequence_length: int,
        overlap: int,
        max_question: int,
        longest_answer: int,
        empty_windows: float,
        seed: int,
    ) -> None:
        """overlap, max_question: of windows, in tokens. longest_answer: in tokens, of those that are looked for.
        empty_windows: share of the training's windows without the answer that are learnt from."""
        self._tokenizer = tokenizer
        self._cut = {"max_length": sequence_length, "overlap": overlap, "max_question": max_question}
        self._longest = longest_answer
        self._empty = empty_windows
        self._seed = seed

    def _store(self, examples: Examples, answers: list[Answer] | None) -> PassageStore:
        assert examples.pairs is not None
        return PassageStore(examples.texts, examples.pairs, answers, self._tokenizer, **self._cut)

    def lesson(self, examples: Examples, train: Examples) -> Lesson:
        """Windows in the order of the questions; questions whose answer is not in their passage are left out."""
        answers = [first_answer(more) for more in examples.more]
        store = self._store(examples, answers)
        known = np.array(
            [one is not None or more["impossible"] for one, more in zip(answers, examples.more, strict=True)]
        )
        keep = known[store.questions]
        if examples is train and self._empty < 1:
            drawn = np.random.default_rng([self._seed, 2]).random(len(keep)) < self._empty
            keep &= store.answered | drawn
        if not keep.any():
            raise UserError("none of the answers stand in their passages; there is nothing to learn from")
        store.only(keep)
        return Lesson(AnswerSpans(), store, store.questions)

    @torch.inference_mode()
    def answers(
        self, model: PreTrainedModel, examples: Examples, *, precision: Any, device: Any
    ) -> Mapping[str, NDArray[Any]]:
        """Of each question [N], over all windows of its passage: `starts` and `ends`, characters of the best stretch,
        its score (beginning plus end, as logits) `scores`, and `nulls`, the lowest one of there being none."""
        store = self._store(examples, None)
        model.to(device).eval()
        quicken(model)
        number = len(examples)
        scores, nulls = np.full(number, -np.inf, np.float32), np.full(number, np.inf, np.float32)
        spans = np.zeros((2, number), np.int64)
        objective = AnswerSpans()
        for ids in sequential(store.lengths, BATCH, by_length=True):
            sequences = store.fetch(ids, np.zeros_like(ids))
            with compute_in(precision, device):
                batch = objective.prepare(sequences).to(device)
                logits = span_logits(model, encode(model, batch))
            found = logits.cpu().numpy()
            about = np.stack([sequences.by_sequence[name] for name in ("first", "size", "null")], axis=1)
            for window, begin, (first, size, null) in zip(
                ids.tolist(), sequences.cu_seqlens.tolist(), about.tolist(), strict=False
            ):
                question = int(store.questions[window])
                nulls[question] = min(nulls[question], found[begin + null].sum())
                if not size:
                    continue
                own = found[begin + first : begin + first + size]
                score, start, end = best_stretch(own[:, 0], own[:, 1], self._longest)
                # Windows come in the order of their lengths; of equal scores the first in the passage counts.
                place = store.span_of(window, start, end)
                if (score, -place[0]) > (scores[question], -spans[0, question]):
                    scores[question], spans[:, question] = score, place
        return {"starts": spans[0], "ends": spans[1], "scores": scores, "nulls": nulls}

    def stand_in(self, sequences: Sequences) -> Sequences:
        """The whole sequence is a passage, its second token the answer."""
        one = np.ones(len(sequences), np.int64)
        return replace(sequences, by_sequence={"start": one, "end": one})

    def rehearsal(self, number: int) -> AnswerSpans:
        return AnswerSpans()


def first_answer(more: Mapping[str, Any]) -> Answer:
    """The first of the answers that stand in the passage, which is what is learnt."""
    return tuple(more["spans"][0]) if more["spans"] else None


def best_stretch(starts: NDArray[Any], ends: NDArray[Any], longest: int) -> tuple[float, int, int]:
    """(score, first, last) of the tokens with the highest starts[first] + ends[last], at most so many; exact."""
    reach = min(longest, len(starts))
    ahead = np.append(ends, np.full(reach - 1, -np.inf, ends.dtype))
    table = starts[:, None] + np.lib.stride_tricks.sliding_window_view(ahead, reach)
    first, more = divmod(int(table.argmax()), reach)
    return float(table[first, more]), first, first + more
