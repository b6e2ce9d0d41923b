from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from acclimate.cli.main import app
from acclimate.tokenizer.training import Train

TEXTS = [
    "The patient was given aspirin; the pain went away.",
    "患者服用阿司匹林后疼痛消失。我们喜欢语言模型。",
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for algorithm in ("bpe", "unigram"):
        (tmp_path / algorithm).mkdir()
        Train(algorithm=algorithm, vocab_size=600).build(texts=iter([TEXTS * 5]), folder=tmp_path / algorithm)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "en.txt").write_text(TEXTS[0] * 3)
    (tmp_path / "texts" / "zh.txt").write_text(TEXTS[1] * 3)
    (tmp_path / "notes.jsonl").write_text('{"note": "aspirin"}\n{"note": "bad \\ud800 surrogate"}\nno json\n')
    return tmp_path


def call(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["tokenizer", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_compare_as_json_and_page(place: Path) -> None:
    arguments = ["compare", "bpe", "u=unigram", "-t", "texts", "-t", "notes=notes.jsonl#note"]
    code, out, err = call(*arguments, "--by-file", "--page", "page.html", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert [one["name"] for one in found["tokenizers"]] == ["bpe", "u"]
    assert set(found["tokenizers"][0]["domains"]) == {"en.txt", "zh.txt", "notes.jsonl"}
    assert found["tokenizers"][0]["languages"]["zh"]["tokens"] > 0
    assert sum(found["dropped"].values()) == 2
    page = (place / "page.html").read_text()
    assert "By domain" in page and "zh.txt" in page and "http" not in page.split("Content-Security")[1]


def test_compare_as_tables(place: Path) -> None:
    code, out, _ = call("compare", "bpe", "unigram/tokenizer.json", "--text", "texts")
    assert code == 0
    assert "all texts" in out and "by language" in out and "unigram" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "bpe", "-t", "absent.txt"], "absent.txt"),
        (
            ["compare", "bpe", "a=bpe", "b=bpe", "x=bpe", "x=unigram", "-t", "texts"],
            "two tokenizers are called x",
        ),
        (["compare", "bpe", "-t", "texts", "--most", "lots"], "--most lots"),
        (["compare", "texts", "-t", "texts"], "has no tokenizer.json"),
        (["compare", "texts/en.txt", "-t", "texts"], "texts/en.txt"),
        (["convert", "bpe", "bpe.model"], "cannot be written as a SentencePiece model"),
        (["convert", "unigram", "bpe"], "exists already"),
        (["convert", "notes.model", "x"], "cannot be read"),
    ],
)
def test_errors_are_one_message(place: Path, arguments: list[str], message: str) -> None:
    code, _, err = call(*arguments)
    assert code == 1 and message in err and "Traceback" not in err


def test_convert_there_and_back(place: Path) -> None:
    code, out, err = call("convert", "unigram", "u.model")
    assert code == 0 and "entries" in out, err
    code, out, err = call("convert", "u.model", "again")
    assert code == 0 and (place / "again" / "tokenizer.json").is_file(), err
    _, out, _ = call("compare", "unigram", "u.model", "again", "-t", "texts", "--json")
    counted = [one["all"]["tokens"] for one in json.loads(out)["tokenizers"]]
    assert counted[0] == counted[1] == counted[2]
