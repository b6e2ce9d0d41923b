"""SIGHAN's spelling check: sentences with the truth beside, and what does not fit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from acclimate.corpus.document import Document, Dropped, Record
from acclimate.corpus.readers.sighan import Sighan
from acclimate.errors import UserError

INPUT = "(NID=1)\t遇到逆竟时要勇敢\n(NID=2)\t没有错\n(NID=3)\t很烦脑也很措折\n"
TRUTH = "1, 4, 境\n2, 0\n3, 3, 恼, 6, 挫\n"


def corpus(folder: Path, sentences: str = INPUT, truth: str | None = TRUTH) -> Sighan:
    (folder / "TestInput.txt").write_text(sentences, "utf-8")
    if truth is not None:
        (folder / "TestTruth.txt").write_text(truth, "utf-8")
    return Sighan(path=str(folder))


def test_sentences_and_how_they_are_right(tmp_path: Path) -> None:
    reader = corpus(tmp_path).build()
    found = [one.fields for one in reader.records() if isinstance(one, Record)]
    assert [one["target"] for one in found] == ["遇到逆境时要勇敢", "没有错", "很烦恼也很挫折"]
    assert [one["text"] for one in found] == ["遇到逆竟时要勇敢", "没有错", "很烦脑也很措折"]
    assert [(one["errors"], one["id"]) for one in found] == [("1", "1"), ("0", "2"), ("2", "3")]
    assert [one.text for one in reader.read() if isinstance(one, Document)] == [
        one["target"] for one in found
    ]
    assert reader.check() == []


@pytest.mark.parametrize(
    ("truth", "reasons"),
    [
        ("1, 4, 境\n3, 0\n3, 3, 恼, 6, 挫\n", {"unaligned": 1}),
        ("1, 4, 境\n2, 0\n", {"unaligned": 1}),
        ("1, 4, 境\n2, 9, 错\n3, 3\n", {"wrong_shape": 2}),
        ("1, 4, 境\n2, x, 错\n3, 0\n", {"wrong_shape": 1}),
        (None, {"unpaired": 1}),
    ],
)
def test_what_does_not_fit_is_dropped_by_reason(
    tmp_path: Path, truth: str | None, reasons: dict[str, int]
) -> None:
    found = list(corpus(tmp_path, truth=truth).build().records())
    assert Counter(one.reason for one in found if isinstance(one, Dropped)) == reasons


def test_another_shape_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected `\\(id=…\\)<TAB>sentence`"):
        list(corpus(tmp_path, sentences="just a sentence\n", truth="1, 0\n").build().records())


def test_the_real_files() -> None:
    folder = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "sighan_csc"
    if not folder.is_dir():
        pytest.skip(f"the SIGHAN files are not at {folder}")
    for name, number in (("TrainingInputAll.txt.zst", 10_052), ("sighan13_TestInput.txt.gz", 998)):
        found = list(Sighan(path=str(folder / name)).build().records())
        assert len(found) == number and all(isinstance(one, Record) for one in found)
    first = found[0]
    assert isinstance(first, Record) and "逆竟" in first.fields["text"] and "逆境" in first.fields["target"]
