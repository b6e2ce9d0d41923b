from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.corpus.clean.prose_figures import figures_of, plain_figures
from acclimate.corpus.clean.repetition import GOPHER
from acclimate.kernels import prose

WORDS = [
    "the",
    "The",
    "river",
    "of",
    "AND",
    "x1",
    "…",
    "...",
    "wait...",
    "#tag",
    "好",
    "河水上涨",
    "，",
    "2020",
    "·",
    "-",
]
SPACES = [" ", " ", " ", "\n", "\n\n", "\n\n\n", "\u3000", "\t", "\x85", "\r\n", "", "\xa0"]


def text(seed: int) -> str:
    random_ = random.Random(seed)
    words = random_.sample(WORDS, random_.randint(1, len(WORDS)))
    pieces = [random_.choice(words) + random_.choice(SPACES) for _ in range(random_.randint(0, 300))]
    return "".join(pieces) * random_.choice([1, 1, 2])


pytestmark = pytest.mark.skipif(not prose.available(), reason="the kernel cannot be built here")


def test_the_kernel_and_the_plain_code_agree() -> None:
    texts = [text(seed) for seed in range(300)]
    assert figures_of(texts, GOPHER) == [plain_figures(one, GOPHER) for one in texts]
    assert figures_of(texts, None) == [plain_figures(one, None) for one in texts]


@given(st.lists(st.text(alphabet="ab .…#\n\u3000好水-·²①１Kſ", max_size=60), max_size=4))
def test_they_agree_on_any_text(texts: list[str]) -> None:
    assert figures_of(texts, GOPHER) == [plain_figures(one, GOPHER) for one in texts]


def test_no_texts_no_figures() -> None:
    assert figures_of([], GOPHER) == []
    assert figures_of(["", " \n"], GOPHER) == [plain_figures("", GOPHER)] * 2


def test_without_a_compiler_the_plain_code_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text(seed) for seed in range(20)]
    native = figures_of(texts, GOPHER)
    monkeypatch.setattr(prose, "available", lambda: False)
    assert figures_of(texts, GOPHER) == native
