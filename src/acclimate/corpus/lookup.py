"""Finding documents of a corpus again: by place in a split, by id, by where they were read, by their text."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from acclimate.corpus.document import Document, Dropped, text_digest
from acclimate.corpus.sieve import Sieve
from acclimate.corpus.split import SPLITS
from acclimate.corpus.steps import cleaners
from acclimate.corpus.storage import DROPPED, document_files
from acclimate.errors import UserError
from acclimate.recipe import corpus_section

_ID = re.compile(r"[0-9a-f]{4,32}")


@dataclass(frozen=True)
class Found:
    """What became of one document."""

    id: str | None
    source: str
    kept: str | None
    """Where it stands among the kept: `train, document 17`; None when it was dropped."""
    place: str | None = None
    """Where it was read, of what was dropped."""
    reason: str | None = None
    detail: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None}


def name_document(folder: Path, split: str, number: int) -> str:
    """`id (source)` of the document at this place in the split; reads its row group alone.

    Raises IndexError when the split has no such document.
    """
    left = number
    for path in document_files(folder, split):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if left < rows:
                    table = file.read_row_group(group, columns=["id", "source"]).slice(left, 1)
                    return f"{table['id'][0].as_py()} ({table['source'][0].as_py()})"
                left -= rows
    raise IndexError(f"{folder} has no document {number} in its {split} split")


def looks_like_id(query: str) -> bool:
    """Whether it may be an id or the beginning of one: four hexadecimal digits or more."""
    return bool(_ID.fullmatch(query))


def by_id(folder: Path, id: str, most: int) -> list[Found]:
    """Documents whose id (of the text as kept, as dropped or as read) begins so; dropped ones first."""

    def beginning(batch: Any) -> Any:
        either = pc.or_kleene(pc.starts_with(batch["id"], id), pc.starts_with(batch["read_id"], id))
        return pc.fill_null(either, False)

    return [*_dropped(folder, beginning, most), *_kept(folder, id, most)][:most]


def by_place(folder: Path, place: str, most: int) -> list[Found]:
    """What was dropped of `file:line` or a whole file; the file as a message named it, from here, or the end of its
    path."""
    # A recipe's folder is known with its links resolved, what lies below it with links as they are.
    known = pa.array([place, os.path.abspath(place), str(Path(place).resolve())])  # noqa: PTH100

    def there(batch: Any) -> Any:
        return pc.or_(pc.is_in(batch["place"], known), pc.ends_with(batch["place"], "/" + place))

    return list(_dropped(folder, there, most))


def by_text(folder: Path, corpus: corpus_section.Corpus, text: str, most: int) -> list[Found]:
    """What became of documents with this text; of one that was never read, what its cleaners would say."""
    variants = dict.fromkeys((text, text.removesuffix("\n"), text.strip()))
    for one in variants:
        if not one:
            continue
        found = by_id(folder, text_digest(one).hex(), most)
        _, documents, gone, _ = Sieve(cleaners(corpus)).clean([0], [Document("", "the text", one, {})])
        if documents and not found:
            found = by_id(folder, text_digest(documents[0].text).hex(), most)
        if found:
            return found
        if gone:
            dropped: Dropped = gone[0].dropped
            return [Found(None, "not read", None, dropped.place, dropped.reason, dropped.detail)]
    return []


def read_again(corpus: corpus_section.Corpus, place: str) -> str | None:
    """The text that its source has at a place. Reads up to there."""
    for source in (*corpus.sources, *corpus.validation, *corpus.test):
        for item in source.build().read():
            if isinstance(item, Document) and (item.place == place or item.place.endswith("/" + place)):
                return item.text
    return None


def _dropped(folder: Path, wanted: Any, most: int) -> Iterator[Found]:
    for batch in _batches(folder / DROPPED):
        for row in batch.filter(wanted(batch)).to_pylist():
            yield Found(row["id"], row["source"], None, row["place"], row["reason"], row["detail"])
            most -= 1
            if not most:
                return


def _kept(folder: Path, id: str, most: int) -> Iterator[Found]:
    for split in SPLITS:
        number = 0
        for path in document_files(folder, split):
            for batch in _batches(path, ["id", "source"]):
                for row in pc.indices_nonzero(pc.starts_with(batch["id"], id)).to_pylist():
                    there = f"{split}, document {number + row}"
                    yield Found(batch["id"][row].as_py(), batch["source"][row].as_py(), there)
                    most -= 1
                    if not most:
                        return
                number += batch.num_rows


def _batches(path: Path, columns: list[str] | None = None) -> Iterator[Any]:
    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(columns=columns)
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: cannot be read as part of a corpus: {error}") from None
