from __future__ import annotations

import json
import math
import os

import pytest

from acclimate.artifacts.durable import CannotWrite, LineLog, read_lines


def lines(path):
    return list(read_lines(path))


def test_appended_lines_are_read_back_in_order(tmp_path):
    path = tmp_path / "log"
    with LineLog(path) as log:
        for step in range(3):
            log.append({"step": step, "text": '语言\n"model"', "nested": {"a": [1.5, None]}})
    with LineLog(path) as log:
        log.append({"step": 3})
    assert [line["step"] for line in lines(path)] == [0, 1, 2, 3]
    assert lines(path)[0]["text"] == '语言\n"model"'
    assert "语言" in path.read_text("utf-8")
    assert lines(tmp_path / "none") == []


def test_each_line_is_there_at_once(tmp_path):
    log = LineLog(tmp_path / "log")
    log.append({"step": 1})
    assert lines(tmp_path / "log") == [{"step": 1}]
    log.close()
    log.close()


def test_numbers_that_json_lacks_become_null(tmp_path):
    with LineLog(tmp_path / "log") as log:
        log.append({"loss": math.nan, "list": [math.inf, 1.0], "text": "lone \udc80 surrogate"})
    assert lines(tmp_path / "log") == [{"loss": None, "list": [None, 1.0], "text": "lone \udc80 surrogate"}]


def test_every_cut_of_the_file_is_repaired_to_its_whole_lines(tmp_path):
    path = tmp_path / "log"
    with LineLog(path) as log:
        for step in range(3):
            log.append({"step": step, "text": "语"})
    data = path.read_bytes()
    ends = [end for end in range(len(data) + 1) if end == 0 or data[end - 1 : end] == b"\n"]
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        whole = max(end for end in ends if end <= cut)
        expected = [json.loads(line) for line in data[:whole].splitlines()]
        assert lines(path) == expected, "reading leaves a torn line out"
        assert path.stat().st_size == cut, "and changes nothing"
        with LineLog(path) as log:
            assert path.read_bytes() == data[:whole]
            log.append({"step": "after"})
        assert lines(path) == [*expected, {"step": "after"}]


@pytest.mark.parametrize(
    "rubbish", [b"\0" * 5000, b"\0" * 70_000 + b"\n", b"null\n", b'{"step":', b"\xff\xfe\n\n\n"]
)
def test_rubbish_at_the_end_is_cut_off(tmp_path, rubbish):
    path = tmp_path / "log"
    path.write_bytes(b'{"step":1}\n' + rubbish)
    LineLog(path).close()
    assert path.read_bytes() == b'{"step":1}\n'
    path.write_bytes(rubbish)
    LineLog(path).close()
    assert path.read_bytes() == b""


def test_a_last_line_longer_than_a_block_stays(tmp_path):
    with LineLog(tmp_path / "log") as log:
        log.append({"step": 0})
        log.append({"text": "x" * 200_000})
    with LineLog(tmp_path / "log"):
        assert len(lines(tmp_path / "log")) == 2


def test_keep_drops_lines_and_goes_on_at_the_end(tmp_path):
    with LineLog(tmp_path / "log") as log:
        for step in range(6):
            log.append({"step": step})
        assert log.keep(lambda line: line["step"] != 2 and line["step"] < 5) == 2
        log.append({"step": 7})
        inode = (tmp_path / "log").stat().st_ino
        assert log.keep(lambda line: True) == 0
        assert (tmp_path / "log").stat().st_ino == inode
    assert [line["step"] for line in lines(tmp_path / "log")] == [0, 1, 3, 4, 7]
    assert [one.name for one in tmp_path.iterdir()] == ["log"]


def test_killed_anywhere_keep_has_all_lines_or_the_kept(tmp_path, killed_everywhere):
    path = tmp_path / "log"

    def write():
        path.unlink(missing_ok=True)
        with LineLog(path) as log:
            for step in range(4):
                log.append({"step": step})

    def keep():
        with LineLog(path) as log:
            log.keep(lambda line: line["step"] < 2)

    write()

    def check(ended):
        found = [line["step"] for line in lines(path)]
        assert found == [0, 1] if ended else found in ([0, 1, 2, 3], [0, 1])
        keep()
        assert [one.name for one in tmp_path.iterdir()] == ["log"]
        write()

    assert killed_everywhere(keep, check) >= 6


def test_two_writers_do_not_mix_their_lines(tmp_path):
    children = []
    for writer in range(2):
        child = os.fork()
        if child == 0:
            with LineLog(tmp_path / "log") as log:
                for step in range(200):
                    log.append({"writer": writer, "step": step, "text": "x" * 300})
            os._exit(0)
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    found = lines(tmp_path / "log")
    for writer in range(2):
        assert [line["step"] for line in found if line["writer"] == writer] == list(range(200))


def test_a_full_disk_keeps_the_lines_before(small_disk):
    with LineLog(small_disk / "log") as log:
        log.append({"step": 0})
        with pytest.raises(CannotWrite, match=r"no space is left there .*; the lines before are kept"):
            log.append({"text": "x" * 2_000_000})
        log.append({"step": 1})
    assert lines(small_disk / "log") == [{"step": 0}, {"step": 1}]


def test_a_size_limit_keeps_the_lines_before(tmp_path, largest_file):
    with LineLog(tmp_path / "log") as log:
        log.append({"step": 0})
        with largest_file(1000), pytest.raises(CannotWrite, match="larger than is allowed"):
            log.append({"text": "x" * 2_000})
        assert lines(tmp_path / "log") == [{"step": 0}]
        assert (tmp_path / "log").read_bytes().endswith(b"\n")


def test_a_read_only_folder_is_explained(tmp_path, made_read_only):
    (tmp_path / "ro").mkdir()
    made_read_only(tmp_path / "ro")
    with pytest.raises(CannotWrite, match=r"read-only|permission denied"):
        LineLog(tmp_path / "ro" / "log")
