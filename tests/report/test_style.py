"""Letters stand out from what is behind them, in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from acclimate import report

STYLE = (Path(report.__file__).parent / "page" / "style.css").read_text(encoding="utf-8")


def colours(scheme: str) -> dict[str, str]:
    light, _, rest = STYLE.partition("@media (prefers-color-scheme: dark)")
    block = light if scheme == "light" else rest.partition("* {")[0]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back"),
    [
        ("ink", "paper"),
        ("soft", "paper"),
        ("a", "paper"),
        ("b", "paper"),
        ("ink", "wash"),
        ("soft", "wash"),
        ("a", "wash"),
        ("good", "good-wash"),
        ("bad", "bad-wash"),
        ("open", "open-wash"),
        ("ink", "open-wash"),
    ],
)
def test_contrast(scheme: str, front: str, back: str) -> None:
    found = colours(scheme)
    light, dark = sorted((luminance(found[front]), luminance(found[back])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_every_colour_has_a_dark_twin() -> None:
    assert set(colours("light")) == set(colours("dark"))


def heat(scheme: str, tone: str, share: float) -> str:
    """The colour of a cell of the confusion matrix, laid over the paper."""
    rgb = re.findall(rf"--{tone}-rgb: (\d+) (\d+) (\d+);", STYLE)[0 if scheme == "light" else 1]
    base, slope = (0.7, 0.3) if share >= 0.5 else (0.1, 0.7)
    strength = base + slope * share
    paper = [int(colours(scheme)["paper"][n : n + 2], 16) for n in (1, 3, 5)]
    mixed = [round(strength * int(c) + (1 - strength) * p) for c, p in zip(rgb, paper, strict=True)]
    return "#" + "".join(f"{c:02x}" for c in mixed)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tone", ["a", "b"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.49, 0.5, 0.7, 1.0])
def test_counts_can_be_read_on_every_shade(scheme: str, tone: str, share: float) -> None:
    assert "--shade: calc(.1 + .7 * var(--s))" in STYLE and "--shade: calc(.7 + .3 * var(--s))" in STYLE
    found = colours(scheme)
    text = found["paper"] if share >= 0.5 else found["ink"]
    light, dark = sorted((luminance(text), luminance(heat(scheme, tone, share))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3.5
