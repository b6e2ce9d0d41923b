from __future__ import annotations

import pytest
from pydantic import ValidationError

from acclimate.serve.limits import Limits


def test_a_full_request_must_fit_the_queue() -> None:
    with pytest.raises(ValidationError, match=r"max_texts \(32\) is larger than max_queue \(16\)"):
        Limits(max_queue=16, max_texts=32)


def test_an_unknown_limit_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValidationError, match="did you mean 'max_queue'"):
        Limits(max_queu=16)  # type: ignore[call-arg]


def test_counts_take_units() -> None:
    assert Limits(max_body_bytes="2M").max_body_bytes == 2_000_000  # type: ignore[arg-type]
