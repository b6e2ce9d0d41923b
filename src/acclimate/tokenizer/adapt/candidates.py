"""What could become a token: whole words that are cut into pieces; inside runs of Han, sequences of pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from acclimate.tokenizer.adapt.entries import Entries
from acclimate.tokenizer.adapt.text import GAP, Cut, Pieces


@dataclass(frozen=True)
class Candidate:
    """One possible entry."""

    entry: str
    pieces: Pieces
    """What stands for it now; a single unknown token where it cannot be spelt."""
    count: int
    """How often it occurs in the domain's text."""
    length: int
    """Pieces; of what is unknown its characters and one more, for a token that says nothing is worse than pieces."""
    han: bool


def candidates(
    entries: Entries, names: list[str], cut: Cut, *, least: int, longest: int, never: set[str]
) -> list[Candidate]:
    """Every word or sequence that occurs `least` times and holds a letter, in the order of its spelling.

    `names` are the entries by id; `never` those that were tried and failed.
    """
    unknown = entries.unknown()
    special = entries.special()
    barred = {number for number, name in enumerate(names) if name in special}
    found: dict[str, Candidate] = {}

    def offer(entry: str | None, pieces: Pieces, count: int, length: int, *, han: bool) -> None:
        if entry is None or entry in entries.known or entry in never or entry in found:
            return
        text = entries.readable(entry)
        if text and any(map(str.isalpha, text)) and not any(map(str.isspace, text)):
            found[entry] = Candidate(entry, pieces, count, length, han)

    words = [(pieces, count, False) for pieces, count in cut.words.items() if count >= least]
    runs = [(pieces, count, True) for pieces, count in cut.sequences(least=least, longest=longest).items()]
    for pieces, count, han in (*words, *runs):
        if 1 < len(pieces) <= longest and barred.isdisjoint(pieces):
            offer(entries.joined([names[piece] for piece in pieces]), pieces, count, len(pieces), han=han)
    if unknown is not None:
        place = names.index(unknown)
        for surface, count in cut.unknown.items():
            if count >= least and len(surface) <= longest * 4 and surface:
                offer(entries.joined([surface]), (place,), count, len(surface) + 1, han=False)
    return [found[entry] for entry in sorted(found)]


def conditional_counts(cut: Cut, wanted: set[Pieces]) -> tuple[Counter[Pieces], Counter[Pieces]]:
    """How often the wanted sequences occur, and how often each one's beginning (all but the last piece) does.

    Words are counted as wholes and their beginnings at the beginning of words; in runs of Han both at any place.
    """
    beginnings = {pieces[:n] for pieces in wanted for n in range(1, len(pieces))}
    heads = {pieces[:-1] for pieces in wanted}
    whole: Counter[Pieces] = Counter()
    begun: Counter[Pieces] = Counter()
    for word, count in cut.words.items():
        if word in wanted:
            whole[word] += count
        for n in range(1, len(word)):
            if word[:n] in heads:
                begun[word[:n]] += count
    for run, count in _runs(cut):
        for start in range(len(run)):
            for end in range(start + 1, len(run) + 1):
                sequence = run[start:end]
                if sequence in wanted:
                    whole[sequence] += count
                if sequence not in beginnings:
                    break
                if end < len(run) and sequence in heads:
                    begun[sequence] += count
    return whole, begun


def _runs(cut: Cut) -> Iterator[tuple[Pieces, int]]:
    run: list[int] = []
    for piece, weight in zip(cut.han.tolist(), cut.weights.tolist(), strict=True):
        if piece != GAP:
            run.append(piece)
            continue
        if run:
            yield tuple(run), weight
        run = []
