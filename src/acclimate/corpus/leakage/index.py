"""An index of held-out texts that finds what documents have in common with them. Compact, read only, and shared: its
arrays are mapped by all processes.

Four tables of hashes: of whole texts; of their windows (see `windows.py`); of the beginnings of texts that are shorter
than a window; and of shingles of five words. A text shorter than half a window is looked for as a whole document only.
A hash that is found is compared word by word before it counts.

Legend: E forms of texts (as given and as cleaned), N their words, D documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from acclimate.artifacts import durable
from acclimate.corpus.document import comparable
from acclimate.corpus.hash_table import RunHashes
from acclimate.corpus.leakage.held_out import HeldOutText
from acclimate.corpus.leakage.normal_form import normal_codes, normal_form
from acclimate.corpus.leakage.windows import Weights
from acclimate.corpus.words import words_in

SHINGLE = 5
SHORTEST = 0.5
"""In windows: the shortest text that is looked for inside of documents."""
HASH_BITS = np.uint64(52)
_FORMS, _ARRAYS = "forms.json", "arrays.arrow"
_BATCH = 1024
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ContaminationIndex:
    """What was built from the texts; `Matcher` asks it."""

    texts: list[HeldOutText]
    """Without their texts."""
    forms: list[str]
    """[E] normal forms."""
    bare: dict[str, list[int]]
    """Forms without any word, such as a row of emoji: the form with its white space squeezed → numbers of forms."""
    per_window: tuple[int, int]
    arrays: Arrays
    """`text` [E] number of the text; `bounds` [E+1] first words; `places` [N] where words begin in their form; and for
    each table its sorted `…_hash` and what stands behind it: `whole_form`, `window_word`, `head_form`, `shingle_form`;
    `shingles` [E] how many different ones a form has."""

    @classmethod
    def build(
        cls, texts: Iterable[tuple[HeldOutText, str]], *, per_window: tuple[int, int]
    ) -> ContaminationIndex:
        """From the texts, each with the form that the corpus's cleaners give it (or its own)."""
        known: list[HeldOutText] = []
        forms: list[str] = []
        numbers: list[int] = []
        for number, (one, cleaned) in enumerate(texts):
            known.append(HeldOutText(one.task, one.split, one.id, ""))
            for form in dict.fromkeys((normal_form(one.text), normal_form(cleaned))):
                forms.append(form)
                numbers.append(number)
        parts = [
            _tables(forms[start : start + _BATCH], start, per_window)
            for start in range(0, len(forms), _BATCH)
        ] or [_tables([], 0, per_window)]
        arrays = _joined(parts)
        arrays["text"] = np.array(numbers, np.int64)
        bare: dict[str, list[int]] = {}
        for empty in np.flatnonzero(np.diff(arrays["bounds"]) == 0).tolist():
            if squeezed := comparable(forms[empty]):
                bare.setdefault(squeezed, []).append(empty)
        return cls(known, forms, bare, per_window, arrays)

    def save(self, folder: Path) -> None:
        """Into a folder, from which any number of processes can load it."""
        values = [pa.array(array) for array in self.arrays.values()]
        columns = [pa.LargeListArray.from_arrays(pa.array([0, len(one)]), one) for one in values]
        batch = pa.record_batch(columns, names=list(self.arrays))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        durable.write_bytes(folder / _ARRAYS, sink.getvalue())
        texts = [[one.task, one.split, one.id] for one in self.texts]
        durable.write_json(
            folder / _FORMS,
            {"texts": texts, "forms": self.forms, "bare": self.bare, "per_window": self.per_window},
        )

    @classmethod
    def load(cls, folder: Path) -> ContaminationIndex:
        """What `save` wrote; the arrays are mapped."""
        told = json.loads((folder / _FORMS).read_text("utf-8"))
        batch = pa.ipc.open_file(pa.memory_map(str(folder / _ARRAYS))).get_batch(0)
        arrays = {name: batch.column(name).values.to_numpy() for name in batch.schema.names}
        texts = [HeldOutText(task, split, id, "") for task, split, id in told["texts"]]
        return cls(texts, told["forms"], told["bare"], tuple(told["per_window"]), arrays)


def _tables(forms: list[str], first: int, per_window: tuple[int, int]) -> Arrays:
    """What `ContaminationIndex.arrays` holds, for some forms, the first of which has this number; not sorted yet."""
    codes, ends, _ = normal_codes(forms)
    words = words_in(codes, ends)
    runs = RunHashes(words, len(forms))
    weights = Weights(words, runs, per_window=per_window)
    before = np.append(0, ends)
    sizes = weights.of_texts()
    short = np.flatnonzero((sizes >= SHORTEST) & (sizes < 1))
    filled = np.flatnonzero(np.diff(runs.bounds))
    windows, heads = weights.windows(), weights.windows(SHORTEST)
    heads_at = np.searchsorted(heads.starts, runs.bounds[short])
    keys = shingle_keys(runs)
    owners = (keys >> HASH_BITS).astype(np.int64)
    return {
        "bounds": runs.bounds[1:].astype(np.int64),
        "places": words.starts - before[runs.owners],
        "shingles": np.bincount(owners, minlength=len(forms)),
        "whole_hash": runs.of(runs.bounds[filled], runs.bounds[filled + 1]),
        "whole_form": filled + first,
        "window_hash": windows.hashes,
        "window_word": windows.starts,
        "head_hash": heads.hashes[heads_at],
        "head_form": short + first,
        "shingle_hash": keys << np.uint64(12),
        "shingle_form": owners + first,
    }


def shingle_keys(runs: RunHashes) -> NDArray[np.uint64]:
    """The different shingles of each of at most 4096 texts, sorted: 12 bits number of the text, 52 bits hash."""
    starts, hashes = runs.every(SHINGLE)
    keys = (runs.owners[starts].astype(np.uint64) << HASH_BITS) | (hashes >> np.uint64(12))
    keys.sort()
    return keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys


def _joined(parts: list[Arrays]) -> Arrays:
    """The tables of all parts, sorted by hash, equal ones by what stands behind them."""
    words = np.cumsum([0, *(len(part["places"]) for part in parts)])
    for part, before in zip(parts, words.tolist(), strict=False):
        part["bounds"] = part["bounds"] + before
        part["window_word"] = part["window_word"] + before
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    whole["bounds"] = np.concatenate([[0], whole["bounds"]])
    for name, behind in (
        ("whole", "form"),
        ("window", "word"),
        ("head", "form"),
        ("shingle", "form"),
    ):
        order = np.argsort(whole[f"{name}_hash"], kind="stable")
        for column in (f"{name}_hash", f"{name}_{behind}"):
            whole[column] = whole[column][order]
    return whole
