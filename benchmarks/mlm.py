"""The two sides of masked language modelling: this package's engine, and the Trainer of Transformers.

Both get the same initial weights, the same sequences, 15 % of tokens asked for, AdamW with decay 0.01 on matrices,
gradients clipped at norm 1, dropout 0.1 and the same learning rate at the same step. With `order: ours` the Trainer is
handed its sequences in the order in which the engine draws them: step for step both learn from the same lines.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from acclimate.batching.sampler import Position, Sampler
from acclimate.batching.sequence_store import WindowStore
from acclimate.engine.feed import Feed
from acclimate.engine.loop import Training, train
from acclimate.engine.state import TrainState
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.objectives.mlm import Mlm
from acclimate.optim.adamw import AdamW
from acclimate.optim.clip_norm import ClipNorm
from acclimate.optim.schedules import Constant
from acclimate.pipeline.setup_torch import prepare
from acclimate.recipe.sections import Hardware
from acclimate.recipe.units import Length
from acclimate.tokenizer.loading import load_tokenizer
from harness import SCRATCH
from session import Session, Steps
from text import VOCABULARY, windows

DECAY, NORM = 0.01, 1.0
STRATUM, STRATA = 8, 6
"""`group_by_length` sorts 50 batches' worth of lines; here it is 8 · 6."""


def built(specification: dict[str, Any], tokenizer: Any) -> Any:
    """The model both sides start from, with packed attention."""
    vocabulary = Vocabulary(VOCABULARY, int(tokenizer.pad_token_id))
    return Bert(size=specification["size"]).build(vocabulary=vocabulary, seed=specification["seed"])


def settled(device: torch.device) -> Callable[[], object]:
    """What waits for the device's work."""
    return torch.cuda.synchronize if device.type == "cuda" else lambda: None


def candidate(specification: dict[str, Any], session: Session) -> None:
    """specification: side, size, precision, batch (sequences), seed, peak, warmup (steps), threads, device, tokenizer
    and store (folders); for the Trainer also order (`ours` or `grouped`), and `compile` on an accelerator.
    """
    {"engine": engine, "trainer": trainer}[specification["side"]](specification, session)


def engine(specification: dict[str, Any], session: Session) -> None:
    """`acclimate.engine.loop.train`."""
    training, state = prepared(specification)
    steps = Steps(session, settled(training.device))
    for record in train(training, state):
        steps.step(record.tokens, record.loss)


def prepared(specification: dict[str, Any]) -> tuple[Training, TrainState]:
    """What the engine needs, set up as the pretraining stage sets it up; it never comes to an end by itself."""
    machine = prepare(
        Hardware(
            threads=specification["threads"],
            precision=specification["precision"],
            device=specification["device"],
        )
    )
    tokenizer = load_tokenizer(specification["tokenizer"])
    model = built(specification, tokenizer).to(machine.device)
    state = TrainState(
        model,
        AdamW(lr=specification["peak"], weight_decay=DECAY).build(model=model),
        [ClipNorm(max_norm=NORM).build()],
    )
    length = Length(1e9, "steps")
    training = Training(
        objective=Mlm().build(tokenizer=tokenizer, seed=specification["seed"]),
        feed=Feed(
            windows(Path(specification["store"]), tokenizer),
            batch=Length(specification["batch"], "sequences"),
            seed=specification["seed"],
        ),
        schedule=Constant(warmup=Length(specification["warmup"], "steps")).build(length=length),
        length=length,
        seed=specification["seed"],
        precision=machine.precision,
        device=machine.device,
    )
    return training, state


class Lines(torch.utils.data.Dataset):
    """A store's sequences as lists of token ids, in memory, in a given order."""

    def __init__(self, store: WindowStore, order: NDArray[np.int64]) -> None:
        row = store.fetch(order, np.zeros_like(order))
        self._sequences = [part.tolist() for part in np.split(row.tokens, row.cu_seqlens[1:-1])]

    def __len__(self) -> int:
        return len(self._sequences)

    def __getitem__(self, number: int) -> dict[str, list[int]]:
        tokens = self._sequences[number]
        return {"input_ids": tokens, "attention_mask": [1] * len(tokens)}


def drawn(lengths: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """[N] the engine's order of the first epoch."""
    ids, _, _ = Sampler(lengths, seed).take(Position(), Length(len(lengths), "sequences"))
    return ids


def grouped(lengths: NDArray[np.int64], batch: int, seed: int) -> NDArray[np.int64]:
    """[N] an order in which each batch holds lines of similar length, as `group_by_length` makes it.

    That goes from the longest batch to the shortest; here any STRATA batches in a row hold one of each range of
    lengths, so that a round of that many stands for the whole.
    """
    order = drawn(lengths, seed)
    size = STRATUM * STRATA * batch
    chunks = order[: len(order) // size * size].reshape(-1, size)
    rows = [chunk[np.argsort(-lengths[chunk], kind="stable")] for chunk in chunks]
    return np.concatenate([row.reshape(STRATA, STRATUM, batch).swapaxes(0, 1).ravel() for row in rows])


class Paced(transformers.TrainerCallback):
    """Tells the clock of every step; in doing so it holds the Trainer still between rounds."""

    def __init__(self, steps: Steps, counts: deque[int], losses: list[float]) -> None:
        self._steps, self._counts, self._losses = steps, counts, losses

    def on_step_end(self, *arguments: Any, **others: Any) -> None:
        self._steps.step(self._counts.popleft(), self._losses[-1] if self._losses else None)


class KeepsLosses(transformers.Trainer):
    """The Trainer, which looks at each step's loss only where that costs nothing: not on an accelerator."""

    losses: list[float]

    def training_step(self, *arguments: Any, **others: Any) -> Any:
        loss = super().training_step(*arguments, **others)
        if loss.device.type == "cpu":
            self.losses[:] = [float(loss)]
        return loss


def counting(collator: Any, counts: deque[int]) -> Any:
    """The collator, which notes each batch's real tokens. The Trainer prepares one batch ahead: hence a queue."""

    def collate(features: list[dict[str, list[int]]]) -> Any:
        counts.append(sum(len(feature["input_ids"]) for feature in features))
        return collator(features)

    return collate


def plain_model(specification: dict[str, Any], tokenizer: Any) -> Any:
    """Transformers' own model with the weights that the engine starts from."""
    ours = built(specification, tokenizer)
    config = transformers.BertConfig(**ours.config.to_dict())
    config._attn_implementation = "sdpa"
    model = transformers.BertForMaskedLM(config)
    model.load_state_dict(ours.state_dict())
    return model


def training_arguments(specification: dict[str, Any], **others: Any) -> transformers.TrainingArguments:
    """What is the same in all of the Trainer's trainings here."""
    return transformers.TrainingArguments(
        output_dir=str(SCRATCH / "trainer"),
        per_device_train_batch_size=specification["batch"],
        bf16=specification["precision"] == "bf16",
        use_cpu=specification["device"] == "cpu",
        dataloader_pin_memory=specification["device"] != "cpu",
        torch_compile=specification.get("compile", False),
        seed=specification["seed"],
        learning_rate=specification["peak"],
        weight_decay=DECAY,
        max_grad_norm=NORM,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        **others,
    )


def trainer(specification: dict[str, Any], session: Session) -> None:
    """Transformers' Trainer with dynamic padding, as its language modelling example has it; the sequences in memory."""
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    tokenizer = load_tokenizer(specification["tokenizer"])
    store = windows(Path(specification["store"]), tokenizer)
    batch, seed = specification["batch"], specification["seed"]
    in_groups = specification["order"] == "grouped"
    order = grouped(store.lengths, batch, seed) if in_groups else drawn(store.lengths, seed)
    counts: deque[int] = deque()
    losses: list[float] = []
    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    device = torch.device(specification["device"])
    loop = KeepsLosses(
        model=plain_model(specification, tokenizer),
        args=training_arguments(
            specification,
            max_steps=10**7,
            train_sampling_strategy="sequential",
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=specification["warmup"],
        ),
        train_dataset=Lines(store, order),
        data_collator=counting(collator, counts),
        callbacks=[Paced(Steps(session, settled(device), STRATA if in_groups else 1), counts, losses)],
    )
    loop.losses = losses
    loop.train()
