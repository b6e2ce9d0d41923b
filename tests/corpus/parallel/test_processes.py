from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from acclimate.corpus import build
from acclimate.corpus.build import build_corpus
from acclimate.corpus.document import Document
from acclimate.corpus.leakage.held_out import HeldOutText
from acclimate.corpus.parallel import crew, processes
from acclimate.corpus.parallel.crew import Batch, worth
from acclimate.corpus.parallel.processes import Processes, _Worker
from acclimate.corpus.split import SPLITS
from acclimate.errors import UserError
from acclimate.recipe.corpus_section import Corpus

FILES = [f"documents/{split}/part-00000.parquet" for split in SPLITS]
FILES += ["statistics.json", "dropped.jsonl", "dropped.parquet", "contamination.jsonl"]


@pytest.fixture
def section(tmp_path: Path) -> dict[str, Any]:
    """English, Chinese, repeats, near-repeats, broken lines: something for every step to drop."""
    source = random.Random(5)
    rows = []
    for _ in range(700):
        words = [f"w{source.randrange(3000)}" for _ in range(40)]
        rows.append(json.dumps({"text": " ".join(words), "label": "x"}))
        words[20] = "neu"
        rows.append(json.dumps({"text": " ".join(words)}))
        rows.append(json.dumps({"text": "".join(chr(source.randrange(0x4E00, 0x9000)) for _ in range(60))}))
        rows.append(
            source.choice([rows[0], '{"text": ', '{"text": "kurz"}', "", '{"text": "a\\u200b b c d e f"}'])
        )
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return {
        "sources": [{"path": str(path)}],
        "clean": ["unicode", {"length": {"min_characters": 8}}],
        "deduplicate": {"near": {"threshold": 0.7}},
        "split": {"validation": "10%", "test": "10%"},
    }


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of a few documents, and a worker for every byte."""
    monkeypatch.setattr(build, "_BATCH_DOCUMENTS", 100)
    monkeypatch.setattr(crew, "_WORTH", 1)


def test_any_number_of_workers_gives_the_same_bytes(tmp_path: Path, section: dict[str, Any]) -> None:
    texts = ["W1 w2", json.loads(Path(section["sources"][0]["path"]).read_text().splitlines()[4])["text"]]
    held_out = [HeldOutText("task", "test", str(number), text) for number, text in enumerate(texts)]
    for workers in (1, 2, 3):
        folder = tmp_path / str(workers)
        folder.mkdir()
        statistics = build_corpus(Corpus.model_validate(section), folder, held_out=held_out, workers=workers)
        assert set(statistics["dropped"]) == {
            *(
                "contaminated",
                "empty",
                "exact_duplicate",
                "in_task",
                "malformed_json",
                "near_duplicate",
                "too_short",
            ),
        }
        assert statistics["read"] == 2800 == statistics["kept"] + sum(statistics["dropped"].values())
        for name in FILES:
            assert (folder / name).read_bytes() == (tmp_path / "1" / name).read_bytes(), (workers, name)


def test_small_corpora_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert worth(8, 1e6) == 1 and worth(8, 5e9) == 8 and worth(8, None) == 8
    assert 1 < worth(8, 1e8) < 8


def batches(count: int) -> list[Batch]:
    return [Batch(0, "a", [Document("a", f"a:{n}", f"text {n} " * 5000, {})]) for n in range(count)]


DESCRIPTION = {"corpus": {"sources": ["/dev/null"]}, "held_out": None}
DIES = """
import os, pathlib, signal, sys
from acclimate.corpus.parallel import worker
real, flag = worker.sift, pathlib.Path(sys.argv[1])
def sift(sieve, message):
    try:
        flag.rename(flag.with_suffix(".gone"))
    except FileNotFoundError:
        return real(sieve, message)
    os.kill(os.getpid(), signal.SIGKILL)
worker.sift = sift
worker.main()
"""


def test_a_batch_whose_worker_dies_is_done_again(tmp_path: Path) -> None:
    flag = tmp_path / "once"
    flag.touch()
    hands = Processes(2, DESCRIPTION, (sys.executable, "-c", DIES, str(flag)))
    try:
        done = list(hands.sifted(iter(batches(20))))
    finally:
        hands.close()
    assert not flag.exists()
    assert [batch for batch, _ in done] == batches(20)
    assert [sifted.documents["place"].to_pylist() for _, sifted in done] == [[f"a:{n}"] for n in range(20)]


def test_a_worker_that_dies_every_time_is_an_error_that_says_how() -> None:
    program = (
        "import os, sys; sys.stdin.buffer.read(100); os.write(2, b'out of luck'); os.kill(os.getpid(), 9)"
    )
    hands = Processes(2, DESCRIPTION, (sys.executable, "-c", program))
    with pytest.raises(
        UserError, match=r"a worker process was ended by SIGKILL, most likely for want of memory.*twice"
    ):
        list(hands.sifted(iter(batches(3))))
    hands.close()
    hands = Processes(1, DESCRIPTION, (sys.executable, "-c", "import sys; sys.exit('no such thing')"))
    with pytest.raises(UserError, match=r"ended with exit code 1; it said: no such thing"):
        list(hands.sifted(iter(batches(1))))
    hands.close()


def test_two_threads_may_end_a_worker_at_once() -> None:
    """The one whose question it did not answer, and the one that ends all of them."""
    for _ in range(8):
        worker = _Worker(DESCRIPTION, (sys.executable, "-S", "-c", "import sys; sys.exit('enough')"))
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(worker.close) for _ in range(8)]:
                done.result()
        assert worker._process.returncode is not None


def test_a_worker_that_is_made_while_all_are_ended_is_ended_too() -> None:
    hands = Processes(1, DESCRIPTION)
    hands.close()
    assert hands._new()._process.returncode is not None


def test_errors_in_a_worker_are_the_errors_of_the_build(tmp_path: Path, section: dict[str, Any]) -> None:
    wrong = Corpus.model_validate(
        {**section, "clean": [{"language": {"keep": ["xx"]}}], "decontaminate": None}
    )
    hands = Processes(1, {"corpus": wrong.model_dump(mode="json"), "held_out": None})
    with pytest.raises(UserError, match="language: unknown code 'xx'"):
        list(hands.sifted(iter(batches(1))))
    hands.close()
    broken = "from acclimate.corpus.parallel import worker\nworker.sift = lambda s, m: 1 / 0\nworker.main()"
    hands = Processes(1, DESCRIPTION, (sys.executable, "-c", broken))
    with pytest.raises(RuntimeError, match=r"a worker failed:\n(?s:.*)ZeroDivisionError"):
        list(hands.sifted(iter(batches(1))))
    hands.close()


def test_nobody_is_left_behind() -> None:
    hands = Processes(2, DESCRIPTION)
    numbers = [worker._process.pid for worker in hands._workers]
    running = hands.sifted(iter(batches(50)))
    next(running)
    running.close()
    hands.close()
    for number in numbers:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom acclimate.corpus.parallel.processes import Processes\n"
        f"hands = Processes(2, {DESCRIPTION!r})\n"
        "print(*[w._process.pid for w in hands._workers], flush=True)\ntime.sleep(60)"
    )
    parent = processes.subprocess.Popen((sys.executable, "-c", program), stdout=processes.subprocess.PIPE)
    assert parent.stdout is not None
    numbers = [int(word) for word in parent.stdout.readline().split()]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 20
    while time.monotonic() < until and any(alive(number) for number in numbers):
        time.sleep(0.05)
    assert len(numbers) == 2 and not any(alive(number) for number in numbers)


def alive(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
