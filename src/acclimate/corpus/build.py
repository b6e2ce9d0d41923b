"""Builds a corpus: sources → cleaners → repeats and task texts out → splits on disk, with exact books.

Streaming: texts are held a batch at a time. What grows with the corpus are hashes of 16 bytes a document (32
for a moment, see `exact_duplicates`), and with near-duplicates another 50 bytes a document and a pool on disk
(see `near_pool`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from acclimate.artifacts import durable
from acclimate.corpus.accounting import Account
from acclimate.corpus.clean.languages import LanguageSample
from acclimate.corpus.document import Cleaner, Document, Dropped, Reader, text_digest
from acclimate.corpus.duplicates.exact import DigestSet, as_digests
from acclimate.corpus.duplicates.near_pool import HELD_OUT, NearPool
from acclimate.corpus.split import split_hash, split_of
from acclimate.corpus.storage import SplitWriter
from acclimate.errors import UserError
from acclimate.progress import Tell, silent
from acclimate.recipe import sections

_BATCH_DOCUMENTS = 512
_BATCH_CHARACTERS = 2_000_000


def build_corpus(
    corpus: sections.Corpus, folder: Path, *, held_out: Iterable[str] = (), tell: Tell = silent
) -> dict[str, Any]:
    """Fills `folder` with {train,validation,test}/part-00000.parquet, statistics.json and dropped.jsonl.

    `held_out` are validation and test texts of tasks: documents equal to one (near-equal, with `near`) are
    dropped by reason `in_task`, unless the section says otherwise. Returns the statistics: `read`, `kept`,
    `dropped` by reason, `sources` with the same for each, `splits` with documents, bytes and characters, and
    `languages` over a sample of `languages_sampled` kept documents. Raises UserError when nothing is left, or
    nothing for training.
    """
    return _Build(corpus, folder, tell).run(held_out if corpus.hold_out_tasks else ())


@dataclass(frozen=True)
class _Batch:
    source: int
    documents: list[Document]


class _Build:
    def __init__(self, corpus: sections.Corpus, folder: Path, tell: Tell) -> None:
        self._corpus = corpus
        self._folder = folder
        self._tell = tell
        self._readers: list[Reader] = [source.build() for source in corpus.sources]
        self._cleaners: list[Cleaner] = [cleaner.build() for cleaner in corpus.clean]
        self._account = Account(reader.name for reader in self._readers)
        self._tasks = DigestSet()
        self._seen = DigestSet()
        self._languages = LanguageSample()

    def run(self, held_out: Iterable[str]) -> dict[str, Any]:
        near = self._corpus.deduplicate.near
        with ExitStack() as stack:
            pool = None
            if near is not None:
                scratch = stack.enter_context(durable.scratch_folder(self._folder))
                pool = NearPool(scratch, near.threshold)
                stack.callback(pool.close)
            self._writer = SplitWriter(self._folder)
            stack.callback(self._writer.close, finish=False)
            self._hold_out(held_out, pool)
            for batch in self._batches():
                self._sieve(batch, pool)
            if pool is not None:
                self._empty(pool)
            self._writer.close()
        return self._finish()

    def _hold_out(self, texts: Iterable[str], pool: NearPool | None) -> None:
        """Remembers the tasks' texts, cleaned as documents are; a text that a cleaner drops is no document
        either."""
        rest = iter(texts)
        while batch := list(islice(rest, _BATCH_DOCUMENTS)):
            documents, _ = self._clean([Document("task", "task", text, {}) for text in batch])
            hashes = [split_hash(document.text) for document in documents]
            if not hashes:
                continue
            new = self._tasks.add(as_digests(hashes))
            for document, fresh in zip(documents, new.tolist(), strict=True):
                if pool is not None and fresh:
                    pool.add(HELD_OUT, "task", "task", document.text)

    def _batches(self) -> Iterator[_Batch]:
        """Documents of the sources in order; what readers drop goes to the books at once."""
        totals = [reader.bytes_total() for reader in self._readers]
        total = None if None in totals else float(sum(size or 0 for size in totals))
        done = 0
        for number, reader in enumerate(self._readers):
            account = self._account.sources[number]
            documents: list[Document] = []
            characters = 0
            for item in reader.read():
                account.read += 1
                if isinstance(item, Dropped):
                    self._account.drop(number, item)
                    continue
                documents.append(item)
                characters += len(item.text)
                if len(documents) >= _BATCH_DOCUMENTS or characters >= _BATCH_CHARACTERS:
                    yield _Batch(number, documents)
                    self._tell(done + reader.bytes_done, total, "bytes")
                    documents, characters = [], 0
            if documents:
                yield _Batch(number, documents)
            done += reader.bytes_done
            self._tell(done, total, "bytes")

    def _clean(self, documents: list[Document]) -> tuple[list[Document], list[Dropped]]:
        dropped: list[Dropped] = []
        for cleaner in self._cleaners:
            documents, left = cleaner(documents)
            dropped += left
        return documents, dropped

    def _sieve(self, batch: _Batch, pool: NearPool | None) -> None:
        """One batch through cleaners, task texts and exact repeats; what remains is written, or waits in the
        pool."""
        documents, dropped = self._clean(batch.documents)
        if len(documents) + len(dropped) != len(batch.documents):
            raise AssertionError(
                f"cleaners: {len(batch.documents)} in, {len(documents)} + {len(dropped)} out"
            )
        for one in dropped:
            self._account.drop(batch.source, one)
        if not documents:
            return
        hashes = [split_hash(document.text) for document in documents]
        in_task = self._tasks.contains(as_digests(hashes)).tolist()
        ids = [text_digest(document.text) for document in documents]
        new = (
            self._seen.add(as_digests(ids)).tolist() if self._corpus.deduplicate.exact else [True] * len(ids)
        )
        for document, id, hash, task, fresh in zip(documents, ids, hashes, in_task, new, strict=True):
            if task:
                self._account.drop(
                    batch.source, Dropped("in_task", document.place, "equals a text of a task")
                )
            elif not fresh:
                detail = f"a document with the same text (id {id.hex()}) was read before"
                self._account.drop(batch.source, Dropped("exact_duplicate", document.place, detail))
            elif pool is not None:
                pool.add(batch.source, document.source, document.place, document.text)
            else:
                self._keep(batch.source, id, hash, document.source, document.text)

    def _empty(self, pool: NearPool) -> None:
        """Writes the first document of each group, drops the others."""
        for done, one in enumerate(pool.documents(), 1):
            if one.near_task:
                self._account.drop(
                    one.source_number, Dropped("in_task", one.place, "nearly equals a text of a task")
                )
            elif one.group != one.number:
                detail = "nearly equals a document that was read before"
                self._account.drop(one.source_number, Dropped("near_duplicate", one.place, detail))
            else:
                self._keep(
                    one.source_number, text_digest(one.text), split_hash(one.text), one.source, one.text
                )
            if done % _BATCH_DOCUMENTS == 0:
                self._tell(done, None, "documents")

    def _keep(self, number: int, id: bytes, hash: bytes, source: str, text: str) -> None:
        split = split_of(hash, self._corpus.split.validation, self._corpus.split.test)
        self._writer.add(split, id.hex(), source, text)
        self._account.sources[number].kept += 1
        self._languages.add(id, text)

    def _finish(self) -> dict[str, Any]:
        totals = self._account.totals()
        splits = self._writer.counts
        written = sum(counts["documents"] for counts in splits.values())
        if written != totals["kept"]:
            raise AssertionError(f"kept {totals['kept']} documents, wrote {written}")
        if not splits["train"]["documents"]:
            reasons = ", ".join(f"{reason} {count}" for reason, count in totals["dropped"].items())
            what = (
                "no document is left"
                if not written
                else f"none of the {written} documents left is for training"
            )
            raise UserError(
                f"corpus: {what}: {totals['read']} were read, dropped by reason: {reasons or 'none'}"
                + (f" (for example {self._account.example()})" if reasons else "")
            )
        languages, sampled = self._languages.count()
        statistics = {**totals, "splits": splits, "languages": languages, "languages_sampled": sampled}
        durable.write_text(self._folder / "dropped.jsonl", self._account.samples_jsonl())
        durable.write_json(self._folder / "statistics.json", statistics)
        return statistics
