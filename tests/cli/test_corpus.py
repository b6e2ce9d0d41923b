from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from acclimate.cli.main import app
from acclimate.corpus.document import text_digest

LINES = [f"document {number} 的 text, long enough" for number in range(60)]


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("\n".join([*LINES, "kurz", LINES[3], ""]) + "\n", encoding="utf-8")
    path = tmp_path / "r.yaml"
    path.write_text(
        "corpus:\n  sources: [{path: a.txt, documents: line}]\n  clean: [{length: {min_characters: 8}}]\n",
        encoding="utf-8",
    )
    return path


def called(*arguments: str, code: int = 0, given: str | None = None) -> str:
    result = CliRunner().invoke(app, ["corpus", *arguments], input=given)
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout if code == 0 else result.stderr


def test_the_counts_and_the_documents(recipe: Path) -> None:
    told: dict[str, Any] = json.loads(called("r.yaml", "--json"))
    assert list(told) == ["read", "kept", "dropped", "documents"]
    assert (told["read"], told["kept"]) == (63, 60)
    assert told["dropped"] == {"empty": 1, "exact_duplicate": 1, "too_short": 1}
    for table in (pq.read_table(told["documents"]), ds.dataset(told["documents"]).to_table()):
        assert sorted(table["text"].to_pylist()) == sorted(LINES) and set(table.column_names) == {
            "id",
            "source",
            "text",
        }
        assert table["id"].to_pylist() == [text_digest(text).hex() for text in table["text"].to_pylist()]
    assert json.loads(called("r.yaml", "--json")) == told, "the second time it is up to date"
    shown = called("r.yaml")
    assert "dropped: too_short" in shown and "63" in shown and told["documents"] in shown


def test_overrides_and_output(recipe: Path) -> None:
    told = json.loads(
        called("r.yaml", "--json", "-o", "elsewhere", "--set", "corpus.deduplicate.exact=false")
    )
    assert told["kept"] == 61 and Path(told["documents"]).is_relative_to(recipe.parent / "elsewhere")


def test_whatever_is_kept_is_enough(recipe: Path) -> None:
    told = json.loads(called("r.yaml", "--json", "-s", "corpus.split={validation: 0.5, test: 0.4999999}"))
    assert told["kept"] == 60
    error = called("r.yaml", "--json", "-s", "corpus.clean=[{length: {min_characters: 5000}}]", code=1)
    assert "no document is left: 63 were read" in error and "too_short 62" in error


def test_other_sections_may_be_wrong_in_what_they_name(recipe: Path) -> None:
    recipe.write_text(
        recipe.read_text() + "model: {family: bert, checkpoint: nowhere/at-all}\n", encoding="utf-8"
    )
    assert json.loads(called("r.yaml", "--json"))["kept"] == 60
    assert "there is no such file" in called("none.yaml", code=2)
    recipe.write_text("corpus:\n  sources: [{path: absent.txt}]\n", encoding="utf-8")
    assert "absent.txt" in called("r.yaml", code=2)


def test_why(recipe: Path) -> None:
    called("r.yaml", "--json")
    assert "a.txt:61" in called("why", text_digest("kurz").hex()[:8])
    assert "too_short: 4 characters, fewer than 8" in called("why", "a.txt:61")
    id = text_digest(LINES[3]).hex()
    shown = called("why", id, "r.yaml")
    assert f"{id}: kept: " in shown and f"{id}: dropped: exact_duplicate" in shown
    assert f"{text_digest(LINES[7]).hex()}: kept: " in called("why", "a.txt:8", "r.yaml")
    assert "kept" in called("why", "-", given=LINES[5] + "\n")
    found = json.loads(called("why", id, "--json"))["found"]
    assert [one.get("reason") for one in found] == ["exact_duplicate", None]


def test_why_not(recipe: Path) -> None:
    assert "there is no corpus in runs" in called("why", "abcd1234", code=1)
    called("r.yaml", "--json")
    assert "no document of" in called("why", "abcd1234", code=1)
    assert "`acclimate corpus why a.txt:8 RECIPE`" in called("why", "a.txt:8", code=1)
    assert "no document of" in called("why", "a.txt:800", "r.yaml", code=1)
    assert "expected `corpus why ID`" in called("why", code=1)
    assert "expected `corpus RECIPE`" in called("r.yaml", "x", code=1)


def test_why_a_whole_file(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = recipe.parent / "more"
    folder.mkdir()
    (folder / "cut.zip").write_bytes(b"PK\x03\x04\xff no zip file")
    (folder / "good.txt").write_bytes(f"\ufeff{LINES[0]}\r\n".encode())
    (folder / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    recipe.write_text("corpus: {sources: [a.txt, {path: more}]}\n", encoding="utf-8")
    called("r.yaml", "--json")
    for place in ("more/cut.zip", "./more/cut.zip", str(folder / "cut.zip"), "cut.zip"):
        shown = called("why", place)
        assert "dropped: truncated: " in shown and "more/cut.zip" in shown
    monkeypatch.chdir(folder)
    assert "dropped: truncated" in called("why", "cut.zip", "../r.yaml", "-o", "../runs")
    monkeypatch.chdir(recipe.parent)
    assert "kept" in called("why", "more/good.txt")
    (recipe.parent / "other.zip").write_bytes(b"PK\xff")
    assert "other.zip: nothing was dropped by that place, and it is no text: byte 3" in called(
        "why", "other.zip", code=1
    )
    monkeypatch.setattr("acclimate.cli.corpus._MOST_BYTES", 5)
    for arguments, given in ((("more/good.txt",), None), (("-",), "longer")):
        assert "expected the text of one document" in called("why", *arguments, code=1, given=given)


def test_unknown_languages_are_told_in_their_place_before_anything_is_read(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8").replace(
        "[{length: {min_characters: 8}}]", "[{language: [zh, klingon]}]"
    )
    recipe.write_text(text, encoding="utf-8")
    error = called("r.yaml", code=2)
    assert error.startswith("r.yaml:3:") and ".language.keep.1: unknown code 'klingon'" in error
    assert not (recipe.parent / "runs").exists()
