"""UER-py's and TencentPretrain's files, under older and newer names: outputs are those of the model they hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_writers import close, own_weights, write_json, write_vocabulary
from transformers import (
    AlbertConfig,
    AlbertForPreTraining,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    GPT2Config,
    GPT2LMHeadModel,
)

from acclimate.errors import UserError
from acclimate.models.importing.converting import import_checkpoint

SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
}
IDS = torch.tensor([[2, 5, 6, 7, 4, 3]])
LAYER = (
    (r"attention\.(?:self\.)?query", "self_attn.linear_layers.0"),
    (r"attention\.(?:self\.)?key", "self_attn.linear_layers.1"),
    (r"attention\.(?:self\.)?value", "self_attn.linear_layers.2"),
    (r"attention\.(?:output\.)?dense", "self_attn.final_linear"),
    (r"attention\.(?:output\.)?LayerNorm", "layer_norm_1"),
    (r"(?:intermediate\.dense|ffn(?=\.))", "feed_forward.linear_1"),
    (r"(?<=\d\.)(?:output\.dense|ffn_output)", "feed_forward.linear_2"),
    (r"(?<=\d\.)(?:output\.LayerNorm|full_layer_layer_norm)", "layer_norm_2"),
)
HEADS = (
    (r"^(?:bert\.pooler\.dense|albert\.pooler)", "target.sp.linear_1"),
    (r"^(?:cls\.seq_relationship|sop_classifier\.classifier)", "target.sp.linear_2"),
    (r"^(?:cls\.)?predictions\.(?:transform\.)?dense", "target.mlm.linear_1"),
    (r"^(?:cls\.)?predictions\.(?:transform\.)?LayerNorm", "target.mlm.layer_norm"),
    (r"^(?:cls\.)?predictions\.bias", "target.mlm.linear_2.bias"),
    (r"^\w+\.embeddings\.word_embeddings", "embedding.word.embedding"),
    (r"^\w+\.embeddings\.position_embeddings", "embedding.pos.embedding"),
    (r"^\w+\.embeddings\.token_type_embeddings", "embedding.seg.embedding"),
    (r"^\w+\.embeddings\.LayerNorm", "embedding.layer_norm"),
    (r"^bert\.encoder\.layer\.", "encoder.transformer."),
    (r"^albert\.encoder\.albert_layer_groups\.0\.albert_layers\.0\.", "encoder.transformer."),
    (r"^albert\.encoder\.embedding_hidden_mapping_in", "encoder.linear"),
    (r"(layer_norm(?:_\d)?)\.weight", r"\1.gamma"),
    (r"(layer_norm(?:_\d)?)\.bias", r"\1.beta"),
)
OLD = (
    ("embedding.word.embedding", "embedding.word_embedding"),
    ("embedding.pos.embedding", "embedding.position_embedding"),
    ("embedding.seg.embedding", "embedding.segment_embedding"),
    ("target.mlm.linear_", "target.mlm_linear_"),
    ("target.mlm.layer_norm", "target.layer_norm"),
    ("target.sp.linear_", "target.nsp_linear_"),
)


def uer(model: Any, *, old: bool = False) -> dict[str, torch.Tensor]:
    """Its weights as UER keeps them: three segments, the projection to the vocabulary beside the embedding."""
    found = {}
    for name, tensor in own_weights(model).items():
        new = name
        for one, other in (*LAYER, *HEADS):
            new = re.sub(one, other, new)
        if "seg.embedding" in new:
            tensor = torch.cat([torch.full_like(tensor[:1], 9.0), tensor])
        found[new] = tensor
    if "target.mlm.linear_2.bias" in found:
        found["target.mlm.linear_2.weight"] = found["embedding.word.embedding.weight"].clone()
    if old:
        for one, other in OLD:
            found = {name.replace(one, other): tensor for name, tensor in found.items()}
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("old", [False, True])
def test_bert(tmp_path: Path, random_weights: Callable[[Any], Any], old: bool, dtype: torch.dtype) -> None:
    model = random_weights(BertForPreTraining(BertConfig(**SMALL))).to(dtype)
    weights = uer(model, old=old)
    assert ("embedding.word_embedding.weight" in weights) == old
    assert "encoder.transformer.1.self_attn.linear_layers.2.weight" in weights
    (tmp_path / "in").mkdir()
    torch.save(weights, tmp_path / "in" / "model.bin-1000")
    write_vocabulary(tmp_path / "in", 40)
    account = import_checkpoint(tmp_path / "in" / "model.bin-1000", tmp_path / "out")
    told = account.to_json()["models"][0]
    assert account.layout == "uer" and told["class"] == "BertForPreTraining"
    assert told["missing"] == told["unexpected"] == []
    assert told["resized"] == {
        "bert.embeddings.token_type_embeddings.weight": {"from": [3, 128], "to": [2, 128]}
    }
    again = BertForPreTraining.from_pretrained(tmp_path / "out")
    assert again.dtype == dtype
    types = torch.tensor([[0, 0, 0, 1, 1, 1]])
    first, second = (one.float().eval()(IDS, token_type_ids=types) for one in (model, again))
    assert close(first.prediction_logits, second.prediction_logits)
    assert close(first.seq_relationship_logits, second.seq_relationship_logits)
    assert AutoTokenizer.from_pretrained(tmp_path / "out")("今天")["input_ids"] == [2, 5, 6, 3]


def test_a_projection_of_its_own_stays_its_own(tmp_path: Path, random_weights: Callable[[Any], Any]) -> None:
    model = random_weights(BertForMaskedLM(BertConfig(**SMALL)))
    weights = uer(model)
    weights["target.mlm.linear_2.weight"] += 1
    torch.save(weights, tmp_path / "model.bin")
    told = import_checkpoint(tmp_path / "model.bin", tmp_path / "out").to_json()
    assert told["models"][0]["class"] == "BertForMaskedLM" and not told["tokenizer"]["found"]
    again = BertForMaskedLM.from_pretrained(tmp_path / "out").eval()
    hidden = model.cls.predictions.transform(model.bert(IDS).last_hidden_state)
    expected = hidden @ weights["target.mlm.linear_2.weight"].T + weights["target.mlm.linear_2.bias"]
    assert close(again(IDS).logits, expected)


def test_albert_by_its_settings(tmp_path: Path, random_weights: Callable[[Any], Any]) -> None:
    config = AlbertConfig(
        **{**SMALL, "num_hidden_layers": 3, "num_attention_heads": 4}, embedding_size=8, hidden_act="relu"
    )
    model = random_weights(AlbertForPreTraining(config))
    torch.save(uer(model), tmp_path / "albert.bin")
    said = {
        "emb_size": 8,
        "hidden_size": 128,
        "hidden_act": "relu",
        "heads_num": 4,
        "layers_num": 3,
        "target": ["mlm", "sp"],
    }
    write_json(tmp_path / "base.json", said)
    account = import_checkpoint(tmp_path / "albert.bin", tmp_path / "out", config=tmp_path / "base.json")
    assert account.complete and account.to_json()["models"][0]["missing"] == []
    again = AlbertForPreTraining.from_pretrained(tmp_path / "out").eval()
    assert close(again(IDS).prediction_logits, model(IDS).prediction_logits)
    assert close(again(IDS).sop_logits, model(IDS).sop_logits)


def test_gpt2(tmp_path: Path, random_weights: Callable[[Any], Any]) -> None:
    config = GPT2Config(vocab_size=40, n_positions=16, n_embd=128, n_layer=2, n_head=2, n_inner=64)
    model = random_weights(GPT2LMHeadModel(config))
    found = {}
    for name, tensor in own_weights(model).items():
        if "c_attn" in name:
            start = name.replace("transformer.h.", "encoder.transformer.").split(".attn.")[0]
            for number, part in enumerate(tensor.t().chunk(3) if tensor.dim() == 2 else tensor.chunk(3)):
                found[f"{start}.self_attn.linear_layers.{number}.{name.split('.')[-1]}"] = part.clone()
            continue
        new = name
        for one, other in (
            (r"^transformer\.wte", "embedding.word.embedding"),
            (r"^transformer\.wpe", "embedding.pos.embedding"),
            (r"^transformer\.h", "encoder.transformer"),
            (r"^transformer\.ln_f", "encoder.layer_norm"),
            (r"attn\.c_proj", "self_attn.final_linear"),
            (r"mlp\.c_fc", "feed_forward.linear_1"),
            (r"mlp\.c_proj", "feed_forward.linear_2"),
            (r"ln_(\d)", r"layer_norm_\1"),
            (r"(layer_norm(?:_\d)?)\.weight", r"\1.gamma"),
            (r"(layer_norm(?:_\d)?)\.bias", r"\1.beta"),
        ):
            new = re.sub(one, other, new)
        found[new] = (
            tensor.t()
            if ("feed_forward" in new and tensor.dim() == 2) or "final_linear.weight" in new
            else tensor
        )
    found["target.lm.output_layer.weight"] = found["embedding.word.embedding.weight"].clone()
    torch.save(found, tmp_path / "gpt.bin")
    told = import_checkpoint(tmp_path / "gpt.bin", tmp_path / "out").to_json()["models"][0]
    assert told["class"] == "GPT2LMHeadModel" and told["missing"] == told["unexpected"] == []
    assert (
        told["mapped"]["transformer.h.1.attn.c_attn.weight"]["from"]
        == "encoder.transformer.1.self_attn.linear_layers.*.weight"
    )
    again = GPT2LMHeadModel.from_pretrained(tmp_path / "out").eval()
    assert close(again(IDS).logits, model(IDS).logits)


def test_parts_that_the_family_has_no_place_for_are_refused(
    tmp_path: Path, random_weights: Callable[[Any], Any]
) -> None:
    weights = uer(random_weights(BertForPreTraining(BertConfig(**SMALL))))
    weights["encoder.transformer.0.relative_pos_emb.weight"] = torch.ones(2, 2)
    torch.save(weights, tmp_path / "model.bin")
    account = import_checkpoint(tmp_path / "model.bin", tmp_path / "out")
    assert account.models[0].homeless == ["encoder.transformer.0.relative_pos_emb.weight"]
    assert not account.complete and not (tmp_path / "out").exists()
    with pytest.raises(UserError, match=r"--family bort: .*did you mean 'bert'"):
        import_checkpoint(tmp_path / "model.bin", tmp_path / "out", family="bort")
