from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from acclimate.corpus.clean.mojibake import Mojibake, repaired
from acclimate.corpus.document import Document


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("voilÃ  le travail", "voilà le travail"),
        ("It\u00e2\u20ac\u2122s late", "It’s late"),
        ("plain", "plain"),
        ("“curly” quotes and ｆｕｌｌ width stay", "“curly” quotes and ｆｕｌｌ width stay"),
        ("中文没有问题，全角，１２３", "中文没有问题，全角，１２３"),
        ("ä½\xa0å¥½", "你好"),
        ("fine line — ça va\nbroken line cafÃ©\n", "fine line — ça va\nbroken line café\n"),
    ],
)
def test_only_what_was_decoded_wrong_changes(text: str, expected: str) -> None:
    assert repaired(text) == expected


def test_repaired_documents_are_counted(documents: Callable[..., list[Document]]) -> None:
    cleaned = Mojibake().build()(documents("cafÃ©", "café", "你好"))
    assert [one.text for one in cleaned.documents] == ["café", "café", "你好"]
    assert cleaned.changed == {"mojibake": 1} and not cleaned.dropped


def test_published_cases(shared: Path) -> None:
    """Those whose repair is expected come out right, and those that must stay stay."""
    counts = {"right": 0, "cases": 0}
    for name in ("in-the-wild", "language-names", "synthetic", "negative"):
        for case in json.loads((shared / "mojibake" / f"{name}.json").read_text("utf-8")):
            counts["cases"] += 1
            counts["right"] += repaired(case["original"]) == case.get("fixed-encoding", case["fixed"])
    assert counts == {"right": 151, "cases": 151}
