"""Pages as layout models read them: words, where on the page each stands in thousandths, and what each is.

Legend: W words of a form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from acclimate.corpus.accounting import Account
from acclimate.corpus.document import Dropped, Reader, Record
from acclimate.errors import UserError

BoxUnit = Literal["pixels", "thousandths"]
OUTSIDE = "other"
"""The label of words that belong to no entity."""


@dataclass(frozen=True)
class Form:
    """A page."""

    place: str
    text: str
    words: list[str]
    """[W]"""
    boxes: NDArray[np.int64]
    """[W, 4] x0, y0, x1, y1, each 0 to 1000."""
    entities: list[tuple[int, str]]
    """[W] (number of the word's entity, its label)."""


class Forms:
    """Reads the forms of a reader and books their words: read = kept + dropped; a form that cannot be read is one."""

    def __init__(self, reader: Reader, unit: BoxUnit) -> None:
        self.account = Account([reader.name])
        self._reader = reader
        self._unit = unit

    def __iter__(self) -> Iterator[Form]:
        """Forms that have words. Raises UserError for a reader whose records are no forms."""
        for item in self._reader.records():
            if isinstance(item, Dropped):
                self.account.sources[0].read += 1
                self.drop([item])
            elif (form := self._form(item)) is not None:
                yield form

    def drop(self, gone: list[Dropped]) -> None:
        if gone:
            columns = {name: [getattr(one, name) for one in gone] for name in ("reason", "place", "detail")}
            self.account.drop(0, pa.RecordBatch.from_pydict(columns))

    def keep(self, words: int) -> None:
        self.account.sources[0].kept += words

    def _form(self, record: Record) -> Form | None:
        form, gone = form_of(record, self._unit)
        self.account.sources[0].read += len(gone) + (0 if form is None else len(form.words))
        self.drop(gone)
        return form


def form_of(record: Record, unit: BoxUnit) -> tuple[Form | None, list[Dropped]]:
    """The page that a record holds, None without words, and its words that are of no use.

    Raises UserError for a record that is no form.
    """
    fields = record.fields
    if "words" not in fields or "boxes" not in fields:
        raise UserError(
            f"{record.place}: expected the words of a page and their boxes, as the reader funsd gives them; this "
            f"record has: {', '.join(fields)}"
        )
    words: list[str] = json.loads(fields["words"])
    pixels = np.array(json.loads(fields["boxes"]), dtype=np.int64).reshape(len(words), 4)
    boxes = pixels if unit == "thousandths" else _scaled(pixels, fields.get("image", ""))
    entities = _entities(fields, len(words))
    gone, kept = [], []
    for number, word in enumerate(words):
        if reason := _fault(word, pixels[number], boxes[number]):
            gone.append(Dropped(reason[0], f"{record.place}:words[{number}]", reason[1]))
        else:
            kept.append(number)
    if not kept:
        return None, gone
    form = Form(
        record.place,
        fields.get("text", ""),
        [words[number] for number in kept],
        boxes[kept],
        [entities[number] for number in kept],
    )
    return form, gone


def _scaled(pixels: NDArray[np.int64], image: str) -> NDArray[np.int64]:
    width, height = _page(pixels, image)
    return np.rint(pixels * 1000 / np.array([width, height, width, height])).astype(np.int64)


def _page(pixels: NDArray[np.int64], image: str) -> tuple[int, int]:
    """Width and height of a page: its image's, where there is one, else as far as its boxes reach."""
    if image and Path(image).is_file():
        from acclimate.corpus.images.decoding import BadImage, size_of

        try:
            return size_of(Path(image).read_bytes())
        except BadImage:
            pass
    return max(1, int(pixels[:, [0, 2]].max(initial=1))), max(1, int(pixels[:, [1, 3]].max(initial=1)))


def _fault(word: str, pixels: NDArray[np.int64], box: NDArray[np.int64]) -> tuple[str, str] | None:
    """(reason, what was found) of a word that is of no use."""
    if not word or word.isspace():
        return "no_text", "a box without text"
    x0, y0, x1, y1 = box.tolist()
    if x1 < x0 or y1 < y0:
        return "box_reversed", f"the box {pixels.tolist()} of {word!r} ends before it begins"
    if min(box.tolist()) < 0 or max(box.tolist()) > 1000:
        return (
            "box_outside",
            f"the box {pixels.tolist()} of {word!r} reaches over its page: {box.tolist()} of 1000",
        )
    return None


def _entities(fields: dict[str, str], number: int) -> list[tuple[int, str]]:
    """(entity, label) of each word; words without one are each an entity of the label `other`."""
    found: list[tuple[int, str]] = [(-1, OUTSIDE)] * number
    given: list[dict[str, Any]] = json.loads(fields.get("entities", "[]"))
    for entity, one in enumerate(given):
        for word in range(one["start"], one["end"]):
            found[word] = entity, one["label"]
    return found
