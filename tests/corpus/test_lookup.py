from __future__ import annotations

from pathlib import Path

import pytest

from acclimate.corpus.build import build_corpus
from acclimate.corpus.document import text_digest
from acclimate.corpus.lookup import by_id, by_place, by_text, looks_like_id, name_document, read_again
from acclimate.errors import UserError
from acclimate.recipe.corpus_section import Corpus

LINES = [
    "the first document of all",
    "kurz",
    "the first document of all",
    "  中文 的 文档 在 这里\u200b  ",
    "",
    "the last one here",
    "ku\u200brz",
]


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[Path, Corpus]:
    path = tmp_path / "a.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    section = Corpus.model_validate(
        {
            "sources": [{"path": str(path), "documents": "line"}],
            "clean": ["unicode", {"length": {"min_characters": 8}}],
            "split": {"validation": 0, "test": 0},
        }
    )
    (tmp_path / "out").mkdir()
    build_corpus(section, tmp_path / "out")
    return tmp_path / "out", section


def test_by_id_or_its_beginning(corpus: tuple[Path, Corpus]) -> None:
    folder, _ = corpus
    id = text_digest(LINES[0]).hex()
    for query in (id, id[:6]):
        again, kept = by_id(folder, query, 20)
        assert again.reason == "exact_duplicate" and again.place.endswith("a.txt:3") and again.id == id  # type: ignore[union-attr]
        assert kept.kept == "train, document 0" and kept.source == "a.txt" and kept.as_dict()["id"] == id
    assert len(by_id(folder, id, 1)) == 1 and by_id(folder, "0" * 32, 20) == []
    # What was changed before it was kept is known by what it became.
    (found,) = by_id(folder, text_digest("中文 的 文档 在 这里").hex(), 20)
    assert found.kept == "train, document 1"
    (changed,) = by_id(folder, text_digest("ku\u200brz").hex(), 20)
    assert changed.reason == "too_short" and changed.place.endswith("a.txt:7"), "known by what was read, too"  # type: ignore[union-attr]
    short, _ = by_id(folder, text_digest("kurz").hex(), 20)
    assert (short.reason, short.detail) == ("too_short", "4 characters, fewer than 8")


def test_by_place(corpus: tuple[Path, Corpus]) -> None:
    folder, section = corpus
    for place in (section.sources[0].path + ":2", "a.txt:2"):
        (found,) = by_place(folder, place, 20)
        assert found.reason == "too_short"
    (empty,) = by_place(folder, "a.txt:5", 20)
    assert empty.reason == "empty" and empty.id is None
    assert by_place(folder, "txt:2", 20) == [] == by_place(folder, "a.txt:6", 20)
    assert read_again(section, "a.txt:6") == LINES[5] and read_again(section, "a.txt:8") is None


def test_by_place_from_here_and_over_links(
    corpus: tuple[Path, Corpus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = corpus
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.chdir(tmp_path / "out")
    for place in ("../a.txt:2", "../link/a.txt:2", str(tmp_path / "link" / "a.txt:2")):
        (found,) = by_place(folder, place, 20)
        assert found.reason == "too_short"


def test_by_text_as_it_was_read(corpus: tuple[Path, Corpus]) -> None:
    folder, section = corpus
    (found,) = by_text(folder, section, LINES[3] + "\n", 20)
    assert found.kept == "train, document 1"
    assert by_text(folder, section, LINES[1] + "\n", 20)[0].reason == "too_short"
    (never,) = by_text(folder, section, "neu", 20)
    assert (
        never.source == "not read"
        and never.reason == "too_short"
        and never.detail == "3 characters, fewer than 8"
    )
    assert by_text(folder, section, "a text that would have been kept", 20) == []


def test_what_is_an_id() -> None:
    assert looks_like_id("0123abcd") and not looks_like_id("abc") and not looks_like_id("a.txt:12")
    assert not looks_like_id("g" * 32) and not looks_like_id("a" * 33)


def test_a_document_of_a_split_is_named(corpus: tuple[Path, Corpus]) -> None:
    folder, _ = corpus
    assert name_document(folder, "train", 2) == f"{text_digest(LINES[5]).hex()} (a.txt)"
    with pytest.raises(IndexError, match="no document 3 in its train split"):
        name_document(folder, "train", 3)


def test_a_folder_that_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dropped.parquet: cannot be read as part of a corpus"):
        by_id(tmp_path, "abcd", 20)
