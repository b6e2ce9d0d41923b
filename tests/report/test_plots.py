"""Geometry of the drawings, read back from the SVG with an XML parser."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from markupsafe import Markup

from acclimate.report.plots import Series, Whisker, interval_chart, interval_strip, line_chart, tick_labels
from acclimate.report.scales import linear_scale, log_scale


def parsed(svg: Markup | None) -> ElementTree.Element:
    assert svg is not None
    return ElementTree.fromstring(str(svg))


def points(svg: ElementTree.Element, style: str = "curve") -> list[list[tuple[float, float]]]:
    return [
        [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
        for line in svg.iter("polyline")
        if style in line.attrib["class"].split()
    ]


def inside(svg: ElementTree.Element) -> None:
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    places = [place for line in points(svg) for place in line]
    places += [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in svg.iter("circle")]
    for line in svg.iter("line"):
        places += [(float(line.attrib[f"x{n}"]), float(line.attrib[f"y{n}"])) for n in "12"]
    places += [(float(t.attrib["x"]), float(t.attrib["y"])) for t in svg.iter("text")]
    assert places
    assert all(0 <= x <= width and 0 <= y <= height for x, y in places)


def curve(y: object, **options: object) -> Series:
    values = np.asarray(y, dtype=float)
    return Series("loss", np.arange(1.0, len(values) + 1), values, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [330, 840])
@pytest.mark.parametrize(
    "y",
    [
        [3.0],
        [3.0, 3.0, 3.0],
        [1e-6, 2e-6],
        [1e9, -1e9, 5.0],
        [1, np.nan, 3, np.inf, -np.inf, 2],
        np.random.default_rng(0).normal(size=300_000),
    ],
)
def test_everything_stays_within_the_drawing(y: object, width: int) -> None:
    svg = parsed(line_chart([curve(y)], title="loss", width=width))
    inside(svg)
    assert len(str(ElementTree.tostring(svg))) < 100_000


def test_higher_values_are_drawn_higher_and_later_steps_further_right() -> None:
    svg = parsed(line_chart([curve([5, 4, 2, 1])], title="loss"))
    (line,) = points(svg)
    assert [x for x, _ in line] == sorted(x for x, _ in line)
    assert [y for _, y in line] == sorted(y for _, y in line)  # y grows downwards on the page
    (line,) = points(parsed(line_chart([curve([1, 10, 100, 1000])], title="loss", log=True)))
    assert np.allclose(np.diff([y for _, y in line]), line[1][1] - line[0][1], atol=0.11)


def test_unsorted_steps_are_put_in_order() -> None:
    a = line_chart([Series("a", np.array([1.0, 2, 3]), np.array([1.0, 4, 9]))], title="t")
    b = line_chart([Series("a", np.array([3.0, 1, 2]), np.array([9.0, 1, 4]))], title="t")
    assert a == b


def test_a_spike_survives() -> None:
    y = np.ones(200_000)
    y[77_777] = 30
    (line,) = points(parsed(line_chart([curve(y)], title="loss", height=260)))
    assert min(y for _, y in line) <= 31 and len(line) < 4 * 720


def test_a_gap_breaks_the_line_and_a_lone_point_is_a_dot() -> None:
    svg = parsed(line_chart([curve([1, 2, np.nan, 4, np.nan, 5, 6])], title="loss"))
    assert [len(line) for line in points(svg)] == [2, 2]
    assert len(list(svg.iter("circle"))) == 1


def test_nothing_to_draw_is_none() -> None:
    assert line_chart([], title="loss") is None
    assert line_chart([curve([]), curve([np.nan])], title="loss") is None
    assert line_chart([curve([0, -1])], title="loss", log=True) is None
    assert interval_chart([Whisker("a", math.nan)], title="x") is None


def test_marks_carry_their_values() -> None:
    svg = parsed(line_chart([curve([3.25, 2.5], marks=True)], title="loss"))
    assert [t.text for t in svg.iter("title")] == ["loss, step 1: 3.25", "loss, step 2: 2.5"]
    many = parsed(line_chart([curve(np.arange(1000), marks=True)], title="loss"))
    assert not list(many.iter("circle"))


def test_zero_is_on_the_axis_when_asked_for() -> None:
    svg = parsed(line_chart([curve([0.8, 1.0])], title="rate", zero=True))
    labels = [t.text for t in svg.iter("text")]
    assert "0" in labels
    assert "0" not in [t.text for t in parsed(line_chart([curve([0.8, 1.0])], title="rate")).iter("text")]


def test_labels_are_escaped() -> None:
    hostile = "</svg><script>alert(1)</script>\x00"
    svg = line_chart([curve([1, 2], marks=True)], title=hostile)
    assert "<script>" not in str(svg)
    assert parsed(svg).attrib["aria-label"].startswith("</svg><script>")
    chart = interval_chart([Whisker(hostile, 1.0, text=hostile, dots=[1.0])], title=hostile)
    assert "<script>" not in str(chart)
    parsed(chart)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0, 1e-3], ["0", "0.0005", "0.0010"]),
        ([0, 40_000], ["0", "10k", "20k", "30k", "40k"]),
        ([0, 1500], ["0", "500", "1000", "1500"]),
        ([-1, 1], ["−1.0", "−0.5", "0", "0.5", "1.0"]),
        ([0, 3e-7], ["0", "1e−07", "2e−07", "3e−07"]),
        ([10, 10.5], ["10.0", "10.2", "10.4", "10.6"]),
    ],
)
def test_tick_labels(values: list[float], labels: list[str]) -> None:
    most = 2 if values == [0, 1e-3] else 4
    assert tick_labels(linear_scale(np.asarray(values, dtype=float), 0, 1, most=most)) == labels


def test_log_tick_labels() -> None:
    assert tick_labels(log_scale(np.array([0.01, 1000]), 0, 1)) == ["0.01", "0.1", "1", "10", "100", "1k"]


def test_whiskers_stand_around_their_dot_on_a_common_axis() -> None:
    rows = [
        Whisker("with", 0.78, 0.76, 0.81, "0.78", dots=[0.77, 0.79, math.nan]),
        Whisker("without", 0.7, 0.65, 0.73, tone="b"),
    ]
    svg = parsed(interval_chart(rows, title="F1", width=400, reference=0.75))
    inside(svg)
    place = {}
    for tone, row in (("a", rows[0]), ("b", rows[1])):
        (dot,) = [float(c.attrib["cx"]) for c in svg.iter("circle") if c.attrib["class"] == f"dot {tone}"]
        rails = [e for e in svg.iter("line") if e.attrib["class"] == f"whisker {tone}"]
        assert len(rails) == 3
        low, high = float(rails[0].attrib["x1"]), float(rails[0].attrib["x2"])
        assert low < dot < high
        place |= {row.low: low, row.value: dot, row.high: high}
    values = sorted(place)
    slopes = np.diff([place[v] for v in values]) / np.diff(values)
    assert np.allclose(slopes, slopes[0], rtol=0.03)
    seeds = [c for c in svg.iter("circle") if c.attrib["class"] == "seed a"]
    assert len(seeds) == 2
    assert [t.text for t in svg.iter("text") if t.attrib["class"] == "name"] == ["with", "without"]


def test_a_figure_without_interval_is_a_dot_alone() -> None:
    svg = parsed(interval_chart([Whisker("test", 0.5)], title="F1"))
    inside(svg)
    assert not [line for line in svg.iter("line") if "whisker" in line.attrib["class"]]


def test_strips_share_fixed_ends() -> None:
    strip = [
        parsed(interval_strip([Whisker("", v)], title="F1", low=0, high=1, width=112))
        for v in (0.0, 0.5, 1.0)
    ]
    assert [float(next(s.iter("circle")).attrib["cx"]) for s in strip] == [6, 56, 106]
    for svg in strip:
        inside(svg)
