"""Which errors of a text were found, and which were put right: by whole texts as in SIGHAN's tasks, and by characters.

A text counts as detected where exactly its wrong characters are changed, as corrected where it then equals the
reference. A place is one of the source: texts of other lengths are aligned with it. Of several references that one
counts which the output shares most changes with.

Legend: N texts, R weightings.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Literal

import numpy as np

from acclimate.evaluate.outcomes import Floats

if TYPE_CHECKING:
    from acclimate.evaluate.written import Written, WrittenTally

Changes = frozenset[tuple[int, str]]
"""Places of the source with what stands there instead."""
Figure = Literal["precision", "recall", "f1"]


def changes(source: str, text: str) -> Changes:
    """What was changed: each character that was replaced, left out (""), or has something new before it."""
    if len(source) == len(text):
        pairs = enumerate(zip(source, text, strict=True))
        return frozenset((at, new) for at, (old, new) in pairs if old != new)
    found = []
    for what, start, end, begin, stop in SequenceMatcher(None, source, text, autojunk=False).get_opcodes():
        if what == "insert":
            found.append((start, f"+{text[begin:stop]}"))
        elif what != "equal":
            new = [*text[begin:stop]] + [""] * (end - start)
            last = end - start - 1
            new[last] = "".join(new[last : max(stop - begin, last + 1)])
            found += [(start + at, new[at]) for at in range(end - start)]
    return frozenset(found)


def corrections(texts: Written) -> Floats:
    """[N, 8] of texts: wrong, changed, detected, corrected; of characters: wrong, changed, wrong and changed, right."""
    rows = []
    for source, several, output in zip(texts.sources, texts.references, texts.outputs, strict=True):
        made = changes(source, output)
        right = max((changes(source, one) for one in several), key=lambda one: len(one & made))
        places, found = ({at for at, _ in one} for one in (right, made))
        wrong = bool(right)
        rows.append(
            [
                wrong,
                bool(made),
                wrong and places == found,
                wrong and right == made,
                len(places),
                len(found),
                len(places & found),
                len(right & made),
            ]
        )
    return np.array(rows, dtype=np.float64)


def corrected(tally: WrittenTally, figure: Figure, *, hits: int) -> Floats:
    """[R] 0 to 100, of the column `hits` of `corrections`: 2 detected, 3 corrected texts, 6 and 7 characters."""
    sums = tally.sums(corrections)
    wrong, changed = sums[:2] if hits < 4 else sums[4:6]
    whole = {"precision": changed, "recall": wrong, "f1": (wrong + changed) / 2}[figure]
    return 100 * np.divide(sums[hits], whole, out=np.zeros_like(whole), where=whole > 0)
