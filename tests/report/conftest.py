"""Run folders as the pipeline leaves them, made from plain values: English, Chinese, and parts left out."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PACKAGES = [
    "matplotlib",
    "networkx",
    "numpy",
    "pandas",
    "scikit-learn",
    "scipy",
    "sqlalchemy",
    "stdlib",
    "sympy",
]
NEWS = [
    "体育",
    "娱乐",
    "家居",
    "彩票",
    "房产",
    "教育",
    "时尚",
    "时政",
    "星座",
    "游戏",
    "社会",
    "科技",
    "股票",
    "财经",
]
HOSTILE = (
    "<script>document.title='taken over'</script> & \"quotes\" 'too' {{ 7 * 7 }} <img src=x onerror=alert(1)>"
)
TEXTS = {
    "en": [
        "Return the element-wise minimum of two arrays, propagating NaNs where either operand is one.",
        "Compute the shortest path lengths from a source node to every reachable node of a weighted graph.",
        "Base class for all neural network modules. Your models should also subclass this class.",
        "Simplify an expression involving factorials and gamma functions into a canonical form when possible.",
        "Emit the CREATE TABLE statement for this table, using the given bind for connectivity.",
        HOSTILE,
    ],
    "zh": [
        "央行宣布下调存款准备金率零点五个百分点,释放长期资金约一万亿元",
        "国足客场逼平对手,最后十分钟连续两次射中门框",
        "教育部:今年高考报名人数再创新高,多省公布志愿填报时间",
        "新款手机搭载自研芯片,续航测试超过二十小时",
        "双色球头奖开出八注,单注奖金七百二十万元",
        HOSTILE,
    ],
}
RECIPE = """\
# resolved by acclimate 0.1.0
name: {name}
seed: 17
corpus:
  sources:
    - docstrings: {{packages: null, most_per_package: 4000}}
    - files: {{path: "data/a <b> & c/*.jsonl.gz", text: abstract}}
  clean: [unicode, {{length: {{min: 40}}}}]
  split: {{validation: 2%, test: 2%}}
tokenizer:
  train: {{algorithm: wordpiece, vocab_size: 8000}}
model: {{family: bert, size: mini}}
pretrain:
  objective: {{mlm: {{rate: 15%}}}}
  length: 4M tokens
  batch: 8k tokens
tasks:
{tasks}
evaluate:
  intervals: {{bootstrap: {{resamples: 1000, level: 95%}}}}
"""


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), encoding="utf-8"
    )


def write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    write(path, "".join(json.dumps(record) + "\n" for record in records))


def interval(value: float, half: float) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def source(name: str, read: int, **dropped: int) -> dict[str, Any]:
    return {"source": name, "read": read, "kept": read - sum(dropped.values()), "dropped": dropped}


class RunMaker:
    """Writes one run folder; every part can be left out."""

    def __init__(self, root: Path, language: str = "en", *, name: str | None = None, seed: int = 0) -> None:
        self.language = language
        self.name = name or {"en": "quickstart", "zh": "thucnews-titles"}[language]
        self.folder = root / "runs" / self.name / "20261121-041500-3fa91c07"
        self.random = np.random.default_rng(seed)
        self.stages: dict[str, dict[str, Any]] = {}
        self.digests: dict[str, str] = {}
        self.tasks: list[str] = []
        self.folder.mkdir(parents=True)

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def artifact(
        self, stage: str, seconds: float, needs: tuple[str, ...] = (), *, skipped: bool = False
    ) -> None:
        digest = hashlib.sha256(f"{self.name}/{stage}".encode()).hexdigest()
        self.digests[stage] = digest
        manifest = {
            "format": 1,
            "stage": stage.split("-")[0],
            "key": digest[::-1],
            "settings": {},
            "inputs": {need: self.digests.get(need, "f" * 64) for need in needs},
            "versions": {"torch": "2.13.0", "transformers": "5.23.1", "tokenizers": "0.22.1"},
            "files": {f"part-{n}": {"size": 1_234_567 * (n + 1), "sha256": "0" * 64} for n in range(3)},
            "created": "2026-11-21T04:15:30+00:00",
            "digest": digest,
        }
        write(self.artifacts / stage / "manifest.json", manifest)
        self.stages[stage] = {
            "seconds": 0.0 if skipped else seconds,
            "peak_memory_bytes": 0 if skipped else int(3e8 + 4e7 * math.sqrt(seconds)),
            "skipped": skipped,
        }

    def corpus(self) -> RunMaker:
        dropped = {
            "too_short": 5210,
            "exact_duplicate": 3144,
            "quality:symbols": 318,
            "in_task": 96,
            "no_text": 5,
        }
        train = {"documents": 27_344, "bytes": 15_831_220, "characters": 15_702_118}
        small = {"documents": 561, "bytes": 331_118, "characters": 327_920}
        kept = 27_344 + 561 * 2
        if self.language == "zh":
            train["characters"], small["characters"] = 5_300_518, 110_920
        mixes = {"en": {"en": 26_110, "de": 912, "fr": 611, "la": 833}, "zh": {"zh": 28_400, "en": 66}}
        statistics = {
            "read": kept + sum(dropped.values()),
            "kept": kept,
            "dropped": dropped,
            "splits": {"train": train, "validation": small, "test": small},
            "languages": mixes[self.language],
            "languages_sampled": 10_000,
            "sources": [
                source("docstrings", 30_000, too_short=5000, no_text=779),
                source("data/a <b> & c/" + "very-long-folder-name-" * 6 + "*.jsonl.gz", 7239, too_short=2994),
            ],
        }
        write(self.artifacts / "corpus" / "statistics.json", statistics)
        dropped_records = [
            ("too_short", "numpy/core/numeric.py:118", "12 characters: Return self."),
            ("too_short", "data/a/0001.jsonl.gz:7", "短"),
            ("exact_duplicate", "torch/nn/functional.py:2231", TEXTS[self.language][0]),
            ("quality:symbols", "x" * 300, HOSTILE + " " + "长" * 400),
            ("no_text", "data/b.tsv:3", "nul \u0000 bell \u0007 and a lone half \ud83d"),
        ]
        records = [dict(zip(("reason", "place", "detail"), one, strict=True)) for one in dropped_records]
        write_lines(self.artifacts / "corpus" / "dropped.jsonl", records)
        self.artifact("corpus", 41.2)
        return self

    def tokens(self) -> RunMaker:
        vocabulary = {"[PAD]": 0, "[UNK]": 1, **{f"t{n}": n for n in range(2, 8000)}}
        write(
            self.artifacts / "tokenizer" / "tokenizer.json",
            {"model": {"type": "WordPiece", "vocab": vocabulary}},
        )
        sizes = (("train", 27_344, 4_011_903, 15_831_220), ("validation", 561, 84_020, 331_118))
        counts = {
            split: {"dtype": "uint16", "documents": d, "empty": 0, "tokens": t, "bytes": b}
            for split, d, t, b in sizes
        }
        write(self.artifacts / "tokens" / "counts.json", {"vocabulary": 8000, **counts})
        self.artifact("tokenizer", 9.8, ("corpus",))
        self.artifact("tokens", 14.1, ("corpus", "tokenizer"), skipped=True)
        return self

    def pretrain(self, steps: int = 900) -> RunMaker:
        at = np.arange(1, steps + 1)
        trend = 3.4 + 5.6 * np.exp(-at / (steps / 6))
        loss = trend + self.random.normal(0, 0.12, steps)
        rate = 1e-3 * np.minimum(at / (0.06 * steps), (steps - at) / (0.94 * steps))
        norm = np.exp(self.random.normal(-0.3, 0.25, steps)) + 6 * np.exp(-at / 20)
        folder = self.artifacts / "pretrain"
        write_lines(
            folder / "steps.jsonl",
            [
                {"step": int(n), "loss": float(a), "lr": float(b), "gradient_norm": float(c), "tokens": 8000}
                for n, a, b, c in zip(at, loss, rate, norm, strict=True)
            ],
        )
        validations = [
            {"step": n, "loss": trend[n - 1] + 0.1, "bits_per_byte": (trend[n - 1] + 0.1) * 0.37}
            for n in range(max(1, steps // 9), steps + 1, max(1, steps // 9))
        ]
        write_lines(folder / "validation.jsonl", validations)
        moments = {}
        for name, value in (("before", 9.04), ("after", 3.52), ("test", 3.55)):
            moments[name] = {
                "loss": interval(value, 0.04),
                "perplexity": interval(math.exp(value), math.exp(value) * 0.04),
                "bits_per_byte": interval(value * 0.37, 0.015),
            }
        figures = {**moments, "tokens": 4_000_000, "seconds": 131.0, "parameters": 5_403_968}
        write(self.artifacts / "figures" / "figures.json", figures)
        config = {
            "model_type": "bert",
            "num_hidden_layers": 4,
            "hidden_size": 256,
            "num_attention_heads": 4,
            "intermediate_size": 1024,
            "max_position_embeddings": 512,
            "vocab_size": 8000,
            "hidden_act": "gelu",
        }
        write(self.folder / "model" / "config.json", config)
        self.artifact("pretrain", 131.4, ("tokens", "tokenizer"))
        return self

    def task(
        self,
        name: str = "topic",
        labels: list[str] | None = None,
        *,
        baseline: bool = True,
        difference: float = 0.071,
        multi_label: bool = False,
        curves: bool = True,
    ) -> RunMaker:
        labels = labels or (PACKAGES if self.language == "en" else NEWS)
        self.tasks.append(name)
        stages = self._trainings(name, baseline, curves)
        write(
            self.artifacts / f"examples-{name}" / "statistics.json",
            {"read": 4100, "kept": 4000, "imbalance": {"majority": [labels[0]], "majority_accuracy": 0.19}},
        )
        evaluation = self._evaluation(name, labels, difference if baseline else None, multi_label)
        write(self.artifacts / f"evaluation-{name}" / "evaluation.json", evaluation)
        self.artifact(f"evaluation-{name}", 6.3, (f"examples-{name}", *stages))
        return self

    def _trainings(self, name: str, baseline: bool, curves: bool) -> list[str]:
        self.artifact(f"examples-{name}", 2.2)
        stages = []
        for arm in ("with", "without") if baseline else ("with",):
            for seed in range(3):
                stage = f"task-{name}-{arm}-{seed}"
                needs = (
                    f"examples-{name}",
                    *(("pretrain",) if arm == "with" and "pretrain" in self.digests else ()),
                )
                self.artifact(stage, 17.0 + seed, needs)
                stages.append(stage)
                if not curves:
                    continue
                start, floor = (2.3, 0.62) if arm == "with" else (2.35, 0.88)
                at = np.arange(1, 321)
                loss = floor - 0.2 + (start - floor) * np.exp(-at / 80) + self.random.normal(0, 0.06, 320)
                records = [{"step": int(n), "loss": float(v)} for n, v in zip(at, loss, strict=True)]
                write_lines(self.artifacts / stage / "steps.jsonl", records)
                seen = [
                    {"step": n, "loss": floor + (start - floor) * math.exp(-n / 75) + 0.02 * seed}
                    for n in range(64, 321, 64)
                ]
                write_lines(self.artifacts / stage / "validation.jsonl", seen)
        return stages

    def _evaluation(
        self, name: str, labels: list[str], difference: float | None, multi_label: bool
    ) -> dict[str, Any]:
        number = len(labels)
        support = np.maximum(12, (140 * np.exp(-np.arange(number) / 6)).astype(int))[
            self.random.permutation(number)
        ]
        confusion = np.zeros((number, number), dtype=int)
        for i, n in enumerate(support):
            chances = np.full(number, 0.004) + 0.05 * self.random.random(number) ** 4
            chances[(i + 3) % number] += 0.08
            chances[i] = 0
            chances[i] = max(0.5, 1 - chances.sum())
            confusion[i] = self.random.multinomial(n, chances / chances.sum())
        value = 0.784
        test = {
            metric: interval(value + shift, half)
            for metric, shift, half in (
                ("accuracy", 0.02, 0.018), ("macro_f1", 0, 0.022), ("micro_f1", 0.02, 0.018),
                ("macro_precision", 0.01, 0.02), ("macro_recall", -0.01, 0.023), ("auc", 0.18, 0.006),
            )
        }  # fmt: skip
        without = None
        verdict = None
        per_seed = {"with": [value - 0.008, value + 0.003, value + 0.005], "without": []}
        if difference is not None:
            other = value - difference
            without = {metric: interval(one["value"] - difference, 0.024) for metric, one in test.items()}
            without["auc"] = interval(0.93, 0.01)
            per_seed["without"] = [other + 0.01, other - 0.012, other + 0.002]
            verdict = {
                "metric": "macro_f1", "with": value, "without": other, "difference": difference,
                "low": difference - 0.021, "high": difference + 0.021, "seeds": 3, "p_value": 0.0004,
                "statement": f"Domain pretraining raised macro F1 by {difference:.3f} (95 % interval, 3 seeds).",
            }  # fmt: skip
        per_class = [
            {
                "label": label,
                "support": int(n),
                "precision": 0.9 - 0.02 * i,
                "recall": 0.8,
                "f1": 0.85 - 0.02 * i,
            }
            for i, (label, n) in enumerate(zip(labels, support, strict=True))
        ]
        texts = TEXTS[self.language]
        examples = [
            {
                "text": text,
                "label": labels[n % number],
                "predicted": labels[n % number] if n % 3 else labels[(n + 1) % number],
                "probability": 0.93 - 0.09 * n,
            }
            for n, text in enumerate(texts)
        ]
        worst = [
            {**one, "predicted": labels[(n + 2) % number], "loss": 7.31 - 0.6 * n, "probability": 0.98}
            for n, one in enumerate(examples)
        ]
        if multi_label:
            examples = [
                {**one, "label": labels[:2], "predicted": labels[: n % 3]} for n, one in enumerate(examples)
            ]
        return {
            "task": name, "labels": labels, "multi_label": multi_label, "test": test, "baseline_test": without,
            "verdict": verdict, "per_seed": per_seed, "notes": ["AUC leaves out 1 classes without test examples"],
"per_class": per_class,
            "confusion": None if multi_label else confusion.tolist(),
            "examples": examples, "worst": worst,
            "class_counts": {
                split: {label: int(n * factor) for label, n in zip(labels, support, strict=True)}
                for split, factor in (("train", 4), ("validation", 1), ("test", 1))
            },
            "accounting": {"read": 4100, "kept": 4000, "dropped": {"repeats_train": 100}},
        }  # fmt: skip

    def done(self) -> Path:
        """What the run writes last: the recipe, the metrics."""
        tasks = "\n".join(
            f"  {name}: {{classification: {{train: train.tsv, metric: macro_f1}}}}" for name in self.tasks
        )
        write(self.folder / "recipe.resolved.yaml", RECIPE.format(name=self.name, tasks=tasks or "  {}"))
        write(self.folder / "metrics.json", {"stages": self.stages})
        return self.folder


@pytest.fixture(scope="session")
def run_maker() -> type[RunMaker]:
    """The class itself, for runs that several tests share."""
    return RunMaker


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunMaker]:
    """RunMaker(...) under a folder of this test."""

    def make(language: str = "en", **options: Any) -> RunMaker:
        return RunMaker(tmp_path, language, **options)

    return make


@pytest.fixture
def whole_run(make_run: Callable[..., RunMaker]) -> Callable[[str], Path]:
    """A run with everything in it."""

    def make(language: str) -> Path:
        return make_run(language).corpus().tokens().pretrain().task().done()

    return make
