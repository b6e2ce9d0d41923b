"""How a corpus's build grows with its text: time and memory at 0.1, 0.5, 1 and 5 GB.

Read, normalise, filter by quality, drop exact and near-duplicates, split, write: two thirds English, one third Chinese,
made by `corpus_text.py` and removed afterwards. Memory is that of all processes together, looked at five times a
second: the sum of their resident sets, what they share counted for each. Give it as many cores as workers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import corpus_text
import harness
from acclimate.artifacts import durable
from harness import table, tell
from machine import Clock

NAME = "corpus_growth"
SIZES, SHORT_SIZES = (0.1, 0.5, 1.0, 5.0), (0.02, 0.1)
"""Gigabytes."""
LIMIT = 1.5e9
SECTION: dict[str, Any] = {
    "clean": [{"unicode": "NFC"}, {"quality": "gopher"}],
    "deduplicate": {"near": {"threshold": 0.8}},
}


def build(given: dict[str, Any]) -> dict[str, Any]:
    """One build, in this process and its workers."""
    from acclimate.corpus.build import build_corpus
    from acclimate.recipe.corpus_section import Corpus

    corpus = Corpus.model_validate({"sources": [{"path": given["text"]}], **SECTION})
    began = Clock.now()
    statistics = build_corpus(corpus, Path(given["folder"]), workers=given["workers"])
    return {**Clock.now().since(began), "read": statistics["read"], "kept": statistics["kept"]}


def measured(given: dict[str, Any]) -> dict[str, Any]:
    """The figures of a build in a process of its own, with the most memory that it and its workers held at once."""
    program = (sys.executable, __file__, "--candidate", json.dumps(given))
    memory: list[int] = []
    seconds: dict[int, float] = {}
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as process:
        parent = psutil.Process(process.pid)
        while process.poll() is None:
            held = 0
            try:
                for one in (parent, *parent.children(recursive=True)):
                    held += one.memory_info().rss
                    seconds[one.pid] = sum(one.cpu_times()[:2])
            except psutil.NoSuchProcess:
                continue
            memory.append(held)
            time.sleep(0.2)
        assert process.stdout is not None
        answer = process.stdout.read()
    if process.returncode:
        raise harness.Failed(f"the build of {given['text']} ended with {process.returncode}")
    figures: dict[str, Any] = json.loads(answer)
    return {**figures, "cpu_seconds": sum(seconds.values()), "peak_memory": max(memory)}


def main() -> None:
    if "--candidate" in sys.argv:
        print(json.dumps(build(json.loads(sys.argv[-1]))))
        return
    parser = harness.arguments(__doc__)
    parser.add_argument("--sizes", type=float, nargs="+", metavar="GB", help="gigabytes of text")
    options = parser.parse_args()
    rounds: list[dict[str, Any]] = []
    for size in options.sizes or (SHORT_SIZES if options.short else SIZES):
        with durable.scratch_folder(durable.new_folder(options.scratch)) as scratch:
            files = corpus_text.write(scratch / "text", int(size * 1e9), options.data)
            stored = sum(file.stat().st_size for file in files)
            tell(f"  {size:g} GB: {len(files)} files")
            folder = durable.new_folder(scratch / "corpus")
            given = {"text": str(scratch / "text"), "folder": str(folder), "workers": options.threads}
            rounds.append({"bytes": stored, **measured(given)})
    report(rounds, options)


def report(rounds: list[dict[str, Any]], options: Any) -> None:
    sizes = np.array([one["bytes"] for one in rounds]) / 1e6
    cpu = np.array([one["cpu_seconds"] for one in rounds])
    rows = [
        [
            f"{one['bytes'] / 1e9:.2f} GB",
            f"{one['seconds']:,.0f}",
            f"{one['cpu_seconds']:,.0f}",
            f"{one['bytes'] / 1e6 / one['cpu_seconds']:.1f}",
            f"{one['peak_memory'] / 1e6:,.0f}",
            f"{one['read']:,}",
            f"{one['kept']:,}",
        ]
        for one in rounds
    ]
    print(table(["text", "seconds", "cpu seconds", "MB per cpu second", "peak MB", "read", "kept"], rows))
    # Slope of log time over log size: 1 is linear.
    exponent = float(np.polyfit(np.log(sizes), np.log(cpu), 1)[0]) if len(rounds) > 1 else None
    most = max(one["peak_memory"] for one in rounds)
    print(f"\ntime ~ size^{exponent:.2f}, " if exponent else "\n", f"peak {most / 1e6:,.0f} MB", sep="")
    findings = {
        "exponent": exponent,
        "peak_memory": most,
        "below_limit": most < LIMIT,
        "workers": options.threads,
    }
    harness.finish(NAME, options, findings, {"build": rounds})


if __name__ == "__main__":
    main()
