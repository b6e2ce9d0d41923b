"""The encoders of Transformers: what is theirs alone, and what of their checkpoints is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from family_entry import POSITIONS, mask_of, our_outputs, random_batch, tiny_model, type_of, word_tokenizer
from family_table import TABLE

from acclimate.errors import UserError
from acclimate.models.families.modernbert import ModernBert
from acclimate.models.families.roberta import Roberta
from acclimate.models.family import Vocabulary
from acclimate.models.forward import encode
from acclimate.models.loading import load_model
from acclimate.models.sizes import preset
from acclimate.pipeline.pretrain import require_positions

HEADS = {
    "bert": "num_attention_heads",
    "albert": "num_attention_heads",
    "roberta": "num_attention_heads",
    "camembert": "num_attention_heads",
    "xlm-r": "num_attention_heads",
    "distilbert": "n_heads",
    "tinybert": "num_attention_heads",
    "modernbert": "num_attention_heads",
    "xlnet": "n_head",
}
"""Family → what its configurations call the number of heads."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def rewritten(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}), "utf-8")


@pytest.mark.parametrize("name", HEADS)
def test_a_width_that_heads_do_not_divide_is_refused(name: str, tmp_path: Path) -> None:
    tiny_model(name, TABLE[name], "encoder").save_pretrained(tmp_path)
    rewritten(tmp_path, **{HEADS[name]: 5})
    with pytest.raises(UserError, match=f"^{tmp_path}: .*(5|heads|n_head)"):
        load_model(tmp_path, "encoder")


@pytest.mark.parametrize("name", HEADS)
def test_a_checkpoint_of_another_family_is_refused_by_name(name: str, tmp_path: Path) -> None:
    other = "roberta" if name in ("bert", "tinybert") else "bert"
    tiny_model(other, TABLE[other], "encoder").save_pretrained(tmp_path)
    family = type_of(tiny_model(name, TABLE[name], "encoder"))
    settings = family.model_validate({"checkpoint": str(tmp_path)})
    with pytest.raises(
        UserError, match=f"holds a model of type '{other}', which the family .* does not take"
    ):
        settings.build(vocabulary=Vocabulary.of(word_tokenizer()), seed=0)


@pytest.mark.parametrize("name", [name for name in HEADS if name != "xlnet"])
def test_a_sequence_longer_than_positions_is_refused_with_both_numbers(name: str) -> None:
    model = tiny_model(name, TABLE[name], "encoder")
    require_positions(model, "pretrain.sequence_length", POSITIONS)
    with pytest.raises(UserError, match=f"sequence_length.*{POSITIONS + 1}.*{POSITIONS}"):
        require_positions(model, "pretrain.sequence_length", POSITIONS + 1)


def test_xlnet_has_no_longest_sequence() -> None:
    require_positions(tiny_model("xlnet", TABLE["xlnet"], "encoder"), "pretrain.sequence_length", 10**6)


@pytest.mark.parametrize("pad", [0, 1, 4])
def test_robertas_positions_start_behind_the_id_of_padding_as_the_librarys_do(pad: int) -> None:
    class Tiny(Roberta):
        sizes = {**Roberta.sizes, "base": TABLE["roberta"].tiny}  # noqa: RUF012

    settings = Tiny(positions=20, dropout=0, attention_dropout=0)
    model = settings.build(vocabulary=Vocabulary(60, pad), seed=0, kind="encoder")
    model.eval()
    assert Roberta.max_length(model.config) == 20
    assert len(model.embeddings.position_embeddings.weight) == 20 + pad + 1
    batch = random_batch(Roberta, "encoder", range(60), [20, 3])
    real = mask_of(batch.cu_seqlens)
    tokens = torch.full(real.shape, pad)
    tokens[real] = batch.tokens
    expected = model(input_ids=tokens, attention_mask=real.long()).last_hidden_state[real]
    torch.testing.assert_close(encode(model, batch), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_modernbert_reads_a_class_as_its_checkpoint_does(pooling: str) -> None:
    assert ModernBert().config().classifier_pooling == "mean"  # as published
    model = tiny_model("modernbert", TABLE["modernbert"], "classification").eval()
    model.config.classifier_pooling = pooling
    batch = random_batch(ModernBert, "classification", word_tokenizer(), [9, 4, 30])
    expected = TABLE["modernbert"].plain(model, "classification", batch)
    torch.testing.assert_close(our_outputs(model, "classification", batch), expected, rtol=1e-5, atol=1e-5)


def test_modernbert_looks_half_its_window_to_each_side_but_in_every_third_layer() -> None:
    model = tiny_model("modernbert", TABLE["modernbert"], "encoder").eval()
    assert model.config.layer_types[:4] == [
        "full_attention", "sliding_attention", "sliding_attention", "full_attention"
    ]  # fmt: skip
    model.layers = model.layers[1:2]
    batch = random_batch(ModernBert, "encoder", word_tokenizer(), [30])
    before = encode(model, batch)
    batch.tokens[15] = 5 + (batch.tokens[15] - 4) % 20
    moved = (encode(model, batch) - before).abs().amax(-1) > 1e-7
    assert moved.nonzero().squeeze(1).tolist() == list(range(11, 20))  # 8 wide: 4 to each side


def test_presets_say_which_form_of_gelu_they_use() -> None:
    configs = {name: preset(name, "base").config() for name in HEADS if name != "tinybert"}
    named = {name: getattr(one, "hidden_act", None) for name, one in configs.items()}
    assert named.pop("albert") == "gelu_new"  # the tanh form
    assert {one for one in named.values() if one} == {"gelu"}
