"""Small made-up data with something to learn in it, and the command line in processes that start in an instant."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import runpy
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

TOPICS = {
    "cooking": "salt oven butter flour recipe pan taste sugar dough cream",
    "sport": "match team goal player season coach league ball score victory",
    "天气": "风 雨 雪 云 晴 阴 雷 雾 霜 露 台风 气温 降水",
}
COMMON = "the a of and to in with for on was is very old new good after before small large"
CHINESE = "今天 我们 他们 可能 非常 城市 北方 南方 明天 晚上 一直 已经"


class Writer:
    """Sentences in English and Chinese, each of a topic that shows in its words; the same every time."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def sentence(self, topic: str) -> str:
        choose, own = self._random.choice, TOPICS[topic].split()
        if not topic.isascii():
            return (
                "".join(choose(CHINESE.split() + 3 * own) for _ in range(self._random.randint(6, 18))) + "。"
            )
        words = [
            choose(COMMON.split() if self._random.random() < 0.4 else own) for _ in range(self._length())
        ]
        return " ".join(words) + f" {self._random.randint(1, 999)}."

    def rows(self, number: int) -> list[tuple[str, str]]:
        """(sentence, topic)"""
        topics = [self._random.choice(list(TOPICS)) for _ in range(number)]
        return [(self.sentence(topic), topic) for topic in topics]

    def _length(self) -> int:
        return self._random.randint(5, 16)


def write_data(folder: Path, *, lines: int = 500, train: int = 96, test: int = 48, seed: int = 1) -> Path:
    """text.txt, train.tsv and test.tsv (text, topic) in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = Writer(seed)
    (folder / "text.txt").write_text("".join(f"{text}\n" for text, _ in writer.rows(lines)), "utf-8")
    for name, number in (("train", train), ("test", test)):
        rows = [f"{text}\t{topic}\n" for text, topic in writer.rows(number)]
        (folder / f"{name}.tsv").write_text("".join(rows), "utf-8")
    return folder


TINY = """\
name: tiny
seed: 3
corpus:
  sources: [{path: text.txt, documents: line}]
  split: {validation: 10%, test: 5%}
tokenizer: {train: {vocab_size: 400, least: 0%}}
model: {family: bert, size: tiny, positions: 64}
pretrain:
  length: 18 steps
  batch: 512 tokens
  sequence_length: 48
  checkpoint: {every: 5 steps}
  validate: {every: 8 steps}
tasks:
  topic:
    classification:
      {train: train.tsv, test: test.tsv, text: 0, label: 1, header: false, length: 2 epochs, seeds: 1,
       sequence_length: 48, optimizer: {adamw: {lr: 2e-3}}}
evaluate: {intervals: {bootstrap: {resamples: 100}}}
hardware: {threads: 1}
"""


@pytest.fixture
def writer() -> Writer:
    return Writer(7)


@pytest.fixture(scope="session")
def make_project() -> Callable[..., Path]:
    """make_project(folder, recipe=TINY, **sizes of the data) → a folder with data and recipe.yaml."""

    def make(folder: Path, *, recipe: str = TINY, **sizes: int) -> Path:
        write_data(folder, **sizes)
        (folder / "recipe.yaml").write_text(recipe, "utf-8")
        return folder

    return make


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (minus the signal that killed it), and what it said."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def told(self) -> Any:
        """The one JSON object on standard output."""
        return json.loads(self.out)


class Command:
    """A command at work in a process of its own."""

    def __init__(self, process: BaseProcess, folder: Path) -> None:
        self._process, self._folder, self._began = process, folder, time.monotonic()
        assert process.pid is not None
        self.pid: int = process.pid

    def running(self) -> bool:
        return self._process.is_alive()

    def said(self) -> str:
        """Standard error so far."""
        path = self._folder / "err"
        return path.read_text("utf-8", errors="replace") if path.exists() else ""

    def ended(self, *, within: float = 120) -> Ended:
        """Wait for its end."""
        self._process.join(within)
        if self._process.is_alive():
            self._process.kill()
            pytest.fail(f"the command did not end within {within} s; it said: {self.said()}")
        code = self._process.exitcode
        assert code is not None
        out = (self._folder / "out").read_text("utf-8")
        return Ended(code, out, self.said(), time.monotonic() - self._began)


class Commands:
    """Starts `acclimate …`: real processes, forked from one that has loaded torch once, which takes seconds."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(
            [
                "transformers.models.bert.modeling_bert",
                "transformers.models.auto.modeling_auto",
                "torch._dynamo",
                "scipy.sparse.csgraph",
                "pyarrow.parquet",
                "acclimate.cli.main",
                "acclimate.cli.run_console",
                "acclimate.pipeline.run",
                "acclimate.pipeline.setup_torch",
                "acclimate.corpus.build",
                "acclimate.transfer.tuning",
                "acclimate.models.loading",
                "acclimate.models.families.bert",
            ]
        )
        self._folders = tempfile.TemporaryDirectory()

    def start(
        self,
        *arguments: str,
        folder: Path,
        before: tuple[str, str] | None = None,
        after: dict[str, Any] | None = None,
        number: int = signal.SIGKILL,
        powerless: bool = False,
    ) -> Command:
        """A command in a folder that gets a signal (its `number`) at a chosen moment.

        before: `open` or `os.rename` of a path that this pattern matches; after: an event with these fields was logged.
        powerless: permissions of files hold for root too.
        """
        streams = Path(tempfile.mkdtemp(dir=self._folders.name))
        request = {
            "arguments": list(arguments),
            "folder": str(folder),
            "out": str(streams / "out"),
            "err": str(streams / "err"),
            "environment": {
                key: value for key, value in os.environ.items() if key in ("DATA", "ACCLIMATE_FAST")
            },
            "powerless": powerless,
            "before": before,
            "after": after,
            "signal": int(number),
        }
        program = Path(__file__).with_name("forked_command.py")
        process = self._context.Process(target=runpy.run_path, args=(str(program), {"request": request}))
        with _one_thread():
            process.start()
        return Command(process, streams)

    def __call__(self, *arguments: str, folder: Path, **options: Any) -> Ended:
        """Start, and wait for the end."""
        return self.start(*arguments, folder=folder, **options).ended()

    def close(self) -> None:
        self._folders.cleanup()


class _one_thread:
    """The process that forks inherits this; libraries look at it once, when they are loaded."""

    def __enter__(self) -> None:
        self._old = os.environ.get("OMP_NUM_THREADS")
        os.environ["OMP_NUM_THREADS"] = "1"

    def __exit__(self, *error: object) -> None:
        if self._old is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = self._old


@pytest.fixture(scope="session")
def acclimate_command() -> Iterator[Commands]:
    """acclimate_command("run", "recipe.yaml", folder=…) → how it ended."""
    commands = Commands()
    yield commands
    commands.close()


@dataclass(frozen=True)
class Project:
    """A folder with data, a recipe, and a finished run of it."""

    folder: Path
    output: Path
    run: Path
    metrics: dict[str, Any]

    @property
    def store(self) -> Path:
        return self.output / ".store"

    def artifact(self, stage: str) -> Path:
        """The folder of the stage's artifact."""
        return (self.run / "artifacts" / stage).resolve()


@pytest.fixture(scope="session")
def finished_project(
    acclimate_command: Commands, make_project: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """The tiny recipe, run to its end without any trouble. To be read only; `copied` gives one to change."""
    folder = make_project(tmp_path_factory.mktemp("finished") / "project")
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    return Project(folder, folder / "runs", folder / ended.told["run"], ended.told)


@pytest.fixture(scope="session")
def untrained_output(finished_project: Project) -> Callable[[Path], Path]:
    """untrained_output(folder) → an output folder in which all is done but what is trained."""

    def make(folder: Path) -> Path:
        for kind in ("examples", "corpus", "tokenizer", "tokens"):
            shutil.copytree(finished_project.store / kind, folder / ".store" / kind)
        return folder

    return make


@pytest.fixture
def copied(finished_project: Project, tmp_path: Path) -> Project:
    """The finished run in an output folder that may be changed; data and recipe are still the shared ones."""
    output = tmp_path / "runs"
    shutil.copytree(finished_project.folder / "runs", output, symlinks=True)
    run = output / finished_project.run.relative_to(finished_project.folder / "runs")
    return Project(finished_project.folder, output, run, finished_project.metrics)
