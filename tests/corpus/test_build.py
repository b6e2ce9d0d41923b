from __future__ import annotations

import gzip
import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from acclimate.corpus import build, pool, storage
from acclimate.corpus.build import build_corpus
from acclimate.corpus.clean.languages import LanguageSample
from acclimate.corpus.document import Cleaned, text_digest
from acclimate.corpus.leakage.held_out import HeldOutText
from acclimate.corpus.sources import byte_blocks
from acclimate.corpus.split import SPLITS
from acclimate.corpus.storage import read_texts
from acclimate.errors import UserError
from acclimate.recipe.corpus_section import Corpus


def make(folder: Path, section: dict[str, Any], **options: Any) -> dict[str, Any]:
    folder.mkdir()
    statistics = build_corpus(Corpus.model_validate(section), folder, **options)
    assert statistics == json.loads((folder / "statistics.json").read_text())
    assert statistics["read"] == statistics["kept"] + sum(statistics["dropped"].values())
    assert statistics["kept"] == sum(split["documents"] for split in statistics["splits"].values())
    for one in statistics["sources"]:
        assert one["read"] == one["kept"] + sum(one["dropped"].values())
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
    return statistics


def rows(folder: Path) -> dict[str, str]:
    """Text → split."""
    found: dict[str, str] = {}
    for split in SPLITS:
        table = pq.read_table(folder / "documents" / split / "part-00000.parquet").to_pydict()
        for id, text in zip(table["id"], table["text"], strict=True):
            assert id == text_digest(text).hex() and text not in found
            found[text] = split
    return found


def lines(path: Path, texts: list[str]) -> str:
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return str(path)


def held(texts: list[str]) -> list[HeldOutText]:
    return [HeldOutText("topic", "test", f"test.tsv:{number}", text) for number, text in enumerate(texts, 1)]


def some(count: int, seed: int = 0) -> list[str]:
    source = random.Random(seed)
    english = [" ".join(f"w{source.randrange(3000)}" for _ in range(40)) for _ in range(count // 2)]
    chinese = [
        "".join(chr(source.randrange(0x4E00, 0x9000)) for _ in range(60)) for _ in range(count - count // 2)
    ]
    return english + chinese


def test_the_whole_way_with_exact_books(tmp_path: Path) -> None:
    texts = some(300)
    one = lines(tmp_path / "a.txt", [*texts, texts[0], " " + texts[1] + "\u200b", "", "短", "\u200b"])
    (tmp_path / "b.jsonl.gz").write_bytes(
        gzip.compress(
            (json.dumps({"body": texts[2]}) + '\n{"body": \n{"x": 1}\n').encode() + b'{"body": "\xff"}\n'
        )
    )
    section = {
        "sources": [
            {"path": one, "documents": "line"},
            {"path": str(tmp_path / "b.jsonl.gz"), "text": "body"},
        ],
        "clean": ["unicode", {"length": {"min_characters": 5}}],
        "split": {"validation": "10%", "test": "10%"},
    }
    statistics = make(tmp_path / "out", section)
    assert statistics["read"] == 309 and statistics["kept"] == 300
    assert statistics["dropped"] == {
        "empty": 2,
        "exact_duplicate": 3,
        "invalid_encoding": 1,
        "malformed_json": 1,
        "no_text": 1,
        "too_short": 1,
    }
    assert [source["source"] for source in statistics["sources"]] == ["a.txt", "b.jsonl.gz"]
    assert statistics["sources"][1]["kept"] == 0 and statistics["sources"][1]["read"] == 4
    found = rows(tmp_path / "out")
    assert sorted(found) == sorted(texts)
    assert list(found.values()).count("test") > 10 and list(found.values()).count("validation") > 10
    assert [t for batch in read_texts(tmp_path / "out", "train") for t in batch] == [
        t for t in texts if found[t] == "train"
    ]
    samples = [json.loads(line) for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert len(samples) == 9 and {sample["reason"] for sample in samples} == set(statistics["dropped"])
    assert samples[0]["place"] == f"{one}:301" or samples[0]["place"].startswith(one)
    totals = statistics["splits"]["train"]
    assert totals["characters"] == sum(len(t) for t in found if found[t] == "train")
    assert totals["bytes"] == sum(len(t.encode()) for t in found if found[t] == "train")
    assert sum(statistics["languages"].values()) == statistics["languages_sampled"] == 300


def test_adding_documents_never_moves_old_ones(tmp_path: Path) -> None:
    texts = some(400)
    split = {"validation": "20%", "test": "20%"}
    first = {
        "sources": [{"path": lines(tmp_path / "a.txt", texts[:200]), "documents": "line"}],
        "split": split,
    }
    make(tmp_path / "one", first)
    more = {
        "sources": [{"path": lines(tmp_path / "b.txt", texts[::-1]), "documents": "line"}],
        "split": split,
    }
    make(tmp_path / "two", more)
    before, after = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert all(after[text] == split for text, split in before.items())


def test_trivially_different_copies_do_not_leak(tmp_path: Path) -> None:
    texts = [f"Number {n} Of The Texts" for n in range(300)]
    copies = [text.lower().replace(" ", "  ") for text in texts]
    section = {
        "sources": [{"path": lines(tmp_path / "a.txt", texts + copies), "documents": "line"}],
        "split": {"validation": "20%", "test": "20%"},
    }
    make(tmp_path / "out", section)
    found = rows(tmp_path / "out")
    assert all(found[text] == found[copy] for text, copy in zip(texts, copies, strict=True))


def test_repeats_stay_when_asked(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.txt", ["the same text again"] * 5)
    source = [{"path": path, "documents": "line"}]
    (tmp_path / "out").mkdir()
    section = Corpus.model_validate(
        {"sources": source, "deduplicate": {"exact": False}, "split": {"validation": 0, "test": 0}}
    )
    assert build_corpus(section, tmp_path / "out")["kept"] == 5


def near_texts() -> list[str]:
    texts = some(200, seed=3)
    copies = []
    for text in texts[::2]:
        words = text.split(" ") if " " in text else list(text)
        words[len(words) // 2 : len(words) // 2] = ["neu"] if " " in text else ["新"]
        copies.append((" " if " " in text else "").join(words))
    return texts + copies


def test_near_duplicates_go_and_the_first_stays(tmp_path: Path) -> None:
    texts = near_texts()
    source = [{"path": lines(tmp_path / "a.txt", texts), "documents": "line"}]
    statistics = make(tmp_path / "out", {"sources": source, "deduplicate": {"near": {"threshold": 0.7}}})
    assert statistics["dropped"] == {"near_duplicate": 100} and statistics["kept"] == 200
    assert set(rows(tmp_path / "out")) == set(texts[:200])


def test_the_size_of_batches_changes_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = [{"path": lines(tmp_path / "a.txt", near_texts()), "documents": "line"}]
    section = {
        "sources": source,
        "deduplicate": {"near": {"threshold": 0.7}},
        "split": {"validation": "10%", "test": "10%"},
    }
    held_out = held(near_texts()[5:9])
    make(tmp_path / "one", section, held_out=held_out)
    monkeypatch.setattr(build, "_BATCH_DOCUMENTS", 3)
    monkeypatch.setattr(pool, "ROWS", 7)
    make(tmp_path / "two", section, held_out=iter(held_out))
    names = [f"documents/{split}/part-00000.parquet" for split in SPLITS] + [
        "statistics.json",
        "dropped.jsonl",
        "dropped.parquet",
        "contamination.jsonl",
    ]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_texts_of_tasks_are_held_out(tmp_path: Path) -> None:
    texts = near_texts()
    source = [{"path": lines(tmp_path / "a.txt", texts), "documents": "line"}]
    held_out = held([texts[1].upper() + " ", texts[150], texts[150], "elsewhere"])
    found = make(tmp_path / "on", {"sources": source}, held_out=held_out)
    assert found["dropped"] == {"in_task": 3}  # the copy of text 150 is near it
    assert not {texts[1], texts[150]} & set(rows(tmp_path / "on"))
    assert found["contamination"] == {
        "dropped": {"in_task": 3},
        "cut": 0,
        "characters_cut": 0,
        "sets": [{"task": "topic", "split": "test", "texts": 4, "found": 3}],
        "unread_tests": 0,
    }
    named = [json.loads(line) for line in (tmp_path / "on" / "contamination.jsonl").open(encoding="utf-8")]
    assert [(one["texts"][0]["id"], one["texts"][0]["how"], one["found"]) for one in named] == [
        ("test.tsv:1", "equal", 1),
        ("test.tsv:2", "equal", 2),
        ("test.tsv:2", "near", 2),
    ]
    dropped = (tmp_path / "on" / "dropped.jsonl").read_text("utf-8")
    assert "equals the test text test.tsv:1 of task topic" in dropped
    off = make(tmp_path / "off", {"sources": source, "decontaminate": None}, held_out=held_out)
    assert off["dropped"] == {} and off["contamination"] is None
    assert not (tmp_path / "off" / "contamination.jsonl").exists()


def test_more_test_sets_can_be_named(tmp_path: Path) -> None:
    texts = some(40)
    source = [{"path": lines(tmp_path / "a.txt", texts), "documents": "line"}]
    test = {"path": lines(tmp_path / "b.txt", [f"so {texts[3]} and", ""]), "documents": "line"}
    found = make(tmp_path / "out", {"sources": source, "decontaminate": {"tests": [test]}})
    assert found["dropped"] == {"in_task": 1} and found["contamination"]["sets"] == [
        {"task": "", "split": "test", "texts": 1, "found": 1}
    ]
    (one,) = [json.loads(line) for line in (tmp_path / "out" / "contamination.jsonl").open(encoding="utf-8")]
    assert one["texts"][0]["id"].endswith("b.txt:1") and one["texts"][0]["similarity"] > 0.8


@pytest.mark.parametrize("action", ["cut", "drop"])
def test_no_window_of_a_test_text_stays(tmp_path: Path, action: str) -> None:
    texts = some(60)
    books = ["\n".join(texts[start : start + 20]) for start in (0, 20, 40)]
    source = []
    for number, book in enumerate(books):
        source.append({"path": lines(tmp_path / f"{number}.txt", [book]), "documents": "file"})
    held_out = held([texts[3], texts[35][:55], "w1 w2"])
    section = {"sources": source, "decontaminate": {"action": action}, "split": {"validation": 0, "test": 0}}
    found = make(tmp_path / "out", section, held_out=held_out)
    left = "\n".join(rows(tmp_path / "out"))
    assert texts[3][20:] not in left and texts[35][:50] not in left and texts[50] in left
    if action == "cut":
        assert found["kept"] == 3 and texts[4] in left and found["changed"]["contamination_cut"] == 2
        assert found["contamination"]["characters_cut"] == len(texts[3]) + 55
    else:
        assert found["kept"] == 1 and found["dropped"] == {"contaminated": 2}
        assert "holds “w" in (tmp_path / "out" / "dropped.jsonl").read_text("utf-8")


def test_texts_of_tasks_are_cleaned_as_documents_are(tmp_path: Path) -> None:
    source = [
        {
            "path": lines(tmp_path / "a.txt", ["une petite fenêtre", "another one", "third text"]),
            "documents": "line",
        }
    ]
    section = {"sources": source, "split": {"validation": 0, "test": 0}}
    statistics = make(tmp_path / "out", section, held_out=held(["une petite fene\u0302tre\u200b"]))
    assert statistics["dropped"] == {"in_task": 1}


def test_nothing_left_is_an_error_that_says_why(tmp_path: Path) -> None:
    source = [{"path": lines(tmp_path / "a.txt", ["x", "yy", ""]), "documents": "line"}]
    section = Corpus.model_validate({"sources": source, "clean": [{"length": {}}]})
    (tmp_path / "out").mkdir()
    expected = r"no document is left: 3 were read, dropped by reason: empty 1, too_short 2 .for .*a\.txt:1: too_short"
    with pytest.raises(UserError, match=expected):
        build_corpus(section, tmp_path / "out")


def test_nothing_for_training_is_a_corpus_all_the_same(tmp_path: Path) -> None:
    source = [{"path": lines(tmp_path / "b.txt", ["one line only"]), "documents": "line"}]
    statistics = make(tmp_path / "out", {"sources": source, "split": {"validation": 0.5, "test": 0.4999999}})
    assert statistics["kept"] == 1 and not statistics["splits"]["train"]["documents"]


def test_a_cleaner_that_loses_a_document_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from acclimate.corpus.clean.length import LengthFilter

    monkeypatch.setattr(LengthFilter, "build", lambda self: lambda documents: Cleaned(documents[1:]))
    source = [{"path": lines(tmp_path / "a.txt", some(10)), "documents": "line"}]
    (tmp_path / "out").mkdir()
    with pytest.raises(AssertionError, match=r"a cleaner: 10 in, 9 . 0 out"):
        build_corpus(Corpus.model_validate({"sources": source, "clean": ["length"]}), tmp_path / "out")


def test_progress_is_told_in_bytes_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[float, float | None, str]] = []
    path = Path(lines(tmp_path / "a.txt", some(9000)))
    section = {"sources": [{"path": str(path), "documents": "line"}] * 2, "split": {"near": None}}
    make(tmp_path / "out", section, tell=lambda *values: told.append(values))
    size = path.stat().st_size
    assert told[-1] == (2 * size, 2 * size, "bytes") and len(told) > 6
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


@pytest.mark.parametrize("near", [None, {"threshold": 0.8}])
def test_memory_does_not_grow_with_the_corpus(
    tmp_path: Path, near: dict[str, float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All buffers of fixed size a tenth of their own, so that files that fill them many times are quick to make.
    for module in (build, pool, storage):
        for name in ("_BATCH_CHARACTERS", "BYTES", "_GROUP_CHARACTERS"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, 200_000)
    monkeypatch.setattr(byte_blocks, "BLOCK", 1 << 17)
    monkeypatch.setattr(build, "LanguageSample", lambda: LanguageSample(20))
    peaks = []
    for times in (0, 1, 4):
        source = random.Random(times)
        texts = ["".join(source.choices("abcdefgh ij klm", k=4000)) for _ in range(400 * times or 10)]
        path = lines(tmp_path / f"{times}.txt", texts)
        del texts
        section = {"sources": [{"path": path, "documents": "line"}], "deduplicate": {"near": near}}
        tracemalloc.start()
        make(tmp_path / f"out{times}", section)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 1,200 further documents of 4.8 MB in all; what may grow are some 100 bytes a document.
    assert peaks[2] - peaks[1] < 300_000, peaks


def test_real_chinese_reviews(shared: Path, tmp_path: Path) -> None:
    source = {"path": str(shared / "chnsenticorp/*"), "text": "text_a"}
    statistics = make(tmp_path / "out", {"sources": [source], "deduplicate": {"near": {}}})
    assert statistics["read"] == 12_000 and set(statistics["dropped"]) == {
        "exact_duplicate",
        "near_duplicate",
    }
    assert statistics["languages"]["zh"] > 0.98 * statistics["languages_sampled"]
    assert 1900 < statistics["dropped"]["exact_duplicate"] < 2300
