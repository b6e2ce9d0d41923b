"""Recurrent families: torch's own modules with the same weights, each dropout's property, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

import acclimate.models.register  # noqa: F401
from acclimate.errors import UserError
from acclimate.models.families.recurrent.awd_lstm import AwdLstm
from acclimate.models.families.recurrent.dropouts import LockedDropout, gate_mask, without_words
from acclimate.models.families.recurrent.family import Gru, Lstm
from acclimate.models.families.recurrent.layer import RecurrentLayer
from acclimate.models.family import Vocabulary
from acclimate.models.sizes import count_parameters, preset

WORDS = Vocabulary(50, 0)


@pytest.mark.parametrize("two_biases", [True, False])
@pytest.mark.parametrize(("cell", "module"), [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_a_layer_is_torchs_with_the_same_weights(cell: str, module: Any, two_biases: bool) -> None:
    layer = RecurrentLayer(cell, 6, 5, two_biases=two_biases)
    theirs = module(6, 5, batch_first=True)
    with torch.no_grad():
        for one in layer.parameters():
            one.uniform_(-0.5, 0.5)
        for name in ("weight_ih", "weight_hh", "bias_ih"):
            getattr(theirs, f"{name}_l0").copy_(getattr(layer, name))
        if layer.bias_hh is None:
            theirs.bias_hh_l0.zero_()
        else:
            theirs.bias_hh_l0.copy_(layer.bias_hh)
    x = torch.randn(3, 7, 6)
    out, memory = layer(x)
    expected, last = theirs(x)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(memory["h"], (last[0] if cell == "lstm" else last)[0])
    first, carried = layer(x[:, :4])  # a text in two stretches is the text
    second, _ = layer(x[:, 4:], carried)
    torch.testing.assert_close(torch.cat([first, second], dim=1), expected)
    assert not torch.allclose(second, layer(x[:, 4:])[0], atol=1e-3)


def test_the_gru_resets_behind_its_matrix() -> None:
    layer = RecurrentLayer("gru", 2, 2, two_biases=True)
    nn.init.normal_(layer.bias_ih), nn.init.normal_(layer.bias_hh)
    nn.init.normal_(layer.weight_ih), nn.init.normal_(layer.weight_hh)
    x, h = torch.randn(1, 2), torch.randn(1, 2)
    (wr, wz, wn), (ur, uz, un) = layer.weight_ih.chunk(3), layer.weight_hh.chunk(3)
    (br, bz, bn), (cr, cz, cn) = layer.bias_ih.chunk(3), layer.bias_hh.chunk(3)
    r, z = (x @ wr.T + br + h @ ur.T + cr).sigmoid(), (x @ wz.T + bz + h @ uz.T + cz).sigmoid()
    n = (x @ wn.T + bn + r * (h @ un.T + cn)).tanh()
    torch.testing.assert_close(layer(x[:, None], {"h": h})[1]["h"], (1 - z) * n + z * h)


@pytest.mark.parametrize(
    ("size", "torchs"), [("small", 4_653_200), ("medium", 19_780_400), ("large", 66_034_000)]
)
def test_torchs_two_bias_vectors_are_the_whole_difference(size: str, torchs: int) -> None:
    config = preset("lstm", size).config()
    config.two_biases = True
    assert count_parameters(config, "clm", Lstm) == torchs


def test_sizes_bring_their_dropout_and_a_recipe_may_change_it() -> None:
    assert [preset("lstm", size).config().hidden_dropout for size in ("small", "medium", "large")] == [
        0,
        0.5,
        0.65,
    ]
    config = Lstm(size="large", dropout=0.1).config()
    assert config.input_dropout == config.hidden_dropout == config.output_dropout == 0.1


# Dropouts.


def test_locked_dropout_hides_the_same_units_at_every_token() -> None:
    torch.manual_seed(0)
    x = torch.ones(4, 9, 1000)
    locked = LockedDropout(0.3, locked=True).train()(x)
    assert (locked == locked[:, :1]).all() and not (locked[0] == locked[1]).all()
    assert (locked == 0).float().mean() == pytest.approx(0.3, abs=0.03)
    assert locked.max() == pytest.approx(1 / 0.7)
    free = LockedDropout(0.3, locked=False).train()(x)
    assert not (free == free[:, :1]).all()
    assert LockedDropout(0.3, locked=True).eval()(x) is x


def test_whole_words_are_nothing() -> None:
    torch.manual_seed(0)
    table = without_words(torch.ones(5000, 3), 0.1)
    gone = (table == 0).all(1)
    assert gone.float().mean() == pytest.approx(0.1, abs=0.02)
    torch.testing.assert_close(table[~gone], torch.full_like(table[~gone], 1 / 0.9))


def test_forgetting_is_hidden_as_one_and_other_gates_as_nothing() -> None:
    torch.manual_seed(0)
    x = torch.full((100, 100), 0.5)
    assert sorted(set(gate_mask(x, 0.25, "g").unique().tolist())) == [0.0, pytest.approx(0.5 / 0.75)]
    f = gate_mask(x, 0.25, "f")
    assert set(f.unique().tolist()) == {0.5, 1.0}
    assert (f == 1).float().mean() == pytest.approx(0.25, abs=0.02)


def lstm(**dropouts: Any) -> RecurrentLayer:
    layer = RecurrentLayer("lstm", 6, 5, **dropouts)
    torch.manual_seed(3)
    for one in layer.parameters():
        nn.init.uniform_(one, -0.5, 0.5)
    return layer


@pytest.mark.parametrize("gates", [("g",), ("f",), ("i", "o"), ("i", "f", "o", "g")])
def test_gate_dropout_next_to_nothing_is_the_plain_layer(gates: tuple[str, ...]) -> None:
    """Token by token the layer computes what torch's loop does; with every update hidden nothing is learnt."""
    x = torch.randn(3, 7, 6)
    expected, last = lstm()(x)
    out, memory = lstm(gate_dropout=1e-12, gates=gates).train()(x)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(memory, last)
    assert not torch.allclose(lstm(gate_dropout=0.5, gates=gates).train()(x)[0], expected)
    torch.testing.assert_close(lstm(gate_dropout=0.5, gates=gates).eval()(x)[0], expected)


def test_with_every_update_hidden_the_state_stays_nothing() -> None:
    assert not lstm(gate_dropout=1 - 1e-12).train()(torch.randn(2, 4, 6))[0].any()


def test_weight_dropout_hides_weights_from_state_to_state_in_training_alone() -> None:
    x = torch.randn(3, 7, 6)
    dropped = lstm(weight_dropout=0.5)
    torch.testing.assert_close(dropped.eval()(x)[0], lstm()(x)[0])
    out = dropped.train()(x)[0]
    torch.testing.assert_close(out[:, 0], lstm()(x)[0][:, 0])  # the first token has no state to read
    assert not torch.allclose(out[:, 1], lstm()(x)[0][:, 1])
    out.sum().backward()
    gone = dropped.weight_hh.grad == 0
    assert 0.3 < gone.float().mean() < 0.7 and not (dropped.weight_ih.grad == 0).any()


# Models.


def test_awd_lstm_ties_its_head_and_is_drawn_as_torch_draws(tmp_path: Path) -> None:
    family = AwdLstm(size="ptb")
    config = family.config(WORDS)
    config.hidden_size, config.embedding_size, config.last_size = 64, 16, 16
    assert (config.weight_dropout, config.input_dropout, config.output_dropout) == (0.5, 0.65, 0.4)
    from acclimate.models.building import fresh_model

    model: Any = fresh_model(config, "clm", family=AwdLstm, initialise=family.initialise, seed=1)
    assert model.lm_head.weight is model.model.embed.weight
    assert not model.lm_head.bias.any()
    for layer, state in zip(model.model.layers, (64, 64, 16), strict=True):
        largest = layer.weight_hh.abs().max()
        assert 0.9 * state**-0.5 < largest <= state**-0.5
    assert 0.09 < model.model.embed.weight.abs().max() <= 0.1
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert again.lm_head.weight is again.model.embed.weight
    ids = torch.arange(12).view(2, 6)
    torch.testing.assert_close(again(ids).logits, model.eval()(ids).logits)


def test_the_auto_classes_know_them(tmp_path: Path) -> None:
    model = Gru(size="small").build(vocabulary=WORDS, seed=1, kind="clm")
    model.save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).cell == "gru"
    body = AutoModel.from_pretrained(tmp_path)
    ids = torch.arange(6).view(1, 6)
    torch.testing.assert_close(body(ids).last_hidden_state, model.base_model(ids).last_hidden_state)
    loss = model(ids, labels=ids).loss
    logits = model(ids).logits
    torch.testing.assert_close(loss, nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:]))


def test_a_checkpoint_of_another_cell_is_refused(tmp_path: Path) -> None:
    Gru(size="small").build(vocabulary=WORDS, seed=1, kind="clm").save_pretrained(tmp_path)
    with pytest.raises(UserError, match="of the cell 'gru', and the family lstm has 'lstm'"):
        Lstm(checkpoint=str(tmp_path)).build(vocabulary=WORDS, seed=1, kind="clm")


@pytest.mark.parametrize("option", ["positions", "attention_dropout"])
def test_options_that_mean_nothing_to_them_are_refused_by_name(option: str) -> None:
    with pytest.raises(ValidationError, match=f"unknown key '{option}'"):
        Lstm.model_validate({option: 0})


def test_gates_without_a_share_are_refused() -> None:
    with pytest.raises(ValidationError, match="gates: has no effect without `gate_dropout`"):
        AwdLstm.model_validate({"gates": ["i", "g"]})
    assert AwdLstm.model_validate({"gates": ["i", "g"], "gate_dropout": 0.2}).config().gates == ["i", "g"]
