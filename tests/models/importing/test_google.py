"""Google's BERT, ALBERT and ELECTRA: the imported model gives the outputs of the model its variables were made from."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_writers import (
    close,
    google_bert,
    in_google,
    own_weights,
    write_bundle,
    write_json,
    write_vocabulary,
)
from transformers import (
    AlbertConfig,
    AlbertForPreTraining,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoTokenizer,
    BertConfig,
    BertForPreTraining,
    BertModel,
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
)

from acclimate.models.importing.converting import import_checkpoint

SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
}
IDS = torch.tensor([[2, 5, 6, 7, 4, 3]])


def settings(config: Any, *more: str) -> dict[str, Any]:
    return {name: getattr(config, name) for name in (*SMALL, *more)} | {"directionality": "bidi"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_bert(tmp_path: Path, random_weights: Callable[[Any], Any], dtype: torch.dtype) -> None:
    model = random_weights(BertForPreTraining(BertConfig(**SMALL))).to(dtype)
    folder = tmp_path / "uncased_L-2"
    write_bundle(folder / "bert_model.ckpt", google_bert(model))
    write_json(folder / "bert_config.json", settings(model.config))
    write_vocabulary(folder, 40)
    account = import_checkpoint(folder, tmp_path / "out")
    told = account.to_json()["models"][0]
    assert account.complete and told["class"] == "BertForPreTraining"
    assert told["dtypes"] == {str(dtype).removeprefix("torch."): len(own_weights(model))}
    assert (
        told["missing"] == told["unexpected"] == []
        and len(told["ignored"]) == 2 * len(own_weights(model)) + 1
    )
    assert told["mapped"]["bert.encoder.layer.1.intermediate.dense.weight"] == {
        "from": "bert/encoder/layer_1/intermediate/dense/kernel",
        "shape": [48, 32],
        "dtype": str(dtype).removeprefix("torch."),
    }
    again = AutoModelForPreTraining.from_pretrained(tmp_path / "out")
    assert again.dtype == dtype
    for name, one in own_weights(model).items():
        assert torch.equal(one, again.get_parameter(name)), name
    types = torch.tensor([[0, 0, 0, 1, 1, 1]])
    first, second = (one.float().eval()(IDS, token_type_ids=types) for one in (model, again))
    assert close(first.prediction_logits, second.prediction_logits)
    assert close(first.seq_relationship_logits, second.seq_relationship_logits)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer("The Models 今天")["input_ids"] == [2, 7, 8, 9, 5, 6, 3]
    assert tokenizer.model_max_length == 16


def test_capitals_in_the_vocabulary_make_the_tokenizer_keep_case(
    tmp_path: Path, random_weights: Callable[[Any], Any]
) -> None:
    model = random_weights(BertModel(BertConfig(**SMALL)))
    tensors = {f"bert/{in_google(name)}": one for name, one in own_weights(model).items()}
    write_bundle(tmp_path / "in" / "m", {n: t.t() if n.endswith("kernel") else t for n, t in tensors.items()})
    write_vocabulary(tmp_path / "in", 40, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "The", "the"])
    account = import_checkpoint(tmp_path / "in" / "m", tmp_path / "out")
    assert AutoTokenizer.from_pretrained(tmp_path / "out")("The the")["input_ids"] == [2, 5, 6, 3]
    told = account.to_json()["models"][0]
    assert told["class"] == "BertModel"
    # 32 wide: one head of 64 would not fit, so one is taken, and said.
    assert any("how many attention heads" in note for note in told["notes"])
    again = BertModel.from_pretrained(tmp_path / "out").eval()
    again.config.num_attention_heads = 4
    assert all(torch.equal(one, again.get_parameter(name)) for name, one in own_weights(model).items())


def in_google_albert(name: str) -> str:
    for old, now in (
        (
            r"^albert\.encoder\.albert_layer_groups\.(\d+)\.albert_layers\.(\d+)",
            r"bert/encoder/transformer/group_\1/inner_group_\2",
        ),
        (r"^albert\.pooler", "bert/pooler/dense"),
        (r"^albert\.", "bert."),
        (r"\.attention\.(query|key|value)", r"/attention_1/self/\1"),
        (r"\.attention\.dense", "/attention_1/output/dense"),
        (r"\.attention\.LayerNorm", ".LayerNorm"),
        (r"\.full_layer_layer_norm", ".LayerNorm_1"),
        (r"\.ffn_output", "/ffn_1/intermediate/output/dense"),
        (r"\.ffn\.", "/ffn_1/intermediate/dense."),
        (r"^predictions\.bias", "cls/predictions/output_bias"),
        (r"^predictions\.", "cls/predictions/transform/"),
        (r"^sop_classifier\.classifier\.weight", "cls/seq_relationship/output_weights"),
        (r"^sop_classifier\.classifier\.bias", "cls/seq_relationship/output_bias"),
        (r"_embeddings\.weight$", "_embeddings"),
        (r"(LayerNorm(_1)?)\.weight$", r"\1/gamma"),
        (r"(LayerNorm(_1)?)\.bias$", r"\1/beta"),
        (r"\.weight$", "/kernel"),
        (r"\.", "/"),
    ):
        name = re.sub(old, now, name)
    return name


def test_albert(tmp_path: Path, random_weights: Callable[[Any], Any]) -> None:
    config = AlbertConfig(
        **SMALL, embedding_size=8, hidden_act="gelu_new", num_hidden_groups=2, inner_group_num=1
    )
    model = random_weights(AlbertForPreTraining(config))
    tensors = {in_google_albert(name): one for name, one in own_weights(model).items()}
    assert "bert/encoder/transformer/group_1/inner_group_0/ffn_1/intermediate/output/dense/kernel" in tensors
    write_bundle(
        tmp_path / "in" / "model.ckpt-best",
        {n: t.t() if n.endswith("kernel") else t for n, t in tensors.items()},
    )
    more = settings(config, "embedding_size", "num_hidden_groups", "inner_group_num") | {"hidden_act": "gelu"}
    write_json(tmp_path / "in" / "albert_config.json", more)
    write_vocabulary(tmp_path / "in", 40)
    told = import_checkpoint(tmp_path / "in", tmp_path / "out").to_json()["models"][0]
    assert told["class"] == "AlbertForPreTraining" and told["missing"] == told["unexpected"] == []
    again = AlbertForPreTraining.from_pretrained(tmp_path / "out").eval()
    assert again.config.hidden_act == "gelu_new"
    first, second = model(IDS), again(IDS)
    assert close(first.prediction_logits, second.prediction_logits)
    assert close(first.sop_logits, second.sop_logits)


@pytest.mark.parametrize("own_embeddings", [False, True])
def test_electra_is_two_models(
    tmp_path: Path, random_weights: Callable[[Any], Any], own_embeddings: bool
) -> None:
    shared = {**SMALL, "embedding_size": 16, "vocab_size": 40}
    discriminator = random_weights(
        ElectraForPreTraining(ElectraConfig(**{**shared, "hidden_size": 128, "num_attention_heads": 2}))
    )
    generator = random_weights(
        ElectraForMaskedLM(ElectraConfig(**{**shared, "hidden_size": 64, "num_attention_heads": 1}))
    )
    if own_embeddings:
        generator.electra.embeddings.word_embeddings.weight.data += 1
    else:
        generator.electra.embeddings.load_state_dict(discriminator.electra.embeddings.state_dict())
    tensors = {in_google(name): one for name, one in own_weights(discriminator).items()}
    for name, one in own_weights(generator).items():
        if not own_embeddings and name.startswith("electra.embeddings."):
            continue
        tensors[re.sub("^electra/", "generator/", in_google(name))] = one
    write_bundle(
        tmp_path / "in" / "electra_small",
        {n: t.t() if n.endswith("kernel") else t for n, t in tensors.items()},
    )
    write_vocabulary(tmp_path / "in", 40)
    account = import_checkpoint(tmp_path / "in", tmp_path / "out")
    first, second = account.to_json()["models"]
    assert (first["class"], second["class"]) == ("ElectraForPreTraining", "ElectraForMaskedLM")
    assert first["unexpected"] == second["unexpected"] == first["missing"] == second["missing"] == []
    again = AutoModelForPreTraining.from_pretrained(tmp_path / "out").eval()
    assert close(again(IDS).logits, discriminator(IDS).logits)
    again = AutoModelForMaskedLM.from_pretrained(tmp_path / "out" / "generator").eval()
    assert close(again(IDS).logits, generator(IDS).logits)


def test_holes_in_the_body_write_nothing(tmp_path: Path, random_weights: Callable[[Any], Any]) -> None:
    model = random_weights(BertForPreTraining(BertConfig(**SMALL)))
    tensors = google_bert(model)
    del tensors["bert/encoder/layer_1/output/dense/bias"]
    write_bundle(tmp_path / "in" / "m", tensors)
    write_json(tmp_path / "in" / "bert_config.json", settings(model.config))
    account = import_checkpoint(tmp_path / "in", tmp_path / "out")
    assert not account.complete and not (tmp_path / "out").exists()
    assert account.models[0].lacking == ["encoder.layer.1.output.dense.bias"]
    tensors = google_bert(model)
    tensors["bert/encoder/layer_0/attention/self/extra/kernel"] = torch.ones(2, 2)
    write_bundle(tmp_path / "in" / "m", tensors)
    account = import_checkpoint(tmp_path / "in", tmp_path / "out")
    assert account.models[0].homeless == ["bert/encoder/layer_0/attention/self/extra/kernel"]
    assert not account.complete and not (tmp_path / "out").exists()
    write_json(tmp_path / "in" / "bert_config.json", settings(model.config) | {"intermediate_size": 50})
    account = import_checkpoint(tmp_path / "in", tmp_path / "out")
    told = account.to_json()["models"][0]["misshapen"]["encoder.layer.0.output.dense.weight"]
    assert told == {"found": [32, 48], "expected": [32, 50]} and not account.complete
    write_json(tmp_path / "in" / "bert_config.json", settings(model.config) | {"num_hidden_layers": 1})
    account = import_checkpoint(tmp_path / "in", tmp_path / "out")
    assert "bert/encoder/layer_1/output/dense/kernel" in account.models[0].homeless


def test_heads_without_a_place_are_left_aside_and_a_missing_pooler_is_told(
    tmp_path: Path, random_weights: Callable[[Any], Any]
) -> None:
    model = random_weights(BertForPreTraining(BertConfig(**SMALL)))
    tensors = {name: one for name, one in google_bert(model).items() if "/pooler/" not in name}
    tensors = {name: one for name, one in tensors.items() if "transform" not in name}
    write_bundle(tmp_path / "in" / "m", tensors)
    write_json(tmp_path / "in" / "bert_config.json", settings(model.config))
    told = import_checkpoint(tmp_path / "in", tmp_path / "out").to_json()["models"][0]
    assert told["class"] == "BertModel"
    assert told["missing"] == ["pooler.dense.bias", "pooler.dense.weight"]
    assert told["unexpected"] == [
        "cls/predictions/output_bias",
        "cls/seq_relationship/output_bias",
        "cls/seq_relationship/output_weights",
    ]
    again = BertModel.from_pretrained(tmp_path / "out").eval()
    assert close(again(IDS).last_hidden_state, model.bert(IDS).last_hidden_state)


def test_a_classifier_brings_its_number_of_classes(
    tmp_path: Path, random_weights: Callable[[Any], Any]
) -> None:
    from transformers import BertForSequenceClassification

    model = random_weights(BertForSequenceClassification(BertConfig(**SMALL, num_labels=5)))
    tensors = {
        re.sub(
            "^classifier/(kernel|bias)$",
            lambda m: f"output_{m[1].replace('kernel', 'weights')}",
            in_google(name),
        ): one
        for name, one in own_weights(model).items()
    }
    write_bundle(tmp_path / "in" / "m", {n: t.t() if n.endswith("kernel") else t for n, t in tensors.items()})
    write_json(tmp_path / "in" / "bert_config.json", settings(model.config))
    import_checkpoint(tmp_path / "in", tmp_path / "out")
    again = BertForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    assert close(again(IDS).logits, model(IDS).logits) and again.config.num_labels == 5


def test_alberts_own_pieces_are_cut_as_transformers_cuts_them(
    tmp_path: Path, random_weights: Callable[[Any], Any]
) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    from transformers import AlbertTokenizer

    (tmp_path / "in").mkdir()
    lines = ["the cafe is nice today", "a naive cafe", '"quoted" text about cats'] * 30
    with (tmp_path / "in" / "30k-clean.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=file,
            vocab_size=60,
            hard_vocab_limit=False,
            normalization_rule_name="identity",
            pad_id=0,
            unk_id=1,
            bos_id=-1,
            eos_id=-1,
            control_symbols=["[CLS]", "[SEP]", "[MASK]"],
            minloglevel=2,
        )
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "in" / "30k-clean.model"))
    rows = processor.get_piece_size()
    config = AlbertConfig(**{**SMALL, "vocab_size": rows}, embedding_size=8)
    model = random_weights(AlbertForPreTraining(config))
    tensors = {in_google_albert(name): one for name, one in own_weights(model).items()}
    write_bundle(
        tmp_path / "in" / "model.ckpt", {n: t.t() if n.endswith("kernel") else t for n, t in tensors.items()}
    )
    write_json(tmp_path / "in" / "albert_config.json", settings(config, "embedding_size"))
    assert import_checkpoint(tmp_path / "in", tmp_path / "out").tokens
    ours = AutoTokenizer.from_pretrained(tmp_path / "out")
    pieces = [(processor.id_to_piece(n), processor.get_score(n)) for n in range(rows)]
    theirs = AlbertTokenizer(vocab=pieces)
    for text in ("The CAFÉ is nice", "``naïve'' cats", "today  a   cafe"):
        assert ours(text)["input_ids"] == theirs(text)["input_ids"], text
    assert (
        ours("a", "cats")["token_type_ids"]
        == theirs("a", "cats", return_token_type_ids=True)["token_type_ids"]
    )
    assert ours.mask_token == "[MASK]" and ours.cls_token == "[CLS]" and ours.pad_token_id == 0
