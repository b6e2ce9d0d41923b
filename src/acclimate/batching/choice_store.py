"""Questions with choices: for each choice a sequence of the context, and of the question with the choice.

Legend: N questions, S sequences of all their choices, B questions asked for, T tokens in their row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import Sequences
from acclimate.batching.sequence_store import assembled, encoded
from acclimate.errors import UserError
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.template import template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class Asked:
    """A question about a context."""

    context: str
    question: str
    choices: Sequence[str]


class ChoiceStore:
    """Questions in memory; what is fetched of each holds the sequences of all its choices, one after the other.

    `starts` [T] is 1 at the first token of each choice's sequence, `choices` [B] how many there are.
    """

    def __init__(
        self,
        asked: Sequence[Asked],
        tokenizer: PreTrainedTokenizerFast,
        max_length: int,
        *,
        cut: Literal["start", "end"] = "end",
    ) -> None:
        """max_length: of one choice's sequence. Where it is too short the context is cut at its `cut`, and where that
        does not do, the question with the choice at its end. Raises UserError where it leaves no room at all."""
        parts = template(tokenizer).pair
        room = max_length - sum(len(part.tokens) for part in parts if part.tokens)
        if room < 2:
            raise UserError(
                f"a sequence length of {max_length} leaves no room for a text and a question beside "
                f"{max_length - room} special tokens"
            )
        self.counts = np.array([len(one.choices) for one in asked], dtype=np.int64)
        encoder = Encoder(tokenizer, literal=False)
        known: dict[str, int] = {}
        which = [known.setdefault(one.context, len(known)) for one in asked for _ in one.choices]
        contexts = encoded(encoder, list(known))
        endings = encoded(encoder, [f"{one.question} {each}" for one in asked for each in one.choices])
        full = contexts[1][which]
        kept_ending = np.minimum(endings[1], np.where(full > 0, room - 1, room))
        kept = np.minimum(full, room - kept_ending)
        starts = (np.cumsum(contexts[1]) - contexts[1])[which] + (full - kept if cut == "start" else 0)
        owned = (contexts[0][_places(starts, kept)], kept)
        tokens, segments, lengths = assembled(parts, [owned, endings], [kept, kept_ending])
        if "token_type_ids" not in tokenizer.model_input_names:
            segments[:] = 0
        self._tokens, self._segments, self._sizes = tokens, segments, lengths
        self._first = np.concatenate([[0], np.cumsum(self.counts)])  # of each question's sequences
        self._starts = np.concatenate([[0], np.cumsum(lengths)])  # of each sequence's tokens
        self.lengths: NDArray[np.int64] = np.diff(self._starts[self._first])
        short = (kept < full) | (kept_ending < endings[1])
        self.num_truncated = int(np.logical_or.reduceat(short, self._first[:-1]).sum()) if len(asked) else 0
        """How many questions lost tokens to `max_length`."""

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The questions [B] in one row."""
        lengths = self.lengths[ids]
        places = _places(self._starts[self._first[ids]], lengths)
        sizes = self._sizes[_places(self._first[ids], self.counts[ids])]
        starts = np.zeros(len(places), np.uint8)
        starts[np.cumsum(sizes) - sizes] = 1
        return Sequences(
            self._tokens[places].astype(np.int64),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            self._segments[places].astype(np.int64),
            ids,
            epochs,
            by_token={"starts": starts},
            by_sequence={"choices": self.counts[ids]},
        )


def _places(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every place of stretches that begin at `starts` and are so long, one stretch after the other."""
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
