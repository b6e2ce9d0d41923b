"""Loaded models and what they answer: texts in, packed forward passes, plain results out.

Legend: T tokens, B texts, C classes, H hidden size, M masks, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax
from tokenizers import Tokenizer

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.errors import UserError
from acclimate.models.forward import token_logits
from acclimate.models.inference import Inference, Wanted
from acclimate.models.loading import load_model
from acclimate.serve.answers import Classified, Embedded, Filled, Item, Proposal, Query
from acclimate.serve.layout import Layout, Source
from acclimate.serve.refusals import unprocessable
from acclimate.tokenizer.loading import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_MASKS_AT_ONCE = 256
"""Vocabulary scores are made for so many masks at a time: at V = 30k they take 30 MB."""


class Loaded:
    """A model with its tokenizer, ready to answer, on its device."""

    def __init__(self, source: Source, device: torch.device, precision: Wanted) -> None:
        self.source = source
        self.device = device
        self.tokenizer = load_tokenizer(source.folder)
        self.model: PreTrainedModel = load_model(source.folder, source.kind).to(device)
        self.inference = Inference(self.model, precision)
        # Plain Transformers gives the model segments only where the tokenizer says that the model takes them.
        self._segments = "token_type_ids" in self.tokenizer.model_input_names
        self.max_length = _max_length(self.model, self.tokenizer)
        self._encoder = _encoder(self.tokenizer, self.max_length)

    def items(self, queries: Sequence[Query]) -> list[Item]:
        """Tokenised with special tokens, cut to the model's length (longest side first) where need be."""
        if len(queries) == 1:  # spares the hand-over to the tokenizer's pool of threads
            encodings = [self._encoder.encode(queries[0].text, queries[0].pair)]
        else:
            encodings = self._encoder.encode_batch(
                [query.text if query.pair is None else (query.text, query.pair) for query in queries]
            )
        mask = self.tokenizer.mask_token_id
        items = []
        for query, encoding in zip(queries, encodings, strict=True):
            tokens = np.array(encoding.ids, dtype=np.int64)
            places = np.flatnonzero(tokens == mask) if query.top and mask is not None else ()
            items.append(
                Item(
                    tokens=tokens,
                    segments=np.array(encoding.type_ids, dtype=np.int64) * self._segments,
                    truncated=bool(encoding.overflowing),
                    masks=tuple(
                        (int(place), self._start(query.text, encoding.offsets[place][0])) for place in places
                    ),
                    top=query.top,
                )
            )
        return items

    def _start(self, text: str, offset: int) -> int:
        # A mask token may take in the space before it; what is wanted is where the token itself is written.
        return max(offset, text.find(self.tokenizer.mask_token, offset))

    def pack(self, items: Sequence[Item]) -> PackedBatch:
        num = len(items)
        cu_seqlens = np.concatenate([[0], np.cumsum([item.num_tokens for item in items])]).astype(np.int64)
        sequences = Sequences(
            tokens=np.concatenate([item.tokens for item in items]),
            cu_seqlens=cu_seqlens,
            segments=np.concatenate([item.segments for item in items]),
            ids=np.arange(num, dtype=np.int64),
            epochs=np.zeros(num, dtype=np.int64),
        )
        places = [
            start + place for start, item in zip(cu_seqlens, items, strict=False) for place, _ in item.masks
        ]
        positions = np.array(places, dtype=np.int64)
        return pack(
            sequences, target_positions=positions, targets=np.zeros(len(positions), dtype=np.int64)
        ).to(self.device)


class Classify:
    """Lane: probabilities of a task's labels."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

    def encode(self, queries: Sequence[Query]) -> list[Item]:
        return self.loaded.items(queries)

    def run(self, items: Sequence[Item]) -> list[Classified]:
        logits = self.loaded.inference.class_logits(self.loaded.pack(items)).double().cpu().numpy()  # [B, C]
        # Not torch's: a softmax of two numbers would wake a second pool of threads, which then spin for a while.
        scores = expit(logits) if self.loaded.source.multi_label else softmax(logits, axis=-1)
        rows = _finite(scores, self.loaded.source)
        return [Classified(row, item) for row, item in zip(rows, items, strict=True)]


class FillMask:
    """Lane: the vocabulary's most probable entries at each mask."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.mask_token = loaded.tokenizer.mask_token
        if not self.mask_token:
            raise UserError(
                f"{loaded.source.folder}: a masked language model whose tokenizer has no mask token"
            )

    def encode(self, queries: Sequence[Query]) -> list[Item]:
        items = self.loaded.items(queries)
        mask = self.mask_token
        for query, item in zip(queries, items, strict=True):
            if item.masks:
                continue
            if item.truncated and mask in query.text:
                raise unprocessable(
                    f"the mask token {mask} stands beyond the {self.loaded.max_length} tokens "
                    "that the model takes"
                )
            raise unprocessable(f"no mask token in the text; write {mask} where a token is to be found")
        return items

    def run(self, items: Sequence[Item]) -> list[Filled]:
        batch = self.loaded.pack(items)
        wanted = [item.top for item in items for _ in item.masks]
        found: list[list[Proposal]] = []
        with torch.inference_mode():
            hidden = self.loaded.inference.hidden(batch, batch.target_positions)  # [M, H]
            for part in hidden.split(_MASKS_AT_ONCE):
                scores = token_logits(self.loaded.model, part).double().softmax(-1)  # [M, V]
                tops = wanted[len(found) : len(found) + len(part)]
                best = scores.topk(min(max(tops), scores.shape[1]), dim=-1)
                values = _finite(best.values.cpu().numpy(), self.loaded.source)
                for row, ids, top in zip(values, best.indices.tolist(), tops, strict=True):
                    found.append(self._named(ids[:top], row[:top].tolist()))
        results, first = [], 0
        for item in items:
            results.append(Filled(found[first : first + len(item.masks)], item))
            first += len(item.masks)
        return results

    def _named(self, ids: list[int], probabilities: list[float]) -> list[Proposal]:
        # Here, and not in the endpoint: a fast tokenizer must not be used from two threads at once.
        tokenizer = self.loaded.tokenizer
        tokens = tokenizer.convert_ids_to_tokens(ids)
        texts = [tokenizer.decode([number]).strip().removeprefix("##") for number in ids]
        return [Proposal(*one) for one in zip(tokens, texts, probabilities, strict=True)]


class Embed:
    """Lane: the mean of the last layer over a text's tokens."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

    def encode(self, queries: Sequence[Query]) -> list[Item]:
        return self.loaded.items(queries)

    def run(self, items: Sequence[Item]) -> list[Embedded]:
        means = self.loaded.inference.mean_pooled(self.loaded.pack(items)).cpu().numpy()
        vectors = _finite(means, self.loaded.source)
        return [Embedded(vector, item) for vector, item in zip(vectors, items, strict=True)]


Lane = Classify | FillMask | Embed


@dataclass(frozen=True)
class Models:
    """All lanes of a layout."""

    classify: dict[str, Classify]
    fill_mask: FillMask | None
    embed: Embed

    def warm_up(self) -> None:
        """One short and one longest pass through every lane: first use is paid for, a failing model shows."""
        lanes: list[Lane] = [*self.classify.values(), self.embed]
        if self.fill_mask:
            lanes.append(self.fill_mask)
        for lane in lanes:
            start = f"{lane.mask_token} " if isinstance(lane, FillMask) else ""
            top = int(isinstance(lane, FillMask))
            for text in ("a", "a " * lane.loaded.max_length):
                _warm(lane, Query(start + text, top=top))


def _warm(lane: Lane, query: Query) -> None:
    source = lane.loaded.source
    (result,) = lane.run(lane.encode([query]))
    if isinstance(result, Classified) and len(result.probabilities) != len(source.labels):
        raise UserError(
            f"{source.folder}: config.json names {len(source.labels)} labels, the model answers with "
            f"{len(result.probabilities)} scores: model and labels do not fit together"
        )


def load(layout: Layout, device: str | None = None, precision: Wanted = "auto") -> Models:
    """Load every model of the layout, and warm it up. `device` None: an accelerator where there is one.

    Raises UserError for a model that cannot be loaded, does not answer with finite numbers, or cannot be had in the
    precision that is asked for.
    """
    with _no_progress_bars():
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        return _load(layout, place, precision)


def _load(layout: Layout, place: torch.device, precision: Wanted) -> Models:
    base = Loaded(layout.base, place, precision) if layout.base else None
    tasks = {source.name: Loaded(source, place, precision) for source in layout.tasks}
    models = Models(
        classify={name: Classify(loaded) for name, loaded in tasks.items()},
        fill_mask=FillMask(base) if base and base.source.kind == "mlm" else None,
        embed=Embed(base or next(iter(tasks.values()))),
    )
    models.warm_up()
    return models


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    # Transformers draws a bar for each model on standard error, where a server's log goes.
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _encoder(tokenizer: PreTrainedTokenizerFast, max_length: int) -> Tokenizer:
    """A copy that cuts texts to the length and nothing else; the wrapper around it costs more than its work."""
    own = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    own.enable_truncation(max_length, strategy="longest_first", direction=tokenizer.truncation_side)
    own.no_padding()
    return own


def _max_length(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> int:
    places = int(getattr(model.config, "max_position_embeddings", 0) or tokenizer.model_max_length)
    return min(places, int(tokenizer.model_max_length))


def _finite(values: NDArray[Any], source: Source) -> NDArray[Any]:
    if not np.isfinite(values).all():
        raise UserError(
            f"{source.folder}: the model answers with numbers that are not finite; its weights are damaged"
        )
    return values
