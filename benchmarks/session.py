"""A candidate's own process: it does a round when told to, and waits without using a core in between.

Lines of JSON on stdin and stdout. The first line in is the candidate's specification, the first line out says that it
is ready; then each command is answered by one line. What libraries print goes to stderr.

    python session.py MODULE      calls MODULE.candidate(specification, session)
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from machine import Clock, own_memory, peak_memory

WARM_UP = 2
"""Steps before a candidate calls itself ready: kernels are compiled, memory is taken, threads are started."""
UNTIMED = 1
"""Steps at the start of each round that are not timed: caches still hold what the candidate before left."""


LEAST = 2
"""Timed steps in a round, however long they take."""


class Ended(BaseException):
    """The parent wants no more. No Exception, so that no library catches it."""


class Session:
    """The candidate's end of the line."""

    def __init__(self, commands: TextIO, answers: TextIO) -> None:
        self._commands, self._answers = commands, answers

    def command(self) -> dict[str, Any]:
        """Wait for the next one. Raises Ended when there is none."""
        line = self._commands.readline()
        if not line:
            raise Ended
        return json.loads(line)

    def answer(self, **figures: Any) -> None:
        """Answer the command; memory is always told: the most ever held, and what is the process's own now."""
        memory = {"peak_memory": peak_memory(), "own_memory": own_memory()}
        print(json.dumps({**figures, **memory}), file=self._answers, flush=True)


class Steps:
    """The clock of a candidate that trains step by step: called after each step, it returns when one more is wanted.

    So a training loop of any kind, ours or another's with a hook after the step, is held still between its rounds.
    Commands: {"seconds": s} does steps for about s seconds and {"steps": n} does n; both leave out the first UNTIMED.
    {"losses": n} does n steps and answers their losses.
    """

    def __init__(
        self, session: Session, settle: Callable[[], object] = lambda: None, multiple: int = 1
    ) -> None:
        """`settle` waits for a device, before the clock is read; a round's steps are a multiple of `multiple`."""
        self._session, self._settle, self._multiple = session, settle, multiple
        self._done = 0
        self._order: dict[str, Any] | None = None
        self._began: Clock | None = None
        self._steps = self._tokens = 0
        self._losses: list[float] = []

    def step(self, tokens: int, loss: float | None = None) -> None:
        """A step over `tokens` real tokens is done."""
        self._done += 1
        if self._order is None:
            if self._done == WARM_UP:
                self._session.answer(ready=True)
                self._next()
            return
        if "losses" in self._order:
            assert loss is not None
            self._losses.append(loss)
            if len(self._losses) == self._order["losses"]:
                self._answer(losses=self._losses)
            return
        if self._began is None:
            self._untimed += 1
            if self._untimed == UNTIMED:
                self._settle()
                self._began = Clock.now()
            return
        self._steps += 1
        self._tokens += tokens
        if "steps" in self._order:
            over = self._steps == self._order["steps"]
        else:
            self._settle()
            late = time.perf_counter() - self._began.wall >= self._order["seconds"]
            over = late and self._steps >= LEAST and self._steps % self._multiple == 0
        if over:
            self._settle()
            times = Clock.now().since(self._began)
            self._answer(steps=self._steps, tokens=self._tokens, **times)

    def _answer(self, **figures: Any) -> None:
        self._session.answer(**figures)
        self._next()

    def _next(self) -> None:
        self._order = self._session.command()
        self._began = None
        self._untimed = self._steps = self._tokens = 0
        self._losses = []


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    session = Session(sys.stdin, answers)
    try:
        importlib.import_module(sys.argv[1]).candidate(session.command(), session)
    except Ended:
        return


if __name__ == "__main__":
    main()
