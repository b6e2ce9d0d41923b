"""Main text out of HTML, against the expected text of readability's test pages: token F1, and speed.

    python benchmarks/html_main_text.py [--short]

Tokens are words, and single characters in scripts without spaces, in lower case; F1 is taken for each page and
averaged. Candidates: ours (the cleaner `html`), resiliparse and trafilatura, each as it is and in its best setting
here, and all text that is between tags. Our rules were tuned on these same pages, so the two halves of the pages are
given besides; on the other pages of the set, which have no expected text, the table says how far candidates agree.
Everything runs in one process, one candidate after the other, the order moving on from round to round.
"""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from collections.abc import Callable
from html import unescape
from importlib import metadata
from pathlib import Path
from statistics import mean, median
from typing import Any

from acclimate.corpus.clean.main_text import main_text
from acclimate.corpus.sources.page_bytes import page_text
from harness import arguments, finish, shown, spread, table, tell
from machine import Clock

Extractor = Callable[[str], str]
_UNSPACED = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_UNSEEN = re.compile(r"<(script|style|noscript|title)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def without_tags(html: str) -> str:
    """The floor: everything that is no tag."""
    return unescape(_TAG.sub(" ", _UNSEEN.sub(" ", html)))


def candidates() -> dict[str, Extractor]:
    import trafilatura
    from resiliparse.extract.html2text import extract_plain_text

    return {
        "acclimate": main_text,
        "resiliparse": lambda html: extract_plain_text(html, main_content=True),
        "resiliparse, no alt texts": lambda html: extract_plain_text(
            html, main_content=True, alt_texts=False
        ),
        "trafilatura": lambda html: trafilatura.extract(html) or "",
        "trafilatura, recall": lambda html: (
            trafilatura.extract(html, favor_recall=True, include_comments=False) or ""
        ),
        "all between tags": without_tags,
    }


def score(found: str, expected: str) -> tuple[float, float, float]:
    """(F1, precision, recall) of the tokens, each as often as it stands there."""
    ours, theirs = Counter(_TOKEN.findall(found.lower())), Counter(_TOKEN.findall(expected.lower()))
    both = (ours & theirs).total()
    if not both:
        same = float(ours.total() == theirs.total())
        return same, same, same
    precision, recall = both / ours.total(), both / theirs.total()
    return 2 * precision * recall / (precision + recall), precision, recall


def pages(data: Path, archive: str) -> dict[str, str]:
    """Name → the file as text."""
    found = {}
    with tarfile.open(data / "html_pages" / f"{archive}.tar.gz") as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(".html"):
                content = tar.extractfile(member)
                assert content is not None
                found[member.name] = page_text(content.read(), None) or ""
    return dict(sorted(found.items()))


def findings_of(extract: Extractor, judged: list[tuple[str, str]]) -> dict[str, float]:
    scores = [score(extract(page), expected) for page, expected in judged]
    return {
        "f1": mean(one[0] for one in scores),
        "median_f1": median(one[0] for one in scores),
        "precision": mean(one[1] for one in scores),
        "recall": mean(one[2] for one in scores),
        "f1_even_pages": mean(one[0] for one in scores[::2]),
        "f1_odd_pages": mean(one[0] for one in scores[1::2]),
    }


def main() -> None:
    options = arguments(__doc__).parse_args()
    files = pages(options.data, "readability_pages")
    judged = [
        (html, without_tags(files[name.replace("source.html", "expected.html")]))
        for name, html in files.items()
        if name.endswith("source.html")
    ]
    others = [
        *pages(options.data, "trafilatura_cache").values(),
        *pages(options.data, "chinese_news_pages").values(),
    ]
    extractors = candidates()
    found: dict[str, Any] = {name: findings_of(one, judged) for name, one in extractors.items()}
    texts = {name: [one(page) for page in others] for name, one in extractors.items()}
    for name in extractors:
        for peer in ("resiliparse, no alt texts", "trafilatura"):
            pairs = zip(texts[name], texts[peer], strict=True)
            found[name][f"agreement with {peer}"] = mean(score(ours, theirs)[0] for ours, theirs in pairs)
    everything = [page for page, _ in judged] + others
    size = sum(len(page.encode()) for page in everything)
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in extractors}
    for number in range(options.rounds):
        names = list(extractors)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            before = Clock.now()
            for page in everything:
                extractors[name](page)
            rounds[name].append({"bytes": size, **Clock.now().since(before)})
        tell(f"  round {number + 1} of {options.rounds}")
    rows = []
    for name, one in found.items():
        one["megabytes_per_second"] = spread([turn["bytes"] / turn["seconds"] / 1e6 for turn in rounds[name]])
        rows.append(
            [
                name,
                *(
                    f"{one[key]:.4f}"
                    for key in ("f1", "precision", "recall", "f1_even_pages", "f1_odd_pages")
                ),
                *(
                    f"{one[f'agreement with {peer}']:.3f}"
                    for peer in ("resiliparse, no alt texts", "trafilatura")
                ),
                shown(one["megabytes_per_second"], 1),
            ]
        )
    head = ["", "F1", "precision", "recall", "even", "odd", "~resiliparse", "~trafilatura", "MB/s"]
    print(f"{len(judged)} pages with expected text, {len(others)} others, {size / 1e6:.1f} MB\n")
    print(table(head, rows))
    versions = {name: metadata.version(name) for name in ("resiliparse", "trafilatura", "lxml")}
    finish("html_main_text", options, {"pages": len(judged), "versions": versions, **found}, rounds)


if __name__ == "__main__":
    main()
