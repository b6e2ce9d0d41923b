"""Growing models of every family that can: what is added, what it does to the function, and what holds still."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from family_entry import LENGTHS, tiny_model, tiny_settings
from family_table import TABLE
from torch import Tensor

from acclimate.errors import UserError
from acclimate.models.families.transformer.family import Transformer
from acclimate.models.family import Vocabulary
from acclimate.models.growing import Stacks
from acclimate.recipe.registry import registry

GROWING = [name for name in TABLE if registry.get("family", name).layer_lists]
PARTS = [
    {"norm_place": "pre", "normalisation": "rms_norm", "position_encoding": "rope"},
    {"norm_place": "post", "normalisation": "rms_norm", "activation": "swiglu"},
    {"norm_place": "post", "normalisation": "batch_norm"},
    {"norm_place": "pre", "bias": False, "position_encoding": "alibi"},
]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def kind_of(name: str) -> Any:
    kinds = registry.get("family", name).kinds
    return next(kind for kind in ("mlm", "clm", "seq2seq") if kind in kinds)


def deep(name: str, layers: int, **settings: Any) -> Any:
    """The family's tiny model with so many layers, ready to be asked."""
    entry, family = TABLE[name], registry.get("family", name)
    tiny = {**entry.tiny, **dict.fromkeys(family.layer_lists.values(), layers)}
    entry = replace(entry, tiny=tiny, settings={**entry.settings, **settings})
    return tiny_model(name, entry, kind_of(name)).eval()


def outputs(name: str, model: Any) -> list[Tensor]:
    entry, kind = TABLE[name], kind_of(name)
    batch = entry.batch(registry.get("family", name), kind, entry.tokenizer(), LENGTHS)
    with torch.no_grad():
        return entry.ours(model, kind, batch)


def learnt(model: Any) -> None:
    """Every weight moves, those of norms too, as if it had been trained."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)


def lists(name: str, model: Any) -> list[Any]:
    return [model.base_model.get_submodule(path) for path in registry.get("family", name).layer_lists]


def require_nothing_changed_by_zero(name: str, model: Any) -> None:
    stacks = Stacks(model)
    stacks.use(2)
    learnt(model)
    before = outputs(name, model)
    stacks.grow(3, "zero")
    stacks.grow(5, "zero")
    after = outputs(name, model)
    assert all(len(layers) == 5 for layers in lists(name, model))
    for one, other in zip(before, after, strict=True):
        assert float(one.std()) > 0.1
        # An epsilon of 1e-5 beside a small variance is what is left of the second norm.
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", GROWING)
def test_layers_that_add_nothing_leave_the_function_as_it_was(name: str) -> None:
    require_nothing_changed_by_zero(name, deep(name, 5))


@pytest.mark.parametrize("parts", PARTS, ids=lambda parts: "-".join(map(str, parts.values())))
def test_so_they_do_whatever_a_transformer_is_made_of(parts: dict[str, Any]) -> None:
    require_nothing_changed_by_zero("transformer", deep("transformer", 5, **parts))


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_the_logits_are_the_same_in_fp32(name: str) -> None:
    model = deep(name, 4)
    stacks = Stacks(model)
    stacks.use(1)
    learnt(model)
    before = outputs(name, model)
    stacks.grow(4, "zero")
    if name == "gpt2":  # norms stand before: nothing at all is computed otherwise
        assert all(torch.equal(*pair) for pair in zip(before, outputs(name, model), strict=True))
    for one, other in zip(before, outputs(name, model), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", GROWING)
def test_what_adds_nothing_can_learn(name: str) -> None:
    model = deep(name, 3)
    stacks = Stacks(model)
    stacks.use(1)
    stacks.grow(3, "zero")
    entry, kind = TABLE[name], kind_of(name)
    batch = entry.batch(registry.get("family", name), kind, entry.tokenizer(), LENGTHS)
    entry.ours(model, kind, batch)[0].square().sum().backward()
    for layers in lists(name, model):
        moved = [key for key, one in layers[2].named_parameters() if one.grad is not None and one.grad.any()]
        assert len(moved) >= 2, moved  # the ends of both branches


def weights(layer: Any) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in layer.state_dict().items()}


@pytest.mark.parametrize(
    ("old", "new", "sources"),
    [
        (3, 6, [0, 1, 2, 0, 1, 2]),  # StackBERT: layer i of the upper half is layer i of the lower
        (2, 3, [0, 1, 1]),
        (4, 6, [0, 1, 2, 3, 2, 3]),
        (1, 4, [0, 0, 0, 0]),
        (2, 5, [0, 1, 1, 0, 1]),
    ],
)
@pytest.mark.parametrize("name", ["bert", "t5", "gpt2"])
def test_copies_are_stacked_upwards(name: str, old: int, new: int, sources: list[int]) -> None:
    model = deep(name, new)
    stacks = Stacks(model)
    stacks.use(old)
    learnt(model)
    before = [[weights(layer) for layer in layers] for layers in lists(name, model)]
    stacks.grow(new, "copy")
    for layers, were in zip(lists(name, model), before, strict=True):
        for number, source in enumerate(sources):
            found = weights(layers[number])
            shared = found.keys() & were[source].keys()  # T5's first layer alone has the table of distances
            assert len(shared) == len(found)
            assert all(torch.equal(found[key], were[source][key]) for key in shared)


@pytest.mark.parametrize("name", GROWING)
def test_the_whole_model_is_as_it_was_built(name: str) -> None:
    model, other = deep(name, 3), deep(name, 3)
    stacks = Stacks(model)
    stacks.use(1)
    assert len(model.state_dict()) < len(other.state_dict())
    stacks.use(3)
    assert model.config.to_dict() == other.config.to_dict()
    ours, theirs = model.state_dict(), other.state_dict()
    assert list(ours) == list(theirs) and all(torch.equal(ours[key], theirs[key]) for key in theirs)


HEADS = {
    "bert": {"cls"},
    "transformer": {"head"},
    "gpt2": {"transformer.ln_f"},
    "llama": {"model.norm", "lm_head"},
    "bart": set(),
    "mbart": {"model.encoder.layer_norm", "model.decoder.layer_norm"},
    "t5": {"encoder.final_layer_norm", "decoder.final_layer_norm"},
    "t5.1.1": {"encoder.final_layer_norm", "decoder.final_layer_norm", "lm_head"},
    "roberta": {"lm_head"},
    "distilbert": {"vocab_transform", "vocab_layer_norm", "vocab_projector"},
    "modernbert": {"model.final_norm", "head", "decoder"},
}


@pytest.mark.parametrize("name", HEADS)
def test_new_layers_train_and_what_stands_above_them(name: str) -> None:
    model = deep(name, 3)
    stacks = Stacks(model)
    stacks.use(2)
    stacks.train_from(1)
    trained = {key for key, one in model.named_parameters() if one.requires_grad}
    new = {
        key
        for key, one in model.named_parameters()
        for layers in lists(name, model)
        if _within(one, layers[1])
    }
    assert new and new <= trained
    above = trained - new
    assert all(any(key.startswith(head) for head in HEADS[name]) for key in above), above
    assert all(any(key.startswith(head) for key in above) for head in HEADS[name]), above
    stacks.train_from(0)
    assert all(one.requires_grad for one in model.parameters())


def _within(parameter: Tensor, layer: Any) -> bool:
    return any(parameter is one for one in layer.parameters())


def test_a_model_whose_layers_share_weights_cannot_grow() -> None:
    with pytest.raises(UserError, match="of the family albert cannot grow"):
        Stacks(tiny_model("albert", TABLE["albert"], "mlm"))
    shared = Transformer.model_validate({"size": "tiny", "layers": 4, "share": 2, "positions": 16})
    with pytest.raises(UserError, match="family transformer cannot grow: its layers share weights"):
        Stacks(shared.build(vocabulary=Vocabulary(30, 0), seed=1))


@pytest.mark.parametrize("name", GROWING)
def test_a_recipe_knows_how_many_layers_there_are(name: str) -> None:
    family = registry.get("family", name)
    for size in family.sizes:
        settings = family.model_validate({"size": size})
        config = settings.config()
        assert settings.depth() == max(getattr(config, key) for key in family.layer_lists.values())
    tiny = tiny_settings(name, TABLE[name])
    assert tiny.depth() == max(getattr(tiny.config(), key) for key in family.layer_lists.values())
