"""Random weights of every family: all are drawn, the ends of branches are known, filters and gates have their fans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from family_entry import tiny_settings
from family_table import TABLE
from torch import nn
from transformers.pytorch_utils import Conv1D

from acclimate.models.building import Labels
from acclimate.models.family import Vocabulary
from acclimate.optim.initialising import branches_of
from acclimate.optim.parameter_names import inputs_first
from acclimate.recipe.registry import registry

KEEPS_ITS_START = {
    "logit_scale": "the temperature of similarities: ln(1/0.07)",
    "factor": "of sines and cosines: 1/√E",
    "mix.scores": "uniform alone leaves it: all layers alike",
    "mix.scale": "uniform alone leaves it: 1",
}
CHOICES: dict[str, list[dict[str, Any]]] = {
    "seq2seq": [{"cell": "lstm"}, {"cell": "gru", "attention": "bahdanau"}],
    "transformer": [
        {"normalisation": "rms_norm", "position_encoding": "sinusoidal", "activation": "geglu"},
        {"normalisation": "batch_norm", "position_encoding": "relative"},
    ],
}
"""Settings whose models have weights that those of the table have not."""


def tiny(name: str, kind: Any, **more: Any) -> nn.Module:
    entry = TABLE[name]
    settings = tiny_settings(name, entry)
    if more:
        settings = type(settings).model_validate({**entry.settings, **more})
    labels = Labels(("no", "yes")) if kind in ("classification", "tokens", "matching") else None
    return settings.build(vocabulary=Vocabulary.of(entry.tokenizer()), seed=1, kind=kind, labels=labels)


def every() -> Iterator[Any]:
    for name, entry in TABLE.items():
        settings = tiny_settings(name, entry)
        for kind in settings.kinds:
            if not settings.refuses(kind):
                yield pytest.param(name, kind, {}, id=f"{name}-{kind}")
        for more in CHOICES.get(name, []):
            kind = "seq2seq" if name == "seq2seq" else "mlm"
            yield pytest.param(name, kind, more, id=f"{name}-{'-'.join(map(str, more.values()))}")


def drawn(model: nn.Module, name: str, **settings: Any) -> nn.Module:
    """The model, of which nothing is left of what it was filled with: sevens."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7.0)
    registry.get("initialiser", name)(**settings).build(generator=torch.Generator().manual_seed(0))(model)
    return model


@pytest.mark.parametrize(("name", "kind", "more"), list(every()))
def test_every_weight_is_drawn(name: str, kind: Any, more: dict[str, Any]) -> None:
    model = tiny(name, kind, **more)
    for initialiser in ("truncated_normal", "gpt2", "uniform"):
        drawn(model, initialiser)
        left = {key for key, one in model.named_parameters() if bool((one == 7).any())}
        excused = {key for key in left if key.endswith(tuple(KEEPS_ITS_START))}
        if initialiser != "uniform":
            excused = {key for key in excused if "mix." not in key}
        assert left == excused, initialiser
        norms = [one.weight for one in model.modules() if type(one).__name__.endswith("Norm")]
        assert all(bool((one == 1).all()) for one in norms), initialiser


ENDS = {
    "bert": ("mlm", {"bert.encoder": 4}),
    "transformer": ("mlm", {"model": 4}),
    "gpt2": ("clm", {"transformer": 4}),
    "gpt3": ("clm", {"transformer": 2}),
    "bart": ("seq2seq", {"model.encoder": 4, "model.decoder": 6}),
    "mbart": ("seq2seq", {"model.encoder": 2, "model.decoder": 3}),
    "t5": ("seq2seq", {"encoder": 4, "decoder": 6}),
    "t5.1.1": ("seq2seq", {"encoder": 2, "decoder": 3}),
    "electra": ("rtd", {"discriminator.electra.encoder": 4, "generator.electra.encoder": 4}),
    "albert": ("mlm", {"albert.encoder": 4}),  # of one layer that is run twice
    "roberta": ("mlm", {"roberta.encoder": 4}),
    "camembert": ("mlm", {"roberta.encoder": 4}),
    "xlm-r": ("mlm", {"roberta.encoder": 4}),
    "distilbert": ("mlm", {"distilbert.transformer": 4}),
    "tinybert": ("mlm", {"bert.encoder": 4}),
    "modernbert": ("mlm", {"model": 8}),
    "llama": ("clm", {"model": 4}),
    "xlnet": ("perm", {"transformer": 4}),
    "xlm": ("mlm", {"transformer": 4}),
    "transformer-xl": ("clm", {"model": 4}),
    "tlm-xl": ("clm", {"model": 4}),
    "seq2seq": ("seq2seq", {"model.encoder.body": 4, "model.decoder.body": 6}),
    "clip": ("dual", {"text_model.encoder": 4, "vision_model.encoder": 4}),
    "coconvit": ("dual", {"text_model.encoder": 4, "vision_model": 4}),
    "layoutlm": ("mlm", {"layoutlm.encoder": 4}),
    **{name: ("clm", {}) for name in ("rnn", "lstm", "gru", "awd-lstm")},  # their layers are no branches
    "elmo": ("bilm", {}),
}
"""Two for each layer of an encoder, three for one of a decoder that reads an encoder."""


@pytest.mark.parametrize("name", TABLE)
def test_branches_are_counted_by_the_stream_that_they_write_to(name: str) -> None:
    kind, expected = ENDS[name]
    assert branches_of(tiny(name, kind)) == expected


def test_layers_that_share_weights_count_as_often_as_they_are_run() -> None:
    assert branches_of(tiny("transformer", "mlm", share=2)) == {"model": 4}


@pytest.mark.parametrize("name", TABLE)
def test_matrices_that_are_kept_the_other_way_round_are_known_by_name(name: str) -> None:
    model = tiny(name, ENDS[name][0])
    turned = {key for key, one in model.named_modules() if isinstance(one, Conv1D)}
    found = {key.removesuffix(".weight") for key, _ in model.named_parameters() if inputs_first(key)}
    assert {key for key in found if "rel_attn" not in key} == turned
    for key in found - turned:  # XLNet's, [hidden, heads, head size]
        holder, _, own = key.rpartition(".")
        weight, hidden = getattr(model.get_submodule(holder), own), torch.randn(3, 16)
        expected = torch.einsum("bh,hnd->bnd", hidden, weight).flatten(1)
        torch.testing.assert_close(hidden @ weight.flatten(1), expected)


def test_filters_and_gates_have_the_fans_of_their_own() -> None:
    he = drawn(tiny("clip", "dual"), "he")
    filters = he.vision_model.embeddings.patch_embedding.weight.detach()
    assert float(filters.std()) == pytest.approx((2 / filters[0].numel()) ** 0.5, rel=0.1)
    for name, gates in (("rnn", 1), ("gru", 3), ("lstm", 4)):
        layer = drawn(tiny(name, "clm"), "xavier").model.layers[0]
        bound = (6 / (16 + 16)) ** 0.5  # from 16 values to the 16 of one gate
        assert 0.9 * bound < float(layer.weight_hh.detach().abs().max()) <= bound
        assert layer.weight_hh.shape[0] == gates * 16 and not layer.bias_ih.any()
    cell = drawn(tiny("elmo", "bilm"), "he").elmo.forwards[0]
    assert float(cell.weight_hr.detach().std()) == pytest.approx((2 / 24) ** 0.5, rel=0.2)
    assert cell.bias.view(4, -1).mean(1).tolist() == [0, 1, 0, 0]  # it begins by remembering
