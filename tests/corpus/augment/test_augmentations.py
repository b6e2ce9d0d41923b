"""What holds of every way to augment that needs no model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from acclimate.corpus.augment.eda import Eda, Synonyms
from acclimate.corpus.augment.edits import Labelled
from acclimate.corpus.augment.units import Lexicon
from acclimate.corpus.augment.windows import Crop, Erase, Lengthen

WAYS = {"eda": Eda(), "erase": Erase(), "crop": Crop(), "length": Lengthen()}


def words(one: Labelled) -> list[str]:
    return [one.text[unit.start : unit.end] for unit in Lexicon().units(Labelled(one.text))]


@pytest.fixture(params=[*WAYS, "synonyms", "eda with vectors"])
def way(request: Any, vectors: Any) -> Any:
    if request.param == "synonyms":
        return Synonyms(vectors=str(vectors))
    return Eda(vectors=str(vectors)) if request.param == "eda with vectors" else WAYS[request.param]


def test_labels_stay_right(
    way: Any, augment: Callable[..., list[Labelled]], examples: list[Labelled]
) -> None:
    made = augment(way, examples, copies=40)
    changed = 0
    for number, new in enumerate(made):
        old = examples[number // 40]
        old_words = {(span.label, old.text[span.start : span.end]) for span in old.spans}
        new_words = {(span.label, new.text[span.start : span.end]) for span in new.spans}
        # A crop may leave a span out with its text; nothing else may.
        assert new_words <= old_words and (isinstance(way, Crop) or new_words == old_words)
        assert new.text and new.text == new.text.strip() and "  " not in new.text
        changed += new.text != old.text
    assert changed > len(made) / 2


def test_the_same_seed_example_and_copy_give_the_same(
    way: Any, augment: Callable[..., list[Labelled]], examples: list[Labelled]
) -> None:
    made = augment(way, examples, copies=8)
    assert made == augment(way, examples, copies=8)
    # Whatever stands around an example is nothing to it.
    assert augment(way, examples[::-1], copies=8)[-8:] == made[:8]
    assert made != augment(way, examples, copies=8, seed=1)
    assert len({one.text for one in made[:8]}) > 1


def test_texts_without_words_stay(way: Any, augment: Callable[..., list[Labelled]]) -> None:
    odd = [Labelled("…!"), Labelled("a"), Labelled("字"), Labelled("")]
    for new, old in zip(augment(way, odd, copies=1), odd, strict=True):
        assert bool(new.text) == bool(old.text)


def operations(augment: Callable[..., list[Labelled]], text: str, alpha: float) -> dict[str, Labelled]:
    """The four changes of EDA by name."""
    names = ("replaced", "inserted", "swapped", "deleted")
    made = augment(Eda(alpha=alpha), [Labelled(text)], copies=4, texts=["zzz yyy", "新词"])
    return {names[(len(text) + number) % 4]: one for number, one in enumerate(made)}


@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_eda_does_four_things_to_a_share_of_the_words(
    augment: Callable[..., list[Labelled]], alpha: float
) -> None:
    text = " ".join(f"w{n}" for n in range(20))
    old = text.split()
    made = {name: one.text.split() for name, one in operations(augment, text, alpha).items()}
    n = round(alpha * 20)
    assert len(made["replaced"]) == 20
    assert sum(a != b for a, b in zip(old, made["replaced"], strict=True)) == n
    assert len(made["inserted"]) == 20 + n and Counter(old) <= Counter(made["inserted"])
    assert [word for word in made["inserted"] if word in old] == old
    assert Counter(made["swapped"]) == Counter(old) and made["swapped"] != old
    assert (
        len(made["deleted"]) == 20 - n
        and [word for word in old if word in made["deleted"]] == made["deleted"]
    )


def test_eda_of_chinese_moves_characters(augment: Callable[..., list[Labelled]]) -> None:
    text = "今天北京的天气很好我们去公园散步了呀"
    made = operations(augment, text, 0.2)
    assert len(made["replaced"].text) == len(text) and len(made["deleted"].text) == len(text) - 3
    assert len(made["inserted"].text) == len(text) + 3 and " " not in made["inserted"].text
    assert Counter(made["swapped"].text) == Counter(text)


def test_synonyms_are_neighbours_and_chinese_words_are_found(
    augment: Callable[..., list[Labelled]], vectors: Any, examples: list[Labelled]
) -> None:
    made = augment(
        Synonyms(vectors=str(vectors), share=1, nearest=2, least=0.9), [examples[0], examples[2]], copies=20
    )
    english, chinese = made[:20], made[20:]
    assert any("wolf" in one.text or "Fox" in one.text for one in english)
    for one in english:
        assert re.search(r"brown (fox|dog|wolf|Fox), aged 7, jumps", one.text)
        assert one.text.startswith(("The quick", "A quick")) and "Paris" in one.text
    assert {one.text[:2] for one in chinese} <= {"今天", "明天", "to", "no"} and any(
        "明天" in one.text for one in chinese
    )
    assert any("上海" in one.text for one in chinese) and all(
        "的天气很好，我们去" in one.text for one in chinese
    )


def test_windows_keep_what_they_say(augment: Callable[..., list[Labelled]]) -> None:
    text = " ".join(f"w{n}" for n in range(100))
    erased = [words(one) for one in augment(Erase(least=0.1, most=0.3), [Labelled(text)], copies=30)]
    cropped = [words(one) for one in augment(Crop(least=0.4), [Labelled(text)], copies=30)]
    scaled = [len(words(one)) for one in augment(Lengthen(factor=1.5), [Labelled(text)], copies=30)]
    assert all(70 <= len(one) <= 90 for one in erased) and len({len(one) for one in erased}) > 5
    for one in erased:  # one gap
        numbers = [int(word[1:]) for word in one]
        assert sum(b - a > 1 for a, b in pairwise(numbers)) + (numbers[0] > 0) + (numbers[-1] < 99) == 1
    for one in cropped:
        assert len(one) >= 40 and " ".join(one) in text
    assert min(scaled) >= 66 and max(scaled) <= 150 and min(scaled) < 100 < max(scaled)
