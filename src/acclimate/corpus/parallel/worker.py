"""A worker: reads batches from standard input, sifts them, writes what came of each to standard output.

`python -m acclimate.corpus.parallel.worker`; the first message says what to do. It ends with its input, so that
none is left behind by a parent that was killed.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

from acclimate.corpus.parallel.messages import Message, items_in, receive, send, sifted_out
from acclimate.corpus.sieve import Sieve
from acclimate.errors import UserError


def make_sieve(description: dict[str, Any]) -> Sieve:
    """The sieve that a description means: the recipe's corpus section and where the held-out texts lie."""
    from pathlib import Path

    from acclimate.corpus.steps import sieve_of
    from acclimate.recipe.corpus_section import Corpus

    held_out = description["held_out"]
    return sieve_of(Corpus.model_validate(description["corpus"]), held_out and Path(held_out))


def sift(sieve: Sieve, message: Message) -> Message:
    """One batch, from message to message."""
    return sifted_out(sieve(*items_in(message)))


class Hand:
    """Answers batches; what goes wrong is an answer too, for the parent to raise."""

    def __init__(self, description: dict[str, Any]) -> None:
        self._description = description
        self._sieve: Sieve | None = None

    def answer(self, message: Message) -> Message:
        try:
            self._sieve = self._sieve or make_sieve(self._description)
            return sift(self._sieve, message)
        except UserError as error:
            return {"user_error": str(error)}, []
        except Exception:
            return {"bug": traceback.format_exc()}, []


def main() -> None:
    source = sys.stdin.buffer
    # What libraries print must not get between the messages.
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    first = receive(source)
    if first is None:
        return
    hand = Hand(first[0])
    while (message := receive(source)) is not None:
        send(target, hand.answer(message))


if __name__ == "__main__":
    main()
