"""The log of one training: lines that survive a crash and tell each step once, events, and the live figures."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from acclimate.artifacts.durable import write_bytes
from acclimate.artifacts.line_log import LineLog
from acclimate.engine.fit import Record, ValidationRecord
from acclimate.engine.growing import GrownRecord
from acclimate.engine.loop import StepRecord
from acclimate.pipeline.stage import Work
from acclimate.recipe.units import Length, Progress

STEPS, VALIDATIONS = "steps.jsonl", "validation.jsonl"


class TrainingLog:
    """Steps and validations of a training, in the stage's workspace until it is done.

    What was logged after the state that training resumes from is dropped first: it will happen again.
    """

    def __init__(
        self, work: Work, length: Length, *, done: int = 0, tokens_per_byte: float | None = None
    ) -> None:
        """`done`: the step that training resumes after."""
        self._work, self._length = work, length
        self._tokens_per_byte = tokens_per_byte
        self._steps = LineLog(work.workspace / STEPS)
        self._validations = LineLog(work.workspace / VALIDATIONS)
        for log in (self._steps, self._validations):
            log.keep(lambda line: line["step"] <= done)
        work.forget_after(done)
        self._smooth_loss: float | None = None
        self._rate: float | None = None

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, *error: object) -> None:
        self._steps.close()
        self._validations.close()

    def write(self, record: Record | GrownRecord, progress: Progress) -> None:
        """Log the record, emit its event, and show it."""
        if isinstance(record, StepRecord):
            line = {
                "step": record.step,
                "loss": record.loss,
                "tokens": record.tokens,
                "seconds": record.seconds,
                "lr": record.learning_rate,
                "gradient_norm": record.gradient_norm,
                **record.figures,
            }
            self._steps.append(line)
            self._work.emit("step", **line)
            self._show(record, progress)
        elif isinstance(record, ValidationRecord):
            seen = record.measured
            line = {
                "step": record.step,
                "loss": record.loss,
                "best": record.best,
                **self._bits(seen.leading),
                **{f"loss_{name}": mean for name, (mean, _) in seen.others.items()},
            }
            self._validations.append(line)
            self._work.emit("validation", **line)
        elif isinstance(record, GrownRecord):
            self._work.emit("grown", **asdict(record))
        else:
            self._steps.sync()
            self._validations.sync()
            self._work.emit("checkpoint", step=record.step, name=record.path.name)

    def copy_to(self, folder: Path) -> None:
        """Put the finished logs into the artifact."""
        for log, name in ((self._steps, STEPS), (self._validations, VALIDATIONS)):
            log.sync()
            write_bytes(folder / name, (self._work.workspace / name).read_bytes())

    def _bits(self, loss: float) -> dict[str, float]:
        if self._tokens_per_byte is None:
            return {}
        return {"bits_per_byte": loss * self._tokens_per_byte / math.log(2)}

    def _show(self, record: StepRecord, progress: Progress) -> None:
        rate = record.tokens / record.seconds if record.seconds else 0.0
        self._smooth_loss = (
            record.loss if self._smooth_loss is None else 0.9 * self._smooth_loss + 0.1 * record.loss
        )
        self._rate = rate if self._rate is None else 0.9 * self._rate + 0.1 * rate
        figures: dict[str, Any] = {"loss": self._smooth_loss, "tokens_per_second": self._rate}
        self._work.tell(self._length.done(progress), self._length.amount, self._length.unit, **figures)
