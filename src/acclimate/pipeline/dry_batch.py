"""A dry batch: real training steps on random tokens, before anything is read, to see what a recipe needs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import Sequences
from acclimate.errors import UserError
from acclimate.pipeline.dry_model import TrainedPart, dry_model, dry_tokenizer, trained_parts
from acclimate.pipeline.memory import PeakMemory
from acclimate.pipeline.pretrain import require_positions
from acclimate.recipe.problems import Path, dotted
from acclimate.recipe.sections import Recipe
from acclimate.recipe.units import Length, Progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.engine.feed import Feed
    from acclimate.engine.loop import StepRecord
    from acclimate.pipeline.setup_torch import Machine

LEAST, MOST, ENOUGH_SECONDS = 2, 6, 2.0
"""Steps at least and at most; between them, until the ones after the first took this long.

The first step pays for what is made once, and only from the second on the optimizer's own state is in memory.
"""
_NO_ROOM = ("can't allocate memory", "not enough memory", "out of memory")


@dataclass(frozen=True)
class DryBatch:
    """What one step of a training takes."""

    part: TrainedPart
    sequences: int
    tokens: int
    seconds: float
    peak_memory_bytes: int
    """Of this process, the libraries included."""
    device_memory_bytes: int | None
    """Of the accelerator, where there is one."""
    device: str
    precision: str
    threads: int

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds

    @property
    def seconds_in_all(self) -> float | None:
        """How long one training of the whole length takes; None for epochs, whose size only the data tells."""
        length: Length = self.part.settings.length
        done = length.done(Progress(1, self.tokens, self.sequences, 0.0, self.seconds))
        return length.amount / done * self.seconds if done else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "part": self.part.name,
            "device": self.device,
            "precision": self.precision,
            "threads": self.threads,
            "sequences": self.sequences,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "tokens_per_second": self.tokens_per_second,
            "peak_memory_bytes": self.peak_memory_bytes,
            "device_memory_bytes": self.device_memory_bytes,
            "length": str(self.part.settings.length),
            "trainings": self.part.trainings,
            "seconds_in_all": self.seconds_in_all,
            "seconds_per_million_tokens": 1e6 / self.tokens_per_second,
        }


class DryProblem(Exception):
    """What went wrong, and the place in the recipe where it can be mended."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(path, message)
        self.path, self.message = path, message

    def __str__(self) -> str:
        return self.message


class RandomStore:
    """As many sequences of random tokens as fill a batch, each of full length; always the same ones.

    `shaped` makes them look as an objective's own sequences do.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        batch: Length,
        sequence_length: int,
        seed: int,
        shaped: Callable[[Sequences], Sequences] = lambda sequences: sequences,
    ) -> None:
        from acclimate.tokenizer.template import boundaries

        number = batch.amount if batch.unit == "sequences" else batch.amount // sequence_length
        self.lengths: NDArray[np.int64] = np.full(max(1, int(number)), sequence_length, dtype=np.int64)
        self._ends = boundaries(tokenizer)
        special = set(tokenizer.all_special_ids)
        self._ordinary = np.array(sorted(set(tokenizer.get_vocab().values()) - special), dtype=np.int64)
        self._seed = seed
        self._shaped = shaped

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """As many sequences as there are ids, in one row."""
        length = int(self.lengths[0])
        row = np.random.default_rng(self._seed).choice(self._ordinary, len(ids) * length)
        row[::length], row[length - 1 :: length] = self._ends
        cu_seqlens = np.arange(len(ids) + 1, dtype=np.int64) * length
        return self._shaped(Sequences(row, cu_seqlens, np.zeros(len(row), np.int64), ids, epochs))


def dry_batches(
    recipe: Recipe, tell: Callable[[str], None] = lambda part: None
) -> tuple[list[DryBatch], list[tuple[Path, str]]]:
    """Every training of a recipe, a full batch each, and the problems that came up: (path, message).

    Each is measured in a process of its own: its memory is its own, and when the system ends it for want of memory,
    that is a problem like others. `tell` is handed the name of each training before it starts.
    """
    batches: list[DryBatch] = []
    problems: list[tuple[Path, str]] = []
    for part in trained_parts(recipe):
        tell(part.name)
        try:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                batches.append(process.submit(measure, recipe, part).result())
        except DryProblem as problem:
            problems.append((problem.path, problem.message))
        except BrokenProcessPool:
            path, words = _too_much(recipe, part)
            problems.append((path, f"the system ended the process, most likely out of memory: {words}"))
    return batches, list(dict.fromkeys(problems))


def measure(recipe: Recipe, part: TrainedPart) -> DryBatch:
    """One training's full batch, in this process. Raises DryProblem."""
    import torch

    from acclimate.pipeline.setup_torch import prepare

    with _placed(("hardware", "device")):
        machine = prepare(recipe.hardware)
    on_device = machine.device.type == "cuda"
    with PeakMemory() as memory:
        with _placed(("tokenizer",)):
            tokenizer = dry_tokenizer(recipe)
        with _placed(("model",), "the model does not fit; take a smaller one"):
            model = dry_model(recipe, tokenizer, part).to(machine.device)  # type: ignore[arg-type]
        with _placed((*part.path, "sequence_length")):
            require_positions(model, "sequence_length", part.settings.sequence_length)
        with _placed(*_too_much(recipe, part)):
            record = _stepped(recipe, part, tokenizer, machine, model)
    return DryBatch(
        part=part,
        sequences=record.sequences,
        tokens=record.tokens,
        seconds=record.seconds,
        peak_memory_bytes=memory.peak,
        device_memory_bytes=torch.cuda.max_memory_allocated(machine.device) if on_device else None,
        device=str(machine.device),
        precision=machine.precision,
        threads=machine.threads,
    )


def _stepped(
    recipe: Recipe,
    part: TrainedPart,
    tokenizer: PreTrainedTokenizerFast,
    machine: Machine,
    model: PreTrainedModel,
) -> StepRecord:
    """The middle one by time of the steps after the first, each as the loop takes it."""
    from acclimate.engine.feed import Feed
    from acclimate.engine.loop import Training, train
    from acclimate.engine.state import TrainState
    from acclimate.objectives.regulariser import regularised

    settings, seed = part.settings, recipe.seed
    with _placed((*part.path, "objective")):
        at_work = part.at_work(tokenizer, seed)
    store = RandomStore(tokenizer, settings.batch, settings.sequence_length, seed, part.shaped(at_work))
    objective = at_work.rehearsal(len(store.lengths)) if part.is_task else at_work
    training = Training(
        objective=regularised(objective, settings.regularise, model),
        feed=Feed(store, batch=settings.batch, seed=seed, micro_batch=recipe.hardware.micro_batch),
        schedule=settings.schedule.build(length=settings.length),
        length=Length(MOST, "steps"),
        seed=seed,
        precision=machine.precision,
        device=machine.device,
        reference=_reference(settings, store, seed),
    )
    optimizer = part.optimizer.build(model=model)
    state = TrainState(model, optimizer, [one.build() for one in settings.gradients])
    if settings.average is not None:
        state.average = settings.average.build(model=model, length=settings.length)
    records = []
    for record in train(training, state):
        records.append(record)
        if len(records) >= LEAST and sum(one.seconds for one in records[1:]) >= ENOUGH_SECONDS:
            break
    later = sorted(records[1:], key=lambda one: one.seconds)
    return later[len(later) // 2]


def _reference(settings: Any, store: RandomStore, seed: int) -> Feed | None:
    """A transform that wants reference texts is given random ones too."""
    from acclimate.engine.feed import Feed

    part = next((one for one in settings.gradients if getattr(one, "wants_reference", False)), None)
    return None if part is None else Feed(store, batch=part.batch, seed=seed)


def _too_much(recipe: Recipe, part: TrainedPart) -> tuple[Path, str]:
    """Where a step that does not fit into memory can be mended, and how."""
    micro = recipe.hardware.micro_batch
    if micro is not None:
        words = f"{part.name}: a step in pieces of '{micro}' does not fit; make them smaller"
        return ("hardware", "micro_batch"), words
    words = (
        f"a step of '{part.settings.batch}' does not fit at once; set hardware.micro_batch to a part of it"
    )
    return (*part.path, "batch"), words


@contextmanager
def _placed(path: Path, no_room: str = "") -> Iterator[None]:
    """Errors inside that a user can mend become problems at this path; `no_room` says what to do without memory."""
    try:
        yield
    except UserError as error:
        # Some messages begin with the place themselves.
        raise DryProblem(path, str(error).removeprefix(f"{dotted(path)}: ")) from None
    except (MemoryError, RuntimeError) as error:
        memory = isinstance(error, MemoryError) or any(words in str(error).lower() for words in _NO_ROOM)
        if not memory:
            raise
        raise DryProblem(path, f"out of memory: {no_room}") from None
