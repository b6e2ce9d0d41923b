"""Takes the texts that a model is judged by out of the documents it learns from (Brown et al. 2020, appendix C).

A document that equals such a text, or nearly, is dropped (`in_task`). One that holds a window of it (see `windows.py`)
loses what it shares, or is dropped (`contaminated`). A function of each document alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from acclimate.corpus.document import Cleaned, Document, Dropped
from acclimate.corpus.leakage.held_out import Found, Match
from acclimate.corpus.leakage.index import ContaminationIndex
from acclimate.corpus.leakage.matcher import Matcher

MOST = 0.5
"""A document that shares more than this of its words is dropped, not cut: what is left would be no text."""
_SHOWN = 200


@dataclass
class _Case:
    """What was found in one document, and what becomes of it."""

    document: Document
    """As it came."""
    reason: Literal["in_task", "contaminated"] | None = None
    """Why it is dropped; None where it is only cut."""
    matches: list[Match] = field(default_factory=list)
    texts: set[int] = field(default_factory=set)
    """All held-out texts that were found; `matches` holds the first hundred."""
    cut: int = 0
    """Characters taken out of a document that stays."""

    def note(self, found: Found, *, cut: bool) -> None:
        self.matches += [one for one in found.matches if one.text not in self.texts]
        self.texts.update(found.texts)
        if found.matches[0].how != "holds":
            self.reason = "in_task"
        elif not cut or found.share > MOST:
            self.reason = "contaminated"


class Decontaminator:
    """Built once in each process; then called for every batch of documents, as a cleaner is."""

    def __init__(self, index: ContaminationIndex, *, near: float, cut: bool) -> None:
        """`cut`: take out what a document shares with a text, instead of dropping the document."""
        self._texts = index.texts
        self._match = Matcher(index, near)
        self._cut = cut

    def __call__(self, documents: list[Document]) -> Cleaned:
        cases: dict[int, _Case] = {}
        left = list(documents)
        numbers = list(range(len(left)))
        # Where something was cut out, what stood apart stands together: look again until nothing is found.
        while numbers:
            found = self._match([left[number].text for number in numbers])
            cut = []
            for row, one in found.items():
                number = numbers[row]
                case = cases.setdefault(number, _Case(documents[number]))
                case.note(one, cut=self._cut)
                if case.reason is None:
                    left[number] = replace(left[number], text=_without(left[number].text, one.spans))
                    case.cut = len(documents[number].text) - len(left[number].text)
                    cut.append(number)
            numbers = cut
        return self._sorted_out(left, cases)

    def _sorted_out(self, left: list[Document], cases: dict[int, _Case]) -> Cleaned:
        result = Cleaned()
        for number, document in enumerate(left):
            case = cases.get(number)
            if case is None:
                result.documents.append(document)
                continue
            result.findings.append(self._finding(case))
            if case.reason is None:
                result.documents.append(document)
                result.changed["contamination_cut"] += 1
            else:
                result.dropped.append(Dropped(case.reason, document.place, self._detail(case)))
        return result

    def _detail(self, case: _Case) -> str:
        match = case.matches[0]
        text = self._texts[match.text]
        what = {
            "equal": f"equals {text}",
            "near": f"nearly equals {text} (similarity {match.similarity:.2f})",
            "holds": f"holds “{match.excerpt[:_SHOWN]}” of {text}",
        }[match.how]
        return what + (f", and of {len(case.texts) - 1} more" if len(case.texts) > 1 else "")

    def _finding(self, case: _Case) -> dict[str, Any]:
        """A line of the list of what was found; `found` are the numbers of all texts."""
        return {
            "id": case.document.id,
            "source": case.document.source,
            "place": case.document.place,
            "became": "dropped" if case.reason else "cut",
            "reason": case.reason or "contaminated",
            "characters_cut": 0 if case.reason else case.cut,
            "texts": [self._named(match) for match in case.matches],
            "found": sorted(case.texts),
        }

    def _named(self, match: Match) -> dict[str, Any]:
        text = self._texts[match.text]
        told: dict[str, Any] = {"task": text.task, "split": text.split, "id": text.id, "how": match.how}
        if match.how == "near":
            told["similarity"] = round(match.similarity, 4)
        if match.how == "holds":
            told["shared"] = match.excerpt
        return told


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    pieces = []
    end = 0
    for start, behind in spans:
        pieces.append(text[end:start])
        end = behind
    return "".join([*pieces, text[end:]])
