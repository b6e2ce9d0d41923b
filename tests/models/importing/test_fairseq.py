"""fairseq's RoBERTa, XLM-R, BART and mBART: equal outputs, old names and new, and tokenizers by its dictionary."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_writers import close, own_weights, write_json
from transformers import (
    AutoTokenizer,
    BartConfig,
    BartForConditionalGeneration,
    MBartConfig,
    MBartForConditionalGeneration,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
    RobertaTokenizer,
    XLMRobertaForMaskedLM,
)

from acclimate.errors import UserError
from acclimate.models.importing.converting import import_checkpoint

SMALL: dict[str, Any] = {
    "vocab_size": 30,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 18,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
IDS = torch.tensor([[0, 5, 6, 7, 4, 2]])


def fairseq(model: Any, *, old: bool) -> dict[str, torch.Tensor]:
    """RoBERTa's weights as fairseq keeps them."""
    found = {}
    for name, tensor in own_weights(model).items():
        new = name
        if "token_type" in name:
            continue
        for one, other in (
            (r"^roberta\.embeddings\.word_embeddings", "encoder.sentence_encoder.embed_tokens"),
            (r"^roberta\.embeddings\.position_embeddings", "encoder.sentence_encoder.embed_positions"),
            (r"^roberta\.embeddings\.LayerNorm", "encoder.sentence_encoder.layernorm_embedding"),
            (r"^roberta\.encoder\.layer\.", "encoder.sentence_encoder.layers."),
            (r"attention\.self\.(q|k|v)\w+", r"self_attn.\1_proj"),
            (r"attention\.output\.dense", "self_attn.out_proj"),
            (r"attention\.output\.LayerNorm", "self_attn_layer_norm"),
            (r"intermediate\.dense", "fc1"),
            (r"output\.dense", "fc2"),
            (r"(?<=\d\.)output\.LayerNorm", "final_layer_norm"),
            (r"^lm_head", "encoder.lm_head"),
            (r"^classifier", "classification_heads.mnli"),
        ):
            new = re.sub(one, other, new)
        found[new] = tensor
    found["encoder.lm_head.weight"] = found["encoder.sentence_encoder.embed_tokens.weight"]
    found["encoder.sentence_encoder.version"] = torch.tensor([3.0])
    if old:
        found = {
            re.sub("^encoder", "decoder", name).replace("layernorm_embedding", "emb_layer_norm"): tensor
            for name, tensor in found.items()
        }
        for layer in range(2):
            for leaf in ("weight", "bias"):
                start = f"decoder.sentence_encoder.layers.{layer}.self_attn"
                three = [found.pop(f"{start}.{part}_proj.{leaf}") for part in "qkv"]
                found[f"{start}.in_proj_{leaf}"] = torch.cat(three)
    return found


def with_no_types(model: Any) -> Any:
    """fairseq adds no embedding of token types."""
    model.roberta.embeddings.token_type_embeddings.weight.data.zero_()
    return model


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_roberta(tmp_path: Path, random_weights: Callable[[Any], Any], old: bool, dtype: torch.dtype) -> None:
    model = with_no_types(random_weights(RobertaForMaskedLM(RobertaConfig(**SMALL)))).to(dtype)
    settings = {"encoder_attention_heads": 4, "activation_fn": "gelu", "arch": "roberta_base"}
    held = {"args": Namespace(**settings)} if old else {"args": None, "cfg": {"model": Namespace(**settings)}}
    path = tmp_path / "in" / "model.pt"
    path.parent.mkdir()
    torch.save({"model": fairseq(model, old=old), "optimizer_history": [{"num_updates": 5}], **held}, path)
    account = import_checkpoint(tmp_path / "in", tmp_path / "out")
    told = account.to_json()["models"][0]
    assert account.layout == "fairseq" and told["class"] == "RobertaForMaskedLM"
    assert told["missing"] == told["unexpected"] == told["notes"] == []
    again = RobertaForMaskedLM.from_pretrained(tmp_path / "out")
    assert again.dtype == dtype
    assert close(again.float().eval()(IDS).logits, model.float()(IDS).logits)
    origin = told["mapped"]["roberta.encoder.layer.1.attention.self.key.bias"]["from"]
    assert origin.endswith("in_proj_bias" if old else "k_proj.bias")


def test_a_head_for_classes_is_taken(tmp_path: Path, random_weights: Callable[[Any], Any]) -> None:
    model = with_no_types(
        random_weights(RobertaForSequenceClassification(RobertaConfig(**SMALL, num_labels=3)))
    )
    torch.save(
        {"model": fairseq(model, old=False), "args": Namespace(encoder_attention_heads=4)},
        tmp_path / "model.pt",
    )
    import_checkpoint(tmp_path / "model.pt", tmp_path / "out")
    again = RobertaForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    assert again.config.num_labels == 3 and close(again(IDS).logits, model(IDS).logits)


def test_final_norm_of_another_architecture_is_refused(
    tmp_path: Path, random_weights: Callable[[Any], Any]
) -> None:
    weights = fairseq(random_weights(RobertaForMaskedLM(RobertaConfig(**SMALL))), old=False)
    weights["encoder.sentence_encoder.layer_norm.weight"] = torch.ones(32)
    torch.save({"model": weights}, tmp_path / "model.pt")
    account = import_checkpoint(tmp_path / "model.pt", tmp_path / "out")
    assert (
        account.models[0].homeless == ["encoder.sentence_encoder.layer_norm.weight"] and not account.complete
    )


def write_dictionary(folder: Path, tokens: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dict.txt").write_text(
        "".join(f"{one} {9 - n}\n" for n, one in enumerate(tokens)), encoding="utf-8"
    )


def test_byte_level_tokens_are_numbered_by_the_dictionary(
    tmp_path: Path, random_weights: Callable[[Any], Any]
) -> None:
    pieces = ["t", "h", "e", "a", "Ġ", "Ġa", "th", "the", "Ġthe"]
    write_json(tmp_path / "in" / "encoder.json", {piece: number for number, piece in enumerate(pieces)})
    (tmp_path / "in" / "vocab.bpe").write_text("#version: 0.2\nĠ a\nt h\nth e\nĠ the\n", encoding="utf-8")
    write_dictionary(tmp_path / "in", ["8", "7", "0", "1", "2", "3", "4", "5", "6", "madeupword0000"])
    model = random_weights(RobertaForMaskedLM(RobertaConfig(**{**SMALL, "vocab_size": 15})))
    torch.save(
        {"model": fairseq(model, old=False), "args": Namespace(encoder_attention_heads=4)},
        tmp_path / "in" / "model.pt",
    )
    assert import_checkpoint(tmp_path / "in", tmp_path / "out").tokens
    ours = AutoTokenizer.from_pretrained(tmp_path / "out")
    vocabulary = {
        name: id
        for id, name in enumerate(
            [
                "<s>",
                "<pad>",
                "</s>",
                "<unk>",
                "Ġthe",
                "the",
                "t",
                "h",
                "e",
                "a",
                "Ġ",
                "Ġa",
                "th",
                "madeupword0000",
                "<mask>",
            ]
        )
    }
    assert ours.get_vocab() == vocabulary and ours.mask_token_id == 14
    theirs = RobertaTokenizer(vocab=vocabulary, merges=[("Ġ", "a"), ("t", "h"), ("th", "e"), ("Ġ", "the")])
    for text in ("the the a", "a the", "heat"):
        assert ours(text)["input_ids"] == theirs(text)["input_ids"]
    assert ours("the the", "a")["input_ids"] == [0, 5, 4, 2, 2, 9, 2]
    assert ours.model_max_length == 16


def test_sentencepiece_makes_it_xlm_r_numbered_by_the_dictionary(
    tmp_path: Path, random_weights: Callable[[Any], Any]
) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    lines = ["今天天气很好", "the weather is nice today", "天气 weather", "nice 好"] * 20
    (tmp_path / "in").mkdir()
    with (tmp_path / "in" / "sentencepiece.bpe.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=file,
            vocab_size=50,
            hard_vocab_limit=False,
            character_coverage=1.0,
        )
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "in" / "sentencepiece.bpe.model"))
    pieces = [theirs.id_to_piece(n) for n in range(3, theirs.get_piece_size())]
    write_dictionary(tmp_path / "in", pieces)
    rows = len(pieces) + 5
    model = with_no_types(random_weights(RobertaForMaskedLM(RobertaConfig(**{**SMALL, "vocab_size": rows}))))
    torch.save(
        {"model": fairseq(model, old=False), "args": Namespace(encoder_attention_heads=4)},
        tmp_path / "in" / "model.pt",
    )
    account = import_checkpoint(tmp_path / "in", tmp_path / "out")
    assert account.to_json()["models"][0]["family"] == "xlm-roberta"
    assert close(
        XLMRobertaForMaskedLM.from_pretrained(tmp_path / "out").eval()(IDS).logits, model(IDS).logits
    )
    ours = AutoTokenizer.from_pretrained(tmp_path / "out")
    for text in ("今天 weather is nice", "好天气", "the zebra"):
        expected = [
            n + 1 if n else 3 for n in theirs.encode(text)
        ]  # fairseq's numbers are one higher; unknown is 3
        assert ours(text)["input_ids"] == [0, *expected, 2], text
    assert ours("好", "天气")["input_ids"].count(2) == 3 and ours.mask_token_id == rows - 1
    with pytest.raises(UserError, match=r"--family bert: .*did you mean 'bart'"):
        import_checkpoint(tmp_path / "in", tmp_path / "o", family="bert")


SEQ2SEQ = {
    "vocab_size": 30,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 40,
    "max_position_embeddings": 16,
}


@pytest.mark.parametrize("multilingual", [False, True])
def test_bart_and_mbart(tmp_path: Path, random_weights: Callable[[Any], Any], multilingual: bool) -> None:
    if multilingual:
        model = random_weights(MBartForConditionalGeneration(MBartConfig(**SEQ2SEQ, scale_embedding=True)))
    else:
        model = random_weights(BartForConditionalGeneration(BartConfig(**SEQ2SEQ)))
    found = {name.removeprefix("model."): one for name, one in own_weights(model).items()}
    table = found.pop("shared.weight")
    found |= {"encoder.embed_tokens.weight": table, "decoder.embed_tokens.weight": table.clone()}
    found |= {"encoder.version": torch.tensor([3.0]), "decoder.output_projection.weight": table.clone()}
    settings = Namespace(
        encoder_attention_heads=4,
        decoder_attention_heads=2,
        no_scale_embedding=not multilingual,
        langs="en_XX,zh_CN",
    )
    torch.save({"args": settings, "model": found}, tmp_path / "model.pt")
    told = import_checkpoint(tmp_path / "model.pt", tmp_path / "out").to_json()["models"][0]
    assert told["family"] == ("mbart" if multilingual else "bart")
    assert told["missing"] == told["unexpected"] == []
    again = type(model).from_pretrained(tmp_path / "out").eval()
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS[:, :4]}
    assert close(again(**inputs).logits, model(**inputs).logits)


def test_a_dictionary_alone_or_damaged(tmp_path: Path, random_weights: Callable[[Any], Any]) -> None:
    model = random_weights(RobertaForMaskedLM(RobertaConfig(**SMALL)))
    (tmp_path / "in").mkdir()
    torch.save(
        {"model": fairseq(model, old=False), "args": Namespace(encoder_attention_heads=4)},
        tmp_path / "in" / "model.pt",
    )
    write_dictionary(tmp_path / "in", ["8", "7"])
    account = import_checkpoint(tmp_path / "in", tmp_path / "out")
    assert account.tokens is None and "does not say how text is cut" in account.tokenizer
    (tmp_path / "in" / "encoder.json").write_text(json.dumps({"a": 8}))
    (tmp_path / "in" / "vocab.bpe").write_text("#version\n")
    (tmp_path / "in" / "dict.txt").write_text("8 12\nnonsense\n")
    with pytest.raises(UserError, match=r"dict\.txt:2: expected a token and its count"):
        import_checkpoint(tmp_path / "in", tmp_path / "other")
    assert not (tmp_path / "other").exists()
