from __future__ import annotations

import json
import math

import numpy as np
import pytest

from acclimate.errors import UserError
from acclimate.evaluate.language_model import Losses, bits_per_byte_change, language_model_figures
from acclimate.evaluate.resampling import Resampling


def test_figures_worked_out_by_hand():
    # 6 nats over 4 targets: 1.5 nats each. 100 tokens in 300 bytes: 150 nats, 216.4 bits, 0.7213 a byte.
    found = language_model_figures(
        np.array([1.0, 5.0]), np.array([2, 2]), tokens=100, num_bytes=300, resampling=Resampling()
    )
    assert found["loss"]["value"] == pytest.approx(1.5)
    assert found["perplexity"]["value"] == pytest.approx(4.4816890703)
    assert found["bits_per_byte"]["value"] == pytest.approx(0.7213475204)
    # Two sequences: a resample draws one of them twice or both, so the ends are the two means.
    assert (found["loss"]["low"], found["loss"]["high"]) == (0.5, 2.5)


def test_all_three_intervals_are_the_losss_carried_through():
    rng = np.random.default_rng(0)
    found = language_model_figures(
        rng.gamma(9, size=200), rng.integers(1, 5, 200), tokens=900, num_bytes=4000, resampling=Resampling()
    )
    for end in ("value", "low", "high"):
        loss = found["loss"][end]
        assert found["perplexity"][end] == pytest.approx(math.exp(loss))
        assert found["bits_per_byte"][end] == pytest.approx(loss * 900 / (math.log(2) * 4000))
    assert found["loss"]["low"] < found["loss"]["value"] < found["loss"]["high"]


def test_documents_are_drawn_whole_when_they_are_known():
    sums = np.repeat([1.0, 2.0, 3.0, 4.0], 25)
    alone, grouped = (
        language_model_figures(
            sums, np.ones(100), tokens=1, num_bytes=1, resampling=Resampling(), groups=groups
        )
        for groups in (None, np.repeat(np.arange(4), 25))
    )
    assert grouped["loss"]["high"] - grouped["loss"]["low"] > 2 * (
        alone["loss"]["high"] - alone["loss"]["low"]
    )


def test_a_loss_that_is_not_of_tokens_stands_alone():
    found = language_model_figures(
        np.array([3.0, 5.0]), np.ones(2), tokens=None, num_bytes=0, resampling=Resampling()
    )
    assert found.keys() == {"loss"} and found["loss"]["value"] == 4


def test_a_hopeless_model_still_has_figures_that_json_can_say():
    found = language_model_figures(
        np.array([1e6]), np.array([1]), tokens=1, num_bytes=1, resampling=Resampling()
    )
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("counts", "tokens", "num_bytes"), [([], 1, 1), ([0], 1, 1), ([1], 0, 1), ([1], 1, 0)]
)
def test_nothing_to_measure_on_is_said(counts, tokens, num_bytes):
    with pytest.raises(UserError, match="no held-out text"):
        language_model_figures(
            np.ones(len(counts)),
            np.array(counts),
            tokens=tokens,
            num_bytes=num_bytes,
            resampling=Resampling(),
        )


def test_the_change_between_two_models_is_paired_by_document():
    rng = np.random.default_rng(1)
    documents = np.repeat(np.arange(40), 3)
    hard = rng.gamma(4, size=40)[documents]  # documents differ far more than the models do
    # The later model cuts its text into half as many tokens: what compares is bytes.
    before = Losses(hard * 10, np.full(120, 10), documents, tokens=1200, num_bytes=5000)
    after = Losses(hard * 9, np.full(120, 5), documents, tokens=600, num_bytes=5000)
    found = bits_per_byte_change(before, after, Resampling())
    sums = [
        language_model_figures(
            one.sums,
            one.counts,
            tokens=one.tokens,
            num_bytes=one.num_bytes,
            resampling=Resampling(),
            groups=one.documents,
        )["bits_per_byte"]
        for one in (before, after)
    ]
    assert found.value == pytest.approx(sums[1]["value"] - sums[0]["value"])
    assert found.value == pytest.approx(-hard.sum() / (math.log(2) * 5000))
    assert found.low < found.value < found.high < 0
    assert found.high - found.low < (sums[0]["high"] - sums[0]["low"]) / 4
    same = bits_per_byte_change(before, before, Resampling())
    assert same.low == same.value == same.high == 0
