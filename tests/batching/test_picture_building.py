"""Captions and pictures from files to a store, all of them booked."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

from acclimate.batching.picture_building import build_picture_stores
from acclimate.batching.picture_store import PictureStore
from acclimate.corpus.readers.image_captions import ImageCaptions
from acclimate.tokenizer.specials import finished

COLOURS = ["red", "green", "blue", "white", "black", "yellow", "cyan", "magenta"]
BOTH = {"captions": ["en", "zh"]}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    words = [*COLOURS, *"红绿蓝白黑黄青紫"]
    vocabulary = {
        word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])
    }
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return finished(backend, spaced=False, model_max_length=None)


def picture(colour: str, size: tuple[int, int] = (12, 12)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def noise() -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """captions.tsv with two captions for each colour, and two views of it in two folders."""
    lines = ["image\ten\tzh"]
    for colour, sign in zip(COLOURS, "红绿蓝白黑黄青紫", strict=True):
        for view in ("front", "back"):
            (tmp_path / view).mkdir(exist_ok=True)
            (tmp_path / view / f"{colour}.png").write_bytes(picture(colour))
        lines.append(f"{colour}\t{colour}\t{sign}")
    (tmp_path / "captions.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    return tmp_path


@pytest.fixture
def build(folder: Path, tokenizer: Any) -> Callable[..., tuple[dict[str, Any], Path]]:
    def make(name: str = "stores", **settings: Any) -> tuple[dict[str, Any], Path]:
        views = [str(folder / view) for view in ("front", "back")]
        reader = ImageCaptions(
            **{"path": str(folder / "captions.tsv"), "images": views, **BOTH, **settings}
        ).build()
        target = folder / name
        for part in ("train", "validation", "test"):
            (target / part).mkdir(parents=True)
        found = build_picture_stores(
            reader,
            target,
            tokenizer,
            size=4,
            validation=0.2,
            test=0.2,
            tell=lambda *told: None,
        )
        assert found["read"] == found["kept"] + sum(found["dropped"].values())
        return found, target

    return make


def test_each_item_stands_in_one_part_with_all_its_captions_and_views(build: Any, tokenizer: Any) -> None:
    found, target = build()
    assert (found["read"], found["dropped"]) == (2 * 2 * len(COLOURS), {})
    seen: list[str] = []
    for part in ("train", "validation", "test"):
        store = PictureStore(target / part, tokenizer, 16)
        assert len(store.lengths) == 2 * found["parts"][part]["items"] == found["parts"][part]["captions"]
        ids = np.arange(len(store.lengths))
        sequences = store.fetch(ids, np.zeros_like(ids))
        assert sequences.by_sequence["images"].shape == (len(ids), 2, 3, 4, 4)
        assert sequences.by_sequence["views"].all()
        words = tokenizer.convert_ids_to_tokens(sequences.tokens.tolist())
        assert words[::3] == ["[CLS]"] * len(ids) and words[2::3] == ["[SEP]"] * len(ids)
        for colour, sign, number in zip(words[1::6], words[4::6], range(0, len(ids), 2), strict=True):
            pixels = decode_colour(colour)
            assert (sequences.by_sequence["images"][number, :, :, 0, 0] == pixels).all()
            assert sign == "红绿蓝白黑黄青紫"[COLOURS.index(colour)]
            seen.append(colour)
        assert (store.document_of(ids) == np.repeat(np.arange(len(ids) // 2), 2)).all()
        text = "".join(words[1::3])
        assert store.num_bytes == len(text.encode()) and store.num_tokens == len(ids)
    assert sorted(seen) == sorted(COLOURS) and found["parts"]["train"]["items"] < len(COLOURS)


def decode_colour(colour: str) -> Any:
    from PIL import ImageColor

    return np.array(ImageColor.getrgb(colour))


def test_same_bytes_again_and_where_the_data_are_kept_decides_nothing(
    build: Any, folder: Path, tmp_path: Path
) -> None:
    _, first = build("first")
    _, second = build("second")
    for part in ("train", "validation", "test"):
        for file in (first / part).iterdir():
            assert file.read_bytes() == (second / part / file.name).read_bytes()


def test_a_broken_picture_is_dropped_with_each_of_its_captions(build: Any, folder: Path) -> None:
    (folder / "front" / "red.png").write_text("this is no picture")
    (folder / "front" / "green.png").write_bytes(noise()[:600])
    for view in ("front", "back"):
        (folder / view / "blue.png").write_text("neither is this")
    (folder / "back" / "white.png").unlink()
    found, target = build()
    dropped = dict(found["dropped"])
    assert dropped.pop("not_an_image") == 2 + 4
    assert sum(dropped.values()) == 2 and set(dropped) <= {"truncated", "corrupt"}
    assert found["read"] == 4 * len(COLOURS) - 2  # what is not there was never read
    samples = [json.loads(line) for line in (target / "dropped.jsonl").read_text("utf-8").splitlines()]
    assert len(samples) == 8 and all("captions.tsv:" in one["place"] for one in samples)
    assert any("front/red.png: begins with b'this is no pictu'" in one["detail"] for one in samples)
    views = {}
    for part in ("train", "validation", "test"):
        columns = load(target / part)
        views |= {(part, int(row)): None for row in columns["views"].ravel() if row >= 0}
        assert (columns["views"] >= 0).any(1).all()
    assert len(views) == 2 * len(COLOURS) - 2 - 2 - 1


def load(folder: Path) -> Any:
    from safetensors.numpy import load_file

    return load_file(folder / "captions.safetensors")


def test_views_that_are_missing_are_said_to_be(build: Any, folder: Path, tokenizer: Any) -> None:
    for colour in COLOURS[1:]:
        (folder / "back" / f"{colour}.png").unlink()
    _, target = build()
    real = [
        store.fetch(ids, ids * 0).by_sequence["views"]
        for part in ("train", "validation", "test")
        if len(ids := np.arange(len((store := PictureStore(target / part, tokenizer, 8)).lengths)))
    ]
    assert np.concatenate(real).sum(0).tolist() == [2 * len(COLOURS), 2]


def test_captions_without_tokens_and_long_ones(build: Any, folder: Path, tokenizer: Any) -> None:
    lines = ["image\ten", f"red\t{'red ' * 30}", "green\t\u200b"]
    (folder / "captions.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    found, target = build(captions=["en"])
    assert found["kept"] + found["dropped"].get("no_tokens", 0) == 4
    (part,) = (
        one for one in ("train", "validation", "test") if 30 in np.diff(load(target / one)["starts"]).tolist()
    )
    store = PictureStore(target / part, tokenizer, 10)
    ((length,),) = ([int(one) for one in store.lengths if one > 4],)
    assert length == 10
    number = int(np.argmax(store.lengths))
    tokens = store.fetch(np.array([number]), np.array([0])).tokens
    assert tokens[0] == tokenizer.cls_token_id and tokens[-1] == tokenizer.sep_token_id


def test_nothing_to_hold_out_is_an_empty_store(build: Any, folder: Path, tokenizer: Any) -> None:
    (folder / "captions.tsv").write_text("image\ten\nred\tred\n", "utf-8")
    found, target = build(captions=["en"])
    empty = next(part for part, one in found["parts"].items() if not one["captions"])
    store = PictureStore(target / empty, tokenizer, 8)
    assert len(store.lengths) == 0
    assert len(store.fetch(np.zeros(0, np.int64), np.zeros(0, np.int64))) == 0
