from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from acclimate import report
from acclimate.report.build import coloured_yaml, command_folder, started, write_report

VOID = {"meta", "link", "br", "hr", "img"}


class Page(HTMLParser):
    """The page's tags, checked for balance, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.ids: list[str] = []
        self.headings: list[str] = []
        """Of the sections."""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [str(value) for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, (self.open, tag, self.getpos())
        self.open.pop()
        if tag in ("td", "th"):
            self.text += " "

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data
        if self.open and self.open[-1] == "h2":
            self.headings.append(data.strip())


@pytest.fixture
def page_of() -> Callable[[Path], Page]:
    return lambda folder: Page(write_report(folder).read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_whole_run(
    whole_run: Callable[[str], Path], page_of: Callable[[Path], Page], language: str
) -> None:
    page = page_of(whole_run(language))
    for section in ("verdict", "curves", "data", "task-topic", "model", "recipe", "lineage", "stages"):
        assert page.ids.count(section) == 1
    assert len(set(page.ids)) == len(page.ids)
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert links and all(link and link.startswith("#") and link[1:] in page.ids for link in links)
    words = " ".join(page.text.split())
    assert "+0.071 macro F1" in words and "helps" in words
    assert "Domain pretraining raised macro F1 by 0.071" in words
    assert "3.345 → 1.302 bits per byte" in words
    assert "37,239 in all" in words and "too_short" in words
    assert "30,000 24,221 5,779" in words  # a source's dropped records, added up over reasons
    assert "Always answering" in words and "AUC leaves out" in words
    assert "vocab_size: 8000" in words
    assert "acclimate serve" in words
    if language == "zh":
        assert "彩票" in words and "央行宣布下调存款准备金率" in words
        assert any(attrs.get("lang") == "zh" for _, attrs in page.tags)


def test_the_page_needs_nothing_from_elsewhere(
    whole_run: Callable[[str], Path], page_of: Callable[[Path], Page]
) -> None:
    page = page_of(whole_run("en"))
    assert not {tag for tag, _ in page.tags} & {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "video",
        "audio",
        "form",
        "base",
    }
    for tag, attrs in page.tags:
        for name, value in attrs.items():
            assert not name.startswith("on")
            if name in ("src", "href", "action", "xlink:href"):
                assert value and value.startswith(("#", "data:")), (tag, name, value)
    style = (Path(report.__file__).parent / "page" / "style.css").read_text(encoding="utf-8")
    assert "url(" not in style and "@import" not in style


def test_texts_of_the_run_are_never_markup(whole_run: Callable[[str], Path]) -> None:
    text = write_report(whole_run("en")).read_text(encoding="utf-8")
    assert "<script" not in text and "<img" not in text
    assert "&lt;script&gt;document.title=&#39;taken over&#39;&lt;/script&gt;" in text
    assert "{{ 7 * 7 }}" in text
    assert "data/a &lt;b&gt; &amp; c" in text
    assert "nul \ufffd bell \ufffd and a lone half \ufffd" in text


def test_the_same_run_gives_the_same_bytes(whole_run: Callable[[str], Path]) -> None:
    folder = whole_run("zh")
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first
    assert write_report(folder) == folder / "report.html"


def test_what_was_not_made_is_left_out(make_run: Callable[..., Any], page_of: Callable[[Path], Page]) -> None:
    page = page_of(make_run(name="empty").done())
    assert page.headings == ["Verdict", "Recipe"]
    assert "trained no model" in page.text

    page = page_of(make_run(name="corpus-only").corpus().done())
    assert page.headings == ["Verdict", "Data card", "Recipe", "Lineage", "Time and memory"]
    assert "characters per token" not in page.text

    page = page_of(make_run(name="no-tasks").corpus().tokens().pretrain().done())
    assert page.headings == [
        "Verdict", "Pretraining", "Data card", "Model card", "Recipe", "Lineage", "Time and memory",
    ]  # fmt: skip
    assert "AutoModelForSequenceClassification" not in page.text and "AutoModelForMaskedLM" in page.text

    page = page_of(make_run(name="no-baseline").task(baseline=False, curves=False).done())
    assert "without it" not in page.text and "helps" not in page.text and "Fine-tuning" not in page.text
    assert "macro F1 on the test set is 0.784" in page.text
    assert "AutoModelForMaskedLM" not in page.text


def test_several_labels_at_once(make_run: Callable[..., Any], page_of: Callable[[Path], Page]) -> None:
    page = page_of(make_run().task("tags", ["a", "b", "c"], multi_label=True).done())
    assert "several may hold at once" in page.text
    assert "Confusions" not in page.text and "Each class" in page.text


def test_figures_that_are_missing_or_no_numbers_do_no_harm(
    make_run: Callable[..., Any], page_of: Callable[[Path], Page]
) -> None:
    maker = make_run().corpus().pretrain(1).task()
    place = maker.artifacts / "evaluation-topic" / "evaluation.json"
    evaluation = json.loads(place.read_text(encoding="utf-8"))
    evaluation["per_seed"] = {"with": [None, 0.5, None], "without": []}
    evaluation["verdict"]["p_value"] = None
    evaluation["test"]["auc"] = {"value": None}
    evaluation["examples"] = [{"text": "x", "label": "a", "predicted": "a", "probability": None}]
    evaluation["class_counts"] = {"train": {"numpy": 0}}
    evaluation["confusion"] = evaluation["per_class"] = evaluation["worst"] = None
    place.write_text(json.dumps(evaluation), encoding="utf-8")
    (maker.artifacts / "figures" / "figures.json").write_text(
        '{"before": {}, "after": {"loss": null}, "test": null}'
    )
    (maker.artifacts / "corpus" / "statistics.json").write_text('{"read": 3, "kept": 3}')
    page = page_of(maker.done())
    assert "nan" not in page.text.lower().replace("nans", "")


@pytest.mark.parametrize(
    ("difference", "word"), [(0.071, "helps"), (-0.071, "hurts"), (0.004, "no clear difference")]
)
def test_the_verdict_is_what_the_interval_says(
    make_run: Callable[..., Any], page_of: Callable[[Path], Page], difference: float, word: str
) -> None:
    page = page_of(make_run().task(difference=difference).done())
    assert word in page.text
    assert set(re.findall("helps|hurts|no clear difference", page.text)) == {word}


def test_recipes_are_shown_as_they_are() -> None:
    shown = coloured_yaml('a: 1  # <b>\n  - key: "x: y"\n# note & more\n{{ x }}\nplain')
    assert shown == (
        '<span class="key">a</span>: 1  # &lt;b&gt;\n  - <span class="key">key</span>: &#34;x: y&#34;\n'
        '<span class="comment"># note &amp; more</span>\n{{ x }}\nplain'
    )


def test_when_a_run_started() -> None:
    assert started("20261121-041500-3fa91c07") == "2026-11-21 04:15"
    assert started("2026-11-21T04:15:00-3fa91c07") == "2026-11-21 04:15"
    assert started("mine") is None


def test_commands_name_the_folder_as_one_would_type_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_folder(Path("runs/x/1")) == "runs/x/1"
    assert command_folder(tmp_path / "runs") == "runs"
    assert command_folder(tmp_path.parent / "else") == str(tmp_path.parent / "else")
