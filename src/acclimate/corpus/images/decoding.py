"""From the bytes of an image file to a square of pixels. Needs Pillow, the extra `vision`."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "WEBP")
"""What is opened: nothing whose decoder runs a program of its own, as that of PostScript does."""
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, struct.error, zlib.error)
"""What Pillow's decoders raise on bytes that are not as they should be."""


class BadImage(Exception):
    """Bytes that give no picture, with a reason to count by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def pillow() -> Any:
    """The module `PIL.Image`. Raises UserError where it is not installed."""
    try:
        from PIL import Image
    except ImportError:
        raise UserError("images need Pillow: pip install 'acclimate[vision]'") from None
    return Image


def size_of(data: bytes) -> tuple[int, int]:
    """(width, height), by the head of the file. Raises BadImage."""
    with _opened(data) as image:
        return image.size  # type: ignore[no-any-return]


def decode(data: bytes, size: int) -> NDArray[np.uint8]:
    """[3, size, size]: the largest square in the middle, scaled (bicubic); of a moving picture the first frame.

    What is transparent becomes white, what a camera held upright stands upright, 16 bits of grey become 8. Raises
    BadImage: `not_an_image`, `truncated`, `corrupt`, or `bomb` (more pixels than Pillow's limit, found before any is
    unpacked).
    """
    with _opened(data) as image:
        image.load()
        square = _coloured(_middle(_upright(image))).resize((size, size), pillow().Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(square, dtype=np.uint8).transpose(2, 0, 1))


@contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    """The picture, of which nothing is unpacked yet. What goes wrong inside becomes a BadImage."""
    library = pillow()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", library.DecompressionBombWarning)
        try:
            with library.open(io.BytesIO(data), formats=FORMATS) as image:
                yield image
        except (library.DecompressionBombWarning, library.DecompressionBombError) as error:
            raise BadImage("bomb", str(error)) from None
        except _unidentified():
            raise BadImage("not_an_image", f"begins with {data[:16]!r}") from None
        except _BROKEN as error:
            reason = "truncated" if "truncated" in str(error) else "corrupt"
            raise BadImage(reason, f"{type(error).__name__}: {error}") from None


def _unidentified() -> Any:
    from PIL import UnidentifiedImageError

    return UnidentifiedImageError


def encoded(pixels: NDArray[np.uint8]) -> Image:
    """The picture of pixels [3, H, W]."""
    return pillow().fromarray(pixels.transpose(1, 2, 0))  # type: ignore[no-any-return]


def _upright(image: Image) -> Image:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _middle(image: Image) -> Image:
    # Before scaling, so that a strip of a thousand to one is not blown up.
    width, height = image.size
    side = min(width, height)
    left, upper = (width - side) // 2, (height - side) // 2
    return image.crop((left, upper, left + side, upper + side))


def _coloured(image: Image) -> Image:
    if image.mode.startswith("I"):  # one band of more than 8 bits, which Pillow would cut off at 255
        grey = np.clip(np.asarray(image, dtype=np.int64) >> 8, 0, 255).astype(np.uint8)
        return pillow().fromarray(grey).convert("RGB")  # type: ignore[no-any-return]
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = pillow().new("RGBA", image.size, "white")
        return pillow().alpha_composite(white, image).convert("RGB")  # type: ignore[no-any-return]
    return image.convert("RGB")
