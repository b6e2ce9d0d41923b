"""Words and boxes of pages: scaled, checked, booked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.forms import BoxUnit, Form, Forms
from acclimate.corpus.readers.funsd import Funsd
from acclimate.errors import UserError


class Reader:
    name = "made up"

    def __init__(self, *items: Record | Dropped) -> None:
        self._items = items

    def records(self) -> Iterator[Record | Dropped]:
        yield from self._items


def record(words: list[str], boxes: list[list[int]], **fields: Any) -> Record:
    told = {"words": words, "boxes": boxes} | fields
    return Record(
        "a.json",
        "a.json:1",
        {name: one if isinstance(one, str) else json.dumps(one) for name, one in told.items()},
    )


def read(*items: Record | Dropped, unit: BoxUnit = "pixels") -> tuple[list[Form], dict[str, Any]]:
    forms = Forms(Reader(*items), unit)  # type: ignore[arg-type]
    found = list(forms)
    forms.keep(sum(len(one.words) for one in found))
    return found, forms.account.totals()


def test_without_an_image_a_page_reaches_as_far_as_its_boxes() -> None:
    (form,), _ = read(record(["姓名", "x"], [[0, 10, 50, 20], [50, 20, 200, 80]]))
    assert form.words == ["姓名", "x"]
    assert form.boxes.tolist() == [[0, 125, 250, 250], [250, 250, 1000, 1000]]


def test_with_an_image_its_size_counts(tmp_path: Path) -> None:
    Image.new("L", (400, 100)).save(tmp_path / "page.png")
    given = record(["x", "y"], [[0, 10, 50, 20], [390, 0, 401, 9]], image=str(tmp_path / "page.png"))
    (form,), told = read(given)
    assert form.words == ["x"] and form.boxes.tolist() == [[0, 100, 125, 200]]
    assert told["dropped"] == {"box_outside": 1}
    (tmp_path / "page.png").write_text("no picture")
    (form,), _ = read(given)
    assert form.words == ["x", "y"]


def test_faulty_words_are_dropped_each_by_its_reason() -> None:
    words = ["good", "", "  ", "turned", "left", "far", "flat"]
    boxes = [
        [1, 2, 3, 4],
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [9, 0, 8, 1],
        [-1, 0, 8, 1],
        [0, 0, 1001, 1],
        [5, 5, 5, 5],
    ]
    (form,), told = read(record(words, boxes), unit="thousandths")
    assert form.words == ["good", "flat"] and form.boxes.tolist() == [[1, 2, 3, 4], [5, 5, 5, 5]]
    assert told["dropped"] == {"box_outside": 2, "box_reversed": 1, "no_text": 2}
    assert told["read"] == 7 == told["kept"] + 5


def test_a_form_of_which_nothing_is_left_and_one_that_cannot_be_read() -> None:
    found, told = read(record([""], [[0, 0, 1, 1]]), Dropped("wrong_shape", "b.json:1", "x"), record([], []))
    assert found == []
    assert (told["read"], told["dropped"]) == (2, {"no_text": 1, "wrong_shape": 1})


def test_records_of_another_kind_are_refused() -> None:
    with pytest.raises(UserError, match="expected the words of a page and their boxes, as the reader funsd"):
        read(Record("a", "a:1", {"text": "x"}))


def test_funsd_is_read_whole(shared: Path) -> None:
    path = str(shared / "funsd" / "annotations.tar.gz")
    words = 0
    for part in ("train", "test"):
        forms = Forms(Funsd(path=path, part=part).build(), "pixels")
        for form in forms:
            forms.keep(len(form.words))
            assert form.boxes.min() >= 0 and 900 < form.boxes.max() <= 1000
            assert len(form.words) == len(form.boxes) == len(form.entities)
        told = forms.account.totals()
        assert set(told["dropped"]) == {"no_text"}
        words += told["kept"]
    assert words == 31_485 - 890
