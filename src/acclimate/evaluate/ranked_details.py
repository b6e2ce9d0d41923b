"""What goes wrong where candidates are ranked: questions with what the model puts first, and what is right.

Legend: N pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from acclimate.evaluate.classification import SHOWN, cut
from acclimate.evaluate.ranking import RankedOutcomes


def ranked_details(
    questions: Sequence[str], candidates: Sequence[str], outcomes: RankedOutcomes
) -> dict[str, Any]:
    """`examples` and `worst` for evaluation.json: question, the best right candidate with its rank, and the candidate
    that has the highest score of those given with the question. Texts [N] each."""
    margin = outcomes.scores[:, 1] - outcomes.scores[:, 0]
    by_question: dict[int, list[int]] = {}
    for at, question in enumerate(outcomes.questions.tolist()):
        by_question.setdefault(question, []).append(at)
    shown, places = [], []
    for pairs in by_question.values():
        right = [at for at in pairs if outcomes.labels[at] == 1]
        if not right:
            continue
        best = min(right, key=lambda at: outcomes.ranks[at])
        first = max(pairs, key=lambda at: margin[at])
        rank = int(outcomes.ranks[best])
        taken = best if rank == 1 else first
        places.append(rank)
        shown.append(
            {
                "text": cut(questions[best]),
                "label": cut(candidates[best]),
                "predicted": cut(candidates[taken])
                if rank == 1 or first != best
                else f"(another; rank {rank})",
                "rank": rank,
            }
        )
    number = len(shown)
    some = np.sort(np.random.default_rng(number).choice(number, size=min(number, SHOWN), replace=False))
    worst = [at for at in np.argsort(-np.array(places), kind="stable").tolist() if places[at] > 1][:SHOWN]
    return {
        "median_rank": float(np.median(places)) if places else None,
        "examples": [shown[at] for at in some.tolist()],
        "worst": [shown[at] for at in worst],
    }
