"""`init` writes a recipe that is sound, from the user's own files, Chinese and English."""

from __future__ import annotations

import gzip
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from acclimate.recipe.loading import load_recipe

PROSE = "It was a bright cold day in April.\n\nThe clocks were striking thirteen.\n" * 40
TITLES = "".join(
    f"{'股市今日上涨百分之' if n % 2 else '球队在第几轮获胜'}{n}点，报道称情况良好\t{n % 2}\n"
    for n in range(300)
)
NAMED = "body,kind\n" + "".join(
    f'"text number {n}, long enough",{"good" if n % 3 else "bad"}\n' for n in range(90)
)


def rows(text: str, label: str) -> str:
    return "".join(
        json.dumps({"文本": f"{text}{n}", label: str(n % 4)}, ensure_ascii=False) + "\n" for n in range(200)
    )


def test_text_alone(acclimate: Any, tmp_path: Path) -> None:
    (tmp_path / "my prose.txt").write_text(PROSE, encoding="utf-8")
    ended = acclimate("init", "--text", "my prose.txt", "--size", "tiny")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "wrote recipe.yaml\nnext: acclimate run recipe.yaml\n"
    recipe = load_recipe(tmp_path / "recipe.yaml").recipe
    assert recipe.name == "my-prose"
    assert recipe.model.size == "tiny"  # type: ignore[attr-defined]
    assert recipe.corpus.sources[0].path == str(tmp_path / "my prose.txt")  # type: ignore[attr-defined]
    assert acclimate("check", "recipe.yaml").code == 0
    text = (tmp_path / "recipe.yaml").read_text(encoding="utf-8")
    assert text.count("#") > 5


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("titles.tsv", TITLES, {"text": 0, "label": 1, "header": False}),
        ("titles.txt", TITLES, {"text": 0, "label": 1, "header": False}),
        ("named.csv", NAMED, {"text": "body", "label": "kind", "header": True}),
        ("rows.jsonl", rows("一段比较长的文字", "类别"), {"text": "文本", "label": "类别", "header": True}),
        (
            "rows.jsonl.gz",
            rows("some longer text ", "label"),
            {"text": "文本", "label": "label", "header": True},
        ),
    ],
)
def test_a_task_in_every_form(
    acclimate: Any, tmp_path: Path, name: str, content: str, expected: dict[str, Any]
) -> None:
    data = content.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (tmp_path / "sub").mkdir()
    ended = acclimate("init", "--text", name, "--task", name, "--name", "mine", "--output", "sub/r.yaml")
    assert (ended.code, ended.err) == (0, "")
    recipe = load_recipe(tmp_path / "sub" / "r.yaml").recipe
    (task,) = recipe.tasks.values()
    assert task.label == expected["label"]  # type: ignore[attr-defined]
    assert task.data.text == expected["text"]  # type: ignore[attr-defined]
    assert task.data.header is expected["header"]  # type: ignore[attr-defined]
    assert acclimate("check", "sub/r.yaml").code == 0


SORTED = "".join(f"{int(n >= 2000)},味道不错，第{n}次光顾这家店了\n" for n in range(4000))
OBJECTS = "".join(
    json.dumps({"premise": f"a claim {n}", "hypothesis": f"what follows from it {n}", "gold": "yn"[n % 2]})
    + "\n"
    for n in range(200)
)
LINES_BETWEEN = "".join(f"###{n}\n" + f"{'ab'[n % 2]}\tsome longer text number {n}\n" * 6 for n in range(60))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        # The beginning of a file that is sorted by label knows one label only.
        ("sorted.csv", SORTED, {"text": 1, "label": 0, "header": False, "format": "auto", "pair": None}),
        (
            "objects.txt",
            OBJECTS,
            {"text": "premise", "label": "gold", "format": "jsonl", "pair": "hypothesis"},
        ),
        (
            "between.txt",
            LINES_BETWEEN,
            {"text": 1, "label": 0, "header": False, "format": "tsv", "pair": None},
        ),
    ],
)
def test_files_of_the_wild(
    acclimate: Any, tmp_path: Path, name: str, content: str, expected: dict[str, Any]
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    ended = acclimate("init", "--text", name, "--task", name)
    assert (ended.code, ended.err) == (0, ""), ended
    recipe = load_recipe(tmp_path / "recipe.yaml").recipe
    (task,) = recipe.tasks.values()
    found = {**task.data.model_dump(), "label": task.label, "pair": task.pair}  # type: ignore[attr-defined]
    assert {key: found[key] for key in expected} == expected
    # Tables that are called text are read as tables, so that labels do not become text.
    source: Any = recipe.corpus.sources[0]
    assert (source.format, source.documents) == (expected["format"], None)
    assert acclimate("check", "recipe.yaml").code == 0


def test_examples_with_a_test_file_of_their_own(acclimate: Any, tmp_path: Path) -> None:
    for name in ("train.txt", "test.txt"):
        (tmp_path / name).write_text(TITLES, encoding="utf-8")
    ended = acclimate("init", "--text", "train.txt", "--task", "train.txt", "--test", "test.txt")
    assert (ended.code, ended.err) == (0, "")
    (task,) = load_recipe(tmp_path / "recipe.yaml").recipe.tasks.values()
    found = task.model_dump(include={"train", "test", "data", "text", "label", "header", "format"})
    assert found == {
        "train": str(tmp_path / "train.txt"), "test": str(tmp_path / "test.txt"), "data": None,
        "text": 0, "label": 1, "header": False, "format": "tsv",
    }  # fmt: skip
    assert acclimate("check", "recipe.yaml").code == 0
    ended = acclimate("init", "--text", "train.txt", "--test", "test.txt", "--output", "other.yaml")
    assert (ended.code, ended.err) == (1, "acclimate: --test goes with --task, the examples to learn from\n")


@pytest.mark.parametrize(
    ("line", "entries"), [("天地玄黄，宇宙洪荒。", 8_000), ("all in plain English", 16_000)]
)
def test_much_text_gets_a_vocabulary_that_it_supports(
    acclimate: Any, tmp_path: Path, line: str, entries: int
) -> None:
    text = (line * 500 + "\n").encode()
    (tmp_path / "much.txt").write_bytes(text * (30_000_000 // len(text) + 1))
    assert acclimate("init", "--text", "much.txt").code == 0
    assert load_recipe(tmp_path / "recipe.yaml").recipe.tokenizer.vocab_size == entries  # type: ignore[union-attr]


def test_a_folder_of_text_and_one_of_everything(acclimate: Any, tmp_path: Path) -> None:
    for name in ("notes/a.txt", "notes/deep/b.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(PROSE, encoding="utf-8")
    assert acclimate("init", "--text", "notes/").code == 0
    source: Any = load_recipe(tmp_path / "recipe.yaml").recipe.corpus.sources[0]
    assert source.path == str(tmp_path / "notes")
    (tmp_path / "notes" / "c.csv").write_text(NAMED, encoding="utf-8")
    ended = acclimate("init", "--text", "notes", "--output", "other.yaml")
    assert ended.code == 1 and "several formats (csv, text); give one of them by a glob" in ended.err
    assert acclimate("init", "--text", "notes/**/*.txt", "--output", "other.yaml").code == 0


def test_what_cannot_be_guessed_is_told(acclimate: Any, tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_text(PROSE, encoding="utf-8")
    (tmp_path / "one.csv").write_text("a\n1\n2\n3\n", encoding="utf-8")
    (tmp_path / "empty.tsv").write_text("", encoding="utf-8")
    for arguments, message in [
        ([], "expected --text PATH"),
        (["--text", "nowhere"], "there is no such file"),
        (["--text", "prose.txt", "--task", "one.csv"], "expected a column of text and one of labels"),
        (["--text", "prose.txt", "--task", "empty.tsv"], "nothing in it can be read"),
    ]:
        ended = acclimate("init", *arguments)
        assert ended.code == 1 and message in ended.err, ended
        assert not (tmp_path / "recipe.yaml").exists()


def test_nothing_is_overwritten(acclimate: Any, tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_text(PROSE, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text("mine", encoding="utf-8")
    ended = acclimate("init", "--text", "prose.txt")
    assert ended.code == 1 and "is there already" in ended.err
    assert (tmp_path / "recipe.yaml").read_text(encoding="utf-8") == "mine"


def test_a_wrong_size_is_told_in_its_place(acclimate: Any, tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_text(PROSE, encoding="utf-8")
    ended = acclimate("init", "--text", "prose.txt", "--size", "huge")
    assert ended.code == 1
    assert "model.size: unknown value 'huge'; choose from" in ended.err


def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_text(PROSE, encoding="utf-8")
    (tmp_path / "titles.tsv").write_text(TITLES, encoding="utf-8")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "acclimate", "init"], cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, b"prose.txt\ntitles.tsv\n\n\n")
    shown, end = "", time.monotonic() + 60
    while time.monotonic() < end:
        try:
            data = os.read(ours, 4096)
        except OSError:
            break
        if not data:
            break
        shown += data.decode("utf-8", "replace")
    assert process.wait(timeout=60) == 0, shown
    os.close(ours)
    assert "Text to learn from" in shown and "Labelled examples" in shown
    recipe = load_recipe(tmp_path / "recipe.yaml").recipe
    assert recipe.model.size == "mini"  # type: ignore[attr-defined]
    assert list(recipe.tasks) == ["titles"]
