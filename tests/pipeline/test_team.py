"""The processes of a training: that they add up, that none outlives another, and what is said when one is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from acclimate.engine.exchange import LostRank
from acclimate.errors import UserError
from acclimate.pipeline.team import Team

MATE = """
import os, sys, time, torch
from acclimate.engine.exchange import LostRank
from acclimate.pipeline.team import join

description, device, ranks = join()
exchange = ranks._exchange
if description["does"] == "fails":
    print("no luck today", file=sys.stderr)
    sys.exit(3)
elif description["does"] == "waits":
    exchange.wait()
    time.sleep(600)
else:
    row = exchange.row(1000, device)
    for step in range(3):
        row.fill_(ranks.rank + step)
        exchange.numbers([float(torch.get_num_threads()), ranks.rank])
        exchange.sum_row()
    exchange.numbers([float(row.sum()), 0.0])
"""


@pytest.fixture
def team(tmp_path) -> Callable[..., Team]:
    """team("what the others do", size=2) → rank 0's"""
    program = tmp_path / "mate.py"
    program.write_text(MATE, "utf-8")

    def start(does: str, size: int = 2, **options: Any) -> Team:
        options = {"device": torch.device("cpu"), "threads": 4, **options}
        return Team(size, description={"does": does}, program=(str(program),), **options)

    return start


def gone(pids: list[int], within: float = 20) -> bool:
    """Whether these processes end; a zombie has not been waited for, and counts as there."""
    until = time.monotonic() + within
    while any(psutil.pid_exists(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def pids_of(team: Team) -> list[int]:
    return [mate._process.pid for mate in team._mates]


def sockets(pid: int) -> list[tuple[int, Any]]:
    """Network connections of a process: (its file's number, its own address)."""
    return [(found.fd, found.laddr) for found in psutil.Process(pid).net_connections("inet")]


@pytest.mark.parametrize("fast", ["1", "0"])
def test_processes_add_up_on_this_machine_alone(team, monkeypatch, fast: str) -> None:
    monkeypatch.setenv("ACCLIMATE_FAST", fast)
    others = set(sockets(os.getpid()))  # what other tests left open in this process
    with team("adds", 3) as one:
        assert one.threads == 1  # 4 threads for 3 ranks
        assert type(one.ranks._exchange).__name__ == ("SharedMemory" if fast == "1" else "ProcessGroup")
        exchange = one.ranks._exchange
        row = exchange.row(1000, torch.device("cpu"))
        for step in range(3):
            row.fill_(step)
            assert exchange.numbers([float(one.threads), 0.0]) == [3.0, 3.0]
            exchange.sum_row()
            assert torch.equal(row, torch.full((1000,), 3.0 * step + 3))
        opened = {found for pid in [os.getpid(), *pids_of(one)] for found in sockets(pid)} - others
        listening = [place.ip for _, place in opened]
        assert all(address in ("127.0.0.1", "::1", "::ffff:127.0.0.1") for address in listening), listening
        assert bool(listening) == (fast == "0")
        assert exchange.numbers([float(row.sum()), 0.0]) == [27000.0, 0.0]
        pids = pids_of(one)
    assert gone(pids, within=0)


def test_a_rank_that_fails_is_named_with_what_it_said(team) -> None:
    with (
        pytest.raises(UserError, match=r"^rank 1 of 2 ended with exit code 3; it said: no luck today$"),
        team("fails") as one,
    ):
        one.ranks._exchange.wait()


def test_a_rank_that_fails_before_gloo_is_there_is_not_waited_for(team, monkeypatch) -> None:
    monkeypatch.setenv("ACCLIMATE_FAST", "0")
    with pytest.raises(UserError, match="no luck today"), team("fails") as one:
        one.ranks._exchange.row(5, torch.device("cpu"))


def test_a_killed_rank_is_named(team) -> None:
    """At once, though another one is at work and will not answer for long."""
    with (
        pytest.raises(UserError, match=r"^rank 2 of 3 was ended by SIGKILL.* and said nothing$") as error,
        team("waits", 3) as one,
    ):
        one.ranks._exchange.wait()
        pids = pids_of(one)
        os.kill(pids[1], signal.SIGKILL)
        one.ranks._exchange.wait()
    assert isinstance(error.value.__cause__, LostRank)
    assert gone(pids, within=0)


def test_ranks_are_deaf_to_polite_signals_and_end_with_the_team(team) -> None:
    with team("waits") as one:
        one.ranks._exchange.wait()
        (pid,) = pids_of(one)
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        assert not gone([pid], within=0.3)
        assert os.getsid(pid) == pid != os.getsid(0)  # Ctrl-C at the terminal does not reach it
    assert gone([pid], within=0)
    one.end()  # may be said again


def test_ranks_end_when_rank_0_is_killed(team, tmp_path) -> None:
    leader = tmp_path / "leader.py"
    leader.write_text(
        "import os, signal, sys, torch\n"
        "from acclimate.pipeline.team import Team\n"
        "team = Team(2, device=torch.device('cpu'), threads=1, description={'does': 'waits'}, program=sys.argv[1:])\n"
        "team.ranks._exchange.wait()\n"
        "print(team._mates[0]._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
        "utf-8",
    )
    command = [sys.executable, str(leader), str(tmp_path / "mate.py")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert gone([int(ended.stdout)])


def test_a_folder_with_modules_of_its_own_does_not_mislead_ranks(tmp_path, monkeypatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong module')", "utf-8")
    monkeypatch.chdir(tmp_path)
    Path("mate").mkdir()
    Path("mate/mate.py").write_text(MATE, "utf-8")
    with Team(
        2, device=torch.device("cpu"), threads=2, description={"does": "waits"}, program=("mate/mate.py",)
    ) as one:
        one.ranks._exchange.wait()


def test_more_ranks_than_accelerators_are_refused(team, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match=r"hardware\.ranks is 2, and there are 1 CUDA devices"):
        team("adds", device=torch.device("cuda"))


def test_one_rank_is_this_process_alone(team) -> None:
    with team("fails", 1) as one:
        assert (one.ranks.size, one.threads, pids_of(one)) == (1, 4, [])
