from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from acclimate.corpus.leakage.held_out import Found, HeldOutText
from acclimate.corpus.leakage.index import ContaminationIndex
from acclimate.corpus.leakage.matcher import Matcher

WORDS = [f"w{number}" for number in range(40)]
CHARACTERS = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾致雨露结为霜"


def held(texts: Sequence[str]) -> list[tuple[HeldOutText, str]]:
    return [(HeldOutText("task", "test", f"test.tsv:{n}", text), text) for n, text in enumerate(texts, 1)]


def matcher(texts: Sequence[str], near: float = 0.8, per_window: tuple[int, int] = (13, 50)) -> Matcher:
    return Matcher(ContaminationIndex.build(held(texts), per_window=per_window), near)


def hows(found: Found) -> list[tuple[str, int]]:
    return [(one.how, one.text) for one in found.matches]


def tokens(text: str) -> list[str]:
    """Words and single Chinese characters, one at a time: the oracle's way."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).casefold()
    found: list[str] = []
    inside = False
    for char in folded:
        if "\u3400" <= char <= "\u9fff":
            found.append(char)
            inside = False
        elif char.isalnum() or (char >= "\u0300" and unicodedata.category(char)[0] == "M"):
            found[-1:] = [found[-1] + char] if inside else [*found[-1:], char]
            inside = True
        else:
            inside = False
    return found


def windows(words: list[str], share: float, per_window: tuple[int, int]) -> set[tuple[str, ...]]:
    size = int(per_window[0] * per_window[1] * share)
    found = set()
    for start in range(len(words)):
        filled = 0
        for end in range(start, len(words)):
            alone = "\u3400" <= words[end] <= "\u9fff"
            filled += per_window[0] if alone else per_window[1]
            if filled >= size:
                found.add(tuple(words[start : end + 1]))
                break
    return found


def holds(document: str, text: str, per_window: tuple[int, int]) -> bool:
    """By brute force: whether the document holds a window of the text, or the whole of a short one."""
    inner, outer = tokens(text), tokens(document)
    full = windows(inner, 1, per_window)
    if full:
        return bool(full & windows(outer, 1, per_window))
    if not windows(inner, 0.5, per_window):
        return False
    return any(outer[at : at + len(inner)] == inner for at in range(len(outer) - len(inner) + 1))


def shingles(text: str) -> set[tuple[str, ...]]:
    words = tokens(text)
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}


def near(document: str, text: str) -> float:
    one, other = shingles(document), shingles(text)
    return len(one & other) / len(one | other) if one and other else 0.0


def scrap(source: random.Random) -> str:
    """A piece of text in words, characters, or both, with cases, widths and punctuation that must not matter."""
    kind = source.randrange(3)
    pieces = []
    for _ in range(source.randrange(1, 12)):
        if kind == 0 or (kind == 2 and source.random() < 0.5):
            word = source.choice(WORDS)
            pieces.append(source.choice((word, word.upper(), word.translate({0x77: 0xFF57}))) + " ")
        else:
            pieces.append(source.choice(CHARACTERS))
        if source.random() < 0.2:
            pieces.append(source.choice((", ", "，", "…", " 。", "\n", "(", " — ")))
    return "".join(pieces)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_found_is_what_brute_force_finds(seed: int) -> None:
    source = random.Random(seed)
    per_window = (5, 8)
    scraps = [scrap(source) for _ in range(60)]
    texts = [" ".join(source.sample(scraps, source.randrange(1, 4))) for _ in range(40)]
    documents = ["。".join(source.sample(scraps, source.randrange(1, 6))) for _ in range(150)]
    documents += [source.choice(texts).upper() + "!" for _ in range(10)]
    found = matcher(texts, near=0.6, per_window=per_window)(documents)
    count = {"equal": 0, "near": 0, "holds": 0}
    for number, document in enumerate(documents):
        expected: set[int] = set()
        how = {}
        for text, held_text in enumerate(texts):
            if tokens(document) == tokens(held_text):
                how[text] = "equal"
            elif near(document, held_text) >= 0.6:
                how[text] = "near"
            elif holds(document, held_text, per_window):
                how[text] = "holds"
            expected |= {text} if text in how else set()
        got = found.get(number)
        assert (set(got.texts) if got else set()) == expected, (document, expected)
        for one in got.matches if got else []:
            assert how[one.text] == one.how
            count[one.how] += 1
            if one.how == "near":
                assert one.similarity == pytest.approx(near(document, texts[one.text]))
            if one.how == "holds":
                # The words that are shown really are in a row in both.
                shown = tokens(one.excerpt)
                for side in (document, texts[one.text]):
                    words = tokens(side)
                    assert any(
                        words[at : at + len(shown)] == shown for at in range(len(words) - len(shown) + 1)
                    )
    assert all(count.values()), count


@pytest.mark.parametrize("seed", range(4))
def test_spans_cover_what_is_shared_and_no_more(seed: int) -> None:
    source = random.Random(seed)
    per_window = (5, 8)
    texts = ["，".join(scrap(source) for _ in range(4)) for _ in range(5)]
    ask = matcher(texts, near=1.0, per_window=per_window)
    clean = [" ".join(f"v{source.randrange(50)}" for _ in range(6)) for _ in range(2)]
    for text in texts:
        document = "ﬁne① " + clean[0] + "; " + text + ". " + clean[1] + "é"
        (found,) = ask([document]).values()
        ((start, end),) = found.spans
        shared = tokens(document[start:end])
        # In mixed text the last character may stand behind the last window.
        assert shared == tokens(text)[: len(shared)] and len(tokens(text)) - len(shared) < 2
        assert found.share == pytest.approx(len(shared) / len(tokens(document)))
        assert not ask([document[:start] + "\n" + document[end:]])


def test_short_texts_are_found_whole_and_very_short_ones_as_documents_only() -> None:
    ask = matcher(
        ["好", "这家酒店的早餐实在是太丰富了下次还会带着家人再来住几天的", "Not bad at all", "👍👍", "?"]
    )
    documents = [
        "好",
        "今天天气真好",
        "朋友说：这家酒店的早餐，实在是太丰富了。下次还会带着家人再来住几天的！所以我们就去了",
        "这家酒店的早餐实在是太丰富了",
        "NOT BAD, at all.",
        "it was not bad at all I think",
        " 👍👍\n",
        "so 👍👍",
        "!",
    ]
    found = ask(documents)
    assert {number: hows(one) for number, one in found.items()} == {
        0: [("equal", 0)],
        2: [("holds", 1)],
        4: [("equal", 2)],
        6: [("equal", 3)],
    }


def test_near_copies_carry_their_similarity() -> None:
    text = (
        "the quick brown fox jumps over the lazy dog and runs away into the dark green wood near by at night"
    )
    copy = "So " + text.replace("dark", "deep")
    assert not matcher([text], 0.6, per_window=(30, 100))([copy])
    (found,) = matcher([text], 0.5, per_window=(30, 100))([copy]).values()
    assert hows(found) == [("near", 0)]
    assert found.matches[0].similarity == pytest.approx(near(copy, text)) == pytest.approx(12 / 23)


def test_cleaned_forms_count_as_the_text_does() -> None:
    texts = [
        (HeldOutText("t", "test", "1", "Ça va très bien, merci beaucoup"), "Ca va tres bien merci beaucoup")
    ]
    ask = Matcher(ContaminationIndex.build(texts, per_window=(13, 50)), 0.8)
    found = ask(["ca va tres bien merci beaucoup", "ça va très bien merci beaucoup", "ca va très bien"])
    assert {number: hows(one) for number, one in found.items()} == {0: [("equal", 0)], 1: [("equal", 0)]}


def test_a_saved_index_finds_the_same(tmp_path: Path) -> None:
    source = random.Random(1)
    texts = ["".join(scrap(source) for _ in range(5)) for _ in range(30)] + ["👍"]
    index = ContaminationIndex.build(held(texts), per_window=(5, 8))
    index.save(tmp_path)
    loaded = ContaminationIndex.load(tmp_path)
    documents = [source.choice(texts)[:40] + scrap(source) for _ in range(100)] + ["👍"]
    assert Matcher(index, 0.5)(documents) == Matcher(loaded, 0.5)(documents)
    assert [str(text) for text in loaded.texts[:1]] == ["the test text test.tsv:1 of task task"]
    for name, array in index.arrays.items():
        assert np.array_equal(array, loaded.arrays[name]), name


def test_an_index_of_nothing_finds_nothing(tmp_path: Path) -> None:
    ContaminationIndex.build([], per_window=(13, 50)).save(tmp_path)
    ask = Matcher(ContaminationIndex.load(tmp_path), 0.8)
    assert ask(["some text", "", "一些文字"]) == {} and ask([]) == {}


def test_batches_may_be_cut_anywhere() -> None:
    source = random.Random(3)
    texts = ["".join(scrap(source) for _ in range(5)) for _ in range(30)]
    documents = [source.choice(texts)[:50] + scrap(source) for _ in range(60)]
    ask = matcher(texts, 0.5, (5, 8))
    whole = ask(documents)
    assert whole == {
        start + number: one
        for start in range(0, 60, 7)
        for number, one in ask(documents[start : start + 7]).items()
    }


def test_a_text_held_by_thousands_of_documents_and_a_document_with_thousands_of_texts() -> None:
    notice = (
        "all rights reserved by the owners of this site who may be reached by mail at any time of the day"
    )
    ask = matcher([f"{notice} number {number} of them" for number in range(3000)], near=0.95)
    found = ask([f"page {number}: {notice}. {number}" for number in range(300)])
    assert len(found) == 300
    assert all(len(one.texts) == 3000 and len(one.matches) == 100 for one in found.values())
