from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from acclimate.corpus.ngram_text import NgramText, Vocabulary, units_of
from acclimate.errors import UserError

ENGLISH = [
    "the cat sat on the mat",
    "the dog sat on the log\nthe cat saw the dog",
    "a dog saw the cat on a mat",
] * 4
CHINESE = ["猫坐在垫子上", "狗坐在木头上\n猫看见了狗", "一只狗看见垫子上的猫"] * 4


def test_units() -> None:
    assert units_of("A cat, 12 米的猫！", "words") == ["A", "cat", ",", "1", "2", "米", "的", "猫", "！"]
    assert units_of(" 猫 a\t b", "characters") == ["猫", " ", "a", " ", "b"]


@pytest.mark.parametrize(("texts", "near", "far"), [
    (ENGLISH, "the cat sat on a log", "on on cat the the a sat"),
    (CHINESE, "猫坐在木头上", "上在子猫坐一了头"),
])  # fmt: skip
@pytest.mark.parametrize("by", ["words", "characters"])
def test_text_like_the_reference_is_more_probable(texts: list[str], near: str, far: str, by: str) -> None:
    model = NgramText.train(texts, order=3, by=by)  # type: ignore[arg-type]
    close, distant = model.cross_entropies([near, far])
    assert close < distant


def test_a_text_of_unknown_words_is_improbable() -> None:
    """Without the cost of spelling it would be a run of `<unk>`, which is frequent where names are."""
    names = [f"the {name} sat on {name}mat" for name in ("ada", "bob", "cyd", "dov", "eli", "fay")]
    model = NgramText.train([*ENGLISH, *names], order=3)
    known, unknown = model.cross_entropies(["the cat sat on the mat", "xqzw vvkj pqqz xxwq zzkp vvqx"])
    assert unknown > 5 * known


def test_probabilities_of_single_units_sum_to_at_most_one() -> None:
    model = NgramText.train(ENGLISH, order=2, by="characters")
    known = [line for line in model.vocabulary.ids if line.strip()]
    total = sum(math.exp(-2 * float(model.cross_entropies([unit])[0])) for unit in known)
    assert 0 < total < 1


def test_blank_text_has_no_entropy() -> None:
    found = NgramText.train(ENGLISH, order=2).cross_entropies(["", "the cat", " \n "])
    assert np.isnan(found).tolist() == [True, False, True]


def test_models_can_share_a_vocabulary() -> None:
    vocabulary = Vocabulary.of([*ENGLISH, *CHINESE])
    general = NgramText.train(ENGLISH, order=2, vocabulary=vocabulary)
    own = NgramText.train(CHINESE, order=2, vocabulary=vocabulary)
    difference = own.cross_entropies(["猫坐在垫子上", "the cat sat"]) - general.cross_entropies(
        ["猫坐在垫子上", "the cat sat"]
    )
    assert difference[0] < 0 < difference[1]


def test_a_saved_model_is_the_same(tmp_path: Path) -> None:
    model = NgramText.train([*ENGLISH, *CHINESE], order=3)
    model.save(tmp_path / "lm")
    loaded = NgramText.load(tmp_path / "lm")
    texts = ["the 猫 sat", "xyzzy", "垫子\nmat"]
    np.testing.assert_array_equal(loaded.cross_entropies(texts), model.cross_entropies(texts))
    with pytest.raises(UserError, match="no n-gram model of text"):
        NgramText.load(tmp_path)
