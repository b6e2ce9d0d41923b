"""A corpus from raw text to tokens on one core: read, normalise, filter by quality, drop near-duplicates, tokenize.

The same English text and the same tokenizer for all: this package, datatrove on its local executor, and `map` and
`filter` of `datasets`. They do the same work by rules of the same papers, but not letter by letter: datatrove cuts
words with spaCy and does not verify candidates of MinHash (0.72 is where its usual bands find one in two; ours drop at
a true similarity of 0.8). So the share of documents on which two agree is reported beside the speeds.

Each run is a process of its own; imports are not timed. What is measured: bytes of text a second, processor seconds,
and the most memory. Give it one core: `taskset -c 0 python benchmarks/corpus_vs_peers.py --peer-python PYTHON`, where
PYTHON is the interpreter of an environment with `pip install 'datatrove[io]' datasets spacy xxhash`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import corpus_text
import harness
from acclimate.artifacts import durable
from harness import paired, shown, spread, table, tell
from machine import Clock, peak_memory

NAME = "corpus_vs_peers"
SIZE, SHORT_SIZE = 40_000_000, 10_000_000
OURS = "acclimate"
VOCABULARY = 16_000
LENGTH, ROWS = 128, 300_000
"""Tokens of a row that is read back, and how many are."""
SECTION: dict[str, Any] = {
    "clean": [{"unicode": "NFC"}, {"quality": "gopher"}],
    "deduplicate": {"near": {"threshold": 0.8}},
    "split": {"validation": 0, "test": 0, "near": None},
}


def ours(text: Path, folder: Path, tokenizer: Path) -> dict[str, Any]:
    """Raw text to token store with the package's own functions, in this process."""
    from acclimate.batching.token_store import TokenStore, build_token_store
    from acclimate.corpus.build import build_corpus
    from acclimate.corpus.storage import read_texts
    from acclimate.recipe.corpus_section import Corpus
    from acclimate.tokenizer.loading import load_tokenizer

    loaded = load_tokenizer(tokenizer)
    corpus = Corpus.model_validate({"sources": [{"path": str(text)}], **SECTION})
    began = Clock.now()
    build_corpus(corpus, durable.new_folder(folder / "corpus"))
    middle = Clock.now()
    build_token_store(read_texts(folder / "corpus", "train"), loaded, durable.new_folder(folder / "tokens"))
    figures = Clock.now().since(began)
    parts = {"corpus_seconds": middle.since(began)["seconds"], **reading(TokenStore(folder / "tokens"))}
    return {
        **figures,
        **parts,
        "peak_memory": peak_memory(),
        "kept": _kept_ids(folder / "corpus", text, folder),
    }


def _kept_ids(corpus: Path, text: Path, folder: Path) -> int:
    """Write the ids of the lines that were not dropped; how many they are."""
    import pyarrow.parquet as pq

    places = pq.read_table(corpus / "dropped.parquet", columns=["place"])["place"].to_pylist()
    dropped = {int(place.rpartition(":")[2]) for place in places}
    with text.open(encoding="utf-8") as lines:
        ids = [json.loads(line)["id"] for number, line in enumerate(lines, 1) if number not in dropped]
    durable.write_text(folder / "kept.json", json.dumps(ids))
    return len(ids)


def reading(store: Any) -> dict[str, float]:
    """Rows a second read back from the mapped token store as training does: windows of LENGTH tokens, in a random
    order, a thousand at a time."""
    from acclimate.batching.sequence_store import WindowStore

    windows = WindowStore(store, LENGTH, 0, 1)
    order = np.random.default_rng(1).integers(0, len(windows.lengths), ROWS)
    began, tokens = time.perf_counter(), 0
    for start in range(0, len(order), 1000):
        ids = order[start : start + 1000]
        tokens += len(windows.fetch(ids, np.zeros_like(ids)).tokens)
    seconds = time.perf_counter() - began
    return {"rows_a_second": len(order) / seconds, "tokens_read_a_second": tokens / seconds}


def run_candidate(name: str, python: str, given: dict[str, str]) -> dict[str, Any]:
    """One run in a process of its own."""
    program = HERE / ("corpus_vs_peers.py" if name == OURS else "corpus_peers.py")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "RAYON_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    arguments = [python, str(program), *(["--candidate"] if name == OURS else [])]
    done = subprocess.run(
        [*arguments, json.dumps({**given, "candidate": name})],
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode:
        raise harness.Failed(f"{name} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


HERE = Path(__file__).parent


def installed(python: str, name: str) -> bool:
    """Whether this interpreter has the peer; it is left out otherwise."""
    found = (
        subprocess.run((python, "-c", f"import {name}, spacy, xxhash"), capture_output=True).returncode == 0
    )
    if not found:
        tell(f"  {name} is left out: {python} cannot import it with spacy and xxhash; see --peer-python")
    return found


def prepared(size: int, scratch: Path, data: Path) -> tuple[Path, Path]:
    """The text and the folder of the tokenizer, made where they are missing."""
    from acclimate.tokenizer.training import Train

    made_by = hashlib.sha256(Path(corpus_text.__file__).read_bytes()).hexdigest()[:8]
    text, tokenizer = (scratch / f"corpus-en-{size}-{made_by}{kind}" for kind in ("", "-tokenizer"))
    if not text.is_dir():

        def fill(folder: Path) -> None:
            corpus_text.write(folder, size, data, chinese=0)

        durable.replace_folder(text, fill)
    (file,) = text.iterdir()
    if not tokenizer.is_dir():
        texts = [json.loads(line)["text"] for line in file.open(encoding="utf-8")][:2000]
        train = Train(algorithm="bpe", vocab_size=VOCABULARY, least=0)
        durable.replace_folder(
            tokenizer, lambda folder: train.build(texts=iter([texts]), folder=folder, model_max_length=512)
        )
    return file, tokenizer


def agreement(one: Path, other: Path, total: int) -> float:
    """Share of all documents that both keep or both drop."""
    left, right = (set(json.loads((folder / "kept.json").read_text())) for folder in (one, other))
    return 1 - len(left ^ right) / total


def main() -> None:
    if "--candidate" in sys.argv:
        given = json.loads(sys.argv[-1])
        print(json.dumps(ours(Path(given["text"]), Path(given["folder"]), Path(given["tokenizer"]))))
        return
    parser = harness.arguments(__doc__)
    parser.add_argument(
        "--peer-python", default=sys.executable, metavar="PYTHON", help="the peers' interpreter"
    )
    parser.add_argument(
        "--size", type=int, metavar="BYTES", help=f"bytes of text ({SIZE:,}; short: {SHORT_SIZE:,})"
    )
    options = parser.parse_args()
    size = options.size or (SHORT_SIZE if options.short else SIZE)
    file, tokenizer = prepared(size, durable.new_folder(options.scratch), options.data)
    names = [OURS, *(name for name in ("datatrove", "datasets") if installed(options.peer_python, name))]
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    agreed: dict[str, float] = {}
    documents = sum(1 for _ in file.open("rb"))
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
            folders = {name: durable.new_folder(Path(scratch) / name) for name in names}
            for name in names[number % len(names) :] + names[: number % len(names)]:
                python = sys.executable if name == OURS else options.peer_python
                path = tokenizer if name == OURS else tokenizer / "tokenizer.json"
                given = {"text": str(file), "folder": str(folders[name]), "tokenizer": str(path)}
                rounds[name].append(run_candidate(name, python, given))
            agreed = {name: agreement(folders[OURS], folders[name], documents) for name in names[1:]}
        tell(f"  round {number + 1} of {options.rounds}")
    report(rounds, agreed, file.stat().st_size, documents, options)


def report(
    rounds: dict[str, list[dict[str, Any]]], agreed: dict[str, float], size: int, documents: int, options: Any
) -> None:
    def speed(figures: Any) -> float:
        return size / 1e6 / figures["seconds"]

    ratios = {name: paired(rounds[OURS], rounds[name], speed) for name in rounds if name != OURS}
    rows = []
    for name, answers in rounds.items():
        speeds = spread([speed(one) for one in answers])
        memory = max(one["peak_memory"] for one in answers) / 1e6
        ratio = shown(ratios[name], 1) if name in ratios else ""
        same = f"{agreed[name]:.2%}" if name in agreed else ""
        rows.append([name, shown(speeds), f"{memory:,.0f}", answers[0]["kept"], same, ratio])
    print(table(["", "MB/s", "peak MB", "kept", "agreement", "ours ÷ theirs"], rows))
    read = spread([one["rows_a_second"] for one in rounds[OURS]])
    print(f"\nToken store read back at random: {read['median'] / 1e6:.2f} M rows of {LENGTH} tokens a second")
    findings = {
        "bytes": size,
        "documents": documents,
        "megabytes_a_second": {
            name: spread([speed(one) for one in answers]) for name, answers in rounds.items()
        },
        "peak_memory_mb": {
            name: max(one["peak_memory"] for one in rows) / 1e6 for name, rows in rounds.items()
        },
        "ours_over_theirs": ratios,
        "agreement": agreed,
        "rows_a_second": read,
        "peers": {name: answers[0]["versions"] for name, answers in rounds.items() if name != OURS},
    }
    harness.finish(NAME, options, findings, rounds)


if __name__ == "__main__":
    main()
