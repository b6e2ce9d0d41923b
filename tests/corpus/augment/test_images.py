from __future__ import annotations

import io
import random
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acclimate.corpus.augment.images import crop, erase, flip, scale
from acclimate.errors import UserError

Image = pytest.importorskip("PIL.Image", reason="needs the extra `vision`")
WAYS: list[Callable[..., Any]] = [erase, crop, scale, flip]


def picture(mode: str = "RGB", size: tuple[int, int] = (80, 50)) -> Any:
    """A gradient, so that every place has a colour of its own."""
    x, y = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=2).astype(np.uint8)).convert(mode)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
def test_the_same_seed_gives_the_same_image_and_the_given_one_stays(
    way: Callable[..., Any], mode: str
) -> None:
    image = picture(mode)
    before = image.tobytes()
    made = [way(image, random.Random(seed)) for seed in (1, 1, 2, 3)]
    assert image.tobytes() == before
    assert made[0].tobytes() == made[1].tobytes() and made[0].mode == mode
    assert len({one.tobytes() for one in made}) > 1


def test_erasing_changes_one_box_of_the_share_asked_for() -> None:
    image = picture(size=(200, 200))
    for seed in range(20):
        made = erase(image, random.Random(seed), area=(0.1, 0.2))
        changed = (np.asarray(made) != np.asarray(image)).any(axis=2)
        rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
        box = changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert 0.08 < box.size / changed.size < 0.22 and box.mean() > 0.97
        assert 0.25 < box.shape[1] / box.shape[0] < 4


def test_a_crop_is_a_part_in_the_old_size() -> None:
    image = picture(size=(200, 100))
    for seed in range(20):
        made = crop(image, random.Random(seed), area=(0.3, 0.6))
        assert made.size == image.size
        # The gradient says which part it is: red runs from left to right, green from top to bottom.
        red, green = (np.asarray(made)[:, :, band].astype(float) for band in (0, 1))
        share = (red.max() - red.min()) / 255 * (green.max() - green.min()) / 255
        assert 0.25 < share < 0.65


def test_scaling_keeps_the_picture_and_its_proportions() -> None:
    image = picture(size=(120, 60))
    sizes = [scale(image, random.Random(seed), factor=2).size for seed in range(40)]
    assert min(sizes) < (120, 60) < max(sizes)
    assert all(60 <= w <= 240 and abs(w - 2 * h) <= 2 for w, h in sizes)
    assert scale(image, random.Random(0), factor=1).tobytes() == image.tobytes()
    with pytest.raises(ValueError, match="1 or more"):
        scale(image, random.Random(0), factor=0.5)


@pytest.mark.parametrize("way", WAYS)
def test_an_image_of_one_pixel_survives(way: Callable[..., Any]) -> None:
    assert min(way(picture(size=(1, 1)), random.Random(0)).size) >= 1


def test_real_photographs(shared: Path) -> None:
    with tarfile.open(shared / "cc12m_sample" / "cc12m-train-0000.tar") as archive:
        found = [one for one in archive if one.name.endswith(".jpg")][:3]
        assert found
        for member in found:
            image = Image.open(io.BytesIO(archive.extractfile(member).read()))  # type: ignore[union-attr]
            for way in WAYS:
                assert way(image, random.Random(1)).mode == image.mode


def test_without_pillow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture()
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UserError, match=r"pip install 'acclimate\[vision\]'"):
        scale(image, random.Random(0))


def test_half_of_the_flips_mirror_left_to_right() -> None:
    image = picture()
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).tobytes()
    made = [flip(image, random.Random(seed)).tobytes() for seed in range(400)]
    assert set(made) == {image.tobytes(), mirrored}
    assert abs(made.count(mirrored) - 200) < 60
