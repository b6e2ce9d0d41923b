from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources import isolated
from acclimate.corpus.sources.byte_blocks import BrokenStream
from acclimate.corpus.sources.files import Files
from acclimate.corpus.sources.isolated import RECORDS, Isolated
from acclimate.corpus.sources.record_frames import packed, unpacked

Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]


def write(path: Path, rows: int = 3000, text: str = "text number") -> Path:
    pq.write_table(pa.table({"text": [f"{text} {n}" for n in range(rows)]}), path, row_group_size=500)
    return path


def request(path: Path) -> dict[str, Any]:
    return {"place": str(path), "name": path.name, "format": "parquet", "choices": {}}


def rows(child: Isolated, path: Path) -> list[Any]:
    with path.open("rb") as file:
        frames = list(child.run("parse", request(path), [file]))
    return [row for kind, payload in frames if kind == RECORDS for row in unpacked(payload, path.name)]


@pytest.fixture
def child() -> Iterable[Isolated]:
    made = Isolated()
    yield made
    made.close()


def pid(child: Isolated) -> int:
    assert child._process is not None
    return child._process.pid


def test_one_child_does_all_tasks(tmp_path: Path, child: Isolated) -> None:
    first, second = write(tmp_path / "a.parquet"), write(tmp_path / "b.parquet", 10, "别的")
    assert len(rows(child, first)) == 3000
    number = pid(child)
    assert [row.fields["text"] for row in rows(child, second)][:2] == ["别的 0", "别的 1"]
    assert pid(child) == number
    child.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_an_abandoned_task_ends_its_child(tmp_path: Path, child: Isolated) -> None:
    path = write(tmp_path / "a.parquet")
    with path.open("rb") as file:
        frames = child.run("parse", request(path), [file])
        next(frames)
        number = pid(child)
        frames.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    assert len(rows(child, path)) == 3000


def test_a_crash_costs_the_file_and_not_the_run(tmp_path: Path, sorted_out: Sort) -> None:
    write(tmp_path / "a.parquet", 60_000)
    write(tmp_path / "b.parquet", 10)
    reader = Files(path=str(tmp_path)).build()
    items: list[Record | Dropped] = []
    for item in reader.records():
        items.append(item)
        if len(items) == 1:
            children = subprocess.run(
                ["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=True
            )
            running = [int(line) for line in children.stdout.split()]
            for number in running:
                name = Path(f"/proc/{number}/cmdline")
                if name.exists() and b"isolated_child" in name.read_bytes():
                    os.kill(number, signal.SIGSEGV)
    kept, dropped = sorted_out(items)
    assert dropped == {"crashed": 1} and "SIGSEGV" in next(i.detail for i in items if isinstance(i, Dropped))
    assert [one.fields["text"] for one in kept[-10:]] == [f"text number {n}" for n in range(10)]
    assert len(kept) < 60_010


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not hold a process to its address space"
)
def test_memory_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    # A small file with one page of 2 GB: run lengths make parsers allocate what a file says.
    pq.write_table(pa.table({"text": pa.repeat("x" * 1_000_000, 2000)}), path, compression="zstd")
    assert path.stat().st_size < 2_000_000
    small = Isolated(memory=1 << 30)
    with path.open("rb") as file:
        frames = list(small.run("parse", {**request(path), "choices": {"max_characters": 2_000_000}}, [file]))
    small.close()
    told = [json.loads(payload) for kind, payload in frames if kind == isolated.BROKEN]
    assert [reason for reason, _ in told] == ["out_of_memory"]


def test_a_child_that_says_nothing_is_ended(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    slow = Isolated(patience=0.5)
    started = time.monotonic()
    with pytest.raises(BrokenStream) as caught:
        list(slow.run("unpack", {"archive": "", "compression": ".gz"}, [reading]))
    assert caught.value.reason == "timed_out" and time.monotonic() - started < 5
    os.close(reading)
    os.close(writing)


def test_a_child_goes_with_its_parent(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", 200_000)
    program = (
        "import sys, time\n"
        "from acclimate.corpus.sources.files import Files\n"
        "records = Files(path=sys.argv[1]).build().records()\n"
        "next(records)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None and parent.stdout.readline() == b"ready\n"
    children = subprocess.run(["pgrep", "-P", str(parent.pid)], capture_output=True, text=True, check=True)
    number = int(children.stdout.split()[0])
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{number}/stat").read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the child is still there")


def test_in_the_child_and_here_the_same_records(tmp_path: Path) -> None:
    from acclimate.corpus.sources.format import Choices, SourceFile
    from acclimate.corpus.sources.inputs import Opener
    from acclimate.corpus.sources.parquet_format import by_parquet_row

    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table(
            {
                "text": ["一", None, "c" * 9],
                "n": [1, 2, 3],
                "tags": [["a"], [], None],
                "raw": [b"\xff", b"", b"x"],
            }
        ),
        path,
    )
    file, opener = SourceFile(path, path.name, "parquet"), Opener(lambda stored: None)
    here = list(by_parquet_row(file, opener.open(file), Choices()))
    there = list(opener.parsed(file, opener.open(file), Choices()))
    opener.close()
    assert here == there and len(here) == 3


def test_records_as_bytes_and_back() -> None:
    items = [
        Record("a", "a:1", {"text": "一𠀀", "n": ""}),
        Dropped("empty", "a:2", "nothing"),
        Record("a", "a:3", {"text": "x", "n": "1"}),
        Record("a", "a:4", {}),
        Record("a", "a:5", {"other": "\n\u2028"}),
    ]
    assert list(unpacked(packed(items), "a")) == items and list(unpacked(packed([]), "a")) == []
