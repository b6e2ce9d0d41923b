"""Labels for a file of texts: the pipeline in batch mode, and this package's evaluation and server lane.

    python benchmarks/predict_vs_pipeline.py [--short]

Every round labels the whole file: SST-2's 2,693 sentences, the first 512 of them with base; tokenisation included. The
pipeline gets it as one list, in its best batch size of 8, 32 and 128, in fp32 and in bf16, as it stands and sorted by
length, which it does not itself. `evaluation` is what judges a task's test examples.
"""

from __future__ import annotations

from typing import Any

from harness import Race, arguments, finish, paired, shown, spread, table
from inference import model_folder, texts_file
from inference_vs_onnx import agreement, rate

PLAIN = "pipeline fp32"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--sizes", nargs="+", default=["mini", "base"], metavar="SIZE", help="of BERT (mini base)"
    )
    options = parser.parse_args()
    texts = texts_file(options.data, options.scratch)
    rounds = 1 if options.short else options.rounds
    findings: dict[str, Any] = {}
    every: dict[str, list[dict[str, Any]]] = {}
    most = {"mini": 800 if options.short else None, "base": 512}
    for size in options.sizes[:1] if options.short else options.sizes:
        model = model_folder(size, options.data, options.scratch)
        common = {"texts": str(texts), "model": str(model), "most": most[size]}
        with Race(options.threads) as race:
            for precision in ("fp32", "bf16"):
                best = 32 if options.short else chosen(race, common, precision, size)
                for way in ("",) if options.short else ("", ", sorted"):
                    name = f"pipeline {precision}{way}"
                    race.add(
                        name,
                        "inference",
                        side="pipeline",
                        precision=precision,
                        batch=best,
                        sort=bool(way),
                        **common,
                    )
            for precision in ("int8",) if options.short else ("fp32", "bf16", "int8"):
                race.add(
                    f"acclimate {precision}", "inference", side="predictor", precision=precision, **common
                )
            race.add("acclimate evaluation", "inference", side="evaluation", precision="auto", **common)
            equal = agreement(race, options.scratch, 128 if options.short else 512)
            results = race.run(rounds, batch=None, seconds=0.0)
        peers = [name for name in results if name.startswith("pipeline") and "sorted" not in name]
        peer = max(peers, key=lambda name: spread([rate(one) for one in results[name]])["median"])
        findings[size] = found = {
            name: {
                "texts_per_second": spread([rate(one) for one in answers]),
                "against_fp32": paired(answers, results[PLAIN], rate),
                "against_best": paired(answers, results[peer], rate),
                **equal[name],
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
                f"{one['probability']:.1e}",
                f"{one['labels']:.2%}",
            ]
            for name, one in found.items()
        ]
        head = (f"BERT {size}", "texts/s", "× fp32", f"× {peer}", "|Δp|", "labels equal")
        print("\n" + table(head, rows), flush=True)
    finish("predict_vs_pipeline", options, findings, every)


def chosen(race: Race, common: dict[str, Any], precision: str, size: str) -> int:
    """The pipeline's best batch size."""
    rates = {}
    for batch in (8, 32, 128):
        name = f"trial {precision} {batch}"
        race.add(name, "inference", side="pipeline", precision=precision, batch=batch, **common)
        worker = race.workers.pop(name)
        rates[batch] = rate(worker.ask(batch=128 if size == "base" else 512, seconds=0.0))
        worker.close()
    return max(rates, key=lambda batch: rates[batch])


if __name__ == "__main__":
    main()
