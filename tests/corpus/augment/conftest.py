from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from acclimate.corpus.augment.augmentation import Augmentation, Copy, randomness
from acclimate.corpus.augment.edits import Labelled, Span

ENGLISH = "The quick brown fox, aged 7, jumps over the lazy dog near Paris today."
CHINESE = "今天北京的天气很好，我们去公园散步了。"


@pytest.fixture
def examples() -> list[Labelled]:
    """In two scripts, with spans and without."""
    paris, beijing = ENGLISH.index("Paris"), CHINESE.index("北京")
    return [
        Labelled(ENGLISH),
        Labelled(ENGLISH, (Span(paris, paris + 5, "LOC"), Span(4, 19, "ANIMAL"))),
        Labelled(CHINESE),
        Labelled(CHINESE, (Span(beijing, beijing + 2, "地名"),)),
        Labelled("mixed 中文 and English 文字 text"),
    ]


@pytest.fixture
def augment() -> Callable[..., list[Labelled]]:
    """augment(method, examples, copies=…, seed=0, texts=…) → all copies of the first, then of the second …"""

    def make(
        method: Augmentation,
        examples: list[Labelled],
        *,
        copies: int = 4,
        seed: int = 0,
        texts: list[str] | None = None,
    ) -> list[Labelled]:
        wanted = [
            Copy(one, number, randomness(seed, "test", one.text, number))
            for one in examples
            for number in range(copies)
        ]
        return method.build(texts=texts or [ENGLISH, CHINESE])(wanted)

    return make


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """Word vectors in which animals are near each other, and adverbs of time, and Chinese places."""
    groups = {
        "1 0 0": "fox dog wolf Fox",
        "0 1 0": "today tomorrow now 今天 明天",
        "0 0 1": "北京 上海 公园 花园",
        "0.6 0.6 0.5": "the a",
    }
    lines = [
        f"{word} " + " ".join(str(float(x) + 0.01 * number) for x in place.split())
        for place, words in groups.items()
        for number, word in enumerate(words.split())
    ]
    path = tmp_path / "vectors.txt"
    path.write_text(f"{len(lines)} 3\n" + "\n".join(lines) + "\n", "utf-8")
    return path
