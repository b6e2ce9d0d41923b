"""A general and a domain text, in English and Chinese, and tokenizers of each algorithm trained on the general one."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from acclimate.tokenizer.adapt.adapting import adapt
from acclimate.tokenizer.adapt.plan import Adaptation
from acclimate.tokenizer.adapt.settings import Adapt
from acclimate.tokenizer.training import Train

GENERAL = "the house was old and a small river ran near it when people came home from work in winter"
ONLY_GENERAL = "locomotive furniture elephant umbrella chocolate mountain drawbridge gentleman"
DOMAIN = "carcinoma phosphorylation kinase apoptosis cytokine receptor housekeeping winterization peopled"
GENERAL_HAN = "今天 我们 房子 冬天 人民 河流 工作 回家 很好 明天 高山 血色 压力 病人 尿布 糖果"
DOMAIN_HAN = "高血压 糖尿病 糖尿病人 高压"


def texts(latin: str, characters: str, number: int, seed: int) -> list[str]:
    """Lines of words drawn from both."""
    chance, words, han = random.Random(seed), latin.split(), characters.split()
    lines = []
    for _ in range(number):
        english = " ".join(chance.choice(words) for _ in range(8))
        chinese = "".join(chance.choice(han) for _ in range(5))
        lines.append(f"{english}, {chinese}。")
    return lines


@pytest.fixture(scope="session")
def general() -> list[str]:
    return texts(f"{GENERAL} {ONLY_GENERAL}", GENERAL_HAN, 200, 1)


@pytest.fixture(scope="session")
def domain() -> list[str]:
    return texts(f"{GENERAL} {DOMAIN} {DOMAIN}", " ".join([GENERAL_HAN, *[DOMAIN_HAN] * 4]), 150, 2)


@pytest.fixture(scope="session")
def trained(general: list[str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """trained(algorithm) → the folder of a tokenizer of the general text."""
    folders: dict[str, Path] = {}

    def make(algorithm: str) -> Path:
        if algorithm not in folders:
            folder = folders[algorithm] = tmp_path_factory.mktemp(algorithm)
            # Characters of the domain alone are in it too, as in any vocabulary of some size.
            letters = list(string.ascii_lowercase)
            chance = random.Random(3)
            spelling = [" ".join(letters), *("".join(chance.sample(letters, 26)) for _ in range(6))]
            settings = Train(algorithm=algorithm, vocab_size=700, least=0)  # type: ignore[arg-type]
            settings.build(texts=iter([general + spelling]), folder=folder)
        return folders[algorithm]

    return make


@pytest.fixture
def adapted(
    trained: Callable[[str], Path], domain: list[str], tmp_path: Path
) -> Callable[..., tuple[Adaptation, Path]]:
    """adapted(algorithm, text=…, **settings) → (what was done, the new tokenizer's folder)."""

    def make(
        algorithm: str | Path, *, text: list[str] | None = None, **settings: object
    ) -> tuple[Adaptation, Path]:
        source = trained(algorithm) if isinstance(algorithm, str) else algorithm
        folder = tmp_path / f"adapted-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()

        def again() -> Iterator[list[str]]:
            yield list(domain if text is None else text)

        part = Adapt.model_validate({"choose": {"saving": {"tokens": 12}}, **settings})
        plan = adapt(part, source=str(source), texts=again, folder=folder, tell=lambda *a: None)
        return plan, folder

    return make
