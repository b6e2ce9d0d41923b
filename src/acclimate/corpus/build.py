"""Builds a corpus: sources → sieve → repeats out → global steps → splits on disk, with exact books.

Phases: (1) batches of what is read go through the sieve, a function of each document alone, which cleans and takes out
what is in it of held-out texts of tasks; (2) in reading order exact repeats are dropped; (3) where a global step is
asked for, what is left waits in a pool on disk, and the steps drop or cut there; (4) what is left is written to the
splits. Texts are held a batch at a time; what grows with the corpus are hashes of 16 bytes a document (48 for a moment,
see `duplicates.exact`), and with a pool another 40 bytes and what the steps say of themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from acclimate.artifacts import durable
from acclimate.corpus.accounting import Account
from acclimate.corpus.clean.languages import LanguageSample
from acclimate.corpus.document import Document, Dropped, Reader
from acclimate.corpus.duplicates.exact import DigestSet
from acclimate.corpus.leakage.held_out import HeldOutText
from acclimate.corpus.leakage.index import ContaminationIndex
from acclimate.corpus.leakage.log import CONTAMINATION, ContaminationLog
from acclimate.corpus.parallel.crew import Alone, Batch, Crew, worth
from acclimate.corpus.parallel.processes import Processes
from acclimate.corpus.pool import Pool, PooledDrop
from acclimate.corpus.sieve import Sieve, Sifted, dropped_batch
from acclimate.corpus.spill import digests_of
from acclimate.corpus.split import split_keys, splits_of
from acclimate.corpus.steps import Surroundings, cleaners, describing_steps, global_steps, prepared, sieve_of
from acclimate.corpus.storage import DroppedWriter, SplitWriter, hexadecimal
from acclimate.errors import UserError
from acclimate.progress import Tell, silent
from acclimate.recipe import corpus_section

_BATCH_DOCUMENTS = 2048
_BATCH_CHARACTERS = 2_000_000
TaskTexts = Callable[[str], Iterable[str]]


def no_texts(task: str) -> Iterable[str]:
    """Of a corpus without tasks."""
    return ()


def build_corpus(
    corpus: corpus_section.Corpus,
    folder: Path,
    *,
    held_out: Iterable[HeldOutText] = (),
    tasks: Sequence[str] = (),
    task_texts: Callable[[str], Iterable[str]] = no_texts,
    tell: Tell = silent,
    workers: int | None = 1,
    cluster: str | None = None,
) -> dict[str, Any]:
    """Fills `folder` with documents/{train,validation,test}/part-00000.parquet, dropped.parquet (all that was left
    out), dropped.jsonl (samples of it), statistics.json, and contamination.jsonl (what was found of held-out texts)
    where there are any.

    `task_texts` gives the training texts of one of the `tasks` by its name. `held_out` are their validation and test
    texts, which `decontaminate` keeps out. The number of `workers` changes no byte, nor does it
    that they are on a `cluster` ("ray"; as many as it has processors, with `workers` None).

    Returns the statistics: `read`, `kept`, `dropped` by reason, `sources` with these for each; `changed` by reason
    where cleaners say; `repeated`, what mixing wrote more than once; `steps`, what global steps say; `contamination`,
    what was found of held-out texts (see `leakage.log`); `splits` with documents, bytes and characters as written;
    `languages` over a sample of `languages_sampled` kept documents.
    Raises UserError when nothing is left.
    """
    return _Build(corpus, folder, tasks, task_texts, tell, (workers, cluster)).run(held_out)


class NothingLeft(UserError):
    """Every document was dropped."""

    def __init__(self, message: str, totals: dict[str, Any]) -> None:
        super().__init__(message)
        self.totals = totals
        """`read`, `kept`, `dropped` by reason."""


class _Build:
    def __init__(
        self,
        corpus: corpus_section.Corpus,
        folder: Path,
        tasks: Sequence[str],
        task_texts: TaskTexts,
        tell: Tell,
        workers: tuple[int | None, str | None],
    ) -> None:
        self._corpus = corpus
        self._folder = folder
        self._task_names = tasks
        self._task_texts = task_texts
        self._tell = tell
        self._workers = workers
        parts = (corpus.sources, corpus.validation, corpus.test)
        self._readers: list[Reader] = [source.build() for part in parts for source in part]
        self._part = np.repeat(np.arange(3, dtype=np.int8), [len(part) for part in parts])
        """[readers] index into SPLITS of what each reads; sources may be held out by share."""
        sizes = [reader.bytes_total() for reader in self._readers]
        self._size = None if None in sizes else float(sum(size or 0 for size in sizes))
        self._seen = DigestSet()
        self._languages = LanguageSample()
        self._changed: Counter[str] = Counter()
        self._said: dict[str, Any] = {}
        self._contamination: ContaminationLog | None = None
        self._unread_tests = 0

    def run(self, held_out: Iterable[HeldOutText]) -> dict[str, Any]:
        with ExitStack() as stack:
            scratch = stack.enter_context(durable.scratch_folder(self._folder))
            self._corpus = prepared(self._corpus, scratch)
            self._writer = SplitWriter(self._folder)
            stack.callback(self._writer.close, finish=False)
            dropped = DroppedWriter(self._folder)
            stack.callback(dropped.close, finish=False)
            self._account = Account((reader.name for reader in self._readers), dropped.add)
            describing = describing_steps(self._corpus)
            around = Surroundings(
                [reader.name for reader in self._readers[: len(self._corpus.sources)]],
                self._task_texts,
                self._task_names,
            )
            steps = global_steps(self._corpus, describing, around)
            self._pool = Pool(scratch, describing, on_drop=self._dropped) if steps else None
            index = self._hold_out(held_out, scratch)
            if index is not None:
                listed = stack.enter_context(durable.appender(self._folder / CONTAMINATION))
                self._contamination = ContaminationLog(listed, index.texts)
            crew = self._crew(scratch, scratch if index is not None else None)
            stack.callback(crew.close)
            for batch, sifted in crew.sifted(self._batches()):
                self._sift(batch.source, sifted)
            if self._pool is not None:
                stack.callback(self._pool.close)
                self._pool.seal()
                for name, step in steps:
                    said = step(self._pool, self._tell)
                    self._pool.book()
                    if said:
                        self._said[name] = said
                self._empty(self._pool)
            self._writer.close()
            dropped.close()
        return self._finish()

    def _crew(self, scratch: Path, held_out: Path | None) -> Crew:
        count, cluster = self._workers
        if cluster is not None:
            from acclimate.corpus.parallel.cluster import Cluster

            return Cluster(count, self._description(held_out), scratch)
        count = worth(count or 1, self._size)
        if count == 1:
            return Alone(sieve_of(self._corpus, held_out))
        return Processes(count, self._description(held_out))

    def _description(self, held_out: Path | None) -> dict[str, Any]:
        return {"corpus": self._corpus.model_dump(mode="json"), "held_out": held_out and str(held_out)}

    def _hold_out(self, texts: Iterable[HeldOutText], folder: Path) -> ContaminationIndex | None:
        """Writes the index of the texts that must not stay into the folder; None where there are none.

        They are looked for as they are and cleaned as documents are, if no cleaner drops them.
        """
        settings = self._corpus.decontaminate
        if settings is None:
            return None
        clean = Sieve(cleaners(self._corpus))
        rest = chain(texts, self._tests(settings))
        first = list(islice(rest, 1))
        if not first:
            return None
        rest = chain(first, rest)

        def cleaned() -> Iterator[tuple[HeldOutText, str]]:
            while batch := list(islice(rest, _BATCH_DOCUMENTS)):
                given = [Document("", str(row), one.text, {}) for row, one in enumerate(batch)]
                rows, documents, _, _ = clean.clean(list(range(len(given))), given)
                left = dict(zip(rows, documents, strict=True))
                for row, one in enumerate(batch):
                    yield one, left.get(row, given[row]).text

        per_window = settings.words, settings.characters
        index = ContaminationIndex.build(cleaned(), per_window=per_window)
        index.save(folder)
        return index

    def _tests(self, settings: corpus_section.Decontaminate) -> Iterator[HeldOutText]:
        """The texts of test sets that belong to no task of the recipe."""
        for test in settings.tests:
            for item in test.build().read():
                if isinstance(item, Document):
                    yield HeldOutText("", "test", item.place, item.text)
                else:
                    self._unread_tests += 1

    def _batches(self) -> Iterator[Batch]:
        """What the readers give, in order, in batches of bounded size."""
        done = 0
        for number, reader in enumerate(self._readers):
            items: list[Document | Dropped] = []
            characters = 0
            for item in reader.read():
                items.append(item)
                if isinstance(item, Document):
                    characters += len(item.text)
                if len(items) >= _BATCH_DOCUMENTS or characters >= _BATCH_CHARACTERS:
                    yield Batch(number, reader.name, items)
                    self._tell(done + reader.bytes_done, self._size, "bytes")
                    items, characters = [], 0
            if items:
                yield Batch(number, reader.name, items)
            done += reader.bytes_done
            self._tell(done, self._size, "bytes")

    def _sift(self, source: int, sifted: Sifted) -> None:
        """Drops exact repeats; what remains is written, or waits in the pool."""
        self._account.sources[source].read += sifted.read
        self._changed.update(sifted.changed)
        if self._contamination is not None:
            self._contamination.add(sifted.findings)
        documents = sifted.documents
        if self._corpus.deduplicate.exact:
            stays = self._seen.add(digests_of(documents["id"]))
        else:
            stays = np.ones(documents.num_rows, np.bool_)
        dropped = sifted.dropped
        if not stays.all():
            dropped = _merged(dropped, _repeats(documents.filter(pa.array(~stays))))
            documents = documents.filter(pa.array(stays))
        if dropped.num_rows:
            self._account.drop(source, dropped)
        if not documents.num_rows:
            return
        if self._pool is not None:
            features = {name: values[stays] for name, values in sifted.features.items()}
            self._pool.add(source, documents, features)
            return
        self._account.sources[source].kept += documents.num_rows
        numbers = np.full(documents.num_rows, source)
        self._keep(numbers, split_keys(digests_of(documents["key"])), documents)

    def _dropped(self, drops: list[PooledDrop]) -> None:
        """Books what a global step has dropped."""
        by_source: dict[int, list[tuple[Any, ...]]] = {}
        for one in drops:
            document = one.document
            row = (0, one.id, one.read_id, document.source, document.place, one.reason, one.detail)
            by_source.setdefault(document.source_number, []).append(row)
        for source, rows in by_source.items():
            self._account.drop(source, dropped_batch(rows))

    def _empty(self, pool: Pool) -> None:
        """Writes what is left in the pool, as often as it is to stand there. Texts that became equal by cutting are
        repeats."""
        done = 0
        seen = DigestSet() if pool.was_cut and self._corpus.deduplicate.exact else None
        for numbers, documents in pool.kept():
            if seen is not None:
                new = seen.add(digests_of(documents["id"]))
                again = documents["id"].filter(pa.array(~new)).to_pylist()
                for number, id in zip(numbers[~new].tolist(), again, strict=True):
                    detail = f"what is left is the text of a document before it (id {id.hex()})"
                    pool.drop(number, "exact_duplicate", detail)
                numbers, documents = numbers[new], documents.filter(pa.array(new))
            self._count_kept(pool.source_numbers[numbers])
            if pool.copies is not None:
                copies = np.repeat(np.arange(len(numbers)), pool.copies[numbers])
                numbers, documents = numbers[copies], documents.take(pa.array(copies))
            self._keep(pool.source_numbers[numbers], pool.keys[numbers], documents)
            done += len(numbers)
            self._tell(done, None, "documents")
        pool.book()

    def _contaminated(self) -> dict[str, Any] | None:
        if self._contamination is None:
            return None
        return {**self._contamination.counts(), "unread_tests": self._unread_tests}

    def _count_kept(self, sources: NDArray[np.int32]) -> None:
        for number, count in enumerate(np.bincount(sources).tolist()):
            self._account.sources[number].kept += count

    def _keep(self, sources: NDArray[Any], keys: NDArray[np.uint64], documents: Any) -> None:
        """Writes documents; `sources` [n], the numbers of their readers, and `keys` [n] decide the splits."""
        ids = documents["id"]
        by_share = splits_of(keys, *self._corpus.held_out_shares)
        self._writer.add(
            np.where(self._part[sources] > 0, self._part[sources], by_share),
            hexadecimal(ids),
            documents["source"],
            documents["text"],
        )
        self._languages.add_all(ids, documents["text"])

    def _finish(self) -> dict[str, Any]:
        totals = self._account.totals()
        splits = self._writer.counts
        written = sum(counts["documents"] for counts in splits.values())
        repeated = self._pool.repeated if self._pool is not None else 0
        if written != totals["kept"] + repeated:
            raise AssertionError(f"kept {totals['kept']} documents, repeated {repeated}, wrote {written}")
        if not written:
            reasons = ", ".join(f"{reason} {count}" for reason, count in totals["dropped"].items())
            raise NothingLeft(
                f"corpus: no document is left: {totals['read']} were read, dropped by reason: {reasons or 'none'}"
                + (f" (for example {self._account.example()})" if reasons else ""),
                totals,
            )
        languages, sampled = self._languages.count()
        statistics = {
            **totals,
            "changed": dict(sorted(self._changed.items())),
            "repeated": written - totals["kept"],
            "steps": self._said,
            "contamination": self._contaminated(),
            "splits": splits,
            "languages": languages,
            "languages_sampled": sampled,
        }
        durable.write_text(self._folder / "dropped.jsonl", self._account.samples_jsonl())
        durable.write_json(self._folder / "statistics.json", statistics)
        return statistics


def _repeats(documents: Any) -> Any:
    """What is dropped because it was there before, as a batch of the schema `sieve.DROPPED`."""
    rows = []
    for one in documents.drop_columns(["text"]).to_pylist():
        detail = f"a document with the same text (id {one['id'].hex()}) was read before"
        rows.append(
            (one["row"], one["id"], one["read_id"], one["source"], one["place"], "exact_duplicate", detail)
        )
    return dropped_batch(rows)


def _merged(first: Any, second: Any) -> Any:
    """Both, in the order of reading."""
    table = pa.Table.from_batches([first, second])
    order = np.argsort(table["row"].to_numpy(), kind="stable")
    return table.take(pa.array(order)).combine_chunks().to_batches()[0]
