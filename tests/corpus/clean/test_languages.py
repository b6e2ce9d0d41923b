from __future__ import annotations

import random
import tarfile
from pathlib import Path

import pytest

from acclimate.corpus.clean.languages import LanguageSample, known_languages, language_of
from acclimate.corpus.document import text_digest


def test_languages_are_told() -> None:
    assert language_of("The cat sat on the mat and looked at the moon.")[0] == "en"
    assert language_of("猫坐在垫子上看月亮，今天天气很好。")[0] == "zh"
    assert {"en", "zh", "de"} <= set(known_languages())


def test_the_sample_does_not_depend_on_the_order_and_is_fair() -> None:
    texts = [f"This is the English sentence number {n} of the day." for n in range(900)]
    texts += [f"这是今天的第{n}句中文句子，内容没有什么特别。" for n in range(300)]
    counts = []
    for seed in range(2):
        random.Random(seed).shuffle(texts)
        sample = LanguageSample(size=200)
        for text in texts:
            sample.add(text_digest(text), text)
        counts.append(sample.count())
    assert counts[0] == counts[1]
    languages, size = counts[0]
    assert size == 200 == sum(languages.values())
    assert 120 < languages["en"] < 180 and next(iter(languages)) == "en"


def test_few_documents_are_all_looked_at() -> None:
    sample = LanguageSample()
    sample.add(text_digest("x"), "The cat sat on the mat.")
    assert sample.count() == ({"en": 1}, 1)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("好的", "zh"),
        ("軟件工程師", "zh"),
        ("我喜歡吃蘋果，你呢？", "zh"),
        ("价格：199元", "zh"),
        ("这个App不错 very good", "zh"),
        ("任天堂（ニンテンドー）是日本的游戏公司，" + "生产了许多知名的游戏机和软件，在全世界都有玩家。" * 8, "zh"),
        ("東京都の天気", "ja"),
        ("한국어 문장입니다", "ko"),
        ("!!! 123 …", "zxx"),
        ("", "zxx"),
        ("   ", "zxx"),
    ],
)  # fmt: skip
def test_scripts_decide_where_they_can(text: str, code: str) -> None:
    assert language_of(text)[0] == code


def test_a_long_text_is_looked_at_in_three_places() -> None:
    english, german = "The weather is fine today in the city. ", "Das Wetter ist heute schön in der Stadt. "
    assert language_of(german * 5 + english * 1000)[0] == "en"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        *(
            ("en", "eng"),
            ("fr", "fra"),
            ("es", "spa"),
            ("it", "ita"),
            ("nl", "nld"),
            ("pl", "pol"),
            ("ru", "rus"),
        ),
        *(
            ("ja", "jpn"),
            ("ko", "kor"),
            ("th", "tha"),
            ("tr", "tur"),
            ("vi", "vie"),
            ("ar", "arb"),
            ("he", "heb"),
        ),
        *(("zh", "cmn_hans"), ("zh", "cmn_hant")),
    ],
)
def test_the_declaration_of_human_rights_is_recognised(shared: Path, code: str, name: str) -> None:
    with tarfile.open(shared / "udhr" / "udhr.tar.gz") as archive:
        text = archive.extractfile(f"udhr2/{name}.txt").read().decode("utf-8")  # type: ignore[union-attr]
    assert language_of(text)[0] == code
