"""Whether weights under Transformers' names make a model: which class, what it lacks, what it has no place for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from acclimate.errors import UserError
from acclimate.models.importing.foreign import Foreign

if TYPE_CHECKING:
    from torch import Tensor

_TABLES = ("FOR_PRETRAINING", "FOR_MASKED_LM", "FOR_SEQ_TO_SEQ_CAUSAL_LM", "FOR_CAUSAL_LM")
T = TypeVar("T")
_CLASSIFIERS = ("classifier.", "classification_head.", "score.")


@dataclass
class Fitted:
    """The weights as one class of Transformers has them."""

    model_class: str
    config: Any
    state: dict[str, Tensor] = field(default_factory=dict)
    """What is written, by name."""
    origins: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    """Weights of the class that there are none for."""
    misshapen: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    """Weights of another shape than the class has: found and expected."""
    left: list[str] = field(default_factory=list)
    """Weights that the class has no place for."""

    @property
    def exact(self) -> bool:
        """Whether the class has all its weights."""
        return not self.missing and not self.misshapen


def configuration(foreign: Foreign) -> Any:
    """Its Transformers configuration. Raises UserError for a type or values that Transformers does not know."""
    from transformers import CONFIG_MAPPING

    values = {name: value for name, value in foreign.config.items() if name not in ("model_type", "auto_map")}
    if "auto_map" in foreign.config:
        foreign.notes.append("config.json names code of its own (auto_map), which is not run")
    if foreign.model_type not in CONFIG_MAPPING:
        raise UserError(
            f"Transformers knows no model of type {foreign.model_type!r}; code of its own is not run"
        )
    try:
        return CONFIG_MAPPING[foreign.model_type].from_dict(values)
    except Exception as error:  # strict settings raise errors of their own kinds
        raise UserError(
            f"the settings make no {foreign.model_type} configuration: {_first_line(error)}"
        ) from error


def fit(foreign: Foreign, config: Any) -> Fitted:
    """The first class, heads before bare bodies, that finds all its weights; else the body with what it lacks."""
    fitted = None
    for model_class in _classes(foreign, config):
        fitted = _fitted(foreign, model_class, config)
        if fitted.exact:
            break
    if fitted is None:
        raise UserError(f"Transformers has no model for configurations of type {foreign.model_type!r}")
    kinds = Counter(one.dtype for one in fitted.state.values() if one.is_floating_point())
    if kinds:
        fitted.config.dtype = kinds.most_common(1)[0][0]
    fitted.config.architectures = [fitted.model_class]
    return fitted


def _classes(foreign: Foreign, config: Any) -> Iterator[Any]:
    import transformers
    from transformers.models.auto import modeling_auto

    seen = []
    for name in foreign.config.get("architectures") or ():
        known = getattr(transformers, str(name), None)
        if isinstance(known, type) and issubclass(known, transformers.PreTrainedModel):
            seen.append(known)
    tables = list(_TABLES)
    if any(name.startswith(_CLASSIFIERS) for name in foreign.weights):
        tables.insert(0, "FOR_SEQUENCE_CLASSIFICATION")
    for table in (*(f"MODEL_{one}_MAPPING" for one in tables), "MODEL_MAPPING"):
        known = getattr(modeling_auto, table).get(type(config), None)
        seen += known if isinstance(known, tuple) else [known] if known else []
    yield from dict.fromkeys(seen)


def _fitted(foreign: Foreign, model_class: Any, config: Any) -> Fitted:
    config = deepcopy(config)
    expected, ties, prefix = _skeleton(model_class, config)
    weights = _prefixed(foreign.weights, expected, prefix)
    untied = [a for a, source in ties.items() if a in weights and not _same(weights, a, source)]
    if untied and getattr(config, "tie_word_embeddings", False):
        config.tie_word_embeddings = False
        expected, still, _ = _skeleton(model_class, config)
        for alias, source in ties.items():
            if alias in expected and alias not in weights and source in weights and alias not in still:
                weights[alias] = weights[source]
    fitted = Fitted(model_class.__name__, config)
    origins = _prefixed(foreign.origins, expected, prefix)
    for name, tensor in weights.items():
        if name in expected:
            if tuple(tensor.shape) != expected[name]:
                fitted.misshapen[name] = (tuple(tensor.shape), expected[name])
                continue
            fitted.state[name] = tensor
            fitted.origins[name] = origins.get(name, f"a copy of {ties.get(name, '')}")
        elif name not in ties or not _same(weights, name, ties[name]):
            fitted.left.append(name)
    fitted.missing = [name for name in expected if name not in fitted.state and name not in fitted.misshapen]
    return fitted


def _skeleton(model_class: Any, config: Any) -> tuple[dict[str, tuple[int, ...]], dict[str, str], str]:
    """The class's weights with their shapes, names that repeat another weight, and the prefix of its body's names."""
    import torch

    try:
        with torch.device("meta"):
            model = model_class(deepcopy(config))
    except Exception as error:  # whatever a model does with settings that do not fit together
        raise UserError(f"the settings make no {model_class.__name__}: {_first_line(error)}") from error
    kept = model.state_dict()
    ties = {str(alias): str(source) for alias, source in (model.all_tied_weights_keys or {}).items()}
    every = dict(model.named_parameters(remove_duplicate=False))
    tied = {alias for alias, source in ties.items() if every.get(alias) is every.get(source)}
    shapes = {name: tuple(one.shape) for name, one in every.items() if name not in tied}
    shapes |= {name: tuple(one.shape) for name, one in model.named_buffers() if name in kept}
    prefix = f"{model.base_model_prefix}."
    return shapes, ties, prefix if any(name.startswith(prefix) for name in shapes) else f"-{prefix}"


def _prefixed(weights: Mapping[str, T], expected: Mapping[str, Any], prefix: str) -> dict[str, T]:
    """With the body's prefix as the class has it: a bare body has none (told by a leading minus)."""
    found = {}
    for name, one in weights.items():
        bare = name.removeprefix(prefix.removeprefix("-"))
        other = bare if prefix.startswith("-") else prefix + name
        found[other if name not in expected and other in expected else name] = one
    return found


def _same(weights: Mapping[str, Tensor], alias: str, source: str) -> bool:
    import torch

    return source in weights and torch.equal(weights[alias], weights[source])


def in_body(foreign: Foreign, fitted: Fitted, name: str) -> bool:
    """Whether a weight that was left is of the body, by Transformers' name; poolers count as heads."""
    import transformers

    prefix = f"{getattr(transformers, fitted.model_class).base_model_prefix}."
    if "pooler" in name:
        return False
    if any(one.startswith(prefix) for one in foreign.weights):
        return name.startswith(prefix)
    return name.split(".")[0] in {one.split(".")[0] for one in fitted.state}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
