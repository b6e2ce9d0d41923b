"""Signals: polite while training looks, immediate elsewhere, and handed back afterwards."""

from __future__ import annotations

import os
import signal

import pytest

from acclimate.engine.interrupt import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request_and_the_second_an_order(number: int) -> None:
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert not stop()
        with stop.polite():
            os.kill(os.getpid(), number)
            assert stop() and stop.signal == number
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_outside_a_training_the_first_signal_interrupts() -> None:
    with stop_on_signals() as stop:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal == signal.SIGTERM
