from __future__ import annotations

import gzip
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from acclimate.corpus.document import Document, Dropped, Record
from acclimate.corpus.sources import byte_blocks
from acclimate.corpus.sources.files import Files
from acclimate.errors import UserError

Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]
Texts = Callable[[Iterable[Document]], list[str]]


def write(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_plain_text_by_file_line_and_paragraph(tmp_path: Path, sorted_out: Sort, texts: Texts) -> None:
    path = write(tmp_path / "a.txt", "一\n二\n\n \n三\r\n四\u2028五\x85\n")
    assert texts(Files(path=str(path)).build().read()) == ["一\n二\n\n \n三\n四\u2028五\x85"]
    kept, dropped = sorted_out(Files(path=str(path), documents="line").build().read())
    assert texts(kept) == ["一", "二", "三", "四\u2028五\x85"] and dropped == {"empty": 2}
    assert [one.place for one in kept] == [f"{path}:{line}" for line in (1, 2, 5, 6)]
    kept, dropped = sorted_out(Files(path=str(path), documents="paragraph").build().read())
    assert texts(kept) == ["一\n二", "三\n四\u2028五\x85"] and not dropped
    assert [one.place for one in kept] == [f"{path}:1", f"{path}:5"]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
def test_all_formats_plain_and_compressed(tmp_path: Path, name: str, suffix: str, texts: Texts) -> None:
    data = {
        "a.csv": 'label,text\n1,"你好，""世界"""\n2,plain\n',
        "a.tsv": 'label\ttext\n1\t你好，"世界"\n2\tplain\n',
        "a.jsonl": '{"label": 1, "text": "你好，\\"世界\\""}\n{"label": 2, "text": "plain"}\n',
        "a.txt": '你好，"世界"\nplain\n',
    }[name].encode()
    packed = {"": data, ".gz": gzip.compress(data), ".zst": pa.compress(data, "zstd", asbytes=True)}[suffix]
    path = write(tmp_path / (name + suffix), packed)
    reader = Files(path=str(path), documents="line" if name == "a.txt" else None).build()
    assert reader.check() == []
    documents = list(reader.read())
    assert texts(documents) == ['你好，"世界"', "plain"]
    if name != "a.txt":
        assert [document.fields for document in documents] == [{"label": "1"}, {"label": "2"}]
    assert reader.bytes_done == reader.bytes_total() == len(packed)


def test_records_have_all_columns_and_need_no_text_column(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "好\t1\nplain\t2\n")
    reader = Files(path=str(path), header=False).build()
    assert [record.fields for record in reader.records() if isinstance(record, Record)] == [
        {"0": "好", "1": "1"},
        {"0": "plain", "1": "2"},
    ]
    by_number = Files(path=str(path), header=False, text=0).build()
    assert [(one.text, one.fields) for one in by_number.read() if isinstance(one, Document)] == [
        ("好", {"1": "1"}),
        ("plain", {"1": "2"}),
    ]
    with pytest.raises(UserError, match=r"a.tsv: there is no column 'text' .text.; choose from: 0, 1"):
        list(reader.read())
    text = write(tmp_path / "a.txt", "x\ny\n")
    assert [
        r.fields for r in Files(path=str(text), documents="line").build().records() if isinstance(r, Record)
    ] == [
        {"text": "x"},
        {"text": "y"},
    ]


def test_names_and_order_do_not_depend_on_where_the_folder_is(tmp_path: Path) -> None:
    for place in ("here", "there"):
        for name in ("b/2.txt", "a/1.txt", "c.txt"):
            path = tmp_path / place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    readers = [Files(path=str(tmp_path / place)).build() for place in ("here", "there")]
    sources = [[one.source for one in reader.read() if isinstance(one, Document)] for reader in readers]
    assert sources == [["a/1.txt", "b/2.txt", "c.txt"]] * 2
    digests = lambda path: path.read_text()  # noqa: E731
    assert readers[0].fingerprint(digests) == readers[1].fingerprint(digests)
    (tmp_path / "there" / "c.txt").write_text("other")
    assert readers[0].fingerprint(digests) != readers[1].fingerprint(digests)


def test_truncated_gzip_keeps_what_was_read(tmp_path: Path, sorted_out: Sort, texts: Texts) -> None:
    lines = [f"第{number}行" for number in range(500)]
    packed = gzip.compress("\n".join(lines).encode(), mtime=0)
    path = write(tmp_path / "a.txt.gz", packed[:-200])
    write(tmp_path / "b.txt.gz", gzip.compress(b"whole"))
    kept, dropped = sorted_out(Files(path=str(tmp_path), documents="line").build().read())
    found = texts(kept)
    assert dropped == {"truncated": 1} and found[-1] == "whole"
    assert len(found) > 100 and found[:-1] == lines[: len(found) - 1]
    kept, dropped = sorted_out(Files(path=str(path)).build().read())
    assert dropped == {"truncated": 1} and texts(kept)[0].split("\n") == found[:-1]


def test_bad_bytes_drop_their_line_and_no_more(tmp_path: Path, sorted_out: Sort, texts: Texts) -> None:
    path = write(tmp_path / "a.txt", "甲\n".encode() + b"bad \xff\xfe\n" + b"nul \0 byte\n" + "乙\n".encode())
    kept, dropped = sorted_out(Files(path=str(path), documents="line").build().read())
    assert texts(kept) == ["甲", "乙"] and dropped == {"invalid_encoding": 1, "nul_bytes": 1}
    kept, dropped = sorted_out(Files(path=str(path)).build().read())
    assert kept == [] and dropped == {"invalid_encoding": 1}


def test_a_declared_encoding_is_used(tmp_path: Path, texts: Texts) -> None:
    path = write(tmp_path / "a.txt", "短".encode("gbk"))
    assert texts(Files(path=str(path), encoding="gbk").build().read()) == ["短"]
    write(path, "é".encode("latin-1"))
    assert texts(Files(path=str(path), encoding="latin-1").build().read()) == ["é"]


def test_a_line_of_200_megabytes_is_dropped_without_being_loaded(tmp_path: Path, sorted_out: Sort) -> None:
    path = tmp_path / "a.txt"
    block = "长行".encode() * 170_000  # about a megabyte, no divisor of the reader's blocks
    with path.open("wb") as file:
        file.write("第一行\n".encode())
        for _ in range(200):
            file.write(block)
        file.write("\n最后一行\n".encode())
    assert path.stat().st_size > 200_000_000
    for documents, expected in (("line", ["第一行", "最后一行"]), ("paragraph", []), ("file", [])):
        reader = Files(path=str(path), documents=documents, max_document="1M").build()  # type: ignore[arg-type]
        tracemalloc.start()
        started = time.monotonic()
        kept, dropped = sorted_out(reader.read())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert [one.text for one in kept] == expected
        assert dropped == {"too_long": 1}
        assert reader.bytes_done == path.stat().st_size
        assert peak < 20_000_000, peak
        assert time.monotonic() - started < 20


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_blocks, "BLOCK", 1 << 17)
    peaks = []
    for times in (1, 4):
        path = write(
            tmp_path / f"{times}.txt",
            "".join(f"{n} 一行中文文本 and some English\n" for n in range(20_000 * times)),
        )
        reader = Files(path=str(path), documents="line").build()
        tracemalloc.start()
        count = sum(1 for _ in reader.read())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == 20_000 * times
    assert peaks[1] < peaks[0] * 1.1 + 100_000, peaks


def test_progress_reaches_the_end_also_of_a_file_that_was_given_up(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "line\n" * 1_000_000)
    reader = Files(path=str(path), max_document=1000).build()
    assert [item.reason for item in reader.read() if isinstance(item, Dropped)] == ["too_long"]
    assert reader.bytes_done == reader.bytes_total() == 5_000_000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "text", "documents": "record"}, "plain text has no records"),
        ({"format": "csv", "documents": "line"}, "a document of csv is a record, not a line"),
        ({"format": "text", "header": False}, "header: has no effect on plain text"),
        ({"format": "text", "text": "body"}, "text: has no effect on plain text"),
        ({"format": "jsonl", "quoted": True}, "quoted: has no effect on jsonl"),
        ({"format": "jsonl", "text": 0}, "columns of JSON lines have names"),
        ({"format": "parquet", "encoding": "gbk"}, "encoding: has no effect on parquet"),
        ({"encoding": "utf-9"}, "unknown encoding 'utf-9'; did you mean 'utf-8'"),
        ({"text": -1}, "numbered from 0"),
        ({"delimiter": ","}, "unknown key 'delimiter'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Files(path="x", **settings)


def test_the_same_refusal_when_the_format_shows_only_by_the_extension(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text\nx\n")
    reader = Files(path=str(path), documents="line").build()
    assert reader.check() == [f"{path}: documents: a document of csv is a record, not a line"]
    with pytest.raises(UserError, match="not a line"):
        list(reader.read())


def test_checks_name_what_is_wrong(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.txt", "")
    assert Files(path=str(empty)).build().check() == [f"{empty}: the file is empty"]
    assert "did you mean 'empty.txt'" in Files(path=str(tmp_path / "emty.txt")).build().check()[0]
    table = write(tmp_path / "a.csv", "label,body\n1,x\n")
    assert Files(path=str(table)).build().check() == [
        f"{table}: there is no column 'text' (text); choose from: body, label"
    ]
    assert "there are columns 0 to 1" in Files(path=str(table), text=2).build().check()[0]
    whole = write(tmp_path / "a.json", '{\n  "text": "x"\n}\n')
    assert "none of the first records can be read" in Files(path=str(whole)).build().check()[0]
    assert "malformed_json" in Files(path=str(whole)).build().check()[0]
    packed = write(tmp_path / "a.txt.gz", "plain")
    assert "corrupt: not valid gzip" in Files(path=str(packed)).build().check()[0]
    header = write(tmp_path / "b.csv", b"\xff\xff,text\n1,x\n")
    assert "the header line cannot be read: invalid_encoding" in Files(path=str(header)).build().check()[0]


def test_empty_files_among_others_are_counted(tmp_path: Path, sorted_out: Sort) -> None:
    write(tmp_path / "a.txt", "")
    write(tmp_path / "b.txt", "x")
    write(tmp_path / "c.csv", "text,label\n")
    reader = Files(path=str(tmp_path)).build()
    assert reader.check() == []
    kept, dropped = sorted_out(reader.read())
    assert len(kept) == 1 and dropped == {"empty": 2}


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        (
            {
                "path": "multi_domain_sentiment/*_dev.tsv.*",
                "format": "tsv",
                "quoted": True,
                "text": "sentence",
            },
            600,
        ),
        ({"path": "chnsenticorp/dev.tsv*", "text": "text_a"}, 1200),
        ({"path": "ag_news/test.csv*", "header": False, "text": 1}, 7600),
        ({"path": "mrpc/*_test.txt*", "format": "tsv", "text": "#1 String"}, 1725),
        ({"path": "sst2/test_labeled.tsv*", "text": "sentence"}, 1821),
        ({"path": "imdb/test.jsonl*"}, 2500),
        ({"path": "thucnews/subset_a/dev.txt*", "format": "tsv", "header": False, "text": 0}, 10000),
    ],
)
def test_real_sets_give_all_their_rows(
    shared: Path, settings: dict[str, Any], rows: int, sorted_out: Sort
) -> None:
    settings = {**settings, "path": str(shared / settings["path"])}
    kept, dropped = sorted_out(Files(**settings).build().read())
    assert len(kept) == rows and not dropped
    assert not any(one.text.startswith("\ufeff") or one.text.endswith("\r") for one in kept)


def test_dropped_and_kept_together_are_all_lines(shared: Path) -> None:
    items = list(Files(path=str(shared / "wikitext-2/wiki.valid.txt.gz"), documents="line").build().read())
    assert len(items) == 3760
    blank = [item for item in items if isinstance(item, Dropped)]
    assert {item.reason for item in blank} == {"empty"} and len(blank) == 3760 - 2461


def test_a_broken_first_file_does_not_condemn_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("no json\n" * 3)
    assert "none of the first records" in Files(path=str(tmp_path)).build().check()[0]
    (tmp_path / "b.jsonl").write_text('{"text": "good"}\n')
    assert Files(path=str(tmp_path)).build().check() == []
    assert "no column 'words'" in Files(path=str(tmp_path), text="words").build().check()[0]


def test_a_table_without_the_text_column_beside_others_costs_its_own_records(
    tmp_path: Path, sorted_out: Sort, texts: Texts
) -> None:
    write(tmp_path / "a.csv", "text\n一\n")
    bad = write(tmp_path / "b.csv", "texts,n\nx,1\ny,2\n")
    write(tmp_path / "c.csv", "n,text\n1,三\n")
    reader = Files(path=str(tmp_path)).build()
    assert reader.check() == []
    items = list(reader.read())
    kept, dropped = sorted_out(items)
    assert texts(kept) == ["一", "三"] and dropped == {"no_text": 2}
    lost = [one for one in items if isinstance(one, Dropped)]
    assert [one.place for one in lost] == [f"{bad}:2", f"{bad}:3"]
    assert all("no column 'text' (text); did you mean 'texts'" in one.detail for one in lost)
    with pytest.raises(UserError, match="no column 'text'"):
        list(Files(path=str(bad)).build().read())


def test_a_header_that_names_the_text_column_twice_is_refused(tmp_path: Path, texts: Texts) -> None:
    path = write(tmp_path / "a.csv", "text,n,text\na,1,b\n")
    reader = Files(path=str(path)).build()
    assert reader.check()[0].startswith(f"{path}: the header names the column 'text' (text) more than once")
    with pytest.raises(UserError, match="more than once"):
        list(reader.read())
    assert texts(Files(path=str(path), text=2).build().read()) == ["b"]  # type: ignore[arg-type]
