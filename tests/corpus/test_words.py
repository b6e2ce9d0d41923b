from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from acclimate.corpus.words import words_of


def plain(text: str) -> list[str]:
    """The definition, without numpy, for Latin letters, digits and Han."""
    return re.findall(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+", text.casefold())


@given(st.lists(st.text(alphabet="abC1 ,.-\n中文医", max_size=30), max_size=8))
def test_words_are_runs_of_letters_and_single_unspaced_characters(texts: list[str]) -> None:
    words = words_of(texts)
    wanted = [(owner, word) for owner, text in enumerate(texts) for word in plain(text)]
    assert words.owners.tolist() == [owner for owner, _ in wanted]
    assert words.alone.tolist() == [word in "中文医" for _, word in wanted]
    joined = "\n".join(text.casefold() for text in texts)
    assert all(joined.startswith(word, at) for at, (_, word) in zip(words.starts, wanted, strict=True))
    hash_of = {word: words_of([word]).hashes[0] for _, word in wanted}
    assert words.hashes.tolist() == [hash_of[word] for _, word in wanted]
    assert len(set(hash_of.values())) == len(hash_of)


def test_nothing_has_no_words() -> None:
    for texts in ([], [""], ["…", "!?"]):
        words = words_of(texts)
        assert len(words.hashes) == len(words.owners) == len(words.starts) == len(words.alone) == 0


def test_case_and_width_of_text_do_not_shift_the_owners() -> None:
    words = words_of(["Straße", "ǰa", "b"])  # casefolding makes these longer
    assert words.owners.tolist() == [0, 1, 2]
    assert np.array_equal(words_of(["strasse"]).hashes, words.hashes[:1])
