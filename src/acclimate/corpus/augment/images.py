"""Images made anew: a box erased, a part cropped, the whole scaled or mirrored. Needs Pillow, the extra `vision`.

Functions of an image and a source of randomness; the image that is given is not changed. An image keeps its mode, and
its size unless it is scaled; what is said of the whole image stays true of what comes out.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from acclimate.corpus.images.decoding import pillow

if TYPE_CHECKING:
    from PIL.Image import Image

_TRIES = 10


def erase(
    image: Image,
    source: random.Random,
    *,
    area: tuple[float, float] = (0.02, 0.33),
    aspect: tuple[float, float] = (0.3, 3.3),
) -> Image:
    """A box filled with noise (random erasing, Zhong et al. 2020, with its defaults).

    `area`: share of the image, drawn evenly; `aspect`: width by height of the box, drawn evenly in the logarithm.
    """
    library = pillow()
    made = image.copy()
    box = _box(image.size, source, area, aspect)
    if box is not None:
        size = box[2] - box[0], box[3] - box[1]
        bands = [library.frombytes("L", size, source.randbytes(size[0] * size[1])) for _ in image.getbands()]
        noise = library.merge(image.mode, bands) if len(bands) > 1 else bands[0].convert(image.mode)
        made.paste(noise, box)
    return made


def crop(
    image: Image,
    source: random.Random,
    *,
    area: tuple[float, float] = (0.5, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
) -> Image:
    """A part of the image, resized to its size (Szegedy et al. 2015, but that half of the area stays at least).

    `aspect` is relative to the image's own.
    """
    library = pillow()
    own = image.size[0] / image.size[1]
    box = _box(image.size, source, area, (aspect[0] * own, aspect[1] * own))
    return image.resize(
        image.size, library.Resampling.BICUBIC if _smooth(image) else library.Resampling.NEAREST, box
    )


def scale(image: Image, source: random.Random, *, factor: float = 1.5) -> Image:
    """The image larger or smaller by a factor drawn between 1 / factor and factor, evenly in the logarithm."""
    if factor < 1:
        raise ValueError(f"expected a factor of 1 or more, found {factor}")
    library = pillow()
    by = factor ** source.uniform(-1, 1)
    size = max(1, round(image.size[0] * by)), max(1, round(image.size[1] * by))
    return image.resize(size, library.Resampling.BICUBIC if _smooth(image) else library.Resampling.NEAREST)


def flip(image: Image, source: random.Random) -> Image:
    """The image or, half of the times, its mirror image, left to right."""
    mirrored = pillow().Transpose.FLIP_LEFT_RIGHT
    return image.transpose(mirrored) if source.random() < 0.5 else image.copy()


def _box(
    size: tuple[int, int], source: random.Random, area: tuple[float, float], aspect: tuple[float, float]
) -> tuple[int, int, int, int] | None:
    """Left, upper, right, lower of a box within the image; none where no try fits in."""
    width, height = size
    for _ in range(_TRIES):
        pixels = source.uniform(*area) * width * height
        ratio = math.exp(source.uniform(math.log(aspect[0]), math.log(aspect[1])))
        w, h = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
        if 1 <= w <= width and 1 <= h <= height:
            left, upper = source.randint(0, width - w), source.randint(0, height - h)
            return left, upper, left + w, upper + h
    return None


def _smooth(image: Image) -> bool:
    """Whether neighbouring values may be mixed: not those of a palette or of black and white."""
    return image.mode not in ("P", "1")
