"""The page in a real browser, driven over its debugging pipe: used as a person would, on a desk and on a phone."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from acclimate.serve import page

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
    "--remote-debugging-pipe",
]


class Browser:
    """One tab of a headless Chromium."""

    def __init__(self, program: str, profile: Path) -> None:
        # Chromium reads commands from descriptor 3 and writes answers to 4: JSON, each ended by a zero byte.
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        command = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        arguments = ["bash", "-c", command, "bash", program, *SWITCHES, f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            arguments, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._number, self._rest, self._session = 0, b"", ""
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]  # type: ignore[no-any-return]
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._in, 1 << 20)
            assert chunk, "the browser ended"
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)  # type: ignore[no-any-return]

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script: str) -> Any:
        """The first truthy value of an expression, within ten seconds."""
        end = time.monotonic() + 10
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"never came true: {script}"
            time.sleep(0.02)
        return value

    def open(self, url: str, *, width: int, dark: bool = False) -> None:
        """A page of this width, in the light or the dark."""
        self.send("Page.navigate", url="about:blank")  # else a new fragment would not load the page anew
        self.events.clear()
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=scheme)
        size = {"width": width, "height": 850, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.send("Page.navigate", url=url)
        self.wait("location.protocol !== 'about:' && document.readyState === 'complete'")

    def type(self, place: str, text: str) -> None:
        self.run(f"document.querySelector('{place}').focus()")
        self.send("Input.insertText", text=text)

    def press(self, place: str) -> None:
        self.run(f"document.querySelector('{place}').click()")

    def picture(self, file: Path) -> None:
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, refused resources among them."""
        found = []
        for event in self.events:
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(event["params"]["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] in (
                "error",
                "warning",
            ):
                found.append(str(event["params"]["entry"]["text"]))
        return found

    def asked(self) -> list[str]:
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        os.close(self._in)
        os.close(self._out)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    given = os.environ.get("CHROMIUM")
    names = [given] if given else ["chromium", "chromium-browser", "google-chrome"]
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip(
            f"no Chromium found as {', '.join(names)}; install one, or name it in the variable CHROMIUM"
        )
    found = Browser(program, tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture
def keep(tmp_path: Path) -> Callable[[str], Path]:
    """Where a picture goes: a folder that PICTURES names, so that a person can look at them."""
    folder = Path(os.environ.get("PICTURES", tmp_path))
    return lambda name: folder / f"serve-{name}.png"


def _fits(browser: Browser) -> None:
    """Nothing stands out on the side, and what is to be touched is large enough for a finger."""
    wide = browser.run("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] <= wide[1], "the page scrolls sideways"
    small = browser.run(
        "[...document.querySelectorAll('button, input, select, textarea')].filter(e => e.offsetWidth && "
        "e.getBoundingClientRect().height < 44).map(e => e.id || e.textContent)"
    )
    assert not small


@pytest.mark.browser
@pytest.mark.parametrize("width", [PHONE, WIDE])
def test_a_person_can_try_all_that_is_served(
    browser: Browser, server: Any, width: int, keep: Callable[[str], Path]
) -> None:
    browser.open(server.url + "/", width=width, dark=width == WIDE)
    browser.wait("document.getElementById('status').className === 'ready'")
    assert browser.run("document.title") == "news · Acclimate"
    assert browser.run("[...document.querySelectorAll('nav button')].filter(b => b.offsetWidth).length") == 3

    browser.run("document.getElementById('task').value = 'topic'")
    browser.type("#text", "The court dismissed the appeal. " + "法院驳回了租户的上诉。" * 10)
    browser.press("#predict .go")
    shown = browser.wait("document.querySelector('#predict .answer h2')?.textContent")
    bars = browser.run(
        "[...document.querySelectorAll('#predict .bar')].map(b => b.querySelector('span').textContent)"
    )
    assert shown == bars[0]
    assert sorted(bars) == sorted(["law", "health", "sport", "经济"])
    assert "its end was not seen" in browser.run("document.querySelector('#predict .warn').textContent")
    first = "document.querySelector('#predict .bar').getBoundingClientRect().width"
    painted = "document.querySelector('#predict .bar rect').getBoundingClientRect().width"
    share = float(
        browser.run("document.querySelector('#predict .bar span:last-child').textContent").split()[0]
    )
    assert browser.run(painted) / browser.run(first) == pytest.approx(share / 100, abs=0.01)
    _fits(browser)
    browser.picture(keep(f"classify-{width}"))

    browser.press("#tab-fill")
    browser.type("#masked", "😀 The ")
    browser.press("#insert")
    browser.type("#masked", " dismissed 法[MASK].")
    browser.press("#fill .go")
    browser.wait("document.querySelectorAll('#fill .answer h2').length === 2")
    heads = browser.run("[...document.querySelectorAll('#fill .answer h2')].map(h => h.textContent)")
    marks = browser.run("[...document.querySelectorAll('#fill mark')].map(m => m.textContent)")
    assert heads[0] == f"😀 The {marks[0]} dismissed 法[MASK]."
    assert heads[1] == f"😀 The [MASK] dismissed 法{marks[1]}."
    _fits(browser)
    browser.picture(keep(f"fill-{width}"))

    browser.press("#tab-compare")
    browser.type("#left", "The court")
    browser.type("#right", "The court")
    browser.press("#compare .go")
    assert browser.wait("document.querySelector('#compare .big')?.textContent") == "1.000"
    _fits(browser)
    browser.picture(keep(f"compare-{width}"))

    assert not browser.complaints()
    assert {httpx.URL(url).host for url in browser.asked() if not url.startswith("data:")} == {"127.0.0.1"}


@pytest.mark.browser
def test_a_refusal_is_shown_in_its_own_words(browser: Browser, server: Any) -> None:
    browser.open(server.url + "/#fill", width=PHONE)
    browser.wait("document.getElementById('fill').offsetWidth")
    browser.type("#masked", "<b>nothing to fill</b>")
    browser.press("#fill .go")
    assert "write [MASK]" in browser.wait("document.querySelector('#fill .warn')?.textContent")


@pytest.mark.browser
def test_a_key_is_asked_for(
    browser: Browser, running: Callable[..., Any], run_folder: Path, keep: Callable[[str], Path]
) -> None:
    with running(run_folder / "tasks" / "topic" / "model", key="s3cret") as server:
        browser.open(server.url + "/", width=PHONE)
        browser.wait("document.getElementById('keybox').offsetWidth")
        browser.type("#key", "wrong")
        browser.press("#keybox .go")
        browser.wait("document.getElementById('status').textContent === 'wrong key'")
        browser.picture(keep("key-390"))
        browser.run("document.getElementById('key').value = ''")
        browser.type("#key", "s3cret")
        browser.press("#keybox .go")
        browser.wait("document.getElementById('status').className === 'ready'")
        assert not browser.run("document.getElementById('keybox').offsetWidth")
        assert browser.run("document.getElementById('tab-fill').hidden")


def test_the_page_has_no_outside_resources(server: Any) -> None:
    text = page.html()
    assert text.count("http://") + text.count("https://") == text.count("http://www.w3.org/2000/svg")
    assert "innerHTML" not in text
    answer = server.client.get("/")
    assert answer.text == text
    assert answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
