"""Labelling words at work: windows with tags, and a tuned model's tags of every word.

Legend: N examples, W words of all of them, L chains of tags, K tags in a chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from acclimate.batching.packed import Sequences, pack
from acclimate.batching.sampler import sequential
from acclimate.batching.word_store import WordStore
from acclimate.engine.precision import compute_in
from acclimate.models.crf import Rules, best_tags, crf_of
from acclimate.models.forward import encode, token_class_logits
from acclimate.models.quick_modules import quicken
from acclimate.objectives.token_labels import TokenLabels, padded
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.spans.entity_rows import Unit, in_words, words_of
from acclimate.transfer.spans.tag_set import TagSet
from acclimate.transfer.tuning import BATCH, Lesson

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_TEXTS_AT_ONCE = 256


class Tagging:
    """The task with its tags."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        tag_set: TagSet,
        *,
        sequence_length: int,
        unit: Unit = "word",
        valid: bool = True,
    ) -> None:
        """valid: answers are sequences of tags that the scheme allows."""
        self._tokenizer = tokenizer
        self._tag_set = tag_set
        self._length = sequence_length
        self._unit: Unit = unit
        self._rules = Rules(*tag_set.rules()) if valid else Rules.none(tag_set.num_tags)

    def _objective(self) -> TokenLabels:
        return TokenLabels(self._tag_set.num_tags, self._tag_set.num_chains)

    def lesson(self, examples: Examples, train: Examples) -> Lesson:
        """Windows in the order of the examples."""
        store = self._store(examples, tagged=True)
        return Lesson(self._objective(), store, store.texts)

    def _store(self, examples: Examples, *, tagged: bool) -> WordStore:
        texts, about = examples.texts, examples.more
        words = [words_of(text, more, self._unit) for text, more in zip(texts, about, strict=True)]
        tags = boxes = None
        if tagged:
            tags = [
                self._tag_set.encode(in_words(more["entities"], one, self._tag_set).spans, len(one))
                for one, more in zip(words, about, strict=True)
            ]
        if about and "boxes" in about[0]:
            boxes = [np.array(more["boxes"], np.int64).reshape(-1, 4) for more in about]
        return WordStore(texts, words, self._tokenizer, self._length, tags=tags, boxes=boxes)

    def answers(
        self, model: PreTrainedModel, examples: Examples, *, precision: Any, device: Any
    ) -> Mapping[str, NDArray[Any]]:
        """`tags` int16 [W, L] of every word, `starts` [N+1] where each example's words begin. A word without tokens is
        outside. Scores are of windows, the best sequence of tags is that of the whole text."""
        store = self._store(examples, tagged=False)
        scores, judged = self._scores(model.to(device), store, precision, device)
        crf = crf_of(model)
        tags = np.zeros((len(scores), self._tag_set.num_chains), np.int16)
        sizes = np.diff(store.words)
        order = np.argsort(sizes, kind="stable")
        for at in range(0, len(order), _TEXTS_AT_ONCE):
            texts = order[at : at + _TEXTS_AT_ONCE]
            words = np.concatenate([np.arange(store.words[text], store.words[text + 1]) for text in texts])
            owner = np.repeat(np.arange(len(texts)), sizes[texts])
            words, owner = words[judged[words]], owner[judged[words]]
            if len(words):
                given = torch.from_numpy(scores[words])
                none = torch.zeros(given.shape[:2], dtype=torch.long)
                rows, _, real = padded(given, none, torch.from_numpy(owner), len(texts))
                tags[words] = best_tags(rows, real, self._rules, crf)[real].numpy()
        return {"tags": tags, "starts": store.words}

    @torch.inference_mode()
    def _scores(
        self, model: PreTrainedModel, store: WordStore, precision: Any, device: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(scores [W, L, K] of words, which of them were judged [W])."""
        model.eval()
        quicken(model)
        shape = (int(store.words[-1]), self._tag_set.num_chains, self._tag_set.num_tags)
        scores, judged = np.zeros(shape, np.float32), np.zeros(shape[0], dtype=bool)
        nothing = np.zeros(0, np.int64)
        for ids in sequential(store.lengths, BATCH, by_length=True):
            sequences = store.fetch(ids, np.zeros_like(ids))
            places = np.flatnonzero(sequences.by_token["words"] >= 0)
            batch = pack(sequences, target_positions=places, targets=nothing).to(device)
            with compute_in(precision, device):
                hidden = encode(model, batch).index_select(0, batch.target_positions)
                logits = token_class_logits(model, hidden)
            words = sequences.by_token["words"][places]
            scores[words] = logits.view(-1, *shape[1:]).cpu().numpy()
            judged[words] = True
        return scores, judged

    def stand_in(self, sequences: Sequences) -> Sequences:
        """Every token but the first and last is a word."""
        tags = np.zeros((len(sequences.tokens), self._tag_set.num_chains), np.int64)
        tags[sequences.cu_seqlens[:-1]] = tags[sequences.cu_seqlens[1:] - 1] = -1
        boxes = np.full((len(tags), 4), 500, np.int64)
        return replace(sequences, by_token={"tags": tags, "boxes": boxes})

    def rehearsal(self, number: int) -> TokenLabels:
        return self._objective()
