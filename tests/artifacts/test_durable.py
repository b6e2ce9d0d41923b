from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from acclimate.artifacts import durable, temporary
from acclimate.artifacts.durable import CannotWrite
from acclimate.errors import UserError

BIG = b"x" * 3_000_000


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_written_content_is_what_is_read(tmp_path):
    durable.write_bytes(tmp_path / "bytes", b"\x00\xff")
    durable.write_text(tmp_path / "text", "语言\r\nmodel\n")
    durable.write_json(tmp_path / "json", {"b": "语言", "a": [1, 2.5, None]})
    assert (tmp_path / "bytes").read_bytes() == b"\x00\xff"
    assert (tmp_path / "text").read_bytes() == "语言\r\nmodel\n".encode()
    text = (tmp_path / "json").read_text("utf-8")
    assert json.loads(text) == {"a": [1, 2.5, None], "b": "语言"}
    assert "语言" in text
    assert text.index('"a"') < text.index('"b"')
    assert names(tmp_path) == ["bytes", "json", "text"]


def test_json_refuses_what_json_lacks_and_keeps_the_old(tmp_path):
    durable.write_json(tmp_path / "json", {"old": 1})
    with pytest.raises(ValueError, match="JSON"):
        durable.write_json(tmp_path / "json", {"new": float("nan")})
    assert json.loads((tmp_path / "json").read_text()) == {"old": 1}
    assert names(tmp_path) == ["json"]


def test_appender_gives_the_name_only_at_the_end(tmp_path):
    with durable.appender(tmp_path / "f") as file:
        file.write(b"one")
        assert not (tmp_path / "f").exists()
        file.write(b"two")
    assert (tmp_path / "f").read_bytes() == b"onetwo"
    with pytest.raises(RuntimeError), durable.appender(tmp_path / "f") as file:
        file.write(b"broken")
        raise RuntimeError
    assert (tmp_path / "f").read_bytes() == b"onetwo"
    assert names(tmp_path) == ["f"]


def test_content_reaches_the_disk_before_its_name_does(tmp_path, monkeypatch):
    happened = []
    fsync, rename, replace = os.fsync, Path.rename, Path.replace

    def watched(handle):
        happened.append(
            ("sync", re.sub(r"\.tmp-\d+-\w+", "", Path(f"/proc/self/fd/{handle}").readlink().name))
        )
        fsync(handle)

    def moved(self, target):
        happened.append(("rename", Path(target).name))
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(Path, "rename", moved)
    monkeypatch.setattr(Path, "replace", lambda s, t: (happened.append(("rename", t.name)), replace(s, t))[1])

    durable.write_text(tmp_path / "file", "x")
    assert happened == [("sync", ".file"), ("rename", "file"), ("sync", tmp_path.name)]

    happened.clear()

    def fill(folder):
        (folder / "sub").mkdir()
        (folder / "sub" / "inner").write_text("x")

    durable.replace_folder(tmp_path / "folder", fill)
    assert happened == [
        *(("sync", "inner"), ("sync", "sub"), ("sync", ".folder")),
        *(("rename", "folder"), ("sync", tmp_path.name)),
    ]


def test_killed_anywhere_a_file_is_old_or_new(quick_folder, killed_everywhere):
    path = quick_folder / "f"
    durable.write_text(path, "old" * 1000)

    def check(ended):
        text = path.read_text()
        assert text == "new" * 1000 if ended else text in ("old" * 1000, "new" * 1000)
        durable.write_text(path, "old" * 1000)
        assert names(quick_folder) == ["f"]

    assert killed_everywhere(lambda: durable.write_text(path, "new" * 1000), check) >= 5


@pytest.mark.parametrize("can_exchange", [True, False])
def test_killed_anywhere_a_folder_is_old_or_new(quick_folder, killed_everywhere, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(temporary, "exchange", lambda first, second: False)
    path = quick_folder / "folder"

    def write(content):
        def fill(folder):
            for number in range(2):
                (folder / f"{content}-{number}").write_text(content)

        durable.replace_folder(path, fill)

    write("old")
    seen = set()

    def check(ended):
        found = names(durable.settle(path))
        assert found in (["old-0", "old-1"], ["new-0", "new-1"])
        assert not ended or found[0] == "new-0"
        assert all(one.read_text() == one.name[:3] for one in path.iterdir())
        seen.add(found[0])
        write("old")
        assert names(quick_folder) == ["folder"]

    assert killed_everywhere(lambda: write("new"), check) >= 10
    assert seen == {"old-0", "new-0"}


def test_exchange_is_used_where_the_system_has_it(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "inside").touch()
    if not temporary.exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this file system cannot exchange two names")
    assert names(tmp_path / "a") == ["inside"]
    assert names(tmp_path / "b") == []
    with pytest.raises(FileNotFoundError):
        temporary.exchange(tmp_path / "a", tmp_path / "none")


def test_a_living_process_keeps_its_temporary_and_a_dead_ones_is_swept(tmp_path):
    dead = [tmp_path / ".f.tmp-1-0", tmp_path / ".d.tmp-1-0"]
    dead[0].touch()
    (dead[1] / "inner").mkdir(parents=True)
    with (
        temporary.claimed(tmp_path / "f", folder=False) as file,
        temporary.claimed(tmp_path / "d", folder=True) as d,
    ):
        assert temporary.sweep(tmp_path) == 0, "claiming has swept the leftovers of the same target already"
        assert file.exists()
        assert d.exists()
        assert not any(one.exists() for one in dead)
    assert names(tmp_path) == []


def test_full_disk_names_path_need_and_what_is_kept(small_disk):
    durable.write_text(small_disk / "f", "old")
    with pytest.raises(CannotWrite) as caught:
        durable.write_bytes(small_disk / "f", BIG)
    assert isinstance(caught.value, UserError)
    message = str(caught.value)
    assert re.search(
        r"cannot write \S*/small/f: no space is left there \(needed 3\.0 MB, free 0 bytes\)", message
    )
    assert message.endswith("what was there before is unchanged")
    assert (small_disk / "f").read_text() == "old"
    assert names(small_disk) == ["f"]


def test_full_disk_keeps_the_checkpoint_before(small_disk):
    durable.replace_folder(small_disk / "last", lambda folder: durable.write_text(folder / "state", "old"))
    with pytest.raises(CannotWrite, match="no space is left"):
        durable.replace_folder(small_disk / "last", lambda folder: durable.write_bytes(folder / "state", BIG))
    assert (small_disk / "last" / "state").read_text() == "old"
    assert names(small_disk) == ["last"]


def _save_weights(folder):
    save_file({"w": np.zeros(3_000_000, np.float32)}, folder / "w.safetensors")


def _save_table(folder):
    noise = np.random.default_rng(0).random(500_000)
    pq.write_table(pa.table({"x": noise}), folder / "t.parquet")


def _save_tokenizer(folder):
    words = {f"word-number-{number}": number for number in range(100_000)}
    Tokenizer(WordLevel(words, unk_token="word-number-0")).save(str(folder / "tokenizer.json"))


def _save_plainly(folder):
    np.save(folder / "x.npy", np.zeros(1_000_000))


@pytest.mark.parametrize("save", [_save_weights, _save_table, _save_tokenizer, _save_plainly])
def test_full_disk_inside_a_library_is_understood(small_disk, save):
    with pytest.raises(CannotWrite, match="no space is left there"):
        durable.replace_folder(small_disk / "folder", save)
    assert names(small_disk) == []


def test_largest_file_size_is_explained(tmp_path, largest_file):
    durable.write_text(tmp_path / "f", "old")
    with (
        largest_file(1_000_000),
        pytest.raises(CannotWrite, match=r"larger than is allowed.*needed 3.0 MB.*unchanged"),
    ):
        durable.write_bytes(tmp_path / "f", BIG)
    assert (tmp_path / "f").read_text() == "old"
    assert names(tmp_path) == ["f"]


def test_read_only_folder_is_explained(tmp_path, made_read_only):
    folder = tmp_path / "ro"
    folder.mkdir()
    durable.write_text(folder / "f", "old")
    made_read_only(folder)
    reason = "read-only|permission denied"
    with pytest.raises(CannotWrite, match=reason):
        durable.write_text(folder / "f", "new")
    with pytest.raises(CannotWrite, match=reason):
        durable.new_folder(folder / "sub" / "subsub")
    with pytest.raises(CannotWrite, match=reason):
        durable.remove(folder / "f")
    with pytest.raises(CannotWrite, match=reason):
        durable.replace_symlink(folder / "link", "f")
    with pytest.raises(CannotWrite, match=reason):
        durable.replace_folder(folder / "sub", lambda draft: None)
    assert (folder / "f").read_text() == "old"
    assert names(folder) == ["f"]


def test_a_failure_to_read_something_else_is_not_called_a_failure_to_write(tmp_path):
    (tmp_path / "file").touch()

    def fill(folder):
        (tmp_path / "file" / "below").read_text()

    (tmp_path / "out").mkdir()
    with pytest.raises(NotADirectoryError):
        durable.replace_folder(tmp_path / "out" / "folder", fill)
    assert names(tmp_path / "out") == []


def test_new_folder_makes_parents_and_refuses_a_file(tmp_path):
    assert durable.new_folder(tmp_path / "a" / "b").is_dir()
    durable.new_folder(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="a file stands where a folder is needed"):
        durable.new_folder(tmp_path / "file")
    with pytest.raises(CannotWrite, match="a file stands where a folder is needed"):
        durable.new_folder(tmp_path / "file" / "below")
    with pytest.raises(CannotWrite, match="a file stands where a folder is needed"):
        durable.replace_folder(tmp_path / "file", lambda folder: None)


def test_link_tree_shares_files_and_replaces_whole(tmp_path):
    for place in ("one", "deep/two"):
        durable.new_folder((tmp_path / "source" / place).parent)
        durable.write_text(tmp_path / "source" / place, place)
    durable.replace_folder(tmp_path / "target", lambda folder: durable.write_text(folder / "stale", ""))
    durable.link_tree(tmp_path / "source", tmp_path / "target")
    assert names(tmp_path / "target") == ["deep", "one"]
    for place in ("one", "deep/two"):
        assert (tmp_path / "target" / place).samefile(tmp_path / "source" / place)
    with pytest.raises(NotADirectoryError):
        durable.link_tree(tmp_path / "none", tmp_path / "target")
    assert names(tmp_path) == ["source", "target"]


def test_link_tree_copies_to_another_file_system(tmp_path, small_disk):
    durable.new_folder(tmp_path / "source")
    durable.write_text(tmp_path / "source" / "one", "语言")
    durable.link_tree(tmp_path / "source", small_disk / "target")
    assert (small_disk / "target" / "one").read_text("utf-8") == "语言"
    assert (tmp_path / "source" / "one").stat().st_nlink == 1
    durable.write_bytes(tmp_path / "source" / "two", BIG)
    with pytest.raises(
        CannotWrite, match=r"no space is left .*; \S*/source \(3\.0 MB\), which was to be linked"
    ):
        durable.link_tree(tmp_path / "source", small_disk / "target")
    assert names(small_disk / "target") == ["one"]


def test_symlink_is_replaced_in_one_step(tmp_path):
    (tmp_path / "a").mkdir()
    durable.replace_symlink(tmp_path / "latest", "a")
    missing = []
    done = threading.Event()

    def look():
        while not done.is_set():
            if not (tmp_path / "latest").exists():
                missing.append(True)

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(100):
        durable.replace_symlink(tmp_path / "latest", "a")
    done.set()
    thread.join()
    assert not missing
    assert (tmp_path / "latest").readlink() == Path("a")
    assert names(tmp_path) == ["a", "latest"]
    with pytest.raises(CannotWrite, match="a folder stands where a file is needed"):
        durable.replace_symlink(tmp_path / "a", "b")


def test_place_folder_takes_the_first_free_name(tmp_path):
    taken = []
    for _ in range(3):
        path = durable.place_folder(
            (tmp_path / str(n) for n in range(9)), lambda folder: durable.write_text(folder / "f", "x")
        )
        taken.append(path.name)
    assert taken == ["0", "1", "2"]
    assert names(tmp_path) == ["0", "1", "2"]


def test_move_never_overwrites(tmp_path):
    for name in ("a", "b"):
        durable.replace_folder(tmp_path / name, lambda folder: durable.write_text(folder / "f", "x"))
    durable.write_text(tmp_path / "file", "x")
    with pytest.raises(FileExistsError):
        durable.move(tmp_path / "a", tmp_path / "b")
    with pytest.raises(FileExistsError):
        durable.move(tmp_path / "a", tmp_path / "file")
    with pytest.raises(FileExistsError):
        durable.move(tmp_path / "file", tmp_path / "a" / "f")
    durable.move(tmp_path / "a", tmp_path / "c")
    assert names(tmp_path) == ["b", "c", "file"]


def test_removal_is_whole(quick_folder, killed_everywhere):
    path = quick_folder / "folder"

    def make():
        durable.replace_folder(
            path, lambda folder: [durable.write_text(folder / name, name) for name in "abc"] and None
        )

    make()

    def check(ended):
        assert not path.exists() or names(path) == ["a", "b", "c"]
        assert not ended or not path.exists()
        make()
        assert names(quick_folder) == ["folder"]

    assert killed_everywhere(lambda: durable.remove(path), check) >= 4
    durable.remove(quick_folder / "never there")


def test_scratch_folder_goes_and_a_dead_ones_is_cleared(tmp_path):
    left = tmp_path / ".acclimate-scratch.tmp-1-0"
    left.mkdir()
    (left / "spilled").touch()
    with durable.scratch_folder(tmp_path) as scratch:
        assert not left.exists()
        (scratch / "f").write_text("x")
        assert scratch.stat().st_mode & 0o077 == 0
        with durable.scratch_folder(tmp_path) as second:
            assert second != scratch
            assert (scratch / "f").exists()
    assert names(tmp_path) == []
    with durable.scratch_folder() as scratch:
        assert scratch.is_dir()
    assert not scratch.exists()


def test_scratch_file_has_no_name_and_can_be_read_back():
    with durable.scratch_file() as file:
        file.write(b"spilled")
        file.seek(0)
        assert file.read() == b"spilled"
        assert os.fstat(file.fileno()).st_nlink == 0
    assert file.closed


def test_a_place_where_no_folder_can_be_made_is_one_message() -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("there is no /proc here")
    with pytest.raises(CannotWrite, match=r"cannot write /proc/no-such/x: no folder can be made in /proc"):
        durable.new_folder(Path("/proc/no-such/x"))
