"""Tags of spans: there and back, and which may follow which."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from acclimate.corpus.readers.spans import violation
from acclimate.transfer.spans.tag_set import TagSet, WordSpan


def drawn(rng: np.random.Generator, labels: str, words: int) -> list[WordSpan]:
    """Spans that may lie anywhere."""
    found = []
    for _ in range(rng.integers(0, 6)):
        start = int(rng.integers(0, words))
        found.append(WordSpan(str(rng.choice(list(labels))), start, int(rng.integers(start + 1, words + 1))))
    return sorted(set(found), key=lambda one: (one.start, one.end, one.label))


@pytest.mark.parametrize("scheme", ["iob2", "iobes"])
@pytest.mark.parametrize("nested", [False, True])
def test_what_can_be_said_comes_back(scheme, nested) -> None:
    tag_set = TagSet(("a", "b", "人"), scheme, nested)
    rng = np.random.default_rng(5)
    assert len(tag_set.names) == len(set(tag_set.names)) == tag_set.num_chains * tag_set.num_tags
    for _ in range(200):
        wanted = drawn(rng, "ab人", 9)
        said = tag_set.expressed(wanted)
        tags = tag_set.encode(wanted, 9)
        assert tags.shape == (9, tag_set.num_chains)
        assert tag_set.decode(tags) == sorted(said, key=lambda one: (one.start, one.end, one.label))
        for number, names in enumerate(tag_set.tags):
            assert violation([names[tag] for tag in tags[:, number]], scheme) is None


def test_spans_lie_in_each_other_only_where_labels_have_tags_of_their_own() -> None:
    inner, outer, twin = WordSpan("a", 1, 2), WordSpan("b", 0, 3), WordSpan("b", 2, 4)
    assert TagSet(("a", "b")).expressed([inner, outer, twin]) == [outer]
    assert TagSet(("a", "b"), nested=True).expressed([inner, outer, twin]) == [outer, inner]
    touching = [WordSpan("a", 0, 2), WordSpan("a", 2, 3)]
    assert TagSet(("a", "b")).decode(TagSet(("a", "b")).encode(touching, 3)) == touching


@pytest.mark.parametrize("scheme", ["iob2", "iobes"])
def test_rules_allow_what_the_scheme_allows(scheme) -> None:
    tag_set = TagSet(("a", "b"), scheme)
    follows, begins, ends = tag_set.rules()
    tags = tag_set.tags[0]
    for length in (1, 2, 3):
        for one in product(range(len(tags)), repeat=length):
            allowed = begins[one[0]] and ends[one[-1]]
            allowed = allowed and all(follows[a, b] for a, b in pairwise(one))
            assert allowed == (violation([tags[tag] for tag in one], scheme) is None)
