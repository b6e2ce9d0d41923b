from __future__ import annotations

import random

import pytest
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, Entities

from acclimate.corpus.readers.spans import Span, detect_scheme, spans, split_tag, violation

ORACLES = {"iob1": IOB1, "iob2": IOB2, "iobes": IOBES, "bilou": BILOU}
LETTERS = {"iob1": "IB", "iob2": "IB", "iobes": "IBES", "bilou": "IBLU", "bmes": "MBES", "bmewo": "MBEW"}


def random_tags(rng: random.Random, letters: str) -> list[str]:
    tags = ["O", *(f"{letter}-{label}" for letter in letters for label in ("PER", "地名"))]
    return [rng.choice(tags) for _ in range(rng.randint(1, 7))]


@pytest.mark.parametrize("scheme", ["iob1", "iob2", "iobes"])
def test_lenient_spans_are_those_of_seqeval(scheme: str) -> None:
    rng = random.Random(5)
    for _ in range(4000):
        tags = random_tags(rng, LETTERS[scheme])
        expected = [(label, start, end + 1) for label, start, end in get_entities(tags)]
        assert [(one.label, one.start, one.end) for one in spans(tags)] == expected, tags


@pytest.mark.parametrize("scheme", ORACLES)
def test_valid_tags_mean_the_same_to_seqeval_in_strict_mode(scheme: str) -> None:
    rng = random.Random(6)
    valid = 0
    for _ in range(20_000):
        tags = random_tags(rng, LETTERS[scheme])
        if violation(tags, scheme) is None:  # type: ignore[arg-type]
            valid += 1
            (strict,) = Entities([tags], ORACLES[scheme]).entities
            expected = sorted((one.start, one.end, one.tag) for one in strict)
            assert [(one.start, one.end, one.label) for one in spans(tags)] == expected, tags
    assert valid > 200


def write(found: list[Span], length: int, scheme: str) -> list[str]:
    """Tags of a scheme for spans that are given, written as the scheme's definition says."""
    first, inside, last, single = {
        "iob1": "IIII", "iob2": "BIIB", "iobes": "BIES", "bmes": "BMES", "bilou": "BILU", "bmewo": "BMEW"
    }[scheme]  # fmt: skip
    tags = ["O"] * length
    before = None
    for span in found:
        letters = (
            [first, *[inside] * (span.end - span.start - 2), last] if span.end - span.start > 1 else [single]
        )
        if (
            scheme == "iob1"
            and before is not None
            and before.end == span.start
            and before.label == span.label
        ):
            letters[0] = "B"
        tags[span.start : span.end] = [f"{letter}-{span.label}" for letter in letters]
        before = span
    return tags


def random_spans(rng: random.Random, length: int) -> list[Span]:
    found, at = [], 0
    while (start := at + rng.choice((0, 0, 1, 3))) < length:
        at = min(length, start + rng.randint(1, 4))
        found.append(Span(rng.choice(("PER", "地名")), start, at))
    return found


@pytest.mark.parametrize("scheme", LETTERS)
def test_every_scheme_round_trips_and_is_detected(scheme: str) -> None:
    rng = random.Random(7)
    sentences = []
    for _ in range(400):
        length = rng.randint(1, 12)
        found = random_spans(rng, length)
        tags = write(found, length, scheme)
        assert spans(tags) == found
        assert violation(tags, scheme) is None  # type: ignore[arg-type]
        sentences.append(tags)
    assert detect_scheme(sentences) == scheme
    # A few broken sentences do not change what the file is.
    assert (
        detect_scheme([*sentences, ["I-PER", "O"], ["E-PER"], ["X"]] if scheme != "iob1" else sentences)
        == scheme
    )


def test_ties_and_strange_tags() -> None:
    assert detect_scheme([["O", "O"]]) == "iob2" and detect_scheme([]) == "iob2"
    assert detect_scheme([["NN", "VB"], ["DT"]]) is None
    assert split_tag("B_disease") == ("B", "disease") and split_tag("I-GPE.NAM") == ("I", "GPE.NAM")
    assert spans(["B", "M", "E", "S", "O"]) == [Span("", 0, 3), Span("", 3, 4)]
    for tag in ("", "X-PER", "B-", "-PER", "PER", "b-PER", "B+PER"):
        with pytest.raises(ValueError, match="expected a tag such as O"):
            spans(["O", tag])


@pytest.mark.parametrize(
    ("scheme", "tags", "index"),
    [
        ("iob2", ["O", "I-PER"], 1),
        ("iob2", ["B-PER", "I-LOC"], 1),
        ("iob1", ["B-PER"], 0),
        ("iob1", ["I-PER", "B-LOC"], 1),
        ("iobes", ["B-PER", "O"], 1),
        ("iobes", ["S-PER", "B-PER"], 1),
        ("iobes", ["E-PER"], 0),
        ("bmes", ["B-PER", "I-PER", "E-PER"], 1),
        ("bilou", ["U-PER", "L-PER"], 1),
    ],
)
def test_what_breaks_a_scheme_and_where(scheme: str, tags: list[str], index: int) -> None:
    found = violation(tags, scheme)  # type: ignore[arg-type]
    assert found is not None and found[0] == index
