from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acclimate.transfer.classes.classification import Classification
from acclimate.transfer.examples.preparing import build_examples


@pytest.fixture
def task(tmp_path: Path) -> Callable[..., Classification]:
    """A task over files that are written here: text for a name, and settings."""

    def make(files: dict[str, str | bytes] | None = None, /, **settings: Any) -> Classification:
        for name, content in (files or {}).items():
            path = tmp_path / name
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Classification.model_validate(settings, context={"base": tmp_path})

    return make


@pytest.fixture
def build(task: Callable[..., Classification], tmp_path: Path) -> Callable[..., tuple[dict[str, Any], Path]]:
    """The same, built: (statistics, folder)."""

    def make(files: dict[str, str | bytes] | None = None, /, **settings: Any) -> tuple[dict[str, Any], Path]:
        folder = tmp_path / f"examples-{sum(one.name.startswith('examples-') for one in tmp_path.iterdir())}"
        folder.mkdir()
        return build_examples(task(files, **settings), folder), folder

    return make


@pytest.fixture(scope="session")
def data() -> Path:
    """The real sets beside the repository."""
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not at {folder}")
    return folder


@pytest.fixture
def classifier() -> Callable[..., Any]:
    """A BERT of a published size for 25 tokens and two classes; `mini` has four layers."""
    from acclimate.models.building import Labels
    from acclimate.models.families.bert import Bert
    from acclimate.models.family import Vocabulary

    def make(
        size: str = "mini", seed: int = 5, classes: tuple[str, ...] = ("even", "odd"), **settings: Any
    ) -> Any:
        bert = Bert.model_validate({"size": size, "positions": 16, **settings})
        return bert.build(
            vocabulary=Vocabulary(25, 0), seed=seed, kind="classification", labels=Labels(classes)
        )

    return make


@pytest.fixture
def course() -> Callable[..., Any]:
    """A course for a model: 40 sequences of six random tokens, whether the first is even; settings as tasks have."""
    import numpy as np

    from acclimate.batching.sequence_store import ExampleStore
    from acclimate.objectives.classify import SequenceClassification
    from acclimate.recipe.units import Length
    from acclimate.transfer.classes.classification import Classification
    from acclimate.transfer.tuning import Around, Course, Lesson

    def lesson(number: int, classes: int) -> Lesson:
        lengths = np.full(number, 6, np.int64)
        tokens = np.random.default_rng(number).integers(5, 25, lengths.sum())
        store = ExampleStore(tokens, np.zeros_like(tokens), lengths, num_truncated=0)
        labels = tokens.reshape(number, 6)[:, 0] % classes
        return Lesson(SequenceClassification(labels, num_classes=classes), store)

    def make(
        model: Any, transfer: Any, *, seed: int = 9, classes: int = 2, watch: Any = None, **settings: Any
    ) -> Course:
        usual = {
            "train": "a.tsv",
            "test": "b.tsv",
            "batch": "8 sequences",
            "length": "4 epochs",
            "transfer": transfer,
        }
        how = Classification.model_validate({**usual, "optimizer": {"adamw": {"lr": 1e-3}}, **settings})
        assert isinstance(how.length, Length)
        around = Around() if watch is None else Around(watch=watch)
        return Course(how, model, lesson(40, classes), lesson(24, classes), seed, around)

    return make


@pytest.fixture
def build_task(tmp_path: Path) -> Callable[..., tuple[Any, dict[str, Any], Path]]:
    """A task of any class over files that are written here, built: (task, statistics, folder)."""

    def make(kind: type[Any], files: dict[str, str], /, **settings: Any) -> tuple[Any, dict[str, Any], Path]:
        for name, content in files.items():
            (tmp_path / name).write_text(content, "utf-8")
        made = kind.model_validate(settings, context={"base": tmp_path})
        folder = tmp_path / f"examples-{sum(one.name.startswith('examples-') for one in tmp_path.iterdir())}"
        folder.mkdir()
        return made, build_examples(made, folder), folder

    return make


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tokenizer that knows letters, digits and some Chinese characters one by one."""
    from acclimate.tokenizer.training import Train

    letters = " ".join("abcdefghijklmnopqrstuvwxyz0123456789?")
    texts = [f"{letters} 一 二 三 四 五 六 七 八 谁 男 天 气 猫 狗 鱼 鸟 牛 羊 头 痛 怎 么 办"] * 5
    folder = tmp_path_factory.mktemp("words")
    return Train(vocab_size=80).build(texts=iter([texts]), folder=folder, model_max_length=64)
