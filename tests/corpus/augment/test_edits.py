from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from acclimate.corpus.augment.edits import Edit, Labelled, Span, cropped, edited

TEXT = st.text(alphabet="ab 中文,.", min_size=1, max_size=40)


@st.composite
def labelled(draw: st.DrawFn) -> Labelled:
    text = draw(TEXT)
    places = st.integers(0, len(text))
    spans = []
    for number in range(draw(st.integers(0, 4))):
        start, end = sorted((draw(places), draw(places)))
        if start < end:
            spans.append(Span(start, end, f"L{number}"))
    return Labelled(text, tuple(spans))


@st.composite
def edits(draw: st.DrawFn, one: Labelled) -> list[Edit]:
    places = st.integers(0, len(one.text))
    found = []
    for _ in range(draw(st.integers(0, 6))):
        start, end = sorted((draw(places), draw(places)))
        found.append(Edit(start, end, draw(st.sampled_from(["", "x", "yy", "新"]))))
    return found


def words(one: Labelled) -> list[tuple[str, str]]:
    return [(span.label, one.text[span.start : span.end]) for span in one.spans]


@given(st.data())
def test_every_span_names_the_same_characters_afterwards(data: st.DataObject) -> None:
    one = data.draw(labelled())
    new = edited(one, data.draw(edits(one)))
    assert words(new) == words(one)
    assert all(0 <= span.start < span.end <= len(new.text) for span in new.spans)


@given(st.data())
def test_without_spans_an_edit_is_a_replacement(data: st.DataObject) -> None:
    text = data.draw(TEXT)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    # Every second stretch between the cuts is replaced.
    stretches = list(zip(cuts[::2], cuts[1::2], strict=False))
    wanted, at = "", 0
    for start, end in stretches:
        wanted, at = wanted + text[at:start] + "新x", end
    wanted += text[at:]
    assert edited(Labelled(text), [Edit(start, end, "新x") for start, end in stretches]).text == wanted


def test_what_touches_a_span_is_left_alone_and_its_borders_are_not() -> None:
    one = Labelled("see Paris now", (Span(4, 9, "LOC"),))
    assert (
        edited(one, [Edit(5, 6, "")])
        == one
        == edited(one, [Edit(3, 5, " ")])
        == edited(one, [Edit(6, 6, "x")])
    )
    around = edited(one, [Edit(4, 4, "old "), Edit(9, 9, "!"), Edit(0, 3, "saw")])
    assert around == Labelled("saw old Paris! now", (Span(8, 13, "LOC"),))


def test_overlapping_edits_do_not_take_a_character_twice() -> None:
    assert edited(Labelled("abcdef"), [Edit(0, 3, "x"), Edit(1, 5, "y")]).text == "xyf"
    assert edited(Labelled("ab"), [Edit(1, 1, "1"), Edit(1, 1, "2")]).text == "a12b"


@given(st.data())
def test_a_crop_keeps_spans_whole_or_not_at_all(data: st.DataObject) -> None:
    one = data.draw(labelled())
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(one.text))] * 2)))
    new = cropped(one, start, end)
    assert new.text in one.text and len(new.text) >= len(one.text[start:end].strip())
    left = words(new)
    assert all(word in words(one) for word in left)
    touched = [one.text[s.start : s.end] for s in one.spans if s.start < end and s.end > start]
    assert all(any(word == text for _, text in left) for word in touched)
