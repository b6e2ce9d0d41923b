from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from acclimate.corpus.augment.words import FromTexts, Neighbours, read_vectors
from acclimate.errors import UserError


def test_words_come_as_often_as_they_stand_in_the_texts() -> None:
    words = FromTexts(["a a a b", "…", "中"])
    source = random.Random(0)
    drawn = Counter(words.draw("x", source) for _ in range(4000))
    assert set(drawn) == {"a", "b"} and drawn["a"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert words.draw("字", source) == "中"
    assert FromTexts(["…"]).draw("x", source) is None


def test_neighbours_are_those_of_the_cosine(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    path = tmp_path / "v.txt"
    path.write_text("".join(f"w{n} " + " ".join(map(str, row)) + "\n" for n, row in enumerate(rows)), "utf-8")
    near = Neighbours.read(path, lambda word: word in ("w3", "w7"), nearest=4, least=0.2)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for number in (3, 7):
        cosine = unit @ unit[number]
        cosine[number] = -1
        wanted = {f"w{at}" for at in np.argsort(-cosine)[:4] if cosine[at] >= 0.2}
        source = random.Random(1)
        assert {near.draw(f"w{number}", source) for _ in range(200)} == wanted
    assert near.draw("w5", random.Random(0)) is None


def test_a_header_line_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_bytes("2 2\r\n中文 1 2\r\nb 3 4\r\n".encode())
    words, vectors = read_vectors(path)
    assert words == ["中文", "b"] and vectors.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a 1 2\nb 1\n", r":2: expected a word and 2 numbers, found 'b 1'"),
        ("a 1 x\n", r":1: expected a word and numbers, found 'a 1 x'"),
        ("a nan 1\n", r":1: expected a word and numbers"),
        ("3 2\n", "there are no word vectors in it"),
        ("", "there are no word vectors in it"),
    ],
)
def test_another_form_is_told_with_its_line(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "v.txt"
    path.write_text(content, "utf-8")
    with pytest.raises(UserError, match=says):
        read_vectors(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_vectors(tmp_path / "nowhere")
