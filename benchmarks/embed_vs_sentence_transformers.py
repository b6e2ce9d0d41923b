"""Vectors a second: `SentenceTransformer.encode` and the lane behind `/v1/embed`, the same weights, SST-2's sentences.

    python benchmarks/embed_vs_sentence_transformers.py [--short]

Batches of 32; `encode` sorts the texts by length, ours come as they stand. Needs sentence-transformers, which nothing
else here does: pip install sentence-transformers.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import numpy as np

from acclimate.artifacts import durable
from harness import Race, arguments, finish, paired, shown, spread, table, tell
from inference import model_folder, texts_file
from inference_vs_onnx import rate

BATCH = 32
PEERS = ("encode fp32", "encode bf16")


def main() -> None:
    options = arguments(__doc__).parse_args()
    if importlib.util.find_spec("sentence_transformers") is None:
        sys.exit("this program needs sentence-transformers: pip install sentence-transformers")
    texts = texts_file(options.data, options.scratch)
    rounds = 2 if options.short else options.rounds
    findings: dict[str, Any] = {}
    every: dict[str, list[dict[str, Any]]] = {}
    for size in ("mini",) if options.short else ("mini", "base"):
        common = {
            "texts": str(texts),
            "model": str(model_folder(size, options.data, options.scratch)),
            "batch": BATCH,
        }
        seconds = (options.seconds or (16 if options.short else 120)) / (rounds * 5)
        with Race(options.threads) as race:
            for precision in ("fp32", "bf16"):
                race.add(
                    f"encode {precision}",
                    "inference",
                    side="sentence_transformers",
                    precision=precision,
                    **common,
                )
            for precision in ("fp32", "bf16", "int8"):
                race.add(
                    f"acclimate {precision}", "inference", side="embedder", precision=precision, **common
                )
            cosines = agreement(race, options.scratch)
            tell(f"{size}: all texts at once")
            # Pieces that are large enough for `encode` to sort, and small enough for a round to be short.
            results = race.run(rounds, batch=64 if size == "base" else 512, seconds=seconds)
        best = max(PEERS, key=lambda name: spread([rate(one) for one in results[name]])["median"])
        findings[size] = found = {
            name: {
                "texts_per_second": spread([rate(one) for one in answers]),
                "against_fp32": paired(answers, results[PEERS[0]], rate),
                "against_best": paired(answers, results[best], rate),
                "least_cosine": cosines[name],
            }
            for name, answers in results.items()
        }
        every |= {f"{size} {name}": answers for name, answers in results.items()}
        rows = [
            [
                name,
                shown(one["texts_per_second"], 0),
                shown(one["against_fp32"]),
                shown(one["against_best"]),
                f"{one['least_cosine']:.5f}",
            ]
            for name, one in found.items()
        ]
        head = (f"BERT {size}, batch {BATCH}", "texts/s", "× encode fp32", "× its best", "least cosine")
        print("\n" + table(head, rows), flush=True)
    finish("embed_vs_sentence_transformers", options, findings, every)


def agreement(race: Race, scratch: Any) -> dict[str, float]:
    """The smallest cosine of a candidate's vector and the peer's in fp32, over 256 texts."""
    vectors = {}
    with durable.scratch_folder(scratch) as folder:
        for number, (name, worker) in enumerate(race.workers.items()):
            path = folder / f"{number}.npy"
            worker.ask(answers=256, batch=256, to=str(path))
            found = np.load(path)
            vectors[name] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return {name: float((found * vectors[PEERS[0]]).sum(1).min()) for name, found in vectors.items()}


if __name__ == "__main__":
    main()
