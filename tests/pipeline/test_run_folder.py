from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from acclimate.artifacts.store import Store
from acclimate.errors import UserError
from acclimate.pipeline.run_folder import RunFolder, find_run, list_runs, unfinished_after

DIGEST, OTHER = "abcdef01" + "0" * 56, "abcdef01" + "1" * 56


@pytest.fixture
def begin(tmp_path):
    """Starts a run, closed at the end of the test."""
    begun = []

    def start(digest=DIGEST, name="small", output=tmp_path):
        begun.append(RunFolder.create_or_resume(output, name, digest))
        return begun[-1]

    yield start
    for run in begun:
        run.close()


def finish(run):
    run.write_metrics({"stages": {}})
    run.close()
    return run.path


def test_a_new_run_has_its_place_and_is_the_latest(begin, tmp_path):
    run = begin()
    assert run.path.parent == tmp_path / "small"
    assert re.fullmatch(r"20\d{6}-\d{6}-abcdef01", run.path.name)
    assert (tmp_path / "small" / "latest").readlink() == Path(run.path.name)
    assert run.digest == DIGEST
    assert not run.finished
    assert not run.resumed
    run.write_recipe("name: 语言\n")
    assert (run.path / "recipe.resolved.yaml").read_text("utf-8") == "name: 语言\n"
    run.write_metrics({"tasks": {"topic": {}}})
    assert run.finished
    assert json.loads((run.path / "metrics.json").read_text()) == {"tasks": {"topic": {}}}


def test_an_unfinished_run_of_the_same_recipe_is_taken_up(begin):
    first = begin()
    first.close()
    second = begin()
    assert (second.path, second.resumed) == (first.path, True)


def test_a_finished_run_is_never_taken_up(begin, tmp_path):
    finished = finish(begin())
    second = begin()
    assert second.path != finished
    assert not second.resumed


def test_the_latest_is_the_newest_finished_one_which_no_failed_one_hides(begin, tmp_path):
    latest = tmp_path / "small" / "latest"
    failed = begin(OTHER)
    failed.close()
    assert latest.resolve() == failed.path  # there is no better one
    newer = begin()
    assert latest.resolve() == newer.path
    good = finish(newer)
    broken = begin(OTHER[:-1] + "0")
    broken.close()
    assert latest.resolve() == find_run("latest", tmp_path) == find_run("small", tmp_path) == good
    assert unfinished_after(good) == [broken.path] and unfinished_after(broken.path) == []
    again = begin(OTHER)
    assert again.resumed and latest.resolve() == good
    finish(again)
    assert latest.resolve() == good, "an older one that was finished later does not hide a newer one either"
    assert finish(begin()) == latest.resolve() == find_run("latest", tmp_path)
    (tmp_path / "small" / "latest").unlink()
    assert find_run("small", tmp_path) != broken.path


def test_a_run_of_a_recipe_that_shares_eight_characters_is_not_taken_up(begin):
    first = begin()
    first.close()
    second = begin(OTHER)
    assert second.path != first.path
    assert not second.resumed


def test_runs_in_the_same_second_differ_and_stay_in_order(begin, tmp_path):
    paths = [begin().path for _ in range(4)]
    assert len(set(paths)) == 4
    assert [run.path for run in list_runs(tmp_path)] == paths
    assert all(re.fullmatch(r"20\d{6}-\d{6}-abcdef01", path.name) for path in paths)


def test_the_newest_of_several_unfinished_ones_is_taken(begin):
    runs = [begin() for _ in range(3)]
    for run in runs:
        run.close()
    assert begin().path == runs[-1].path
    assert begin().path == runs[-2].path


HOLD = """
import sys, time
from pathlib import Path
from acclimate.pipeline.run_folder import RunFolder
print(RunFolder.create_or_resume(Path(sys.argv[1]), "small", sys.argv[2]).path, flush=True)
time.sleep(60)
"""


def test_a_run_that_another_process_holds_is_left_until_that_is_killed(begin, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), DIGEST], stdout=subprocess.PIPE, text=True
    ) as process:
        held = Path(process.stdout.readline().strip())
        assert [run.state for run in list_runs(tmp_path)] == ["running"]
        mine = begin()
        assert mine.path != held
        mine.write_metrics({})
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert [run.state for run in list_runs(tmp_path)] == ["unfinished", "finished"]
    again = begin()
    assert (again.path, again.resumed) == (held, True)
    assert (tmp_path / "small" / "latest").resolve() == mine.path


def test_listing_runs_does_not_keep_anyone_from_taking_one_up(begin, tmp_path):
    begin().close()
    for _ in range(20):
        list_runs(tmp_path)
        run = begin()
        assert run.resumed
        run.close()


def test_artifacts_are_linked_relatively(begin, tmp_path):
    store = Store(tmp_path / "out" / ".store")
    artifact = store.write(
        "corpus", "k", settings={}, inputs={}, versions={}, fill=lambda f: (f / "語").write_text("x")
    )
    run = begin(output=tmp_path / "out")
    link = run.link_artifact("corpus", artifact.folder)
    assert link == run.path / "artifacts" / "corpus"
    run.link_artifact("corpus", artifact.folder)
    finish(run)
    (tmp_path / "out").rename(tmp_path / "moved")
    moved = find_run("small", tmp_path / "moved")
    assert (moved / "artifacts" / "corpus" / "語").read_text() == "x"
    assert (moved / "artifacts" / "corpus").resolve() == tmp_path / "moved" / ".store" / "corpus" / "k"


def test_publishing_shares_files_and_replaces(begin, tmp_path):
    source = tmp_path / "artifact"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "weights").write_text("new")
    (source / "config.json").write_text("{}")
    run = begin()
    for name in ("model", "tasks/topic/model"):
        path = run.publish(name, source)
        assert path == run.path / name
        assert (path / "sub" / "weights").samefile(source / "sub" / "weights")
    (source / "config.json").unlink()
    run.publish("model", source)
    assert sorted(one.name for one in (run.path / "model").iterdir()) == ["sub"]


def test_list_of_runs(begin, tmp_path):
    assert list_runs(tmp_path / "none") == []
    done = finish(begin(name="b"))
    begin(name="a", digest=OTHER).close()
    (tmp_path / ".store").mkdir()
    (tmp_path / "a" / "stray").mkdir()
    (tmp_path / "file").touch()
    runs = {run.name: run for run in list_runs(tmp_path)}
    assert set(runs) == {"a", "b"}
    assert (runs["b"].state, runs["b"].path, runs["b"].recipe_digest) == ("finished", done, DIGEST)
    assert (runs["a"].state, runs["a"].recipe_digest) == ("unfinished", OTHER)
    assert re.match(r"20\d\d-\d\d-\d\dT", runs["a"].started)


def test_runs_are_found_by_path_name_latest_stamp_and_digest(begin, tmp_path, monkeypatch):
    old, new = finish(begin()), finish(begin())
    other = finish(begin("99999999" + "0" * 56, name="zh"))
    monkeypatch.chdir(tmp_path.parent)
    relative = f"{tmp_path.name}/small/{old.name}"
    for text in (str(old), f"{old}/", relative, f"small/{old.name}", old.name):
        assert find_run(text, tmp_path) == old
    for text in ("small", "small/latest", f"{tmp_path}/small", f"{tmp_path}/small/latest", "small/"):
        assert find_run(text, tmp_path) == new
    assert find_run(Path("zh"), tmp_path) == find_run("99999999", tmp_path) == other
    assert find_run("latest", tmp_path) == max((new, other), key=lambda path: (path.name, path.parent.name))
    shutil.rmtree(new)
    assert find_run("small", tmp_path) == old, "`latest` leads nowhere, the newest that is left is meant"


def test_a_run_that_is_not_there_is_told_with_those_that_are(begin, tmp_path):
    with pytest.raises(UserError, match=r"no run 'small': there are no runs in /"):
        find_run("small", tmp_path / "none")
    with pytest.raises(UserError, match="there are no runs"):
        find_run("latest", tmp_path)
    path = finish(begin())
    with pytest.raises(
        UserError, match=rf"no run 'large' in \S+; there are: small/{path.name} \(finished\)$"
    ):
        find_run("large", tmp_path)
    for _ in range(10):
        begin()
    with pytest.raises(UserError, match=r"\(running\), and 1 earlier ones$"):
        find_run("large", tmp_path)


def test_an_output_that_is_a_file_is_explained(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*: a file stands where a folder is needed"):
        RunFolder.create_or_resume(tmp_path / "file", "small", DIGEST)
