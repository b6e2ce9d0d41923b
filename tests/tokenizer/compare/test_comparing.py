from __future__ import annotations

import os
from pathlib import Path

import pytest

from acclimate.errors import UserError
from acclimate.tokenizer.compare import comparing
from acclimate.tokenizer.compare.comparing import Text, compare
from acclimate.tokenizer.compare.subjects import Subject, subject
from acclimate.tokenizer.segmenting import chinese_words
from acclimate.tokenizer.training import Train


@pytest.fixture(scope="module")
def subjects(
    tmp_path_factory: pytest.TempPathFactory, english: list[str], chinese: list[str]
) -> list[Subject]:
    made = []
    for name, texts in (("english", english[:600]), ("chinese", chinese[:1500])):
        folder = tmp_path_factory.mktemp(name)
        Train(algorithm="bpe", vocab_size=2000).build(texts=iter([texts]), folder=folder)
        made.append(subject(folder, name))
    return made


def test_each_fits_its_own_language(subjects: list[Subject], english: list[str], chinese: list[str]) -> None:
    texts = [Text("wiki", "en", text) for text in english[1000:1300]]
    texts += [Text("news", "zh", text) for text in chinese[2000:2600]] + [
        Text("news", "en", "A line in English")
    ]
    found = compare(subjects, texts, segment=chinese_words())
    first, second = found["tokenizers"]
    assert first["name"] == "english" and first["vocabulary"] == 2000
    assert list(first["domains"]) == ["wiki", "news"] and set(first["languages"]) == {"en", "zh"}
    assert first["domains"]["wiki"]["tokens_per_word"] < second["domains"]["wiki"]["tokens_per_word"]
    assert (
        second["languages"]["zh"]["tokens_per_character"] < first["languages"]["zh"]["tokens_per_character"]
    )
    for one in (first, second):
        for kind in ("domains", "languages"):
            for name in ("texts", "bytes", "words", "tokens"):
                assert sum(group[name] for group in one[kind].values()) == one["all"][name]
        assert one["all"]["texts"] == sum(bool(text.text.strip()) for text in texts)
    assert first["all"]["words"] == second["all"]["words"]


def test_how_texts_are_batched_changes_nothing(
    subjects: list[Subject], chinese: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [Text("news", "zh", text) for text in chinese[:300]]
    whole = compare(subjects, texts)
    monkeypatch.setattr(comparing, "_AT_ONCE", 50)
    parts = compare(subjects, texts)
    for one, other in zip(whole["tokenizers"], parts["tokenizers"], strict=True):
        assert one["all"] == other["all"]


def test_the_environment_is_left_as_it_was(subjects: list[Subject], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    compare(subjects, [Text("d", "en", "text")])
    assert os.environ["TOKENIZERS_PARALLELISM"] == "true"


def test_without_text_there_is_nothing_to_compare(subjects: list[Subject]) -> None:
    for texts in ([], [Text("d", "en", " \n")]):
        with pytest.raises(UserError, match="no text to compare"):
            compare(subjects, texts)


@pytest.mark.parametrize(
    "content", ["{}", "no json", '{"version":"1.0","model":{"type":"Quantum","vocab":{}}}', '{"model":null}']
)
def test_an_unknown_tokenizer_json_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(UserError, match="could not be loaded as a tokenizer"):
        subject(path)
