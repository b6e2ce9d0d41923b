"""Pools of given texts, and what became of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from acclimate.corpus.choose.measuring import Places
from acclimate.corpus.document import Document
from acclimate.corpus.pool import Pool, PooledDrop
from acclimate.corpus.sieve import Sieve


class Pools:
    """Makes pools; `dropped` holds what their steps dropped."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.dropped: list[PooledDrop] = []

    def of(self, *sources: list[str]) -> Pool:
        """The texts of each source, source by source."""
        pool = Pool(self._folder, [Places()], on_drop=self.dropped.extend)
        self._stack.callback(pool.close)
        sieve = Sieve([], [Places()])
        for number, texts in enumerate(sources):
            documents = [
                Document(f"s{number}", f"s{number}:{line}", text, {}) for line, text in enumerate(texts)
            ]
            sifted = sieve(documents, f"s{number}")
            pool.add(number, sifted.documents, sifted.features)
        return pool.seal()


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[Pools]:
    with ExitStack() as stack:
        yield Pools(tmp_path, stack)


def left(pool: Pool) -> list[str]:
    return [one.text for batch in pool.batches() for one in batch]


@pytest.fixture
def survivors() -> Callable[[Pool], list[str]]:
    """The texts that are still alive, in order."""
    return left


TOPICS = {
    "medicine": "patient doctor fever dose clinical nurse therapy blood liver pain 病 药 医 治 疗 血 肝 痛 患 症",
    "sport": "goal match team score player coach league ball season win 球 赛 队 胜 员 教 练 场 进 季",
    "law": "court judge claim article party contract liable appeal statute penalty 法 律 条 款 当 事 责 任 诉 罚",
}
COMMON = "the a of in and to was is for with 的 了 在 是 和 有 我 他 这 不"


@pytest.fixture
def about() -> Callable[..., list[str]]:
    """Texts of a topic, English or Chinese, each different."""

    def write(topic: str, count: int, *, chinese: bool = False, seed: int = 0) -> list[str]:
        source = random.Random(f"{topic}{chinese}{seed}")
        own = [word for word in TOPICS[topic].split() if word.isascii() != chinese]
        common = [word for word in COMMON.split() if word.isascii() != chinese]
        texts = []
        for _ in range(count):
            words = [
                source.choice(own if source.random() < 0.5 else common) for _ in range(source.randint(20, 60))
            ]
            texts.append(("" if chinese else " ").join(words) + ("。" if chinese else "."))
        return texts

    return write
