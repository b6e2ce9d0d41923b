"""What `corpus_vs_peers.py` measures against, run by a Python that has datatrove, datasets and spacy installed.

    PYTHON corpus_peers.py '{"candidate": "datatrove", "text": FILE, "folder": FOLDER, "tokenizer": FILE}'

Each reads JSON lines, brings the text into NFC, filters by the rules of Gopher (quality and repetition), drops
near-duplicates by MinHash, tokenizes what is left with the same tokenizer and stores the tokens. One process, one
core. Imports are not timed. The last line of stdout is JSON: figures, and the file with the ids that were kept.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from machine import Clock, peak_memory

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))


def datatrove(text: Path, folder: Path, tokenizer: Path) -> Callable[[], Iterator[str]]:
    """The library's own blocks in the order of its examples, on its local executor: one task, one worker."""
    from datatrove.data import Document
    from datatrove.executor.local import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
    from datatrove.pipeline.formatters.base import BaseFormatter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.word_tokenizers import load_word_tokenizer

    class Normal(BaseFormatter):
        name = "NFC"

        def format(self, text: str) -> str:
            return unicodedata.normalize("NFC", text)

    def document(self: Any, data: dict[str, Any], *_: Any) -> dict[str, Any]:
        return data

    load_word_tokenizer("en").word_tokenize("loads spaCy before the clock starts")
    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    cleaned, kept = str(folder / "cleaned"), str(folder / "kept")
    sign, buckets, remove = (str(folder / name) for name in ("signatures", "buckets", "remove"))
    assert Document
    stages = [
        [
            JsonlReader(str(text.parent), glob_pattern=text.name),
            Normal(),
            GopherQualityFilter(),
            GopherRepetitionFilter(),
            JsonlWriter(cleaned, compression=None),
        ],
        [JsonlReader(cleaned), MinhashDedupSignature(sign, config=config)],
        [MinhashDedupBuckets(sign, buckets, config=config)],
        [MinhashDedupCluster(buckets, remove, config=config)],
        [
            JsonlReader(cleaned),
            MinhashDedupFilter(remove),
            JsonlWriter(kept, compression=None),
            DocumentTokenizer(
                str(folder / "tokens"),
                str(tokenizer),
                local_working_dir=str(folder / "work"),
                shuffle_documents=False,
            ),
        ],
    ]

    def run() -> Iterator[str]:
        for number, stage in enumerate(stages):
            tasks = config.num_buckets if number == 2 else 1
            LocalPipelineExecutor(
                stage, tasks=tasks, workers=1, logging_dir=str(folder / f"log{number}")
            ).run()
        for path in sorted(Path(kept).glob("*.jsonl")):
            for line in path.open(encoding="utf-8"):
                yield json.loads(line)["id"]

    return run


def datasets(text: Path, folder: Path, tokenizer: Path) -> Callable[[], Iterator[str]]:
    """`map` and `filter` over functions as one writes them: plain Python for the rules, NumPy for MinHash."""
    import numpy as np
    import xxhash
    from datasets import disable_progress_bars, load_dataset
    from tokenizers import Tokenizer

    disable_progress_bars()
    encoder = Tokenizer.from_file(str(tokenizer))
    constants = np.random.default_rng(1).integers(1, 2**32, size=(2, 126), dtype=np.uint64)

    def minhash(batch: dict[str, Any]) -> dict[str, Any]:
        signatures = []
        for one in batch["text"]:
            words = "".join(char if char.isalnum() else " " for char in one.lower()).split()
            shingles = {" ".join(words[at : at + 5]) for at in range(max(1, len(words) - 4))}
            hashes = np.fromiter((xxhash.xxh32_intdigest(x) for x in shingles), np.uint64, len(shingles))
            values = (hashes[:, None] * constants[0] + constants[1]) % ((1 << 61) - 1) & 0xFFFFFFFF
            signatures.append(values.min(axis=0).astype("<u4").tobytes())
        return {"signature": signatures}

    def run() -> Iterator[str]:
        rows = load_dataset("json", data_files=str(text), split="train", cache_dir=str(folder / "cache"))
        rows = rows.map(lambda row: {"text": unicodedata.normalize("NFC", row["text"])})
        rows = rows.filter(lambda row: good(row["text"]))
        rows = rows.map(minhash, batched=True)
        seen: list[dict[bytes, int]] = [{} for _ in range(21)]
        keep = []
        for number, signature in enumerate(rows["signature"]):
            bands = [signature[24 * band : 24 * band + 24] for band in range(21)]
            if not any(band in table for band, table in zip(bands, seen, strict=True)):
                keep.append(number)
            for band, table in zip(bands, seen, strict=True):
                table.setdefault(band, number)
        rows = rows.select(keep)
        ids = rows["id"]
        rows = rows.map(
            lambda batch: {"tokens": [one.ids for one in encoder.encode_batch_fast(batch["text"])]},
            batched=True,
            remove_columns=rows.column_names,
        )
        rows.save_to_disk(str(folder / "tokens"))
        yield from ids

    return run


def good(text: str) -> bool:
    """The rules of Rae et al. 2021 on words between white space."""
    words = text.split()
    if not 50 <= len(words) <= 100_000 or not 3 <= sum(map(len, words)) / len(words) <= 10:
        return False
    if any(text.count(mark) / len(words) > 0.1 for mark in ("#", "...", "…")):
        return False
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if sum(line.startswith(("•", "-", "*")) for line in lines) / len(lines) > 0.9:
        return False
    if sum(line.endswith(("...", "…")) for line in lines) / len(lines) > 0.3:
        return False
    if sum(any(char.isalpha() for char in word) for word in words) / len(words) < 0.8:
        return False
    if len(STOP_WORDS.intersection(map(str.lower, words))) < 2:
        return False
    return (
        not repeats(lines)
        and not repeats([one.strip() for one in text.split("\n\n") if one.strip()])
        and (not repeats_ngrams(words))
    )


def repeats(parts: list[str]) -> bool:
    counts = Counter(parts)
    again = sum(count - 1 for count in counts.values())
    characters = sum((count - 1) * len(part) for part, count in counts.items())
    return again > 0.3 * len(parts) or characters > 0.2 * sum(map(len, parts))


def repeats_ngrams(words: list[str]) -> bool:
    total = sum(map(len, words))
    for n, limit in ((2, 0.2), (3, 0.18), (4, 0.16)):
        counts = Counter(tuple(words[at : at + n]) for at in range(len(words) - n + 1))
        most = max(counts.values(), default=0)
        longest = max((sum(map(len, gram)) for gram, count in counts.items() if count == most), default=0)
        if most > 1 and most * longest > limit * total:
            return True
    for n, limit in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)):
        seen: set[tuple[str, ...]] = set()
        covered = [False] * len(words)
        for at in range(len(words) - n + 1):
            gram = tuple(words[at : at + n])
            if gram in seen:
                covered[at : at + n] = [True] * n
            seen.add(gram)
        if sum(len(word) for word, yes in zip(words, covered, strict=True) if yes) > limit * total:
            return True
    return False


CANDIDATES = {"datatrove": datatrove, "datasets": datasets}


def main() -> None:
    given = json.loads(sys.argv[1])
    folder = Path(given["folder"])
    run = CANDIDATES[given["candidate"]](Path(given["text"]), folder, Path(given["tokenizer"]))
    began = Clock.now()
    ids = list(run())
    figures = {**Clock.now().since(began), "peak_memory": peak_memory(), "kept": len(ids)}
    (folder / "kept.json").write_text(json.dumps(ids))
    from importlib.metadata import version

    versions = {
        name: version(name) for name in ("datatrove", "datasets", "numpy", "spacy", "tokenizers", "pyarrow")
    }
    print(json.dumps({**figures, "versions": versions}))


if __name__ == "__main__":
    main()
