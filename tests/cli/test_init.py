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
    os.write(ours, b"prose.txt\ntitles.tsv\n\n")
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
