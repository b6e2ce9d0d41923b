"""Options that a family takes reach its model; those that it cannot take are refused by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from acclimate.models.families.albert import Albert
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.models.optional_parts import OPTIONS
from acclimate.models.options import FUNCTIONS
from acclimate.recipe.registry import registry

FORMULAS: dict[str, Any] = {
    "relu": nn.ReLU(),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU(approximate="tanh"),
    "silu": nn.SiLU(),
    "swish": nn.SiLU(),
}
TAKING = [
    name for name in registry.names("family") if "activation" in registry.get("family", name).key_names()
]


def test_the_families_that_take_an_activation() -> None:
    library = {
        "bert",
        "roberta",
        "camembert",
        "xlm-r",
        "albert",
        "distilbert",
        "tinybert",
        "modernbert",
        "xlnet",
    }
    library |= {"gpt2", "gpt3", "llama", "bart", "mbart", "t5", "t5.1.1", "layoutlm"}
    assert set(TAKING) >= library | {"transformer"}
    assert FORMULAS.keys() == FUNCTIONS.keys()


@pytest.mark.parametrize("name", [name for name in TAKING if name != "transformer"])
@pytest.mark.parametrize("activation", FUNCTIONS)
def test_an_activation_is_what_every_layer_computes(name: str, activation: str) -> None:
    family: Any = registry.get("family", name)
    with torch.device("meta"):
        from acclimate.models.building import model_class

        kind = "encoder" if "encoder" in family.kinds else next(iter(family.kinds))
        config = family.model_validate({"activation": activation}).config(Vocabulary(60, 0, {"eos_token": 3}))
        built = model_class(kind, family)
        make = built.from_config if hasattr(built, "from_config") else built._from_config
        usual = family.model_validate({}).config(Vocabulary(60, 0, {"eos_token": 3}))
        model = make(config)
        plain = make(usual)
    usual_functions, functions = _activations(plain), _activations(model)
    own = max(FORMULAS, key=lambda one: _number(usual_functions, one))
    assert _number(functions, activation) == _number(usual_functions, own) > 0


def _activations(model: nn.Module) -> list[torch.Tensor]:
    """What each function between a model's layers makes of some numbers."""
    names = ("act", "activation", "act_fn", "activation_fn", "activation_function", "intermediate_act_fn")
    return [
        getattr(module, name)(torch.linspace(-4, 4, 101))
        for module in model.modules()
        for name in names
        if next(module.parameters(), None) is not None and callable(getattr(module, name, None))
    ]


def _number(functions: list[torch.Tensor], name: str) -> int:
    expected = FORMULAS[name](torch.linspace(-4, 4, 101))
    return sum(torch.allclose(one, expected, atol=1e-6) for one in functions)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_that_a_family_cannot_take_is_refused_by_name(option: str) -> None:
    name = "rnn"
    family: Any = registry.get("family", name)
    with pytest.raises(ValidationError, match=f"{name} has no option '{option}'.*transformer"):
        family.model_validate({option: 1})


def test_the_words_name_the_families_that_do() -> None:
    with pytest.raises(ValidationError) as error:
        Bert.model_validate({"normalisation": "rms_norm"})
    assert "bert has no option 'normalisation': that part of it is as published" in str(error.value)
    assert str(error.value).count("transformer") == 1
    with pytest.raises(ValidationError, match="unknown key 'sise'"):  # others are told as before
        Bert.model_validate({"sise": "tiny"})
    with pytest.raises(ValidationError, match="the checkpoint brings its own"):
        Bert.model_validate({"checkpoint": "a/b", "activation": "relu"})


def test_albert_shares_in_groups_and_projects_from_any_width() -> None:
    config = Albert.model_validate({"size": "base", "share": 4, "projection": 64}).config()
    assert (config.num_hidden_groups, config.embedding_size) == (3, 64)
    with pytest.raises(ValidationError, match="12 layers do not part into groups of 5; nearest: 4"):
        Albert.model_validate({"size": "base", "share": 5})
