from __future__ import annotations

import unicodedata

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.corpus.leakage.normal_form import normal_codes, normal_form, original_spans, spelled
from acclimate.corpus.words import words_in, words_of

odd = st.sampled_from([*list("ﬁÅﾊﾟ㈱①½ßİıΣς…½゙́̈ｶﾞがＡｚ！，中文가각각กำ़क़\u200d️"), "é", "\n"])
texts = st.lists(st.one_of(odd, st.characters(exclude_categories=["Cs"])), max_size=30).map("".join)


@given(texts)
@settings(max_examples=400, deadline=None)
def test_it_is_normal(text: str) -> None:
    form = normal_form(text)
    assert form == form.casefold() == normal_form(form)
    assert (
        normal_form(unicodedata.normalize("NFKC", text))
        == normal_form(unicodedata.normalize("NFD", text))
        == form
    )


@given(st.lists(texts, min_size=1, max_size=5))
@settings(max_examples=400, deadline=None)
def test_in_bulk_words_are_the_same(some: list[str]) -> None:
    codes, ends, plain = normal_codes(some)
    found, expected = words_in(codes, ends), words_of([normal_form(text) for text in some])
    assert np.array_equal(found.hashes, expected.hashes)
    assert np.array_equal(found.owners, expected.owners)
    for text, end, one in zip(some, ends.tolist(), plain, strict=True):
        if one:  # characters stand where they stood
            form = codes[end - 1 - len(text) : end - 1].tobytes().decode("utf-32-le")
            assert len(form) == len(text)


@given(texts, texts, texts)
@settings(max_examples=400, deadline=None)
def test_spans_lead_back_to_the_text(before: str, inside: str, behind: str) -> None:
    text = f"{before} {inside} {behind}"
    start = len(normal_form(before + " "))
    end = start + len(normal_form(inside))
    if normal_form(text)[start:end] != normal_form(inside) or start == end:
        return  # they compose over the border
    ((first, last),) = original_spans(text, [(start, end)])
    assert normal_form(inside) in normal_form(text[first:last])
    assert (first, last) == (0, len(text)) or len(text[first:last]) <= len(inside) + 2


def test_words_are_spelled_as_they_stand() -> None:
    form = normal_form("Ｔhe  ﬁrst, 中文no.1! क़लम")
    starts = words_of([form]).starts.tolist()
    assert spelled(form, [*starts, len(form)]) == ("the", "first", "中", "文", "no", "1", normal_form("क़लम"))


def test_ideographs_and_full_width_forms_become_plain_one_for_one() -> None:
    codes, _, plain = normal_codes(["ＡＢＣ，中文！", "ﬀ"])
    assert plain == [True, False]
    assert codes.tobytes().decode("utf-32-le") == "abc,中文!\nff"
