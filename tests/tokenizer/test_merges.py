from __future__ import annotations

from acclimate.tokenizer.merges import merges_of, ranked_pieces


def test_all_ways_to_make_a_piece() -> None:
    known = ["a", "b", "c", "ab", "bc", "abc"]
    merges = merges_of(["ab", "bc", "abc"], known)
    assert merges == [("a", "b"), ("b", "c"), ("a", "bc"), ("ab", "c")]
    assert ranked_pieces(merges) == ["ab", "bc", "abc"]
    assert ranked_pieces([("a", "b"), ("a", "bc"), ("b", "c"), ("ab", "c")]) is None
    assert ranked_pieces([]) == [] and merges_of(["xy"], known) == []
