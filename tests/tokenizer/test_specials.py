from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer

from acclimate.tokenizer.specials import add_extra, suit
from acclimate.tokenizer.template import boundaries, closing, template
from acclimate.tokenizer.untrained import untrained_tokenizer


def test_extra_tokens_stand_behind_the_vocabulary_and_are_special(tmp_path: Path) -> None:
    tokenizer = untrained_tokenizer(20)
    add_extra(tokenizer, ["<extra_id_0>", "zh_CN"])
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.convert_tokens_to_ids(["<extra_id_0>", "zh_CN"]) == [20, 21] and len(again) == 22
    assert {20, 21} <= set(again.all_special_ids)
    assert again.decode([7, 20, 8, 21], skip_special_tokens=True) == again.decode([7, 8])
    before = len(tokenizer)
    add_extra(tokenizer, [])
    assert len(tokenizer) == before


def test_a_plain_call_gives_what_the_model_takes(tmp_path: Path) -> None:
    tokenizer = untrained_tokenizer(20)
    suit(tokenizer, segments=True)
    assert "token_type_ids" in tokenizer("w7")
    suit(tokenizer, segments=False, continues=True)
    assert tokenizer.padding_side == "left"
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again("w7")["input_ids"] == [2, 7] and sorted(again("w7")) == ["attention_mask", "input_ids"]
    assert again("w7", "w8")["input_ids"] == [2, 7, 8]
    assert boundaries(again) == (2, 3) and [part.tokens for part in template(again).single] == [
        (2,),
        None,
        (),
    ]


def test_the_token_that_closes_a_sequence() -> None:
    tokenizer = untrained_tokenizer(20)
    assert closing(tokenizer) == tokenizer.sep_token_id
    tokenizer.cls_token = tokenizer.sep_token = None
    tokenizer.eos_token = "w9"
    assert closing(tokenizer) == 9
