from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from acclimate.corpus.clean.learnt_perplexity import LearntPerplexity
from acclimate.corpus.clean.perplexity import Perplexity
from acclimate.corpus.document import Document
from acclimate.errors import UserError

NOUNS, VERBS = (
    ["cat", "dog", "bird", "horse", "child", "farmer", "river", "wind"],
    ["sees", "hears", "follows", "meets", "leaves", "finds"],
)
人, 动 = list("猫狗鸟马人河风雨"), ["看见", "听见", "跟着", "遇到", "离开", "找到"]


def english(seed: int) -> str:
    choose = random.Random(seed).choice
    return " ".join(f"The {choose(NOUNS)} {choose(VERBS)} the {choose(NOUNS)}." for _ in range(6))


def chinese(seed: int) -> str:
    choose = random.Random(seed).choice
    return "".join(f"{choose(人)}{choose(动)}了{choose(人)}。" for _ in range(6))


@pytest.fixture
def reference(tmp_path: Path) -> str:
    path = tmp_path / "good.txt"
    path.write_text("\n".join(write(n) for n in range(200) for write in (english, chinese)), "utf-8")
    return str(path)


def settings(reference: str, **options: float | str) -> Perplexity:
    return Perplexity.model_validate({"reference": {"path": reference, "documents": "line"}, **options})


STRANGE = ("leaves the the wind dog. sees The cat", "qzx vvk pfft gnrl", "了了看猫。。见狗河")


@pytest.mark.parametrize("by", ["words", "characters"])
def test_strange_documents_go(documents: Callable[..., list[Document]], reference: str, by: str) -> None:
    good = (english(1000), chinese(1001))
    cleaned = settings(reference, by=by, quantile=1).build()(documents(*good, *STRANGE))
    assert [one.text for one in cleaned.documents] == list(good)
    assert {one.reason for one in cleaned.dropped} == {"perplexity:high"}
    assert "(the 1 quantile of the reference)" in cleaned.dropped[0].detail


def test_bounds_may_be_given(documents: Callable[..., list[Document]], reference: str) -> None:
    texts = documents(english(1000), STRANGE[1], "The cat sees the dog. " * 3)
    first, strange, plain = settings(reference)._learnt().perplexities([one.text for one in texts]).tolist()
    assert plain != first < strange
    low, high = first * 0.999, first * 1.001
    cleaned = settings(reference, low=low, high=high).build()(texts)
    assert [one.place for one in cleaned.documents] == ["a.txt:1"]
    expected = f"perplexity {plain:.1f}, " + (
        f"less than {low:.1f}" if plain < low else f"more than {high:.1f}"
    )
    assert [one.detail for one in cleaned.dropped] == [
        f"perplexity {strange:.1f}, more than {high:.1f}",
        expected,
    ]


def test_what_is_too_plain_goes(documents: Callable[..., list[Document]], reference: str) -> None:
    cleaned = settings(reference, low=10_000, high=20_000).build()(documents(english(1)))
    assert [one.reason for one in cleaned.dropped] == ["perplexity:low"]


def test_the_threshold_is_read_off_documents_that_were_not_learnt_from(reference: str) -> None:
    learnt = settings(reference)._learnt()
    assert 20 <= len(learnt.held_out) <= 60
    fresh = learnt.perplexities(
        [english(n) for n in range(2000, 2200)] + [chinese(n) for n in range(2000, 2200)]
    )
    assert np.mean(fresh > learnt.quantile(0.8)) == pytest.approx(0.2, abs=0.12)


def test_workers_load_what_was_learnt_once(
    documents: Callable[..., list[Document]], reference: str, tmp_path: Path
) -> None:
    step = settings(reference)
    loaded = step.prepared(tmp_path / "model")
    assert loaded.reference is None and loaded.prepared(tmp_path / "other") is loaded
    again = Perplexity.model_validate(loaded.model_dump(mode="json"))
    texts = documents(english(1000), *STRANGE)
    assert again.build()(texts) == step.build()(texts)
    digests = again.fingerprint(lambda path: path.name)
    assert "ngrams/model/model.json" in digests and "held_out.json" in digests


def test_identity_is_the_content_of_the_reference(reference: str) -> None:
    found = settings(reference).fingerprint(lambda path: "digest")
    assert "digest" in str(found) and str(Path(reference).parent) not in str(found)


def test_what_cannot_work_is_told(tmp_path: Path, reference: str) -> None:
    with pytest.raises(ValidationError, match="either `reference` or `model`"):
        Perplexity()
    with pytest.raises(ValidationError, match="not below high"):
        settings(reference, low=50, high=20)
    with pytest.raises(UserError, match="no perplexity model"):
        Perplexity(model=str(tmp_path)).build()
    with pytest.raises(UserError, match="fewer than 20"):
        LearntPerplexity.train(["one text"], order=3, by="words")


def test_a_blank_document_is_the_strangest(reference: str) -> None:
    assert settings(reference)._learnt().perplexities(["", " "]).tolist() == [np.inf, np.inf]
