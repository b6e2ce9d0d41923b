"""Counting the words of a corpus in one pass and bounded memory, and which of its characters a vocabulary takes.

The trainers of the `tokenizers` library count words too, but in hash order, which differs between two runs, and they
give no way to leave rare characters out once the text has been seen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from acclimate.progress import Tell

MOST_KINDS = 4_000_000
"""Above so many different words those seen once so far are forgotten; some hundred megabytes."""
LONGEST = 200
"""Longer words are not learnt from: they are data, not language."""
COVERAGE = 0.9995
"""Share of the running text that the characters of a vocabulary must cover, where not all have room."""

Expand = Callable[[str], Iterable[str]]


def count_words(
    texts: Iterator[list[str]], pattern: re.Pattern[str], expand: Expand, tell: Tell
) -> Counter[str]:
    """How often each word occurs. `pattern` cuts the text coarsely and fast; `expand` cuts each kind exactly, once."""
    coarse: Counter[str] = Counter()
    documents = 0
    for batch in texts:
        for text in batch:
            coarse.update(pattern.findall(text))
        documents += len(batch)
        if len(coarse) > MOST_KINDS:
            coarse = Counter({word: count for word, count in coarse.items() if count > 1})
        tell(documents, None, "documents")
    words: Counter[str] = Counter()
    for piece, count in coarse.items():
        for word in expand(piece):
            if len(word) <= LONGEST:
                words[word] += count
    return words


def repeated(words: Counter[str], separator: str) -> Iterator[list[str]]:
    """The words again as often as they were counted, in alphabetical order, for a trainer that counts itself."""
    at_once = 20_000
    batch: list[str] = []
    pending = 0
    for word in sorted(words):
        left = words[word]
        while left:
            number = min(left, at_once)
            batch.append(separator.join([word] * number))
            left -= number
            pending += number
            if pending >= 20 * at_once:
                yield batch
                batch, pending = [], 0
    if batch:
        yield batch


def chosen_characters(counts: Counter[str], vocab_size: int, room: int) -> list[str]:
    """The characters (or forms of them) that a vocabulary holds, sorted.

    All of them, if they take at most a quarter of it. Beyond that the most frequent ones, as many as it takes to cover
    99.95 % of the text (the share that SentencePiece takes, Kudo & Richardson 2018), at most `room`.
    """
    ranked = sorted(counts, key=lambda form: (-counts[form], form))
    enough = COVERAGE * counts.total()
    covered = 0
    chosen: list[str] = []
    for form in ranked[:room]:
        if len(chosen) >= vocab_size // 4 and covered >= enough:
            break
        chosen.append(form)
        covered += counts[form]
    return sorted(chosen)
