from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acclimate.artifacts import durable, store
from acclimate.artifacts.durable import CannotWrite
from acclimate.artifacts.store import CorruptArtifact, Store, read_artifact

KEY = "0" * 64


def fill(folder):
    (folder / "deep").mkdir()
    (folder / "deep" / "语言.txt").write_text("语言", "utf-8")
    durable.write_json(folder / "figures.json", {"loss": 1.5})


def put(target: Store, key: str = KEY, fill=fill, stage: str = "corpus"):
    return target.write(stage, key, settings={"a": 1}, inputs={"x": "d"}, versions={"numpy": "2"}, fill=fill)


def tree(folder: Path):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def damage(path: Path, change):
    path.chmod(0o644)
    path.write_bytes(change(path.read_bytes()))


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def shelf(tmp_path, warnings):
    return Store(tmp_path / "store", warn=warnings.append)


def test_what_is_written_is_found(shelf):
    assert shelf.find("corpus", KEY) is None
    written = put(shelf)
    assert tree(written.folder) == ["deep", "deep/语言.txt", "figures.json", "manifest.json"]
    for found in (
        shelf.find("corpus", KEY),
        Store(shelf.root).find("corpus", KEY),
        read_artifact(written.folder),
    ):
        assert found.folder == written.folder
        assert found.manifest == written.manifest
        assert found.digest == written.digest
    assert written.manifest.settings == {"a": 1}
    assert written.manifest.inputs == {"x": "d"}
    assert written.manifest.versions == {"numpy": "2"}
    assert written.manifest.files["deep/语言.txt"].size == 6
    assert shelf.find("corpus", "1" * 64) is None
    assert shelf.find("tokens", KEY) is None


def test_equal_content_has_an_equal_digest(tmp_path):
    assert put(Store(tmp_path / "a")).digest == put(Store(tmp_path / "b")).digest
    other = put(Store(tmp_path / "c"), fill=lambda folder: durable.write_json(folder / "figures.json", {}))
    assert other.digest != put(Store(tmp_path / "a")).digest


def test_files_are_read_only(shelf):
    for path in put(shelf).folder.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "x" * 300, "a\n"])
def test_names_that_would_leave_the_store_are_refused(shelf, name):
    with pytest.raises(ValueError, match="cannot name a folder"):
        shelf.find("corpus", name)
    with pytest.raises(ValueError, match="cannot name a folder"):
        put(shelf, stage=name)


def test_a_link_in_an_artifact_is_refused(shelf):
    with pytest.raises(ValueError, match="link is a link"):
        put(shelf, fill=lambda folder: (folder / "link").symlink_to("/etc/passwd"))
    assert shelf.find("corpus", KEY) is None


DAMAGES = {
    "corrupted byte": (
        lambda f: damage(f / "figures.json", flip),
        r"figures\.json was changed: its digest is",
    ),
    "truncated": (
        lambda f: damage(f / "figures.json", lambda d: d[:-1]),
        r"figures\.json has 16 bytes, the manifest says 17",
    ),
    "missing": (lambda f: (f / "deep" / "语言.txt").unlink(), r"deep/语言\.txt is missing"),
    "extra": (lambda f: (f / "deep" / "more").touch(), r"deep/more does not belong"),
    "torn manifest": (lambda f: damage(f / "manifest.json", lambda d: d[:100]), r"manifest\.json is torn"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), r"has no manifest\.json"),
    "changed manifest": (
        lambda f: damage(f / "manifest.json", lambda d: d.replace(b'"a": 1', b'"a": 2')),
        "its content has",
    ),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_named_set_aside_and_made_again(shelf, warnings, kind):
    artifact = put(shelf)
    harm, message = DAMAGES[kind]
    harm(artifact.folder)
    with pytest.raises(CorruptArtifact, match=message):
        read_artifact(artifact.folder)
    if "manifest" not in kind:
        with pytest.raises(CorruptArtifact, match=message):
            artifact.verify()
    assert shelf.find("corpus", KEY, verify="changed") is None
    assert len(warnings) == 1
    assert re.search(message, warnings[0])
    assert f"set aside as {artifact.folder}.corrupt-1 and will be made again" in warnings[0]
    assert put(shelf).digest == artifact.digest
    assert shelf.find("corpus", KEY) is not None
    assert sorted(path.name for path in (shelf.root / "corpus").iterdir()) == [KEY, f"{KEY}.corrupt-1"]
    harm(artifact.folder)
    assert Store(shelf.root).find("corpus", KEY) is None
    assert (shelf.root / "corpus" / f"{KEY}.corrupt-2").is_dir()


def test_cheap_verification_sees_sizes_and_changed_sees_bytes(shelf, monkeypatch):
    artifact = put(shelf)
    again = Store(shelf.root)

    def no_reading(path):
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr("acclimate.artifacts.hashing.digest_file", no_reading)
    monkeypatch.setattr(store, "digest_file", no_reading)
    assert again.find("corpus", KEY, verify="sizes") is not None
    assert again.find("corpus", KEY, verify="changed") is not None
    with pytest.raises(AssertionError, match="was read"):
        again.find("corpus", KEY)
    monkeypatch.undo()
    damage(artifact.folder / "figures.json", flip)
    assert again.find("corpus", KEY, verify="sizes") is not None
    with pytest.raises(CorruptArtifact, match=r"figures\.json was changed"):
        artifact.verify("changed", again.digests)
    with pytest.raises(CorruptArtifact, match=r"figures\.json was changed"):
        artifact.verify("changed")


def test_a_moved_artifact_is_not_taken_for_another(shelf, warnings):
    put(shelf).folder.rename(shelf.folder("corpus", "1" * 64))
    assert shelf.find("corpus", "1" * 64) is None
    assert "it was moved" in warnings[0]


def test_set_aside_by_hand(shelf):
    artifact = put(shelf)
    assert shelf.set_aside(artifact).name == f"{KEY}.corrupt-1"
    assert shelf.find("corpus", KEY) is None


def test_the_workspace_survives_until_the_artifact_is_there(shelf):
    work = shelf.workspace("corpus", KEY)
    (work / "checkpoint").touch()

    def broken(folder):
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        put(shelf, fill=broken)
    assert Store(shelf.root).workspace("corpus", KEY) == work
    assert (work / "checkpoint").exists()
    put(shelf)
    assert not work.exists()
    assert [path.name for path in (shelf.root / "corpus").iterdir()] == [KEY]
    shelf.workspace("corpus", KEY)  # as a kill right after the artifact's rename leaves it
    assert shelf.find("corpus", KEY) is not None
    assert not work.exists()


def test_who_comes_second_keeps_the_first_ones_artifact(shelf):
    def slow(folder):
        fill(folder)
        first.append(put(Store(shelf.root)))

    first = []
    second = put(shelf, fill=slow)
    assert second.folder == first[0].folder
    assert second.manifest == first[0].manifest
    assert [path.name for path in (shelf.root / "corpus").iterdir()] == [KEY]


def test_a_damaged_one_in_the_way_is_replaced(shelf, warnings):
    damage(put(shelf).folder / "figures.json", flip)
    assert read_artifact(put(shelf).folder).digest == shelf.find("corpus", KEY).digest
    assert len(warnings) == 1


LOCKED = """
import sys, time
from pathlib import Path
from acclimate.artifacts.store import Store
with Store(Path(sys.argv[1])).lock("corpus", "k", on_wait=lambda text: print(text, flush=True)):
    print("locked", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def test_two_processes_take_turns_and_the_second_says_who_holds_it(shelf):
    def start(seconds):
        return subprocess.Popen(
            [sys.executable, "-c", LOCKED, str(shelf.root), str(seconds)], stdout=subprocess.PIPE, text=True
        )

    with start(60) as first:
        assert first.stdout.readline() == "locked\n"
        with start(0) as second:
            message = second.stdout.readline()
            assert re.fullmatch(rf"held by pid {first.pid} on \S+ since 20\S+\n", message)
            assert shelf.find("corpus", "k") is None, "other work goes on"
            with shelf.lock("corpus", "another key"[:7]):
                pass
            first.kill()
            assert second.stdout.readline() == "locked\n"
            assert second.wait() == 0
    with shelf.lock("corpus", "k"):
        assert len(list((shelf.root / ".locks").iterdir())) == 1
    assert list((shelf.root / ".locks").iterdir()) == []


def test_killed_anywhere_there_is_nothing_or_a_whole_artifact(quick_folder, killed_everywhere):
    shelf = Store(quick_folder / "store")
    found_unfinished = 0

    def check(ended):
        nonlocal found_unfinished
        found = Store(shelf.root, warn=pytest.fail).find("corpus", KEY)
        assert found is not None or not ended
        if found is not None:
            found.verify()
            found_unfinished += not ended
            durable.remove(found.folder)
        put(shelf).verify()
        assert [path.name for path in (shelf.root / "corpus").iterdir()] == [KEY], "leftovers are swept"
        durable.remove(shelf.folder("corpus", KEY))
        shelf.workspace("corpus", KEY)

    assert killed_everywhere(lambda: put(shelf), check) >= 25
    assert found_unfinished >= 1


WRITE_FOR_EVER = """
import itertools, sys
from pathlib import Path
from acclimate.artifacts.store import Store
store = Store(Path(sys.argv[1]))
def fill(folder):
    for name in "abc":
        with (folder / name).open("wb") as file:
            for _ in range(40):
                file.write(b"x" * 50_000)
for number in itertools.count():
    store.write("s", str(number), settings={}, inputs={}, versions={}, fill=fill)
    print(number, flush=True)
"""


def test_killed_at_random_moments_there_is_nothing_or_a_whole_artifact(tmp_path):
    moments = random.Random(7)
    for round_ in range(6):
        root = tmp_path / str(round_)
        with subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, str(root)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout.readline() == "0\n"
            time.sleep(moments.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            done = 1 + len(process.stdout.readlines())
        target = Store(root, warn=pytest.fail)
        for number in range(done):
            found = target.find("s", str(number))
            assert found is not None
            assert found.manifest.files["c"].size == 2_000_000
        for number in (done, done + 1):
            target.find("s", str(number))  # fails through `warn` when it is there and not whole
        target.write("s", "last", settings={}, inputs={}, versions={}, fill=fill)
        assert not [path for path in (root / "s").iterdir() if path.name.startswith(".")]


def big(folder):
    (folder / "weights").write_bytes(b"x" * 3_000_000)


def test_a_full_disk_leaves_finished_artifacts_and_the_workspace(small_disk):
    target = Store(small_disk)
    put(target)
    (target.workspace("corpus", "1") / "checkpoint").write_bytes(b"state")
    with pytest.raises(CannotWrite) as caught:
        put(target, "1", big)
    assert re.search(
        r"cannot write \S*/corpus/1: no space is left there \(needed more than 1\.0 MB, free 0 bytes\); "
        r"nothing of it stays; finished artifacts and \.work-1 are unchanged$",
        str(caught.value),
    )
    assert (target.workspace("corpus", "1") / "checkpoint").read_bytes() == b"state"
    assert Store(small_disk, warn=pytest.fail).find("corpus", KEY) is not None
    assert sorted(path.name for path in (small_disk / "corpus").iterdir()) == [".work-1", KEY]


def test_a_size_limit_leaves_nothing_of_the_draft(shelf, largest_file):
    put(shelf)
    with largest_file(1_000_000), pytest.raises(CannotWrite, match="larger than is allowed"):
        put(shelf, "1", big)
    assert [path.name for path in (shelf.root / "corpus").iterdir()] == [KEY]


def test_a_read_only_store_can_be_read_and_says_why_not_written(shelf, made_read_only):
    put(shelf)
    made_read_only(shelf.root)
    target = Store(shelf.root)
    assert target.find("corpus", KEY) is not None
    reason = "read-only|permission denied"
    with pytest.raises(CannotWrite, match=reason):
        put(target, "1")
    with pytest.raises(CannotWrite, match=reason):
        target.workspace("corpus", "1")
    with pytest.raises(CannotWrite, match=reason), target.lock("corpus", "1"):
        pass


def test_an_unreadable_file_is_no_corruption(shelf, monkeypatch):
    artifact = put(shelf)

    def refused(path):
        raise PermissionError(13, os.strerror(13), str(path))

    monkeypatch.setattr(store, "digest_file", refused)
    with pytest.raises(store.UserError, match="permission denied") as caught:
        shelf.find("corpus", KEY)
    assert not isinstance(caught.value, CorruptArtifact)
    assert artifact.folder.is_dir()
