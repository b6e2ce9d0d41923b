"""Bytes of image files to pixels, and what is none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acclimate.corpus.images.decoding import BadImage, decode, size_of


def written(image: Any, format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def gradient(width: int = 40, height: int = 40) -> Any:
    """Red grows to the right, green downwards."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)[None, :]
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(pixels)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_formats_give_the_same_picture(format: str) -> None:
    pixels = decode(written(gradient(), format), 8)
    assert pixels.shape == (3, 8, 8) and pixels.dtype == np.uint8
    expected = decode(written(gradient()), 8)
    assert np.abs(pixels.astype(int) - expected).max() < 30
    red = pixels[0].mean(0)
    assert (np.diff(red) > 0).all() and pixels[1, 0].mean() < pixels[1, -1].mean()


def test_the_middle_square_is_taken_before_scaling() -> None:
    image = Image.new("RGB", (90, 30), "black")
    image.paste((255, 255, 255), (30, 0, 60, 30))
    assert decode(written(image), 8).min() == 255
    strip = Image.new("RGB", (50_000, 1), "red")
    assert decode(written(strip), 64).shape == (3, 64, 64)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_modes_of_colour(mode: str) -> None:
    format = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    white = Image.new("RGB", (9, 9), "white").convert(mode)
    assert decode(written(white, format), 4).min() > 250


def test_transparent_is_white_and_half_of_it_is_half() -> None:
    assert decode(written(Image.new("RGBA", (9, 9), (0, 0, 0, 0))), 4).min() == 255
    assert decode(written(Image.new("LA", (9, 9), (0, 0))), 4).min() == 255
    half = decode(written(Image.new("RGBA", (9, 9), (0, 0, 0, 128))), 4)
    assert np.abs(half.astype(int) - 127).max() <= 1
    palette = Image.new("P", (9, 9), 0)
    assert decode(written(palette, transparency=0), 4).min() == 255


def test_sixteen_bits_of_grey_keep_their_order() -> None:
    values = np.linspace(0, 65_535, 64).astype(np.uint16).reshape(8, 8)
    pixels = decode(written(Image.fromarray(values)), 8)
    assert (pixels[0] == pixels[2]).all() and pixels.max() > 240 and pixels.min() < 10
    assert np.abs(pixels[0].astype(int) - (values >> 8)).max() <= 2


def test_a_camera_held_upright_and_a_single_pixel() -> None:
    image = gradient()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    turned = decode(written(image, exif=exif), 8)
    assert turned[0, :, 4].mean() == pytest.approx(decode(written(image), 8)[1, :, 4].mean(), abs=40)
    assert not np.array_equal(turned, decode(written(image), 8))
    assert (decode(written(Image.new("RGB", (1, 1), (1, 2, 3))), 16)[:, 0, 0] == [1, 2, 3]).all()


def noise() -> Any:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"this is text, whatever it is called", "not_an_image"),
        (b"", "not_an_image"),
        ("全是汉字".encode(), "not_an_image"),
        (written(noise(), "JPEG")[:900], "truncated"),
        (written(noise())[:900], "truncated"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_an_image"),
    ],
    ids=["text", "empty", "chinese", "jpeg", "png", "a program"],
)
def test_what_is_no_picture(data: bytes, reason: str) -> None:
    with pytest.raises(BadImage) as caught:
        decode(data, 8)
    assert caught.value.reason == reason and caught.value.detail


def test_every_broken_byte_is_a_reason_or_a_picture() -> None:
    """Nothing but BadImage comes out, wherever a file is damaged."""
    rng = np.random.default_rng(0)
    for whole in (written(noise(), "PNG"), written(noise(), "GIF"), written(noise(), "WEBP")):
        for _ in range(60):
            data = bytearray(whole)
            for place in rng.integers(0, len(data), 6):
                data[place] = int(rng.integers(256))
            try:
                assert decode(bytes(data), 8).shape == (3, 8, 8)
            except BadImage as error:
                assert error.reason in ("not_an_image", "truncated", "corrupt", "bomb")


def test_a_bomb_is_told_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for side in (40, 80):  # Pillow warns of the one, and raises for the other
        with pytest.raises(BadImage, match="decompression bomb") as caught:
            decode(written(Image.new("L", (side, side))), 8)
        assert caught.value.reason == "bomb"


def test_the_size_stands_in_the_head(tmp_path: Path) -> None:
    assert size_of(written(gradient(30, 20))) == (30, 20)
    assert size_of(written(noise(), "JPEG")[:700]) == (64, 64)
    with pytest.raises(BadImage):
        size_of(b"x")
