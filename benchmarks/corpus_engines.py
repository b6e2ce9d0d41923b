"""Which engine carries the corpus to a cluster: the same sieve over the same documents on two processors.

Unicode, quality by the rules of Gopher, digests and MinHash of 2,048 documents at a time, asked for in reading order:
in this process alone; by this package's own workers; by Ray actors (`hardware: {cluster: ray}`); by Ray Data's
`map_batches`, order preserved; by a Daft UDF on its own runner and on Ray. Ray Data and Daft read Parquet, which they
do best; the others read JSON lines. Start-up of engines and workers is not timed: each does a small corpus first. Run
it with an interpreter that has acclimate, `ray[data]<2.60` and `daft<0.8`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import corpus_text
import harness
from acclimate.artifacts import durable
from acclimate.corpus.document import Document
from acclimate.corpus.parallel.cluster import Cluster
from acclimate.corpus.parallel.crew import Alone, Batch, Crew
from acclimate.corpus.parallel.processes import Processes
from acclimate.corpus.steps import sieve_of
from acclimate.recipe.corpus_section import Corpus
from harness import shown, spread, table, tell

NAME = "corpus_engines"
SIZE, SHORT_SIZE, SMALL = 100_000_000, 10_000_000, 1_000_000
ROWS = 2048
SECTION: dict[str, Any] = {
    "clean": [{"unicode": "NFC"}, {"quality": "gopher"}],
    "deduplicate": {"near": {"threshold": 0.8}},
}
Ids = list[str]


class Sifting:
    """The sieve as a function of Arrow tables: for each document its id, empty where it is dropped."""

    def __init__(self) -> None:
        self._sieve = sieve_of(Corpus.model_validate({"sources": ["unread"], **SECTION}), None)

    def ids(self, places: list[str], texts: list[str]) -> Ids:
        sifted = self._sieve([Document("", *one, {}) for one in zip(places, texts, strict=True)], "x")
        kept = dict(
            zip(sifted.documents["place"].to_pylist(), sifted.documents["id"].to_pylist(), strict=True)
        )
        return [kept[place].hex() if place in kept else "" for place in places]

    def __call__(self, batch: Any) -> Any:
        ids = self.ids(batch["place"].to_pylist(), batch["text"].to_pylist())
        return pa.table({"place": batch["place"], "id": ids})


def by_crew(crew: Crew, folder: Path) -> Ids:
    """What one of the package's own ways gives."""
    corpus = Corpus.model_validate({"sources": [{"path": str(folder / "text")}], **SECTION})

    def batches() -> Iterator[Batch]:
        items: list[Any] = []
        for item in corpus.sources[0].build().read():
            items.append(item)
            if len(items) == ROWS:
                yield Batch(0, "x", items)
                items = []
        yield Batch(0, "x", items)

    ids: Ids = []
    for _, sifted in crew.sifted(batches()):
        ids += [id.hex() for id in sifted.documents["id"].to_pylist()]
    return ids


def ray_data(folder: Path) -> Ids:
    import ray

    ray.data.DataContext.get_current().execution_options.preserve_order = True
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.read_parquet(str(folder / "rows.parquet"), override_num_blocks=1)
    found = rows.map_batches(
        Sifting, batch_format="pyarrow", batch_size=ROWS, compute=ray.data.ActorPoolStrategy(size=2)
    )
    return [
        id for batch in found.iter_batches(batch_format="pyarrow") for id in batch["id"].to_pylist() if id
    ]


def daft_udf(folder: Path) -> Ids:
    import daft

    @daft.udf(return_dtype=daft.DataType.string(), batch_size=ROWS, concurrency=2)
    class Sift:
        def __init__(self) -> None:
            self._sifting = Sifting()

        def __call__(self, place: Any, text: Any) -> list[str]:
            return self._sifting.ids(place.to_pylist(), text.to_pylist())

    rows = daft.read_parquet(str(folder / "rows.parquet"))
    found = rows.select(Sift(daft.col("place"), daft.col("text")).alias("id"))
    return [id for id in found.to_pydict()["id"] if id]


def prepared(size: int, scratch: Path, data: Path) -> Path:
    folder = scratch / f"engines-{size}"

    def fill(draft: Path) -> None:
        (file,) = corpus_text.write(draft / "text", size, data)
        corpus = Corpus.model_validate({"sources": [{"path": str(file)}]})
        items = [item for item in corpus.sources[0].build().read() if isinstance(item, Document)]
        places, texts = [one.place.rpartition("/")[2] for one in items], [one.text for one in items]
        table = pa.table({"place": places, "text": texts})
        pq.write_table(table, draft / "rows.parquet", row_group_size=ROWS)

    if not folder.is_dir():
        durable.replace_folder(folder, fill)
    return folder


def main() -> None:
    parser = harness.arguments(__doc__)
    options = parser.parse_args()
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", DAFT_ANALYTICS_ENABLED="0", DO_NOT_TRACK="1")
    try:
        import daft
        import ray
        import ray.data
    except ImportError as error:
        tell(f"  nothing to compare with: {error}; it needs ray[data] and daft")
        return

    # More than there are: actors that wait hold theirs, and Ray Data would wait for them for ever.
    ray.init(
        num_cpus=4 * options.threads, include_dashboard=False, log_to_driver=False, logging_level="error"
    )
    scratch = durable.new_folder(options.scratch)
    size = SHORT_SIZE if options.short else SIZE
    small, large = (prepared(one, scratch, options.data) for one in (SMALL, size))
    corpus = Corpus.model_validate({"sources": ["unread"], **SECTION})
    description = {"corpus": corpus.model_dump(mode="json"), "held_out": None}
    empty = durable.new_folder(scratch / "engines-empty")
    crews: dict[str, Crew] = {
        "alone": Alone(sieve_of(corpus, None)),
        f"{options.threads} workers": Processes(options.threads, description),
        f"{options.threads} Ray actors": Cluster(options.threads, description, empty),
    }
    ways: dict[str, Callable[[Path], Ids]] = {
        name: lambda folder, crew=crew: by_crew(crew, folder) for name, crew in crews.items()
    }
    ways |= {"Ray Data": ray_data, "Daft": daft_udf}
    rounds = raced(ways, small, large, options.rounds)
    for crew in crews.values():
        crew.close()
    # Daft's runner is chosen once in a process, and the native one comes first.
    rounds |= {} if options.short else _daft_on_ray(daft, small, large, options.rounds)
    ray.shutdown()
    megabytes = sum(file.stat().st_size for file in (large / "text").iterdir()) / 1e6
    speeds = {
        name: spread([megabytes / one["seconds"] for one in answers]) for name, answers in rounds.items()
    }
    same = {name: answers[0]["ids"] == rounds["alone"][0]["ids"] for name, answers in rounds.items()}
    print(
        table(
            ["", "MB/s", "same ids, same order"], [[n, shown(v, 1), str(same[n])] for n, v in speeds.items()]
        )
    )
    for answers in rounds.values():
        for one in answers:
            del one["ids"]
    versions = {"ray": ray.__version__, "daft": daft.__version__}
    harness.finish(NAME, options, {"megabytes_a_second": speeds, "same": same, "versions": versions}, rounds)


def raced(
    ways: dict[str, Callable[[Path], Ids]], small: Path, large: Path, rounds: int
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for way in ways.values():
        way(small)
    for number in range(rounds):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            began = time.perf_counter()
            ids = ways[name](large)
            found[name].append({"seconds": time.perf_counter() - began, "kept": len(ids), "ids": ids})
        tell(f"  round {number + 1} of {rounds}")
    return found


def _daft_on_ray(daft: Any, small: Path, large: Path, rounds: int) -> dict[str, list[dict[str, Any]]]:
    try:
        daft.set_runner_ray()
    except Exception as error:
        tell(f"  Daft on Ray: {error}")
        return {}
    return raced({"Daft on Ray": daft_udf}, small, large, rounds)


if __name__ == "__main__":
    main()
