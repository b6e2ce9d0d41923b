"""The page in a real browser: nothing wrong in the console, plots drawn, no sideways scrolling on a phone.

One start of a headless Chromium opens every page at every width, in frames of a measuring page that is served from this
machine; a window of its own would not become as narrow as a phone.
"""

from __future__ import annotations

import functools
import html
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from acclimate.report.build import write_report

pytestmark = pytest.mark.browser

PHONE, WIDE = 390, 1280
SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--enable-logging=stderr",
    "--v=0",
]
MEASURE = """
<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,">
<style>body { margin: 0 } iframe { border: 0; height: 900px; display: block }</style>
FRAMES
<pre id="measured"></pre>
<script>
const box = (e) => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom] };
const meet = (a, b) =>
  Math.min(a[2], b[2]) - Math.max(a[0], b[0]) > 1 && Math.min(a[3], b[3]) - Math.max(a[1], b[1]) > 3;
function measurePlot(svg) {
  const frame = box(svg), scale = svg.clientWidth / svg.viewBox.baseVal.width;
  const texts = [...svg.querySelectorAll('text')].map((t) => [t.textContent, box(t)]);
  const marks = [...svg.querySelectorAll('polyline, circle, line.whisker')].map(box);
  const inside = (b) => b[0] >= frame[0] - 1 && b[2] <= frame[2] + 1 && b[1] >= frame[1] - 1 && b[3] <= frame[3] + 1;
  const overlaps = [];
  for (let i = 0; i < texts.length; i++) for (let j = i + 1; j < texts.length; j++)
    if (meet(texts[i][1], texts[j][1])) overlaps.push([texts[i][0], texts[j][0]]);
  return {
    name: svg.getAttribute('aria-label'), scale, marks: marks.length, strip: svg.classList.contains('strip'),
    drawn: marks.some((b) => b[2] - b[0] > 2 || b[3] - b[1] > 2),
    outside: [...texts.filter((t) => !inside(t[1])).map((t) => t[0]), ...marks.filter((b) => !inside(b))], overlaps,
  };
}
window.onload = () => {
  const found = {};
  for (const frame of document.querySelectorAll('iframe')) {
    const page = frame.contentDocument, root = page.documentElement;
    page.querySelectorAll('details').forEach((one) => { one.open = true });
    const wide = [...page.body.querySelectorAll('*')].filter((e) =>
      e.getBoundingClientRect().right > frame.clientWidth + 1 && !e.closest('.scroll'));
    const visible = [...page.querySelectorAll('svg.plot')].filter((svg) => svg.getBoundingClientRect().width > 0);
    found[frame.id] = {
      title: page.title, text: page.body.innerText, scrollWidth: root.scrollWidth, width: frame.clientWidth,
      wide: wide.map((e) => e.tagName + '.' + e.getAttribute('class') + ': ' + e.textContent.slice(0, 60)),
      scripts: page.querySelectorAll('script, img').length, plots: visible.map(measurePlot),
      hidden: page.querySelectorAll('svg.plot').length - visible.length,
      scrolling: [...page.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth + 1).length,
      smallest: Math.min(...[...page.body.querySelectorAll('p, td, th, dd, dt, li')].filter((e) => e.offsetWidth)
        .map((e) => parseFloat(frame.contentWindow.getComputedStyle(e).fontSize))),
      background: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
    };
  }
  document.getElementById('measured').textContent = JSON.stringify(found);
};
</script>
"""


def find_chromium() -> str:
    """The browser; skips the test where there is none."""
    given = os.environ.get("CHROMIUM")
    names = [given] if given else ["chromium", "chromium-browser", "google-chrome"]
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"no Chromium found as {', '.join(names)}; install one, or name it in the variable CHROMIUM")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and remembers what was asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """(address, paths asked for so far) of the folder on this machine."""
    asked: list[str] = []
    handler = type("Handler", (Quiet,), {"asked": asked})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=folder)
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def opened(browser: str, address: str, profile: Path, *switches: str) -> tuple[str, list[str]]:
    """(document after loading, lines of the console) of a page."""
    done = subprocess.run(
        [
            browser,
            *SWITCHES,
            *switches,
            f"--user-data-dir={profile}",
            "--window-size=1400,2000",
            "--dump-dom",
            address,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def measured(browser: str, folder: Path, profile: Path, *switches: str) -> dict[str, Any]:
    """What the measuring page found about each page, with `console` and `asked`."""
    with served(folder) as (address, asked):
        document, console = opened(browser, f"{address}/measure.html", profile, *switches)
    found = re.search(r'<pre id="measured">(.*?)</pre>', document, flags=re.DOTALL)
    assert found and found[1], f"the measuring page did not finish: {console}"
    return {**json.loads(html.unescape(found[1])), "console": console, "asked": asked}


@pytest.fixture(scope="module")
def pages(run_maker: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    browser = find_chromium()
    root = tmp_path_factory.mktemp("pages")
    long_names = [f"class-{n}-with-a-rather-long-name" for n in range(20)]
    runs = {
        "en": run_maker(root, "en").corpus().tokens().pretrain().task(),
        "zh": run_maker(root, "zh").corpus().tokens().pretrain(3000).task().task("length", ["长文", "短文"]),
        "lone": run_maker(root, "en", name="lone").task("solo", long_names, baseline=False),
    }
    frames = []
    for name, run in runs.items():
        write_report(run.done()).rename(root / f"{name}.html")
        for width in (PHONE, WIDE):
            frames.append(f'<iframe id="{name}-{width}" src="{name}.html" style="width:{width}px"></iframe>')
    (root / "measure.html").write_text(MEASURE.replace("FRAMES", "\n".join(frames)), encoding="utf-8")
    found = measured(browser, root, root / "profile")
    dark = measured(browser, root, root / "dark", "--blink-settings=preferredColorScheme=0")
    return {**found, "dark": dark["en-1280"]["background"]}


CASES = [f"{name}-{width}" for name in ("en", "zh", "lone") for width in (PHONE, WIDE)]


def test_nothing_in_the_console_and_nothing_loaded_from_elsewhere(pages: dict[str, Any]) -> None:
    assert pages["console"] == []
    assert set(pages["asked"]) == {"/measure.html", "/en.html", "/zh.html", "/lone.html"}


def test_the_console_is_really_watched(tmp_path: Path) -> None:
    browser = find_chromium()
    broken = "<!DOCTYPE html><title>x</title><script>console.error('seen'); nothing.there()</script>"
    (tmp_path / "broken.html").write_text(broken)
    with served(tmp_path) as (address, _):
        _, console = opened(browser, f"{address}/broken.html", tmp_path / "profile")
    assert any("seen" in line for line in console)
    assert any("nothing is not defined" in line for line in console)


@pytest.mark.parametrize("case", CASES)
def test_the_page_never_scrolls_sideways(pages: dict[str, Any], case: str) -> None:
    page = pages[case]
    assert page["width"] == int(case.partition("-")[2])
    assert page["wide"] == []
    assert page["scrollWidth"] <= page["width"]


def test_wide_tables_scroll_within_their_own_box_on_a_phone(pages: dict[str, Any]) -> None:
    assert pages["en-390"]["scrolling"] > 0
    assert pages["en-1280"]["scrolling"] == 0
    assert pages["lone-1280"]["scrolling"] == 0  # a confusion matrix of 20 classes with long names


@pytest.mark.parametrize("case", CASES)
def test_plots_are_drawn_legible_and_within_their_frames(pages: dict[str, Any], case: str) -> None:
    plots = pages[case]["plots"]
    # Loss, bits per byte, learning rate, gradient norm; validation and training loss, and the verdicts.
    assert len([p for p in plots if not p["strip"]]) == {"en": 8, "zh": 11, "lone": 3}[case.partition("-")[0]]
    for plot in plots:
        assert plot["marks"] > 0 and plot["drawn"], plot
        assert plot["outside"] == [], plot
        assert plot["overlaps"] == [], plot
        # Letters of 12 pixels come out at 10 or more.
        assert plot["strip"] or plot["scale"] > 0.84, plot
    assert pages[case]["hidden"] == len(
        [p for p in plots if not p["strip"]]
    )  # the drawings for the other width
    assert pages[case]["smallest"] >= 11


def test_texts_are_shown_not_run(pages: dict[str, Any]) -> None:
    for case in CASES:
        assert "<script>document.title='taken over'</script>" in pages[case]["text"]
        assert "{{ 7 * 7 }}" in pages[case]["text"]
        assert pages[case]["scripts"] == 0
        assert pages[case]["title"] != "taken over"
    assert "央行宣布下调存款准备金率" in pages["zh-390"]["text"]


def test_the_page_follows_the_readers_colour_scheme(pages: dict[str, Any]) -> None:
    assert pages["en-1280"]["background"] == "rgb(255, 255, 255)"
    assert pages["dark"] == "rgb(18, 21, 24)"
