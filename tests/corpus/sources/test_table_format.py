from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.files import Files
from acclimate.errors import UserError

Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]


def records(path: Path, data: str | bytes, **options: Any) -> list[Record | Dropped]:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(Files(path=str(path), **options).build().records())


def test_quoted_cells_hold_line_breaks(tmp_path: Path) -> None:
    data = 'label,text\r\n1,"一行\n二行, ""引""\r\n三行"\r\n2,x\r\n'
    found = records(tmp_path / "a.csv", data)
    assert [(one.place[-1], one.fields["text"]) for one in found if isinstance(one, Record)] == [
        ("2", '一行\n二行, "引"\n三行'),
        ("5", "x"),
    ]


def test_tsv_is_split_at_tabs_and_quotes_are_text(tmp_path: Path) -> None:
    found = records(tmp_path / "a.tsv", 'text\tlabel\r\n"开头 he said "no"\t1\r\n')
    assert [one.fields for one in found if isinstance(one, Record)] == [
        {"text": '"开头 he said "no"', "label": "1"}
    ]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_ragged_rows_and_blank_lines_are_counted(tmp_path: Path, name: str, sorted_out: Sort) -> None:
    mark = "," if name == "a.csv" else "\t"
    data = "a|b\n1|2\n\n1\n1|2|3\n4|5\n".replace("|", mark)
    kept, dropped = sorted_out(records(tmp_path / name, data))
    assert [one.fields for one in kept] == [{"a": "1", "b": "2"}, {"a": "4", "b": "5"}]
    assert dropped == {"ragged": 2, "empty": 1}
    assert {one.place.rsplit(":", 1)[1] for one in kept} == {"2", "6"}


def test_a_quotation_mark_that_nobody_closed_costs_a_bounded_piece(tmp_path: Path, sorted_out: Sort) -> None:
    rows = [f"{n},row number {n}" for n in range(100)]
    rows[10] = '10,"never closed'
    kept, dropped = sorted_out(
        records(tmp_path / "a.csv", "n,text\n" + "\n".join(rows) + "\n", max_document=200)
    )
    assert dropped == {"too_long": 1}
    assert 85 < len(kept) < 99 and kept[-1].fields == {"n": "99", "text": "row number 99"}


def test_bad_lines_inside_quotes_drop_their_row_alone(tmp_path: Path, sorted_out: Sort) -> None:
    data = b'n,text\n1,"a\nbad \xff\nb"\n2,"nul \0"\n3,"' + b"x" * 300 + b'"\n4,ok\n'
    kept, dropped = sorted_out(records(tmp_path / "a.csv", data, max_document=100))
    assert dropped == {"invalid_encoding": 1, "nul_bytes": 1, "too_long": 1}
    assert [one.fields["n"] for one in kept] == ["4"]


def test_empty_and_repeated_column_names_become_numbers(tmp_path: Path) -> None:
    found = records(tmp_path / "a.csv", ",text,text\n1,2,3\n")
    assert [one.fields for one in found if isinstance(one, Record)] == [{"0": "1", "text": "2", "2": "3"}]


def test_an_unreadable_header_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a.tsv:1: the header line cannot be read: nul_bytes"):
        records(tmp_path / "a.tsv", b"a\0\tb\n1\t2\n")


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=6)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_whatever_the_csv_module_wrote_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any]
) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    found = records(path, buffer.getvalue(), header=False, encoding="utf-8")
    expected = [{"0": one, "1": other} for one, other in rows]
    assert [one.fields for one in found if isinstance(one, Record)] == expected


def test_without_a_header_the_usual_width_counts_and_not_the_first_row(tmp_path: Path) -> None:
    path = tmp_path / "roles.tsv"
    path.write_text("###1\nbackground\ta b\nmethod\tc d\n\n###2\nresult\te f\n", encoding="utf-8")
    records = list(Files(path=str(path), header=False).build().records())
    kept = [one.fields for one in records if isinstance(one, Record)]
    assert kept == [{"0": "background", "1": "a b"}, {"0": "method", "1": "c d"}, {"0": "result", "1": "e f"}]
    assert [one.reason for one in records if isinstance(one, Dropped)] == ["ragged", "empty", "ragged"]


def reasons(items: list[Record | Dropped]) -> list[tuple[str, str]]:
    return [(one.reason, one.place.rsplit(":", 1)[1]) for one in items if isinstance(one, Dropped)]


@pytest.mark.parametrize("width", [1, 2])
def test_an_unclosed_quotation_mark_costs_its_row_and_no_other(tmp_path: Path, width: int) -> None:
    column = "" if width == 1 else ","
    lines = [f"{n}{column}第 {n} 行 of the table" for n in range(20_000)]
    lines[10] = f'10{column}"never closed' if width == 2 else '"10 never closed'
    head = "text" if width == 1 else "n,text"
    found = records(tmp_path / "a.csv", "\n".join([head, *lines]) + "\n", encoding="utf-8")
    assert reasons(found) == [("malformed_csv", "12")]
    assert [one.place.rsplit(":", 1)[1] for one in found if isinstance(one, Record)] == [
        str(n + 2) for n in range(20_000) if n != 10
    ]
    assert any(isinstance(one, Dropped) and "unclosed quotation mark" in one.detail for one in found)


def test_an_unclosed_quotation_mark_at_the_end_of_a_file(tmp_path: Path) -> None:
    found = records(tmp_path / "a.csv", 'n,text\n3,x\n4,"unterminated\n5,lost?\n6,more')
    assert [one.fields["n"] for one in found if isinstance(one, Record)] == ["3", "5", "6"]
    assert reasons(found) == [("malformed_csv", "3")]
    found = records(tmp_path / "b.csv", 'a,b,n\n"one\ntwo","x\n1,2,3\n')
    assert [one.fields["n"] for one in found if isinstance(one, Record)] == ["3"]
    assert reasons(found) == [("malformed_csv", "3")]


def test_the_opening_mark_of_a_later_row_does_not_close_a_cell(tmp_path: Path) -> None:
    data = 'n,text\n1,"open, one\n2,plain\n3,"closed, ""one"""\n4,"two\nlines"\n5,"last\n6,"x\ny"\n'
    found = records(tmp_path / "a.csv", data)
    kept = {one.fields["n"]: one.fields["text"] for one in found if isinstance(one, Record)}
    assert kept == {"2": "plain", "3": 'closed, "one"', "4": "two\nlines", "6": "x\ny"}
    assert reasons(found) == [("malformed_csv", "2"), ("malformed_csv", "7")]


def test_a_long_quoted_cell_that_is_closed_is_kept(tmp_path: Path) -> None:
    text = "\n".join(
        f"Line {n} of a long, winding story, told slowly.《故事》" + "x" * 60 for n in range(3000)
    )
    for head, start in [("text", ""), ("n,text", "1,")]:
        found = records(tmp_path / "a.csv", f'{head}\n{start}"{text}"\n{start}short\n', encoding="utf-8")
        assert [one.fields["text"] for one in found if isinstance(one, Record)] == [text, "short"]
        assert not reasons(found)


def test_a_file_full_of_open_marks_is_read_in_bounded_time(tmp_path: Path) -> None:
    found = records(tmp_path / "a.csv", "n,text\n" + 'a"b,"c\n' * 3000)
    assert {reason for reason, _ in reasons(found)} == {"malformed_csv"}
