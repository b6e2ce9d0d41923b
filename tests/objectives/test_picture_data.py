"""Which views are shown, what is done to them, and recipes that ask for what is not there."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from acclimate.batching.packed import Sequences
from acclimate.errors import UserError
from acclimate.objectives.itc import Itc
from acclimate.objectives.picture_data import Change, Views
from acclimate.recipe.settings import Part


def sequences(number: int = 40, views: int = 3, *, epoch: int = 0, side: int = 8) -> Sequences:
    """Pictures of noise; of item 0 only the last view is there."""
    pixels = np.random.default_rng(0).integers(0, 256, (number, views, 3, side, side), dtype=np.uint8)
    real = np.ones((number, views), bool)
    real[0, :-1] = False
    seen = {"images": pixels, "views": real, "items": np.arange(number)}
    tokens = np.ones(3 * number, np.int64)
    starts = np.arange(number + 1) * 3
    return Sequences(tokens, starts, tokens * 0, np.arange(number), np.full(number, epoch), by_sequence=seen)


def which(shown: np.ndarray, given: np.ndarray) -> np.ndarray:
    """[B, V] which of the given views each shown one is."""
    same = (shown[:, :, None] == given[:, None]).all((3, 4, 5))
    assert same.any(2).all()
    return same.argmax(2)


def test_all_views_are_shown_as_they_are() -> None:
    given = sequences()
    shown, real = Views(None, [], seed=1, fixed=False).chosen(given)
    assert (which(shown, given.by_sequence["images"])[1:] == [0, 1, 2]).all()
    assert real[0].sum() == 1 and real[1:].all()


def test_fewer_are_drawn_evenly_and_anew_each_epoch() -> None:
    views = Views(1, [], seed=1, fixed=False)
    drawn = []
    for epoch in range(100):
        given = sequences(epoch=epoch)
        shown, real = views.chosen(given)
        assert real.all()
        drawn.append(which(shown, given.by_sequence["images"])[:, 0])
    counts = np.bincount(np.concatenate(drawn)[:], minlength=3)
    assert (np.stack(drawn)[:, 0] == 2).all()  # the only one there is
    assert np.abs(counts - 1300).max() < 150
    again, _ = Views(1, [], seed=1, fixed=False).chosen(sequences(epoch=7))
    assert (which(again, sequences().by_sequence["images"])[:, 0] == drawn[7]).all()
    assert (drawn[7] != drawn[8]).any()


def test_held_out_items_show_the_first_ones_there_are() -> None:
    given = sequences(epoch=5)
    shown, real = Views(2, ["crop"], seed=1, fixed=True).chosen(given)
    assert (which(shown, given.by_sequence["images"])[1:] == [0, 1]).all()
    assert real[0].tolist() == [True, False]
    assert which(shown, given.by_sequence["images"])[0, 0] == 2


def test_more_than_there_are_repeat_those_there_are() -> None:
    given = sequences()
    shown, real = Views(5, [], seed=1, fixed=True).chosen(given)
    assert real.all()
    assert (which(shown, given.by_sequence["images"])[1:] == [0, 1, 2, 0, 1]).all()
    assert (which(shown, given.by_sequence["images"])[0] == 2).all()


@pytest.mark.parametrize("change", ["crop", "erase", "flip"])
def test_changes_depend_on_seed_epoch_caption_and_view_alone(change: Change) -> None:
    views = Views(4, [change], seed=3, fixed=False)
    given = sequences(epoch=2)
    before = given.by_sequence["images"].copy()
    shown, _ = views.chosen(given)
    assert (given.by_sequence["images"] == before).all()
    part, _ = views.chosen(given.part(10, 20))
    assert (part == shown[10:20]).all()
    other, _ = views.chosen(sequences(epoch=3))
    assert (other != shown).any() and (
        Views(4, [change], seed=4, fixed=False).chosen(given)[0] != shown
    ).any()
    assert (shown[:, 0] != shown[:, 3]).any()  # the same picture, changed otherwise
    assert shown.shape == (40, 4, 3, 8, 8) and shown.dtype == np.uint8


def test_what_a_recipe_may_not_ask() -> None:
    with pytest.raises(ValidationError, match="leave nothing to train on"):
        Itc(pairs={"path": "x"}, split={"validation": 0.5, "test": 0.5})
    with pytest.raises(ValidationError, match="choose from: crop, erase, flip"):
        Itc(pairs={"path": "x"}, augment=["blur"])
    settings = Part("objective").parse({"itc": {"pairs": {"files": {"path": "x.jsonl"}}}})
    with pytest.raises(UserError, match="files reads no pictures; take the reader image_captions"):
        settings.fingerprint(str)  # type: ignore[attr-defined]


def test_captions_are_read_by_the_reader_of_captions_unless_said() -> None:
    settings = Part("objective").parse({"itm": {"pairs": {"path": "x", "images": ["a", "b"]}}})
    assert settings.pairs.registered_as == ("reader", "image_captions")  # type: ignore[attr-defined]
    assert settings.dumped()["itm"]["pairs"]["images"] == ["a", "b"]


def test_more_views_than_the_data_has_need_something_to_tell_them_apart(tmp_path) -> None:
    from acclimate.batching.picture_store import write_captions
    from acclimate.objectives.protocol import Texts
    from acclimate.tokenizer.untrained import untrained_tokenizer

    tokenizer = untrained_tokenizer(100)
    write_captions(tmp_path, ["a"], np.array([[-1, -1]]), np.array([0]), tokenizer, 8, 0)
    texts, asked = Texts(tmp_path, tmp_path), {"tokenizer": tokenizer, "sequence_length": 8, "seed": 0}
    Itc(pairs={"path": "x"}, views=2).store(texts, **asked)
    Itc(pairs={"path": "x"}, views=3, augment=["crop"]).store(texts, **asked)
    with pytest.raises(UserError, match="views is 3, and the data has 2 of each item"):
        Itc(pairs={"path": "x"}, views=3).store(texts, **asked)
