"""The texts that benchmarks train on, tokenized once and kept in the scratch folder.

- `lines`: WikiText-2's lines of natural length, headings and all, each cut at 128 tokens as line-by-line pretraining
  with Transformers' example script does.
- `sst2`, `titles`: short English sentences (SST-2, those of at least eight words) and Chinese news titles (THUCNews),
  each with a label.

One WordPiece vocabulary serves all of them: 30,522 entries are asked for, trained on the training parts of all three.
Where the text yields fewer, the model's embedding has 30,522 rows all the same, so that it costs what BERT's costs;
the programs say how many there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.artifacts import durable
from acclimate.batching.sequence_store import WindowStore
from acclimate.batching.token_store import TokenStore
from acclimate.corpus.sources.byte_blocks import blocks
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.loading import load_tokenizer
from acclimate.tokenizer.training import Train

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY = 30_522
LENGTH = 128
"""Tokens a sequence at most, special ones included."""
LINES = {"train": "wikitext-2/wiki.train.txt.zst", "validation": "wikitext-2/wiki.valid.txt.gz"}
FILES = {
    "sst2": {"train": "sst2/train.tsv.zst", "test": "sst2/dev.tsv.gz"},
    "titles": {"train": "thucnews/subset_a/dev.txt.gz", "test": "thucnews/subset_a/test.txt.gz"},
}
SHORTEST = 8
"""Words. Most of SST-2's training texts are fragments of sentences; a text to be classified is longer."""


@dataclass(frozen=True)
class Labelled:
    """Short texts with their classes."""

    texts: list[str]
    labels: NDArray[np.int64]

    def first(self, number: int) -> Labelled:
        return Labelled(self.texts[:number], self.labels[:number])


def read(path: Path) -> str:
    """The whole text of a file, also `.gz` or `.zst`."""
    return b"".join(blocks(path, lambda size: None)).decode("utf-8")


def lines(data: Path, part: str) -> list[str]:
    """WikiText-2's lines that are not empty."""
    return [line.strip() for line in read(data / LINES[part]).split("\n") if line.strip()]


def sst2(data: Path, part: str) -> Labelled:
    """`train`: only sentences, see SHORTEST; `test`: GLUE's development part, all of it."""
    rows = [line.rpartition("\t") for line in read(data / FILES["sst2"][part]).split("\n")[1:] if line]
    rows = [row for row in rows if part == "test" or len(row[0].split()) >= SHORTEST]
    return _labelled([(text.strip(), int(label)) for text, _, label in rows])


def titles(data: Path, part: str) -> Labelled:
    """Subset a: `train` is its part `dev` without what stands in `test` too."""
    held_out = set(read(data / FILES["titles"]["test"]).split("\n"))
    rows = [line for line in read(data / FILES["titles"][part]).split("\n") if line]
    rows = [line for line in rows if part == "test" or line not in held_out]
    return _labelled([(text, int(label)) for text, _, label in (line.rpartition("\t") for line in rows)])


TASKS: dict[str, Callable[[Path, str], Labelled]] = {"sst2": sst2, "titles": titles}


def _labelled(rows: list[tuple[str, int]]) -> Labelled:
    """In an order that a hash decides: files may be sorted by class."""
    rows = sorted(rows, key=lambda row: hashlib.sha256(row[0].encode()).digest())
    return Labelled([text for text, _ in rows], np.array([label for _, label in rows], np.int64))


def tokenizer_folder(data: Path, scratch: Path) -> Path:
    """The trained tokenizer's folder, made where it is missing."""

    def texts() -> Iterator[list[str]]:
        yield lines(data, "train")
        for task in TASKS.values():
            yield task(data, "train").texts

    def fill(folder: Path) -> None:
        Train(vocab_size=VOCABULARY, lowercase=True, least=0).build(
            texts=texts(), folder=folder, model_max_length=LENGTH
        )

    return _made(scratch / f"tokenizer-{_identity(data)}", fill)


def store_folder(data: Path, scratch: Path, part: str) -> Path:
    """The token store of WikiText-2's cut lines, made where it is missing."""
    tokenizer = tokenizer_folder(data, scratch)

    def fill(folder: Path) -> None:
        tokens, lengths = Encoder(load_tokenizer(tokenizer), literal=True).encode(lines(data, part))
        kept = np.minimum(lengths, LENGTH - 2)
        within = np.arange(len(tokens)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        write_store(folder, [(tokens[within < np.repeat(kept, lengths)], kept)])

    return _made(scratch / f"{part}-{LENGTH}-{_identity(data)}", fill)


def write_store(folder: Path, pieces: Any) -> None:
    """A token store of (tokens [T], lengths [D]) after (tokens, lengths), for which no text is needed."""
    documents = total = 0
    with (
        durable.appender(folder / "tokens.bin") as token_file,
        durable.appender(folder / "offsets.bin") as offset_file,
        durable.appender(folder / "bytes.bin") as byte_file,
    ):
        offset_file.write(np.zeros(1, "<i8").tobytes())
        for tokens, lengths in pieces:
            token_file.write(tokens.astype("<u2").tobytes())
            offset_file.write((total + np.cumsum(lengths)).astype("<i8").tobytes())
            byte_file.write(np.zeros(len(lengths), "<i8").tobytes())
            documents, total = documents + len(lengths), total + len(tokens)
    counts = {"documents": documents, "empty": 0, "tokens": total, "unknown": 0, "bytes": 0}
    durable.write_json(folder / "counts.json", {"dtype": "<u2", **counts})


def windows(folder: Path, tokenizer: PreTrainedTokenizerFast) -> WindowStore:
    """A store's documents as sequences `[CLS] … [SEP]`."""
    return WindowStore(TokenStore(folder), LENGTH, int(tokenizer.cls_token_id), int(tokenizer.sep_token_id))


def _made(folder: Path, fill: Callable[[Path], None]) -> Path:
    if not folder.is_dir():
        durable.new_folder(folder.parent)
        durable.replace_folder(folder, fill)
    return folder


def _identity(data: Path) -> str:
    """Changes when a text or this file does."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name in (*LINES.values(), *(file for task in FILES.values() for file in task.values())):
        digest.update((data / name).read_bytes())
    return digest.hexdigest()[:12]
