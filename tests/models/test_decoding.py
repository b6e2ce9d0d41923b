"""Settings of decoding: what makes no sense together is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from acclimate.models.decoding import Decoding


@pytest.mark.parametrize(
    ("settings", "place", "words"),
    [
        ({"beams": 3, "top_p": 0.9}, "top_p", "draws tokens, and beams follow"),
        ({"beams": 2, "temperature": 0.7}, "temperature", "leave one of them out"),
        ({"length_penalty": 0.6}, "length_penalty", "goes with `beams: 2` or more"),
        ({"top_p": 0}, "top_p", "nothing to draw from"),
        ({"top_k": 1}, "top_k", "leave it out to be greedy"),
        ({"temperature": 0}, "temperature", "more than 0"),
        ({"max_ratio": 0}, "max_ratio", "more than 0"),
        ({"beems": 2}, "beems", "did you mean 'beams'?"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], place: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        Decoding.model_validate(settings)
    assert caught.value.errors()[0]["loc"] == (place,)


def test_drawing_is_asked_for_by_its_settings() -> None:
    assert not Decoding().draws and not Decoding(beams=4, length_penalty=0.5).draws
    assert Decoding(temperature=1.0).draws and Decoding(top_k=5).draws and Decoding(top_p=1.0).draws
