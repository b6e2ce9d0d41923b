from __future__ import annotations

import pytest


def test_score_counts_words_and_unspaced_characters() -> None:
    from html_main_text import score

    assert score("The cat, the CAT", "the cat the cat") == (1.0, 1.0, 1.0)
    assert score("天气好", "天气") == (pytest.approx(0.8), pytest.approx(2 / 3), 1.0)
    assert score("a b", "") == (0.0, 0.0, 0.0)
    assert score("", "") == (1.0, 1.0, 1.0)


def test_the_floor_is_what_stands_between_tags() -> None:
    from html_main_text import without_tags

    html = "<title>t</title><p>a &amp; b</p><script>if (x < y) z</script><!-- no --><b>c</b>"
    assert without_tags(html).split() == ["a", "&", "b", "c"]
