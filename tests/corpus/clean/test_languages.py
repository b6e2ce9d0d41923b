from __future__ import annotations

import random

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
