"""What the delivered models are and how to use them."""

from __future__ import annotations

from typing import Any

from acclimate.report.data_card import token_counts
from acclimate.report.estimates import Estimate, metric_name
from acclimate.report.gather import RunRecord
from acclimate.report.model_kinds import purpose
from acclimate.report.numbers import compact, count, number, percent, size
from acclimate.report.verdict import main_metric

ARCHITECTURE = (
    (("model_type",), "family"),
    (("num_hidden_layers", "n_layer", "encoder_layers", "num_layers"), "layers"),
    (("decoder_layers", "num_decoder_layers"), "layers of the decoder"),
    (("hidden_size", "n_embd", "d_model"), "hidden size"),
    (("num_attention_heads", "n_head", "encoder_attention_heads", "num_heads"), "attention heads"),
    (("intermediate_size", "n_inner", "encoder_ffn_dim", "d_ff"), "feed-forward size"),
    (("max_position_embeddings", "n_positions"), "longest sequence"),
    (("vocab_size",), "vocabulary"),
    (("hidden_act", "activation_function", "feed_forward_proj"), "activation"),
)
"""Names that configurations have for a thing → what to call it."""
LIMITS = (
    "The figures hold for text like the test sets of this run; other sources, later years or other languages may do "
    "worse, and nothing here measures that.",
    "What the corpus says too often, or wrongly, the model has learnt; it was not examined for bias against people.",
    "Probabilities come straight from the scores and were not calibrated.",
)


def architecture(config: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The rows that a model's config answers."""
    if not config:
        return []
    rows = []
    for keys, name in ARCHITECTURE:
        value = next((config[key] for key in keys if config.get(key) is not None), None)
        if value is not None:
            rows.append((name, count(value) if isinstance(value, int) else str(value)))
    return rows


def model_summary(run: RunRecord) -> dict[str, Any] | None:
    """The page's model card; None when the run delivered no model."""
    if run.model_config is None and not run.tasks:
        return None
    settings = run.recipe.get("model") or {}
    rows = architecture(run.model_config)
    if isinstance(settings.get("size"), str):
        rows.insert(1 if rows else 0, ("size", settings["size"]))
    if (run.figures or {}).get("parameters") is not None:
        rows.append(("parameters", count((run.figures or {})["parameters"])))
    if run.tokenizer:
        rows.append(("tokenizer", str(run.tokenizer["algorithm"])))
    body = purpose((run.figures or {}).get("kind", "mlm"))
    of_tasks = [(task.name, purpose(str(task.evaluation.get("head", "")))) for task in run.tasks]
    whole = [body] if run.model_config is not None else []
    return {
        "architecture": rows,
        "training": training_summary(run),
        "results": _results(run),
        "intended": list(dict.fromkeys(one.intended for one in (*whole, *(one for _, one in of_tasks)))),
        "loaders": sorted({one.loader for one in (*whole, *(one for _, one in of_tasks))}),
        "loader": body.loader,
        "limits": LIMITS,
        "has_model": run.model_config is not None,
        "tasks": [(name, one.loader) for name, one in of_tasks],
    }


def training_summary(run: RunRecord) -> str:
    """One sentence or two on what the model has seen."""
    sentences = []
    corpus = run.corpus or {}
    train = (corpus.get("splits") or {}).get("train") or {}
    if train:
        languages = sorted(
            (corpus.get("languages") or {}).items(), key=lambda item: (-number(item[1]), item[0])
        )
        total = sum(number(n) for _, n in languages)
        mix = ", ".join(f"{code} {percent(number(n) / total)}" for code, n in languages[:3]) if total else ""
        tokens = token_counts(run).get("train")
        text = f"{count(train.get('documents'))} documents, {size(train.get('bytes'))} of text"
        text += f", {compact(tokens['tokens'])} tokens" if tokens else ""
        sentences.append(f"Training text: {text}" + (f" ({mix})." if mix else "."))
    pretrain = run.recipe.get("pretrain")
    if isinstance(pretrain, dict) and run.figures:
        objective = pretrain.get("objective")
        name = next(iter(objective), "") if isinstance(objective, dict) else str(objective or "")
        seen = compact(run.figures.get("tokens"))
        sentences.append(f"Pretrained with the objective {name or 'of the recipe'} on {seen} tokens in all.")
    return " ".join(sentences)


def _results(run: RunRecord) -> list[tuple[str, str]]:
    rows = []
    figures = (run.figures or {}).get("after") or {}
    measure = "bits_per_byte" if "bits_per_byte" in figures else "loss"
    after = Estimate.of(figures.get(measure))
    if after:
        rows.append((f"{metric_name(measure)}, held-out domain text", _with_range(after)))
    for task in run.tasks:
        metric = main_metric(task, run)
        found = Estimate.of((task.evaluation.get("test") or {}).get(metric))
        if found and metric:
            rows.append((f"{task.name}, {metric_name(metric)}", _with_range(found)))
    return rows


def _with_range(one: Estimate) -> str:
    return f"{one.text} [{one.range}]" if one.range else one.text
