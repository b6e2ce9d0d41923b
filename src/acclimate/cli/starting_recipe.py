"""The recipe that `acclimate init` writes: short, commented, with what its files seem to hold filled in."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from acclimate.cli.sniffing import Guess, guess_task, guess_text

_TEMPLATE = """\
# A recipe for Acclimate. Check it:  acclimate check {file}
# All keys with their defaults:      acclimate fill {file}
name: {name}
seed: 17

corpus:
  # Paths start at this file's folder. A file, a folder or a glob; text, JSONL, CSV, TSV, Parquet, also .gz and .zst.
  sources:
    - {source}
  clean: [unicode]
  # Documents held out by a hash of their text, to validate and test on.
  split: {{validation: {held_out}, test: {held_out}}}

# Sizes count in thousands: 8k is 8,000 entries.
tokenizer: {{train: {{algorithm: wordpiece, vocab_size: {vocab_size}}}}}

# Sizes: tiny, mini, small, medium, base, large.
model: {{family: bert, size: {size}}}

pretrain:
  objective: mlm
  length: {length}        # or `2000 steps`, `20M tokens`, `30 minutes`
  batch: 8k tokens
  sequence_length: 128
  optimizer: {{adamw: {{lr: 1e-3}}}}
  schedule: {{linear: {{warmup: 6%}}}}

{tasks}"""

_NO_TASK = """\
# A task shows whether the pretraining helps; it needs labelled examples:
# tasks:
#   topic: {classification: {data: {path: examples.tsv, text: text}, label: label}}
"""


def starting_recipe(
    text: Path,
    *,
    task: Path | None = None,
    test: Path | None = None,
    name: str | None = None,
    size: str,
    recipe: Path,
) -> str:
    """The text of the recipe that is to be written to `recipe`. Raises UserError for files that cannot be read."""
    from acclimate.corpus.sources.file_list import find_files
    from acclimate.recipe.rendering import flow

    folder = recipe.parent
    size_of_text = sum(file.size() or 0 for file in find_files(str(text)))
    guess = guess_text(text)
    source = {
        "path": _from(folder, text),
        **guess.reader,
        **({} if guess.text is None else {"text": guess.text}),
    }
    return _TEMPLATE.format(
        file=recipe.name,
        name=flow(name or _name(text)),
        source=flow(source),
        held_out="5%" if size_of_text < 2_000_000 else "2%",
        vocab_size=_vocabulary(size_of_text, guess.chinese),
        size=flow(size),
        length="10 epochs" if size_of_text < 5_000_000 else "3 epochs",
        tasks=_NO_TASK if task is None else _task(task, test, guess_task(task), folder),
    )


def _task(path: Path, test: Path | None, guess: Guess, folder: Path) -> str:
    from acclimate.recipe.rendering import flow

    shown = " ".join((", ".join(guess.labels[:8]) + (", …" if len(guess.labels) > 8 else "")).split())
    columns = {"label": guess.label} if guess.pair is None else {"label": guess.label, "pair": guess.pair}
    if test is None:
        data: dict[str, Any] = {"path": _from(folder, path), **guess.reader, "text": guess.text}
        origin = {"data": data, **columns, "split": {"validation": "15%", "test": "25%"}}
        about = "One file, split here; with files of their own write `train: …` and `test: …` instead."
    else:
        files = {"train": _from(folder, path), "test": _from(folder, test)}
        origin = {**files, **guess.reader, "text": guess.text, **columns}
        about = "A part of `train` is held out for validation; with a file of its own write `validation: …`."
    lines = [
        "tasks:",
        f"  {flow(_name(path))}:",
        "    classification:",
        f"      # {about}",
        f"      # {len(guess.labels)} labels seen: {shown}",
        *(f"      {key}: {flow(value)}" for key, value in origin.items()),
    ]
    return "\n".join(lines) + "\n"


def _from(folder: Path, path: Path) -> str:
    """The path as a recipe in the folder names it."""
    return os.path.relpath(path.expanduser().absolute(), folder.absolute())


def _name(path: Path) -> str:
    """A name that may name a folder, from a file's."""
    stem = next((part for part in path.name.split(".") if part), "run")
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")
    return name[:64] or "run"


def _vocabulary(size_of_text: int, chinese: bool) -> str:
    """How many entries a text of so many bytes (compressed or not) supports well.

    Chinese stays at 8k: a WordPiece takes its characters one by one, and there are few more in any text.
    """
    for most, entries in ((500_000, "2k"), (5_000_000, "4k"), (30_000_000, "8k")):
        if size_of_text < most:
            return entries
    return "8k" if chinese else "16k"
