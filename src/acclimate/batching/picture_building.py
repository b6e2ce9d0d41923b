"""Making picture stores: captions are read, items told apart into parts, pictures decoded, all of it booked.

What is counted are pairs of a caption and a picture. Captions wait in memory, pictures go to disk one by one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from acclimate.artifacts import durable
from acclimate.batching.picture_store import PICTURES, write_captions
from acclimate.corpus.accounting import Account
from acclimate.corpus.document import Dropped
from acclimate.corpus.images import files
from acclimate.corpus.images.decoding import BadImage, decode, pillow
from acclimate.corpus.readers.image_captions import ImageCaptionsReader
from acclimate.corpus.split import SPLITS, split_hash, split_of
from acclimate.progress import Tell
from acclimate.tokenizer.encoding import Encoder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_BATCH = 2048


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption and where the views of what it tells of stand, None for one that is missing."""

    place: str
    text: str
    views: tuple[str | None, ...]

    @property
    def name(self) -> str:
        """What its item is called, wherever the data are kept: its pictures' name without extension."""
        return PurePosixPath(next(view for view in self.views if view)).stem


@dataclass
class _Part:
    """A part while it is written."""

    rows: dict[str, int] = field(default_factory=dict)
    """Picture → its row."""
    captions: list[Caption] = field(default_factory=list)


def build_picture_stores(
    reader: ImageCaptionsReader,
    folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    *,
    size: int,
    validation: float,
    test: float,
    tell: Tell,
) -> dict[str, Any]:
    """A store in each of `train`, `validation` and `test`; pictures of side `size`.

    Returns `read`, `kept`, `dropped` by reason, `sources`, and `parts` with the captions, items and pictures of each;
    samples of what was dropped stand in `dropped.jsonl`.
    """
    pillow()
    account = Account([reader.name])
    captions = list(_captions(reader, tokenizer, account, tell))
    parts = {part: _Part() for part in SPLITS}
    for caption in captions:
        parts[split_of(split_hash(caption.name), validation, test)].captions.append(caption)
    bad = _write_pictures(reader, folder, parts, size, tell)
    told = {}
    for name, part in parts.items():
        kept, gone = _kept(part, bad)
        _book(account, gone)
        told[name] = _write_part(folder / name, kept, part.rows, len(reader.image_sources), tokenizer, size)
    account.sources[0].kept = sum(one.pop("pairs") for one in told.values())
    durable.write_text(folder / "dropped.jsonl", account.samples_jsonl())
    return {**account.totals(), "parts": told}


def _captions(
    reader: ImageCaptionsReader, tokenizer: PreTrainedTokenizerFast, account: Account, tell: Tell
) -> Any:
    """The captions that have tokens."""
    encoder = Encoder(tokenizer, literal=True)
    records = reader.records()
    seen = 0
    while batch := list(islice(records, _BATCH)):
        found, gone = [], []
        for item in batch:
            if isinstance(item, Dropped):
                gone.append(item)
                continue
            image, text = item.fields["image"], item.fields["caption"]
            views = json.loads(item.fields["images"]) if "images" in item.fields else [image]
            found.append(Caption(item.place, text, tuple(views)))
        _, lengths = encoder.encode([one.text for one in found])
        for caption, length in zip(found, lengths.tolist(), strict=True):
            if length:
                yield caption
            else:
                reason = Dropped("no_tokens", caption.place, f"{caption.text!r} has no tokens")
                gone += [reason for view in caption.views if view]
        account.sources[0].read += sum(1 for one in batch if isinstance(one, Dropped))
        account.sources[0].read += sum(1 for one in found for view in one.views if view)
        _book(account, gone)
        seen += len(batch)
        tell(seen, None, "captions")


def _write_pictures(
    reader: ImageCaptionsReader, folder: Path, parts: dict[str, _Part], size: int, tell: Tell
) -> dict[str, Dropped]:
    """Every picture into the parts whose captions tell of it; returns those that are none, by their place."""
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for name, part in parts.items():
        for view in dict.fromkeys(view for one in part.captions for view in one.views if view):
            wanted[view].append(name)
    bad = {view: Dropped("no_image", view, "it is not there any more") for view in wanted}
    with ExitStack() as stack:
        written: dict[str, IO[bytes]] = {
            name: stack.enter_context(durable.appender(folder / name / PICTURES)) for name in parts
        }
        for done, (place, content) in enumerate(files.contents(reader.image_sources, wanted), 1):
            del bad[place]
            try:
                pixels = content if isinstance(content, Dropped) else decode(content, size)
            except BadImage as error:
                pixels = Dropped(error.reason, place, error.detail)
            if isinstance(pixels, Dropped):
                bad[place] = pixels
                continue
            for name in wanted[place]:
                rows = parts[name].rows
                rows[place] = len(rows)
                written[name].write(pixels.tobytes())
            tell(done, len(wanted), "pictures")
    return bad


def _kept(part: _Part, bad: dict[str, Dropped]) -> tuple[list[Caption], list[Dropped]]:
    """(captions that have a picture left, pairs that are lost)."""
    gone: list[Dropped] = []
    for caption in part.captions:
        broken = [bad[view] for view in caption.views if view in bad]
        # At the caption's place, so that what is named is what was read.
        gone += [Dropped(one.reason, caption.place, f"{one.place}: {one.detail}") for one in broken]
    return [one for one in part.captions if any(view in part.rows for view in one.views)], gone


def _write_part(
    folder: Path,
    captions: list[Caption],
    rows: dict[str, int],
    width: int,
    tokenizer: PreTrainedTokenizerFast,
    size: int,
) -> dict[str, int]:
    """The store of these captions; `width`: views that an item may have."""
    items: dict[tuple[str | None, ...], int] = {}
    for caption in captions:
        items.setdefault(caption.views, len(items))
    views = np.full((len(captions), width), -1, np.int64)
    for number, caption in enumerate(captions):
        views[number] = [rows.get(view or "", -1) for view in caption.views]
    write_captions(
        folder,
        [one.text for one in captions],
        views,
        np.array([items[one.views] for one in captions], np.int64),
        tokenizer,
        size,
        len(rows),
    )
    pairs = int((views >= 0).sum())
    return {"captions": len(captions), "items": len(items), "pictures": len(rows), "pairs": pairs}


def _book(account: Account, gone: Sequence[Dropped]) -> None:
    if gone:
        columns = {name: [getattr(one, name) for one in gone] for name in ("reason", "place", "detail")}
        account.drop(0, pa.RecordBatch.from_pydict(columns))
