"""BLEU and chrF of a tally are sacrebleu's of the whole, with one reference or several."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu

from acclimate.evaluate.bleu import bleu, chrf, signature
from acclimate.evaluate.written import Written

OUTPUTS = ["the cat sat on the mat .", "a quick brown fox jumps", "nothing at all in common"]
RIGHTS = [
    ["the cat sat on a mat .", "a cat was sitting on the mat ."],
    ["the quick brown fox jumped over", "a quick fox jumps high"],
    ["something else entirely , so it is"],
]
CHINESE = ["我们明天去公园。", "天气好。"], [["我们后天去公园。"], ["天气非常好。", "天很好。"]]


def streams(rights: list[list[str]]) -> list[list[str | None]]:
    return [[several[at] if at < len(several) else None for several in rights] for at in range(2)]


@pytest.mark.parametrize(("outputs", "rights", "cut"), [(OUTPUTS, RIGHTS, "13a"), (*CHINESE, "zh")])
def test_equal_to_sacrebleu(outputs: list[str], rights: list[list[str]], cut: str) -> None:
    texts = Written(outputs, rights, outputs)
    tally = texts.weigh()
    expected = sacrebleu.metrics.BLEU(tokenize=cut, force=True).corpus_score(outputs, streams(rights)).score
    assert bleu(tally)[0] == pytest.approx(expected)
    assert chrf(tally)[0] == pytest.approx(
        sacrebleu.metrics.CHRF().corpus_score(outputs, streams(rights)).score
    )
    assert f"tok:{cut}" in signature("bleu", texts) and signature("chrf", texts)


def test_a_weighting_is_a_resample() -> None:
    drawn = [0, 0, 1]
    found = bleu(Written(OUTPUTS, RIGHTS, OUTPUTS).weigh(np.array([[2.0], [1.0], [0.0]])))
    metric = sacrebleu.metrics.BLEU(force=True)
    expected = metric.corpus_score([OUTPUTS[at] for at in drawn], streams([RIGHTS[at] for at in drawn]))
    assert found[0] == pytest.approx(expected.score)
