"""Questions with the passages that their answers stand in, tokenized and in memory; long passages are cut into windows.

Every window has the whole question before it. Neighbouring windows share tokens, so that an answer at a cut stands
whole in one of them.

Legend: N questions, V windows, B windows asked for, T tokens in their row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import Sequences
from acclimate.errors import UserError
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.template import Part, template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_ENCODE_AT_ONCE = 4_096
Answer = tuple[int, int] | None
"""Where an answer begins and ends in its passage, in characters, the end exclusive; None: nowhere."""


class PassageStore:
    """The windows, each as the tokenizer puts a pair of texts between special tokens."""

    def __init__(
        self,
        questions: Sequence[str],
        passages: Sequence[str],
        answers: Sequence[Answer] | None,
        tokenizer: PreTrainedTokenizerFast,
        max_length: int,
        *,
        overlap: int,
        max_question: int,
    ) -> None:
        """overlap: tokens that neighbouring windows share. max_question: longer ones are cut at their end.

        Raises UserError where `max_length` leaves a window no room for more than what it shares.
        """
        self._parts = template(tokenizer).pair
        self._segmented = "token_type_ids" in tokenizer.model_input_names
        special = sum(len(part.tokens) for part in self._parts if part.tokens is not None)
        encoder = Encoder(tokenizer, literal=True)
        self._questions = [tokens[:max_question] for tokens, _ in _encoded(encoder, questions)]
        self.num_truncated = sum(len(tokens) > max_question for tokens, _ in _encoded(encoder, questions))
        """How many questions were cut."""
        distinct = {text: number for number, text in enumerate(dict.fromkeys(passages))}
        self._passages = _encoded(encoder, list(distinct))
        self._of = [distinct[text] for text in passages]
        longest = max(map(len, self._questions), default=0)
        if max_length - special - longest <= overlap:
            raise UserError(
                f"a sequence length of {max_length} leaves {max_length - special - longest} tokens of passage beside a "
                f"question of {longest} and {special} special ones; more than the overlap of {overlap} are needed"
            )
        rows = []
        for number, question in enumerate(self._questions):
            room = max_length - special - len(question)
            answer = self._place(number, answers[number]) if answers is not None else None
            for start, end in _windows(len(self._tokens(number)), room, overlap):
                inside = answer is not None and start <= answer[0] and answer[1] < end
                first, last = (answer[0] - start, answer[1] - start) if inside and answer else (-1, -1)
                rows.append((number, start, end, first, last))
        self._rows: NDArray[np.int64] = np.array(rows, np.int64).reshape(-1, 5)
        self.lengths: NDArray[np.int64] = (
            self._rows[:, 2] - self._rows[:, 1] + special + self._lengths_of_questions()
        )
        self.num_windowed = int((np.bincount(self.questions, minlength=1) > 1).sum())
        """How many passages are cut into windows, once for each question."""

    @property
    def questions(self) -> NDArray[np.int64]:
        """[V] the question that each window is for."""
        return self._rows[:, 0]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """[V] whether the answer stands in the window."""
        return self._rows[:, 3] >= 0

    def only(self, keep: NDArray[np.bool_]) -> None:
        """Leaves out the windows where keep [V] is False."""
        self._rows, self.lengths = self._rows[keep], self.lengths[keep]

    def span_of(self, window: int, first: int, last: int) -> tuple[int, int]:
        """Where in the passage's characters the tokens first to last of a window's own stand, the end exclusive."""
        number, start = (int(one) for one in self._rows[window, :2])
        spans = self._passages[self._of[number]][1]
        return int(spans[start + first, 0]), int(spans[start + last, 1])

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The windows [B]; of each [B]: `first` and `size`, where the passage begins in it and its length; `null`, the
        place that stands for no answer; `start` and `end`, the answer's first and last token, else the null place."""
        tokens, segments, about = [], [], []
        for number, start, end, first, last in self._rows[ids].tolist():
            texts = iter((self._questions[number], self._tokens(number)[start:end]))
            at, begins, null = 0, 0, 0
            for part in self._parts:
                piece = np.array(part.tokens, np.int64) if part.tokens is not None else next(texts)
                if part.tokens is None:
                    begins = at
                elif self._cls in part.tokens:
                    null = at + part.tokens.index(self._cls)
                tokens.append(piece)
                segments.append(_segments(part, len(piece)) * self._segmented)
                at += len(piece)
            asked = (begins + first, begins + last) if first >= 0 else (null, null)
            about.append((begins, end - start, null, *asked))
        columns = np.array(about, np.int64).reshape(-1, 5)
        return Sequences(
            np.concatenate([np.zeros(0, np.int64), *tokens]),
            np.append(0, np.cumsum(self.lengths[ids])).astype(np.int64),
            np.concatenate([np.zeros(0, np.int64), *segments]),
            ids,
            epochs,
            by_sequence=dict(zip(("first", "size", "null", "start", "end"), columns.T, strict=True)),
        )

    @property
    def _cls(self) -> int:
        """The special token that stands for no answer: the one that comes first but in XLNet's template."""
        ends = [part.tokens for part in (self._parts[0], self._parts[-1]) if part.tokens]
        return ends[0][0] if self._parts[0].tokens else ends[-1][-1]

    def _tokens(self, number: int) -> NDArray[np.int64]:
        return self._passages[self._of[number]][0]

    def _lengths_of_questions(self) -> NDArray[np.int64]:
        lengths = np.array([len(tokens) for tokens in self._questions], np.int64)
        return lengths[self.questions] if len(lengths) else np.zeros(0, np.int64)

    def _place(self, number: int, answer: Answer) -> Answer:
        """First and last token of an answer; None where it has none."""
        if answer is None:
            return None
        spans = self._passages[self._of[number]][1]
        inside = np.flatnonzero(
            (spans[:, 1] > answer[0]) & (spans[:, 0] < answer[1]) & (spans[:, 1] > spans[:, 0])
        )
        return (int(inside[0]), int(inside[-1])) if len(inside) else None


def _windows(length: int, room: int, overlap: int) -> list[tuple[int, int]]:
    """Where each window of a passage of so many tokens begins and ends; the last one is as full as the others."""
    starts = list(range(0, max(1, length - overlap), room - overlap))
    return [(max(0, min(start, length - room)), min(length, start + room)) for start in starts]


def _encoded(encoder: Encoder, texts: Sequence[str]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Of each text its tokens, and where in its characters each begins and ends."""
    found: list[tuple[NDArray[Any], NDArray[Any]]] = []
    for at in range(0, len(texts), _ENCODE_AT_ONCE):
        some = texts[at : at + _ENCODE_AT_ONCE]
        tokens, lengths, spans = encoder.encode_spans(some)
        offset, start = 0, 0
        for text, length in zip(some, lengths.tolist(), strict=True):
            found.append((tokens[start : start + length], spans[start : start + length] - offset))
            offset, start = offset + len(text), start + length
    return found


def _segments(part: Part, size: int) -> NDArray[np.int64]:
    return np.array(part.segments, np.int64) if part.tokens is not None else np.full(size, part.segments[0])
