"""Texts that were written: baselines, likelihood, exactness, variety, and what is shown."""

from __future__ import annotations

import math

import numpy as np
import pytest

from acclimate.evaluate.bootstrap import Bootstrap
from acclimate.evaluate.judging import judge
from acclimate.evaluate.writing_metrics import (
    CorrectionF1,
    Distinct1,
    Distinct4,
    ExactText,
    Gleu,
    LogLikelihood,
    RougeL,
)
from acclimate.evaluate.written import Written, details, lead

SOURCES = ["He go home. Then he sleep.", "他很烦脑吧。明天再说。", "all is right here"]
RIGHTS = [
    ["He goes home. Then he sleeps.", "He went home. Then he slept."],
    ["他很烦恼吧。明天再说。"],
    ["all is right here"],
]
OUTPUTS = ["He went home.  Then he slept.", "他很烦恼吧。", "all all all all all"]
LOSSES, TOKENS = np.array([3.0, 8.0, 1.0]), np.array([4.0, 6.0, 5.0])


def written(**settings: object) -> Written:
    return Written(SOURCES, RIGHTS, OUTPUTS, losses=LOSSES, tokens=TOKENS, **settings)  # type: ignore[arg-type]


def test_exact_but_for_white_space() -> None:
    assert ExactText().build().over(written().weigh())[0] == pytest.approx(100 / 3)


def test_likelihood_is_bits_a_byte_of_the_first_reference() -> None:
    size = sum(len(several[0].encode()) for several in RIGHTS)
    expected = -12 / math.log(2) / size
    assert LogLikelihood().build().over(written().weigh())[0] == pytest.approx(expected)
    told = details(written())
    assert told["bits_per_byte"] == pytest.approx(-expected)
    assert told["perplexity"] == pytest.approx(math.exp(12 / 15)) and told["test_loss"] == pytest.approx(
        12 / 15
    )
    # What was cut is left out, and said.
    part = written(cut=np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]]))
    size -= len(RIGHTS[0][0].encode())
    assert LogLikelihood().build().over(part.weigh())[0] == pytest.approx(-9 / math.log(2) / size)
    assert details(part)["cut"] == {"sources": 1, "targets": 1, "outputs": 0}
    assert any("1 of 3 targets were cut" in note for note in part.notes)
    nothing = Written(SOURCES, RIGHTS, OUTPUTS)
    assert (
        np.isnan(LogLikelihood().build().over(nothing.weigh())[0]) and details(nothing)["perplexity"] is None
    )


def test_variety_is_within_texts() -> None:
    tally = written().weigh()
    # 6 of 6 words, 5 of 5 characters, 1 of 5.
    words = [(5, 6), (5, 5), (1, 5)]  # "he" stands twice in the first
    expected = sum(one for one, _ in words) / sum(all_ for _, all_ in words)
    assert Distinct1().build().over(tally)[0] == pytest.approx(expected)
    assert np.isnan(Distinct4().build().over(Written(["a"], [["b"]], ["c"]).weigh())[0])
    assert details(written())["diversity"]["references"]["distinct_1_of_all"] > 0.5


def test_baselines_are_judged_beside() -> None:
    measures = [Gleu().build(), CorrectionF1().build(), LogLikelihood().build()]
    one = written(measures=measures, baselines=("copy", "lead"))
    told = details(one)["baselines"]
    assert told["copy"]["correction_f1"] == 0 and 0 < told["copy"]["gleu"] < 100
    assert "log_likelihood" not in told["copy"]
    assert (
        lead("第一句。第二句。") == "第一句。"
        and lead("One 3.5 km. Two.") == "One 3.5 km."
        and lead("") == ""
    )
    assert f"the source as it is would have GLEU {told['copy']['gleu']:.2f}" in one.notes


def test_what_is_shown() -> None:
    told = details(written(measures=[RougeL().build()]))
    assert len(told["examples"]) == 3 and told["scored_by"] == "rouge_l"
    assert told["worst"][0]["text"] == "all is right here" and told["worst"][0]["predicted"] == OUTPUTS[2]
    assert told["worst"][-1]["score"] == 1.0 and told["worst"][-1]["label"] == RIGHTS[0]
    by_likelihood = details(written(measures=[LogLikelihood().build()]))
    assert by_likelihood["scored_by"] == "log_likelihood" and by_likelihood["worst"][0]["text"] == SOURCES[1]


def test_figures_have_intervals_and_verdicts_are_paired() -> None:
    measures = [RougeL(), ExactText()]
    better = Written(
        SOURCES * 5, RIGHTS * 5, [several[0] for several in RIGHTS] * 5, measures=[RougeL().build()]
    )
    worse = Written(SOURCES * 5, RIGHTS * 5, OUTPUTS * 5, measures=[RougeL().build()])
    found = judge(
        task="t",
        with_=[better],
        without=[worse],
        metrics=measures,
        verdict_metric=RougeL(),
        interval=Bootstrap(resamples=200),
        accounting={},
    )
    assert found["test"]["exact_text"] == {"value": 100.0, "low": 100.0, "high": 100.0}
    assert found["baseline_test"]["rouge_l"]["low"] < found["baseline_test"]["rouge_l"]["high"]
    assert found["verdict"]["low"] > 0 and "raised ROUGE-L" in found["verdict"]["statement"]


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(ValueError, match="1 sources, 2 references"):
        Written(["a"], [["b"], ["c"]], ["d"])
    with pytest.raises(ValueError, match="without a reference"):
        Written(["a"], [[]], ["d"])
