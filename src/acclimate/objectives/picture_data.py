"""What objectives that learn from pictures with captions share: where they are read, how they are held out, views.

Legend: B sequences, V views that the model sees of an item, W views that the data has, S side of a picture.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from acclimate.batching.counter_random import absorb, draw, stream
from acclimate.batching.packed import Sequences
from acclimate.errors import UserError
from acclimate.objectives.protocol import ObjectiveSettings, Texts
from acclimate.progress import Tell
from acclimate.recipe.settings import Component, Part, Settings
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from acclimate.batching.picture_store import PictureStore

Reader = Annotated[Component, Part("reader", default="image_captions")]
Change = Literal["crop", "erase", "flip"]


class ItemSplit(Settings):
    """Shares of the items that are held out with all their captions, by a hash of the picture's name: more data move
    none."""

    validation: Share = 0.05
    """Held out for validation."""
    test: Share = 0.05
    """Held out for the final figures."""

    @model_validator(mode="after")
    def _leave_some(self) -> ItemSplit:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on")
        return self


class PictureData(ObjectiveSettings):
    """Pictures with captions to learn from. A subclass says what is asked of the model."""

    likelihood: ClassVar[Literal["every", "some"] | None] = None

    pairs: Reader
    """Captions and the pictures they tell of, such as `{image_captions: {path: captions.tsv, images: pictures/}}`;
    `images` as a list gives several views of each item. A broken picture is dropped with each of its captions."""
    image_size: int = Field(default=224, ge=8, le=2048)
    """Side of the pictures in pixels, as the model takes them: the middle square of each, scaled."""
    views: int | None = Field(default=None, ge=1, le=64)
    """How many views of an item the model sees at once; as many as the data has unless given. Fewer are drawn anew each
    epoch (of held-out items the first are taken), more are those there are again, to be changed by `augment`."""
    augment: list[Change] = Field(default=[])
    """What is done at random to each view in training. crop: a part of half the area or more, scaled up; erase: a box
    filled with noise; flip: mirrored, which letters and arrows do not stand."""
    split: ItemSplit = Field(default=ItemSplit())
    """Which shares are held out."""

    @property
    def data(self) -> Component | None:
        return self.pairs

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        from acclimate.corpus.images import files

        reader = self._reader()
        return {
            "data": reader.fingerprint(digests),
            "images": files.fingerprint(reader.image_sources, digests),
        }

    def check(self) -> list[tuple[tuple[str, ...], str]]:
        try:
            return [(("pairs",), one) for one in self._reader().check()]
        except UserError as error:
            return [(("pairs",), str(error))]

    def _reader(self) -> Any:
        reader = self.pairs.build()
        if not hasattr(reader, "image_sources"):
            raise UserError(
                f"{self.pairs.registered_as[1]} reads no pictures; take the reader image_captions for `pairs`"
            )
        return reader

    def write(
        self, folder: Path, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int, tell: Tell
    ) -> dict[str, Any]:
        """A picture store for each part. What is counted are pairs of a caption and a picture; dropped are, by reason,
        what the reader cannot use (one each), captions without tokens (`no_tokens`), and pairs whose picture is
        `no_image`, `not_an_image`, `truncated`, `corrupt`, a `bomb`, `too_long` or `unreadable`."""
        from acclimate.batching.picture_building import build_picture_stores

        return build_picture_stores(
            self._reader(),
            folder,
            tokenizer,
            size=self.image_size,
            validation=self.split.validation,
            test=self.split.test,
            tell=tell,
        )

    def store(  # type: ignore[override]
        self, texts: Texts, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int
    ) -> PictureStore:
        from acclimate.batching.picture_store import PictureStore

        assert texts.own is not None
        store = PictureStore(texts.own, tokenizer, sequence_length)
        width = store.views.shape[1]
        if self.views is not None and self.views > width and not self.augment:
            raise UserError(
                f"views is {self.views}, and the data has {width} of each item: give more in `images`, or say in "
                "`augment` in what the others shall differ"
            )
        return store

    def stand_in(self, sequences: Sequences) -> Sequences:
        number, side, views = len(sequences), self.image_size, self.views or 1
        grey = np.full((number, views, 3, side, side), 127, np.uint8)
        seen = {"images": grey, "views": np.ones((number, views), bool), "items": np.arange(number)}
        return replace(sequences, by_sequence=seen)


class Views:
    """Which views of its items a batch shows, and what is done to them: a function of (seed, epoch, caption, view)."""

    def __init__(self, number: int | None, changes: list[Change], *, seed: int, fixed: bool) -> None:
        """With `fixed` the first views, unchanged: for validation."""
        self._number = number
        self._changes = [] if fixed else changes
        self._fixed = fixed
        self._key = stream("views", seed)

    def chosen(self, sequences: Sequences) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """(pictures [B, V, 3, S, S], whether there is one [B, V]) of sequences with `images` [B, W, 3, S, S]."""
        pictures, real = sequences.by_sequence["images"], sequences.by_sequence["views"]
        keys = absorb(absorb(self._key, sequences.epochs), sequences.ids)
        order = self._order(keys, real)
        pictures = np.take_along_axis(pictures, order[:, :, None, None, None], 1)
        real = np.take_along_axis(real, order, 1)
        if self._changes:
            pictures = pictures.copy()
            bits = draw(keys[:, None], np.arange(100, 100 + real.shape[1], dtype=np.uint64))
            for b, v in np.argwhere(real):
                pictures[b, v] = self._changed(pictures[b, v], random.Random(int(bits[b, v])))
        return pictures, real

    def _order(self, keys: NDArray[np.uint64], real: NDArray[np.bool_]) -> NDArray[np.int64]:
        """[B, V] which of the data's views is shown as each: those there are in random order, over and over."""
        width = real.shape[1]
        number = self._number or width
        luck = draw(keys[:, None], np.arange(width, dtype=np.uint64)) >> np.uint64(1)
        if self._fixed or number == width:
            luck = np.broadcast_to(np.arange(width, dtype=np.uint64), real.shape)
        order = np.argsort(luck | (~real).astype(np.uint64) << np.uint64(63), axis=1, kind="stable")
        there = (
            np.maximum(1, real.sum(1, keepdims=True)) if number > width else np.full((len(real), 1), width)
        )
        return np.take_along_axis(order, np.arange(number)[None, :] % there, 1)

    def _changed(self, picture: NDArray[np.uint8], source: random.Random) -> NDArray[np.uint8]:
        from acclimate.corpus.augment import images
        from acclimate.corpus.images.decoding import encoded

        image = encoded(picture)
        for change in self._changes:
            image = getattr(images, change)(image, source)
        return np.asarray(image).transpose(2, 0, 1)
