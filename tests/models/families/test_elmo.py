"""ELMo: its parts' weights, its spelling, its reading both ways, the mix of its layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from acclimate.models.families.elmo.characters import CharacterCnn, Highway, spelt
from acclimate.models.families.elmo.configuration import ElmoConfig
from acclimate.models.families.elmo.family import Elmo
from acclimate.models.families.elmo.modelling import ElmoModel, ProjectedLstm, ScalarMix
from acclimate.models.family import Vocabulary

TINY = {"cell_size": 10, "hidden_size": 6, "highways": 2, "filters": [[1, 4], [3, 5]], "vocab_size": 30}


def weights(module: Any) -> int:
    return sum(one.numel() for one in module.parameters())


def test_the_parts_of_the_original_have_the_published_number_of_weights() -> None:
    with torch.device("meta"):
        model = ElmoModel(Elmo(size="original").config())
    cnn = model.characters
    assert weights(cnn.embed) + weights(cnn.convolutions) == 203_344
    assert weights(cnn.highways) == 16_785_408
    assert weights(cnn.projection) == 1_049_088
    assert weights(model.forwards) + weights(model.backwards) == 75_563_008
    assert weights(model) == 93_600_848


def test_a_word_is_spelt_by_its_bytes_between_two_marks() -> None:
    table = spelt(["ab", "猫", "x" * 60, "</s>"], 50, {"eos_token": 3, "unk_token": 0})
    assert table[0, :5].tolist() == [258, 97, 98, 259, 260]
    assert table[1, :6].tolist() == [258, *"猫".encode(), 259, 260]
    assert table[2, [0, 48, 49]].tolist() == [258, 120, 259] and (table[2, 1:49] == 120).all()
    assert table[3, :4].tolist() == [258, 257, 259, 260]
    assert table.dtype == np.int16 and (table[:, -1] >= 259).all()


def test_a_model_knows_the_spelling_of_its_tokenizer_and_keeps_it(tmp_path) -> None:
    from family_entry import word_tokenizer

    tokenizer = word_tokenizer()
    model: Any = Elmo(size="small").build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="encoder")
    cat = model.spelling[tokenizer.convert_tokens_to_ids("cat")]
    assert bytes(cat[1:4].tolist()) == b"cat"
    model.save_pretrained(tmp_path)
    again: Any = Elmo(checkpoint=str(tmp_path)).build(
        vocabulary=Vocabulary.of(tokenizer), seed=2, kind="encoder"
    )
    assert torch.equal(again.spelling, model.spelling)


def test_words_go_through_filters_highways_and_a_projection() -> None:
    cnn = CharacterCnn(ElmoConfig(**TINY))
    for one in cnn.parameters():
        torch.nn.init.normal_(one, std=0.3)
    characters = torch.randint(261, (4, 9))
    rows = cnn.embed(characters)  # [N, W, character]
    parts = []
    for convolution in cnn.convolutions:
        width = convolution.kernel_size[0]
        windows = [
            torch.einsum("nwc,ocw->no", rows[:, at : at + width], convolution.weight) + convolution.bias
            for at in range(9 - width + 1)
        ]
        parts.append(torch.stack(windows).max(0).values.relu())
    x = torch.cat(parts, dim=-1)
    for highway in cnn.highways:
        changed, carry = (x @ highway.both.weight.T + highway.both.bias).chunk(2, dim=-1)
        x = carry.sigmoid() * x + (1 - carry.sigmoid()) * changed.relu()
    torch.testing.assert_close(cnn(characters), x @ cnn.projection.weight.T + cnn.projection.bias)


def test_the_layer_is_torchs_with_a_projection_where_nothing_is_clipped() -> None:
    layer = ProjectedLstm(6, 10, 4, clip=1e9)
    theirs = torch.nn.LSTM(6, 10, proj_size=4, batch_first=True)
    with torch.no_grad():
        for one in layer.parameters():
            one.uniform_(-0.8, 0.8)
        theirs.bias_hh_l0.zero_()
        for name in ("weight_ih", "weight_hh", "weight_hr"):
            getattr(theirs, f"{name}_l0").copy_(getattr(layer, name))
        theirs.bias_ih_l0.copy_(layer.bias)
    x = torch.randn(3, 5, 6) * 5
    torch.testing.assert_close(layer(x), theirs(x)[0])
    layer.clip = 0.05
    assert layer(x).abs().max() <= 0.05


def tiny(**others: Any) -> ElmoModel:
    model = ElmoModel(ElmoConfig(**{**TINY, **others})).eval()
    model.spelling.copy_(torch.from_numpy(spelt(list(map(str, range(30))), 50, {})))
    return model


def test_each_direction_sees_its_own_side() -> None:
    model = tiny()
    ids = torch.arange(8).view(1, 8)
    other = ids.clone()
    other[0, 5] = 20
    before, after = (model(one).last_hidden_state[0] for one in (ids, other))
    same = ((before - after).abs() < 1e-6).view(8, 2, 6).all(-1)
    assert same[:, 0].tolist() == [True] * 5 + [False] * 3
    assert same[:, 1].tolist() == [False] * 6 + [True] * 2


def test_the_second_layer_adds_to_the_first() -> None:
    model = tiny()
    layers = model(torch.arange(8).view(1, 8)).hidden_states
    words = layers[0][..., :6]
    first = model.forwards[0](words)
    torch.testing.assert_close(layers[1][..., :6], first)
    torch.testing.assert_close(layers[2][..., :6], model.forwards[1](first) + first)


def test_the_mix_begins_as_the_mean_and_learns_shares() -> None:
    mix = ScalarMix(3)
    torch.nn.init.zeros_(mix.scores), torch.nn.init.ones_(mix.scale)
    layers = tuple(torch.randn(2, 4, 5) for _ in range(3))
    torch.testing.assert_close(mix(layers), sum(layers) / 3)
    with torch.no_grad():
        mix.scores.copy_(torch.tensor([0.0, 1.0, 2.0])), mix.scale.fill_(2)
    shares = functional.softmax(torch.tensor([0.0, 1.0, 2.0]), 0)
    torch.testing.assert_close(mix(layers), 2 * torch.einsum("l,lbtd->btd", shares, torch.stack(layers)))
    classifier: Any = Elmo(size="small").build(vocabulary=Vocabulary(30, 0), seed=1, kind="classification")
    assert classifier.mix.scale == 1 and not classifier.mix.scores.any()


def test_highways_begin_by_carrying() -> None:
    model = tiny()
    (highway,) = {type(one) for one in model.characters.highways}
    assert highway is Highway
    x = torch.randn(5, 9)
    assert (model.characters.highways[0](x) - x).abs().mean() < x.abs().mean()
    assert (model.forwards[0].bias.chunk(4)[1] == 1).all()


def test_other_lengths_of_words_need_as_many_characters_as_the_widest_filter() -> None:
    with pytest.raises(ValueError, match="longest_word"):
        ElmoConfig(**{**TINY, "longest_word": 2})
