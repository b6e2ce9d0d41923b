"""The list of components: role, name, where the settings class stands. A new technique adds its line here."""

from __future__ import annotations

PARTS: tuple[tuple[str, str, str], ...] = (
    ("reader", "files", "acclimate.corpus.sources.files:Files"),
    ("reader", "docstrings", "acclimate.corpus.sources.docstrings:Docstrings"),
    ("cleaner", "unicode", "acclimate.corpus.clean.unicode:Unicode"),
    ("cleaner", "length", "acclimate.corpus.clean.length:LengthFilter"),
    ("cleaner", "language", "acclimate.corpus.clean.language:Language"),
    ("cleaner", "quality", "acclimate.corpus.clean.quality:Quality"),
    ("tokenizer", "train", "acclimate.tokenizer.training:Train"),
    ("tokenizer", "load", "acclimate.tokenizer.loading:Load"),
    ("family", "bert", "acclimate.models.bert:Bert"),
    ("objective", "mlm", "acclimate.objectives.mlm:Mlm"),
    ("optimizer", "adamw", "acclimate.optim.adamw:AdamW"),
    ("schedule", "linear", "acclimate.optim.schedules:Linear"),
    ("schedule", "cosine", "acclimate.optim.schedules:Cosine"),
    ("schedule", "constant", "acclimate.optim.schedules:Constant"),
    ("gradient", "clip_norm", "acclimate.optim.clip_norm:ClipNorm"),
    ("initialiser", "truncated_normal", "acclimate.optim.truncated_normal:TruncatedNormal"),
    ("transfer", "full", "acclimate.transfer.full:Full"),
    ("task", "classification", "acclimate.transfer.classification:Classification"),
    ("metric", "accuracy", "acclimate.evaluate.metrics:Accuracy"),
    ("metric", "macro_f1", "acclimate.evaluate.metrics:MacroF1"),
    ("metric", "micro_f1", "acclimate.evaluate.metrics:MicroF1"),
    ("metric", "macro_precision", "acclimate.evaluate.metrics:MacroPrecision"),
    ("metric", "macro_recall", "acclimate.evaluate.metrics:MacroRecall"),
    ("metric", "micro_precision", "acclimate.evaluate.metrics:MicroPrecision"),
    ("metric", "micro_recall", "acclimate.evaluate.metrics:MicroRecall"),
    ("metric", "auc", "acclimate.evaluate.metrics:Auc"),
    ("interval", "bootstrap", "acclimate.evaluate.bootstrap:Bootstrap"),
)
