"""The training examples of a task with new ones made from them.

Only the training part grows: validation and test are not read but for their texts, none of which may come out. A new
example stands behind the one that it was made from, with its label; its id is `ID#method-copy`. What is made hangs on
the seed, the method, the text and the copy's number alone.

The folder holds train.parquet and statistics.json, as the examples' folder does, so that `read_examples` reads it;
in the statistics `augmented` says how many each method made and why others were left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acclimate.artifacts.durable import write_json
from acclimate.corpus.augment.augmentation import Augmentation, Augmenter, Copy, randomness
from acclimate.corpus.augment.edits import Labelled
from acclimate.progress import Tell, silent
from acclimate.transfer.examples.keys import key_of, keys_of
from acclimate.transfer.examples.preparing import read_examples, read_statistics

_BATCH = 256
Row = dict[str, Any]


def augment_examples(
    methods: Sequence[Augmentation], source: Path, folder: Path, *, seed: int, tell: Tell = silent
) -> dict[str, Any]:
    """Writes the training examples of the folder `source`, those that the methods make added, into `folder`.

    Returns what statistics.json says of them: `made` and `left_out` by reason for each method.
    """
    import pyarrow as pa
    from pyarrow import parquet

    table = parquet.read_table(source / "train.parquet")
    rows: list[Row] = table.to_pylist()
    held_out = keys_of(read_examples(source, "validation")) | keys_of(read_examples(source, "test"))
    grown = [[row] for row in rows]
    known = [{key_of(row["text"], row["pair"])} for row in rows]
    told = []
    for number, method in enumerate(methods):
        made, left_out = 0, Counter[str]()
        augmenter = _Pairs(method.build(texts=_texts(rows)), method, number, seed)
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            for at, new in augmenter.rows(batch):
                key = key_of(new["text"], new["pair"])
                if not new["text"] or new["pair"] == "":
                    left_out["empty"] += 1
                elif key in known[start + at]:
                    left_out["unchanged"] += 1
                elif key in held_out:
                    left_out["held_out"] += 1
                else:
                    made += 1
                    known[start + at].add(key)
                    grown[start + at].append(new)
            tell(number * len(rows) + start + len(batch), len(rows) * len(methods), "examples")
        told.append(
            {"method": method.registered_as[1], "made": made, "left_out": dict(sorted(left_out.items()))}
        )
    every = [row for group in grown for row in group]
    parquet.write_table(
        pa.Table.from_pylist(every, schema=table.schema), folder / "train.parquet", compression="zstd"
    )
    augmented = {"seed": seed, "examples": len(rows), "with_new": len(every), "methods": told}
    write_json(folder / "statistics.json", {**read_statistics(source), "augmented": augmented})
    return augmented


class _Pairs:
    """One method over rows of one or two texts, each made anew by itself."""

    def __init__(self, augmenter: Augmenter, method: Augmentation, number: int, seed: int) -> None:
        self._augmenter, self._copies, self._seed = augmenter, method.copies, seed
        self._name = f"{method.registered_as[1]}-{number}"

    def rows(self, batch: Sequence[Row]) -> list[tuple[int, Row]]:
        """(place in the batch, new row) for every copy of every row."""
        wanted = [(at, copy) for at in range(len(batch)) for copy in range(self._copies)]
        texts, pairs = (
            self._new([(batch[at][side], copy) for at, copy in wanted]) for side in ("text", "pair")
        )
        return [
            (at, batch[at] | {"id": f"{batch[at]['id']}#{self._name}-{copy}", "text": text, "pair": pair})
            for (at, copy), text, pair in zip(wanted, texts, pairs, strict=True)
        ]

    def _new(self, wanted: Sequence[tuple[str | None, int]]) -> list[str | None]:
        if not wanted or wanted[0][0] is None:
            return [None] * len(wanted)
        copies = [
            Copy(Labelled(text or ""), copy, randomness(self._seed, self._name, text or "", copy))
            for text, copy in wanted
        ]
        return [one.text.strip() for one in self._augmenter(copies)]


def _texts(rows: Sequence[Row]) -> list[str]:
    return [text for row in rows for text in (row["text"], row["pair"]) if text is not None]
