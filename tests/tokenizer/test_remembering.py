from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acclimate.kernels import word_memory
from acclimate.tokenizer import remembering
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.loading import load_tokenizer
from acclimate.tokenizer.remembering import RememberingEncoder, parts_at_spaces
from acclimate.tokenizer.training import Train

AWKWARD = [
    "",
    " ",
    "   ",
    "\n",
    "a",
    " a",
    "a ",
    "a  b   c",
    "a\n b \n\n c\t d \u3000e\u00a0 f\u2028 g \u0085 h",
    "中文 字符，没有 空格。 full-width\u3000space",
    "[MASK] [CLS]x [UNK] <s> </s> <unk> ▁ ▁▁ x▁y ##ing",
    "e\u0301 \u0301 a\u0301\u0302 ﬁ ﬀ Å Å １２",
    "it's we'll 'tis don't 3.14 1,000 -5 C++ #1 @x",
    "🎉 👨‍👩‍👧 \u200b \u200d \ufeff",
    "x" * 300 + " " + "字" * 300,
    "line one\nline two \n line three",
]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    source = random.Random(3)
    words = ["".join(source.choices("abcdeéßI'-.", k=source.randint(1, 9))) for _ in range(400)]
    plain = [" ".join(source.choices(words, k=60)) for _ in range(60)]
    spaces = [" ", " ", " ", "  ", "\n", " \n", "\t", "\u3000", "\u00a0 ", ", ", "。", "，"]
    messy = ["".join(source.choice(words) + source.choice(spaces) for _ in range(40)) for _ in range(60)]
    return [*AWKWARD, *plain, *messy]


@pytest.fixture(scope="module", params=["wordpiece", "bpe", "character_bpe", "unigram", "character", "word"])
def tokenizer(
    request: pytest.FixtureRequest, texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    folder = tmp_path_factory.mktemp(request.param)
    train = Train(
        algorithm=request.param, vocab_size=600, least=0, min_count=None if request.param == "unigram" else 1
    )
    train.build(texts=iter([texts]), folder=folder, model_max_length=512)
    return load_tokenizer(folder)


@pytest.fixture(autouse=True)
def built() -> None:
    if not word_memory.available():
        pytest.skip("the kernels cannot be built here: no C++ compiler")


def equal(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_tokens_are_those_of_whole_texts(tokenizer: Any, texts: list[str]) -> None:
    whole, memory = Encoder(tokenizer, literal=True), RememberingEncoder(tokenizer)
    for batch in (texts, texts[:20], texts[::-1], texts[7:8], [], ["", ""], texts):
        assert equal(memory.encode(batch), whole.encode(batch))
    for text in texts:
        assert equal(memory.encode([text]), RememberingEncoder(tokenizer).encode([text])), text


def test_words_are_asked_for_once(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = Encoder.encode
    spans = Encoder.encode_spans
    monkeypatch.setattr(Encoder, "encode", lambda self, words: asked.extend(words) or real(self, words))
    monkeypatch.setattr(
        Encoder, "encode_spans", lambda self, words: asked.extend(words) or spans(self, words)
    )
    memory = RememberingEncoder(tokenizer)
    if not parts_at_spaces(memory._backend):
        pytest.skip("this tokenizer looks at whole texts")
    memory.encode(["ab cd ab", "cd ab cd"])
    memory.encode(["ab cd"])
    assert sorted(asked) == [" cd ab", "ab", "cd"]


def test_a_memory_that_grew_too_large_is_given_up(
    tokenizer: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "MOST_BYTES", 300_000)
    whole, memory = Encoder(tokenizer, literal=True), RememberingEncoder(tokenizer)
    seen = set()
    for start in range(0, len(texts), 5):
        assert equal(memory.encode(texts[start : start + 5]), whole.encode(texts[start : start + 5]))
        seen.add(id(memory._memory))
    assert len(seen) > 1 or not parts_at_spaces(memory._backend)


def test_a_tokenizer_that_looks_across_spaces_is_left_alone(
    tokenizer: Any, texts: list[str], tmp_path: Path
) -> None:
    from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers

    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.add_tokens([AddedToken("b c")])
    assert not parts_at_spaces(backend)
    for change in (
        {"pre_tokenizer": pre_tokenizers.Split("b c", "isolated")},
        {"pre_tokenizer": pre_tokenizers.ByteLevel(add_prefix_space=True)},
        {"normalizer": normalizers.Replace("b c", "x")},
    ):
        changed = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        for name, part in change.items():
            setattr(changed, name, part)
        assert not parts_at_spaces(changed)


def test_without_the_kernel_whole_texts_are_encoded(
    tokenizer: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_memory, "available", lambda: False)
    plain = RememberingEncoder(tokenizer)
    assert (
        equal(plain.encode(texts), Encoder(tokenizer, literal=True).encode(texts)) and plain._memory is None
    )
