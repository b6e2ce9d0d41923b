"""What a process forked for a test runs: the command line, its streams in files, with a signal at a chosen moment.

Not a test. `tests/conftest.py` runs this file with a `request` in a process that has the heavy libraries loaded.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
from typing import Any


def strike_before(event: str, path: str, number: int) -> None:
    """Send the signal when the interpreter is about to do this (`open`, `os.rename`) to a path that matches."""

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        if name == event and any(isinstance(one, str) and re.search(path, one) for one in arguments[:2]):
            os.kill(os.getpid(), number)

    sys.addaudithook(hook)


def strike_after(wanted: dict[str, Any], number: int) -> None:
    """Send the signal when such a line was written to the run's log."""
    from acclimate.pipeline.events import EventLog

    emit = EventLog.emit

    def emit_and_strike(self: EventLog, stage: str, kind: str, **fields: Any) -> Any:
        event = emit(self, stage, kind, **fields)
        if all(event.get(name) == value for name, value in wanted.items()):
            os.kill(os.getpid(), number)
        return event

    EventLog.emit = emit_and_strike  # type: ignore[method-assign]


def drop_capabilities() -> None:
    """Make root heed the permissions of files, as everybody else must."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "cannot drop capabilities")


def main(request: dict[str, Any]) -> None:
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    for number, path in ((1, request["out"]), (2, request["err"])):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["powerless"]:
        drop_capabilities()
    if request["before"]:
        strike_before(*request["before"], request["signal"])
    if request["after"]:
        strike_after(request["after"], request["signal"])
    sys.argv = ["acclimate", *request["arguments"]]
    from acclimate.cli.main import main as command

    command()


if "request" in globals():  # as `tests/conftest.py` runs it
    main(globals()["request"])
