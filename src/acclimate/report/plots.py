"""Plots as inline SVG: curves over steps, and dots with whiskers. Colours and fonts come from the page's style.

Each function draws for a given width in CSS pixels; the page asks for a wide and a narrow drawing of the same thing and
shows the one that fits, so that letters stay legible on a phone. Text is never scaled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from acclimate.report.numbers import MINUS, compact, legible
from acclimate.report.scales import Scale, linear_scale, log_scale
from acclimate.report.thinning import pieces

Floats = NDArray[np.float64]
LETTER = 6.7
"""Width of a digit of the axis labels in pixels, on the generous side."""
MOST_MARKS = 40
"""A series of more points is drawn as a line without dots."""


@dataclass(frozen=True)
class Series:
    """One line."""

    name: str
    x: Floats
    """[N]"""
    y: Floats
    """[N] NaN where there is nothing."""
    tone: str = "a"
    """Colour of the page's style: a, b, c, or `plain`."""
    faint: bool = False
    """Drawn thin and pale, as a background to another line."""
    marks: bool = False
    """A dot at each point, with its values as a tooltip."""


@dataclass(frozen=True)
class Whisker:
    """One row of an interval chart."""

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    text: str = ""
    """The figure in words, at the right end of the row."""
    dots: Sequence[float] = ()
    """Single outcomes, such as one per seed."""
    tone: str = "a"


def tick_labels(scale: Scale) -> list[str]:
    """Labels of the ticks: equal decimals on a linear scale, as many as tell neighbours apart."""
    ticks = scale.ticks
    if scale.log or len(ticks) < 2:
        return [compact(tick) for tick in ticks]
    step, most = ticks[1] - ticks[0], max(abs(tick) for tick in ticks)
    unit, letter = 1.0, ""
    for power, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if most >= power * 0.9995 and (sign != "k" or most >= 2000):
            unit, letter = power, sign
            break
    places = max(0, -math.floor(math.log10(step / unit) + 1e-9))
    if places > 4:
        return [compact(tick) for tick in ticks]
    return ["0" if tick == 0 else f"{tick / unit:.{places}f}".replace("-", MINUS) + letter for tick in ticks]


def _text(x: float, y: float, text: str, style: str, anchor: str = "start") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        style, x, y, anchor, legible(text)
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
        style, x1, y1, x2, y2
    )


def _dot(x: float, y: float, radius: float, style: str, tip: str = "") -> Markup:
    dot = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{:g}"').format(style, x, y, radius)
    return dot + (Markup("><title>{}</title></circle>").format(legible(tip)) if tip else Markup("/>"))


def _svg(width: int, height: int, title: str, body: Sequence[Markup], style: str = "") -> Markup:
    return Markup(
        '<svg class="plot {}" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}</svg>'
    ).format(style, width, height, width, height, legible(title), Markup("").join(body))


def _bottom_axis(scale: Scale, top: float, base: float, width: int) -> list[Markup]:
    """Grid lines and labels of a horizontal axis; labels that would run off the drawing lean inwards."""
    out = []
    for tick, label in zip(scale.ticks, tick_labels(scale), strict=True):
        x = float(scale(tick))
        half = len(label) * LETTER / 2
        anchor = "end" if x + half > width else "start" if x - half < 0 else "middle"
        out += [_line(x, top, x, base, "grid"), _text(x, base + 17, label, "tick", anchor)]
    return out


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    width: int = 720,
    height: int = 260,
    x_label: str = "step",
    log: bool = False,
    zero: bool = False,
    events: Sequence[tuple[float, str]] = (),
) -> Markup | None:
    """Curves over a common x axis; None when no series has a point to draw.

    title: what y is, written over the axis. log: logarithmic y, without values not above zero. zero: y starts at 0.
    events: (x, words) of what happened, each an upright line.
    """
    shown = []
    for one in series:
        order = np.argsort(one.x, kind="stable")
        x, y = np.asarray(one.x, dtype=np.float64)[order], np.asarray(one.y, dtype=np.float64)[order]
        if log:
            y = np.where(y > 0, y, np.nan)
        # A gap keeps its place in x, so that the line breaks there; an x that is no number has no place.
        y, x = y[np.isfinite(x)], x[np.isfinite(x)]
        y = np.where(np.isfinite(y), y, np.nan)
        if np.isfinite(y).any():
            shown.append((one, x, y))
    if not shown:
        return None
    drawn_x = np.concatenate([x[np.isfinite(y)] for _, x, y in shown])
    drawn_y = np.concatenate([y for _, _, y in shown])
    top, base = 30.0, height - 40.0
    most = max(3, int((base - top) / 38))
    y_scale = (
        log_scale(drawn_y, base, top, most=most)
        if log
        else linear_scale(drawn_y, base, top, most=most, zero=zero)
    )
    left = 12 + LETTER * max(map(len, tick_labels(y_scale)))
    x_scale = linear_scale(drawn_x, left, width - 10.0, most=min(10, max(3, width // 52)), tight=True)

    body = [_text(0, 12, title, "name"), *_bottom_axis(x_scale, base, base + 4, width)]
    body.append(_text(width - 10, height - 6, x_label, "tick", "end"))
    for tick, label in zip(y_scale.ticks, tick_labels(y_scale), strict=True):
        y_at = float(y_scale(tick))
        body += [_line(left, y_at, width - 10, y_at, "grid"), _text(left - 7, y_at + 4, label, "tick", "end")]
    for at, words in events:
        x_at = float(x_scale(at))
        leans = x_at + len(words) * LETTER > width
        body.append(_line(x_at, top, x_at, base, "reference"))
        body.append(_text(x_at + (-4 if leans else 4), top - 4, words, "tick", "end" if leans else "start"))
    for one, x, y in shown:
        body += _curve(one, x, y, x_scale, y_scale, x_label)
    return _svg(width, height, f"{title} over {x_label}", body)


def _curve(one: Series, x: Floats, y: Floats, x_scale: Scale, y_scale: Scale, x_label: str) -> list[Markup]:
    out = []
    style = f"curve {one.tone}" + (" faint" if one.faint else "")
    for px, py in pieces(x_scale(x), y_scale(y)):
        if len(px) == 1:
            out.append(_dot(px[0], py[0], 1.5 if one.faint else 3, f"dot {one.tone}"))
            continue
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))
        out.append(Markup('<polyline class="{}" points="{}"/>').format(style, points))
    if one.marks and len(x) <= MOST_MARKS:
        for a, b, px, py in zip(x, y, x_scale(x), y_scale(y), strict=True):
            if math.isfinite(b):
                out.append(_dot(px, py, 2.5, f"dot {one.tone}", f"{one.name}, {x_label} {a:,.0f}: {b:.4g}"))
    return out


def interval_chart(
    rows: Sequence[Whisker],
    *,
    title: str,
    width: int = 420,
    zero: bool = False,
    reference: float | None = None,
) -> Markup | None:
    """A row for each value: its name and figure, and below them a dot with its whiskers on the common axis.

    zero: the axis starts at 0. reference: a value marked by an upright line. None when no row has a finite value.
    """
    rows = [row for row in rows if math.isfinite(row.value)]
    if not rows:
        return None
    every = [v for row in rows for v in (row.value, row.low, row.high, *row.dots)]
    every += [] if reference is None else [reference]
    scale = linear_scale(np.asarray(every), 8.0, width - 8.0, most=max(3, width // 66), zero=zero)
    row_height = 50
    base = len(rows) * row_height + 2.0
    body = _bottom_axis(scale, 0, base, width)
    if reference is not None:
        at = float(scale(reference))
        body.append(_line(at, 0, at, base, "reference"))
    for index, row in enumerate(rows):
        y = index * row_height + 34.0
        body.append(_text(0, y - 17, row.name, "name"))
        body.append(_text(width, y - 17, row.text or f"{row.value:.3f}", "figure", "end"))
        body += _whisker(row, scale, y)
    return _svg(width, int(base + 24), title, body)


def _whisker(row: Whisker, scale: Scale, y: float) -> list[Markup]:
    out = []
    if math.isfinite(row.low) and math.isfinite(row.high):
        low, high = float(scale(row.low)), float(scale(row.high))
        out.append(_line(low, y, high, y, f"whisker {row.tone}"))
        out += [_line(end, y - 4, end, y + 4, f"whisker {row.tone}") for end in (low, high)]
    for seed, dot in enumerate(row.dots):
        if math.isfinite(dot):
            out.append(_dot(float(scale(dot)), y, 3, f"seed {row.tone}", f"seed {seed}: {dot:.4g}"))
    out.append(_dot(float(scale(row.value)), y, 5, f"dot {row.tone}", row.text))
    return out


def interval_strip(
    rows: Sequence[Whisker], *, title: str, low: float, high: float, width: int = 210
) -> Markup:
    """The same without words, for a table's cell: whiskers one under another between fixed ends."""
    scale = Scale(low, high, 6.0, width - 6.0, ())
    height = 8 + 10 * len(rows)
    body = [_line(6, height / 2, width - 6, height / 2, "grid")]
    for index, row in enumerate(rows):
        if math.isfinite(row.value):
            y = 9.0 + 10 * index
            if math.isfinite(row.low) and math.isfinite(row.high):
                body.append(_line(float(scale(row.low)), y, float(scale(row.high)), y, f"whisker {row.tone}"))
            body.append(_dot(float(scale(row.value)), y, 3.5, f"dot {row.tone}"))
    return _svg(width, height, title, body, "strip")
