"""Writing at work: sources with targets as sequences, and the texts that a tuned model writes.

An encoder-decoder reads `source` as its tokenizer closes it, and writes `target end`. A causal model has one row:
`first source between target end`, and only the target and the end are asked for.

Legend: N examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.batching.packed import Sequences
from acclimate.batching.written_store import Ids, WrittenStore
from acclimate.corpus.readers.line_breaks import apart
from acclimate.engine.measure import measure
from acclimate.engine.precision import compute_in
from acclimate.errors import UserError
from acclimate.models.decoding import Decoding
from acclimate.objectives.continuation import Continuation
from acclimate.objectives.translation import TranslationObjective
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.template import boundaries, closing, template
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.examples.text_arrays import pack_texts
from acclimate.transfer.tuning import BATCH, Lesson

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.models.writing import Form


@dataclass(frozen=True)
class Layout:
    """How sources and targets become sequences."""

    sequence_length: int
    target_length: int | None = None
    """Longest target in tokens, its end included; None: see `Composing`."""
    prefix: str = ""
    """Stands before every source."""
    separator: str | None = None
    """Between source and target of a causal model; None: the token that closes a text."""
    joined: bool = False
    """The target goes on where the source stops: of a long source the end is kept, and nothing stands between."""
    languages: tuple[str, str] | None = None
    """Tokens that name the languages of source and target, for encoder-decoders that know several."""


class Composing:
    """The task with a tokenizer.

    An encoder-decoder's targets may be as long as its sources unless said; a causal model has half its sequence for
    them.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        layout: Layout,
        *,
        causal: bool,
        decoding: Decoding,
        smoothing: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Raises UserError where the lengths leave no room for a source, or the tokenizer has no such languages."""
        self._tokenizer, self._layout, self._causal = tokenizer, layout, causal
        self._decoding, self._smoothing, self._seed = decoding, smoothing, seed
        self._encoder = Encoder(tokenizer, literal=True)
        self._start: int | None = None
        self._before, self._after = self._causal_ends() if causal else self._encoder_ends()
        self._end = boundaries(tokenizer)[1] if causal else closing(tokenizer)
        length = layout.sequence_length
        self._target_room = layout.target_length or (length // 2 if causal else length)
        self._source_room = length - len(self._before) - len(self._after) - causal * self._target_room
        if self._source_room < 1:
            raise UserError(
                f"a sequence length of {length} leaves no room for a source beside a target of {self._target_room} "
                "tokens; make sequence_length larger or target_length smaller"
            )

    def _causal_ends(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        first, last = boundaries(self._tokenizer)
        if self._layout.joined:
            return (first,), ()
        if self._layout.separator is None:
            return (first,), (last,)
        return (first,), tuple(self._encoder.encode([self._layout.separator])[0].tolist())

    def _encoder_ends(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if self._layout.languages is None:
            before, _, after = template(self._tokenizer).single
            return before.tokens or (), after.tokens or ()
        known = self._tokenizer.get_vocab()
        for token in self._layout.languages:
            if token not in known:
                raise UserError(
                    f"languages: the tokenizer has no token {token!r} for a language; its special tokens are: "
                    f"{', '.join(self._tokenizer.all_special_tokens)}"
                )
        source, self._start = (known[token] for token in self._layout.languages)
        return (), (closing(self._tokenizer), source)

    def lesson(self, examples: Examples, train: Examples) -> Lesson:
        """The examples in the order they have; only what is learnt from is smoothed."""
        smoothing = self._smoothing if examples is train else 0.0
        return Lesson(self._objective(smoothing), self._store(examples)[0])

    def _objective(self, smoothing: float) -> Continuation | TranslationObjective:
        if self._causal:
            return Continuation(smoothing=smoothing)
        # Without a start of the languages' the model's own takes the place of the end.
        start = self._end if self._start is None else self._start
        return TranslationObjective(start_id=start, models_start=self._start is None, smoothing=smoothing)

    def answers(
        self, model: PreTrainedModel, examples: Examples, *, precision: Any, device: Any
    ) -> dict[str, NDArray[Any]]:
        """The texts that it writes (`texts`, see `text_arrays.py`), of each first target −log p in nats and its number
        of tokens (`losses`, `tokens` [N]), and whether source, target and text were cut (`cut` [N, 3])."""
        from acclimate.models.writing import write

        model = model.to(device)  # type: ignore[arg-type]
        store, cut = self._store(examples)
        with compute_in(precision, device):
            written = write(model, store.sources, self._form(), self._decoding, seed=self._seed)
        held = measure(model, self._objective(0.0), store, batch=BATCH, precision=precision, device=device)
        full = np.array([len(one) >= self._target_room for one in written])
        return {
            **pack_texts(self._read(written)),
            "losses": held.sums,
            "tokens": held.counts,
            "cut": np.concatenate([cut, full[:, None]], axis=1).astype(np.uint8),
        }

    def _form(self) -> Form:
        from acclimate.models.writing import Form

        pad = self._tokenizer.pad_token_id
        pad = self._end if pad is None else int(pad)
        return Form(end=self._end, pad=pad, longest=self._target_room, start=self._start)

    def _read(self, written: Sequence[Ids]) -> list[str]:
        """Tokens as texts. A WordPiece tokenizer puts spaces between Chinese characters, which nobody wrote."""
        texts = self._tokenizer.batch_decode([one.tolist() for one in written], skip_special_tokens=True)
        probe = self._tokenizer.decode(self._encoder.encode(["中文"])[0].tolist())
        return [_without_gaps(text) if " " in probe.strip() else text.strip() for text in texts]

    def stand_in(self, sequences: Sequences) -> Sequences:
        """The second half of each is its target."""
        halves = sequences.cu_seqlens[:-1] + sequences.lengths // 2
        target = np.arange(len(sequences.tokens)) >= np.repeat(halves, sequences.lengths)
        return replace(sequences, segments=target.astype(np.int64))

    def rehearsal(self, number: int) -> Continuation | TranslationObjective:
        return self._objective(self._smoothing)

    def _store(self, examples: Examples) -> tuple[WrittenStore, NDArray[np.bool_]]:
        """The sequences, and of each example whether source and a target were cut [N, 2]."""
        layout = self._layout
        targets = [list(map(str, one["targets"])) for one in examples.more]
        if layout.joined:
            targets = [
                [" " + one if apart(text, one) else one for one in several]
                for text, several in zip(examples.texts, targets, strict=True)
            ]
        sources = self._rows([layout.prefix + text for text in examples.texts])
        flat = self._rows(list(chain.from_iterable(targets)))
        several = np.split(
            np.arange(len(flat)), np.cumsum([len(one) for one in targets])[:-1]
        )  # of each source its targets
        room = self._target_room - 1
        cut = np.array(
            [
                [len(source) > self._source_room, any(len(flat[one]) > room for one in own)]
                for source, own in zip(sources, several, strict=True)
            ]
        ).reshape(-1, 2)
        kept = slice(-self._source_room, None) if layout.joined else slice(self._source_room)
        store = WrittenStore(
            [np.array([*self._before, *one[kept], *self._after], np.int64) for one in sources],
            [[np.append(flat[one][:room], self._end) for one in own.tolist()] for own in several],
            num_truncated=int(cut.any(axis=1).sum()),
        )
        return store, cut

    def _rows(self, texts: list[str]) -> list[Ids]:
        row, lengths = self._encoder.encode(texts)
        return np.split(row, np.cumsum(lengths)[:-1])


def _without_gaps(text: str) -> str:
    """The text without spaces beside Chinese and Japanese characters."""
    words = text.split()
    return "".join(
        word if not at or not apart(words[at - 1], word) else f" {word}" for at, word in enumerate(words)
    )
