"""BART's and mBART's objective: a text is damaged, and the decoder writes it as it was.

Legend: T tokens of the sources, Td of the targets, B sequences, W words of all of them, I items: words that stay, and
spans.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from acclimate.batching.counter_random import absorb, draw, stream
from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.batching.ragged import chosen, order, owners, starts, within
from acclimate.errors import UserError
from acclimate.objectives.lots import special_and_all
from acclimate.objectives.protocol import Loss, Mark, ObjectiveSettings, Texts
from acclimate.objectives.writing import shifted, tell_languages, writing_loss
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.batching.sequence_store import TextStore


class Denoise(ObjectiveSettings):
    """Denoising: words are hidden in spans, sentences are put in another order, and the decoder writes the whole text.

    Of a text's words round(rate·words) are hidden, whole, in spans whose lengths are Poisson(mean); a span becomes one
    mask token, and so does one of length 0, which is set in between (an insertion). Sentences stand in a random order,
    all being equally likely. From `[CLS] a b . c d . [SEP]` the encoder reads `[CLS] [MASK] d . a [MASK] . [SEP]` [T],
    and the decoder writes `[CLS] a b . c d . [SEP]` [Td] behind the model's start token. With `languages`, as mBART:
    the source is `… [SEP] <language>`, and the decoder starts with `<language>` and writes `a b . c d . [SEP]`.
    Requires: an encoder-decoder (kind seq2seq), and a tokenizer with a mask token.
    Held-out figures look at the hidden words alone: the others can be copied.
    Source: Lewis et al. 2020 (30 %, λ 3); Liu et al. 2020 (35 %, λ 3.5).
    Example: `objective: {denoise: {rate: 35%, mean: 3.5, languages: {train.en.txt: en_XX, train.zh.txt: zh_CN}}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "denoise")
    bare: ClassVar[str | None] = "rate"
    trains: ClassVar[str] = "seq2seq"
    by_sequence: ClassVar[bool] = True

    rate: Share = 0.3
    """Share of the words that are hidden, one at least: 30% (BART) or 35% (mBART)."""
    mean: float = Field(default=3.0, gt=0, le=20)
    """λ, the mean length of a span in words before the last one is cut to the rate: 3 (BART) or 3.5 (mBART)."""
    permute: bool = True
    """Put sentences in a random order."""
    languages: dict[str, str] | None = None
    """For a text in several languages: a token for each source of the corpus, by its name in the statistics (the last
    part of its path, of a glob the last two). A tokenizer that is trained gets these tokens."""

    @field_validator("rate")
    @classmethod
    def _some(cls, value: float) -> float:
        if not 0 < value <= 1:
            raise ValueError("with a rate of 0% nothing is hidden; expected more, for example 30%")
        return value

    @property
    def marks(self) -> frozenset[Mark]:
        return frozenset(("words", "sentences"))

    @property
    def knows_sources(self) -> bool:
        return bool(self.languages)

    @property
    def language_tokens(self) -> tuple[str, ...]:
        return tuple(sorted(set((self.languages or {}).values())))

    def extra_tokens(self, sequence_length: int) -> tuple[str, ...]:
        return self.language_tokens

    def store(
        self, texts: Texts, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int
    ) -> TextStore:
        """Windows of the corpus's documents; with `languages`, `by_sequence["language"]` numbers their tokens."""
        from acclimate.batching.sources import SourcedStore

        windows = super().store(texts, tokenizer=tokenizer, sequence_length=sequence_length, seed=seed)
        if not self.languages:
            return windows
        number = {token: n for n, token in enumerate(self.language_tokens)}
        numbers = {source: number[token] for source, token in self.languages.items()}
        return SourcedStore(windows, texts.corpus, "language", numbers, setting="denoise.languages")

    def suit(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
        """Of one language alone; of several, whoever calls must say which."""
        if len(self.language_tokens) == 1:
            tell_languages(model, tokenizer, *(2 * self.language_tokens))

    def stand_in(self, sequences: Sequences) -> Sequences:
        """All of the first language."""
        language = {"language": np.zeros(len(sequences), np.int64)} if self.languages else {}
        return replace(sequences, by_sequence={**sequences.by_sequence, **language})

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> DenoisingObjective:
        """The objective. With `fixed`, the damage does not change with the epoch: for validation.

        Raises UserError for a tokenizer without a mask token, or without a language's.
        """
        from acclimate.tokenizer.template import boundaries

        known = tokenizer.get_vocab()
        lacking = [token for token in self.language_tokens if token not in known]
        if tokenizer.mask_token_id is None or lacking:
            what = f"token {lacking[0]!r} for a language" if lacking else "mask token"
            raise UserError(
                f"the tokenizer has no {what}, which the objective denoise needs; "
                f"its special tokens are: {', '.join(tokenizer.all_special_tokens) or 'none'}"
            )
        return DenoisingObjective(
            self,
            mask_id=tokenizer.mask_token_id,
            ends=boundaries(tokenizer),
            languages=[known[token] for token in self.language_tokens],
            special_ids=special_and_all(tokenizer)[0],
            seed=seed,
            fixed=fixed,
        )


class DenoisingObjective:
    """The objective at work. The damage is a function of (seed, epoch, sequence id) and of where words and sentences
    start."""

    num_terms = 1

    def __init__(
        self,
        settings: Denoise,
        *,
        mask_id: int,
        ends: tuple[int, int],
        languages: list[int],
        special_ids: list[int],
        seed: int,
        fixed: bool,
    ) -> None:
        self._settings, self._mask, self._ends, self._special = settings, mask_id, ends, special_ids
        self._languages: NDArray[np.int64] = np.array(languages, dtype=np.int64)
        self._fixed = fixed
        self._key = stream("damage fixed" if fixed else "damage", seed)
        self._poisson = _poisson(settings.mean)

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Damaged sources for the encoder, the texts for the decoder. Without marks each token is a word, and a text
        one sentence."""
        text = sequences.only(~np.isin(sequences.tokens, self._special))
        epochs = np.zeros_like(text.epochs) if self._fixed else text.epochs
        base = absorb(absorb(self._key, epochs), text.ids)
        keys = [absorb(base, np.array([purpose])) for purpose in range(3)]
        begins = np.zeros(len(text.tokens) + 1, dtype=bool)
        begins[text.cu_seqlens[:-1]] = (
            True  # an empty sequence marks the next one's start, which is one anyway
        )
        begins = begins[:-1]
        sentences = text.by_token.get("sentences", begins).astype(bool) | begins
        words = text.by_token.get("words", np.ones_like(begins)).astype(bool) | sentences
        moved = self._permuted(text, sentences, keys[0])
        size, is_span, consumed = self._items(text, words[moved], keys[1], keys[2])

        # Each item's place in the source; before and after a sequence's items stand its special tokens.
        word_starts = np.flatnonzero(words[moved])
        word_sizes = np.diff(np.append(word_starts, len(moved)))
        word_hidden = np.repeat(is_span, consumed)
        token_hidden = np.repeat(word_hidden, word_sizes)
        widths = np.ones(len(is_span), dtype=np.int64)
        widths[~is_span] = word_sizes[~word_hidden]
        language = self._language(text)
        lead, trail = (1, 1) if language is None else (0, 2)
        owner = owners(size)
        at = starts(widths)[:-1] + owner * (lead + trail) + lead
        source_starts = starts(np.bincount(owner, weights=widths, minlength=len(text)).astype(np.int64) + 2)
        source = np.full(source_starts[-1], self._ends[1], dtype=np.int64)
        source[at[is_span]] = self._mask
        stay = widths[~is_span]
        source[np.repeat(at[~is_span], stay) + within(stay)] = text.tokens[moved][~token_hidden]
        if language is None:
            source[source_starts[:-1]] = self._ends[0]
        else:
            source[source_starts[1:] - 1] = language

        target_starts = starts(text.lengths + lead + 1)
        target = np.full(target_starts[-1], self._ends[1], dtype=np.int64)
        if lead:
            target[target_starts[:-1]] = self._ends[0]
        places = np.arange(len(moved)) + np.repeat(
            target_starts[:-1] - text.cu_seqlens[:-1] + lead, text.lengths
        )
        target[places] = text.tokens
        hidden = np.zeros(len(target), dtype=bool)
        hidden[places[moved]] = token_hidden
        first = self._ends[1] if language is None else language
        return pack(
            replace(
                text,
                tokens=source,
                cu_seqlens=source_starts,
                segments=np.zeros_like(source),
                by_token={},
            ),
            decoder=(shifted(target, target_starts, first), target_starts),
            target_positions=np.arange(len(target)),
            targets=target,
            by_target={"hidden": hidden},
        )

    def _language(self, text: Sequences) -> NDArray[np.int64] | None:
        """[B] the token of each text's language."""
        return self._languages[text.by_sequence["language"]] if len(self._languages) else None

    def _permuted(
        self, text: Sequences, sentences: NDArray[np.bool_], keys: NDArray[np.uint64]
    ) -> NDArray[np.int64]:
        """[T] which token stands where, once sentences have moved."""
        if not self._settings.permute:
            return np.arange(len(text.tokens))
        first = np.flatnonzero(sentences)
        sizes = np.diff(np.append(first, len(text.tokens)))
        moved = order(keys, _counts(sentences, text))
        return np.repeat(first[moved], sizes[moved]) + within(sizes[moved])

    def _items(
        self,
        text: Sequences,
        words: NDArray[np.bool_],
        length_keys: NDArray[np.uint64],
        place_keys: NDArray[np.uint64],
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        """(items of each sequence [B], which are spans [I], words of each item [I]: 1 of a word that stays)."""
        num_words = _counts(words, text)
        due = np.where(num_words, np.maximum(1, np.rint(self._settings.rate * num_words)), 0).astype(np.int64)
        # As many draws as words to hide, the last as long as need be: so a source is never longer than its text.
        counters = within(due)
        bits = draw(length_keys[owners(due)], counters.astype(np.uint64))
        lengths = np.searchsorted(self._poisson, (bits >> np.uint64(11)) / 2**53, side="right")
        budget = np.repeat(due, due)
        lengths = np.where(counters == budget - 1, budget, lengths)
        before = starts(lengths)
        before = before[:-1] - np.repeat(before[starts(due)[:-1]], due)
        used = before < budget
        lengths = np.minimum(lengths, budget - before)[used]
        spans = np.bincount(owners(due)[used], minlength=len(text))
        size = num_words - due + spans
        is_span = chosen(place_keys, size, spans)
        consumed = np.ones(len(is_span), dtype=np.int64)
        consumed[is_span] = lengths
        return size, is_span, consumed

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of targets."""
        return (float(len(batch.targets)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropy in nats, fp32, summed over all of the text and its ends."""
        return writing_loss(model, batch, models_start=not len(self._languages))


def _counts(marks: NDArray[np.bool_], text: Sequences) -> NDArray[np.int64]:
    """[B] how many are marked in each sequence."""
    return np.diff(np.concatenate([[0], np.cumsum(marks)])[text.cu_seqlens])


def _poisson(mean: float) -> NDArray[np.float64]:
    """P(X ≤ k) for k from 0 on, as far as can be told from 1."""
    numbers = np.arange(1, 200)
    return np.cumsum(np.exp(-mean) * np.concatenate([[1.0], np.cumprod(mean / numbers)]))
