from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.corpus.duplicates.shingles import MAX_TEXTS, WORDS, Shingling, shingle_sets


def plain(text: str, shingling: Shingling) -> set[tuple[str, ...]]:
    """The same sets by a regular expression."""
    tokens = re.findall(
        r"[\u3040-\u30fa\u3400-\u9fff]|(?:(?![\u3040-\u30fa\u3400-\u9fff])[^\W_])+", text.casefold()
    )
    if shingling.unit == "characters":
        tokens = list("".join(tokens))
    if len(tokens) < shingling.size:
        return {tuple(tokens)} if tokens else set()
    return {tuple(tokens[at : at + shingling.size]) for at in range(len(tokens) - shingling.size + 1)}


def sets(texts: list[str], shingling: Shingling = WORDS) -> list[set[int]]:
    found = shingle_sets(texts, shingling)
    return [set(found.hashes[a:b].tolist()) for a, b in zip(found.offsets, found.offsets[1:], strict=False)]


words = st.lists(
    st.sampled_from(["The", "the", "cat", "Straße", "2024", "猫", "坐在", "、", ". ", "x-y", "\n"]),
    max_size=14,
)


shinglings = st.builds(Shingling, st.sampled_from(["words", "characters"]), st.sampled_from([1, 2, 5, 9]))


@given(st.lists(words.map(" ".join), min_size=2, max_size=8), shinglings)
@settings(max_examples=200, deadline=None)
def test_sizes_and_overlaps_equal_those_of_plain_sets(texts: list[str], shingling: Shingling) -> None:
    found, expected = sets(texts, shingling), [plain(text, shingling) for text in texts]
    for one in range(len(texts)):
        for other in range(len(texts)):
            assert len(found[one] & found[other]) == len(expected[one] & expected[other])


def test_the_batch_does_not_matter() -> None:
    texts = ["一二三四五六七", "", "a b c d e f", "...", "short one", "混合 mixed 文本 text 在 一起 here"]
    alone = [sets([text])[0] for text in texts]
    assert sets(texts) == alone == sets(texts[::-1])[::-1]
    assert [len(one) for one in alone] == [3, 0, 2, 0, 1, 6]


def test_order_and_length_of_words_matter() -> None:
    one, other, third = sets(["ab c d e f", "a bc d e f", "f e d c ab"])
    assert not one & other and not one & third


def test_sets_are_sorted_and_without_repeats() -> None:
    found = shingle_sets(["a b c d e a b c d e a b c d e"])
    assert len(found.hashes) == 5 and (np.diff(found.hashes.astype(np.int64)) > 0).all()


def test_too_many_at_once_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="at most 4096"):
        shingle_sets([""] * (MAX_TEXTS + 1))
