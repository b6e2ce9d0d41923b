"""Models of ours made known to Transformers: after `import acclimate.models.register` the Auto classes load them.

A family of ours is a folder in `families/`. Its `modelling.py` states `CONFIG`, the class of its configurations (whose
`model_type` is `acclimate_` and the folder's name), and `AUTO`: name of an Auto class → the model that it builds.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

OWN: tuple[str, ...] = ("transformer", "recurrent", "coconvit", "transformer_xl", "seq2seq", "elmo")
"""Folders of `families/` that hold models of ours."""


@cache
def register_models() -> None:
    """Register every family of ours with Transformers' Auto classes; once is enough."""
    import transformers

    for name in OWN:
        modelling = import_module(f"acclimate.models.families.{name}.modelling")
        config = modelling.CONFIG
        transformers.AutoConfig.register(config.model_type, config, exist_ok=True)
        for auto, model in modelling.AUTO.items():
            getattr(transformers, auto).register(config, model, exist_ok=True)


register_models()
