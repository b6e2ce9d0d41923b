"""Words as white space parts them: a closed vocabulary, line ends, the Penn Treebank's own figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from transformers import AutoTokenizer

from acclimate.corpus.document import Document
from acclimate.corpus.readers.wikitext import Wikitext
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.template import boundaries
from acclimate.tokenizer.training import Train

DATA = Path(__file__).parents[3] / "shared" / "data"
PTB = DATA / "ptb"
TEXTS = ["the <unk> sat , n't it 's\nN years", "今天 天气 很 好 。", "the cat ， the end"]


def trained(folder: Path, texts: list[str], **settings: Any) -> Any:
    return Train(algorithm="spaced_word", **settings).build(texts=iter([texts]), folder=folder)


def test_white_space_alone_parts_words_and_a_line_end_is_one(tmp_path: Path) -> None:
    tokenizer = trained(tmp_path, TEXTS, vocab_size=100)
    assert tokenizer.tokenize("the n't\ncat") == ["the", "n't", "</s>", "cat"]
    assert tokenizer.tokenize("  今天 天气\n\n很 ，") == ["今天", "天气", "</s>", "</s>", "很", "，"]
    assert tokenizer.tokenize("never <unk>") == ["<unk>", "<unk>"]
    words = {word for text in TEXTS for word in text.split()}
    assert set(tokenizer.get_vocab()) == words | {"</s>"}
    assert tokenizer.decode(tokenizer("the cat sat")["input_ids"], skip_special_tokens=True) == "the cat sat"


def test_the_text_s_unk_is_the_unknown_word_however_it_is_read(tmp_path: Path) -> None:
    tokenizer = trained(tmp_path, TEXTS, vocab_size=100)
    for literal in (True, False):
        tokens, _ = Encoder(tokenizer, literal=literal).encode(["the <unk> sat"])
        assert tokens.tolist() == tokenizer.convert_tokens_to_ids(["the", "<unk>", "sat"])


def test_roles_and_loading_by_transformers(tmp_path: Path) -> None:
    tokenizer = trained(tmp_path, TEXTS, vocab_size=100)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again("the cat")["input_ids"] == tokenizer("the cat")["input_ids"]
    end = tokenizer.convert_tokens_to_ids("</s>")
    assert boundaries(again) == (end, end) and again.pad_token_id == end
    assert again.unk_token_id == 0 and again.mask_token is None
    assert again("the cat")["input_ids"][0] == again("the cat")["input_ids"][-1] == end


def test_size_rarity_and_case(tmp_path: Path) -> None:
    assert set(trained(tmp_path, TEXTS, vocab_size=16).get_vocab()) >= {"<unk>", "</s>", "the"}
    assert len(trained(tmp_path, TEXTS, vocab_size=16)) == 16
    assert set(trained(tmp_path, TEXTS, vocab_size=100, min_count=2).get_vocab()) == {"<unk>", "</s>", "the"}
    lower = trained(tmp_path, ["The THE Cat"], vocab_size=100, lowercase=True)
    assert set(lower.get_vocab()) == {"<unk>", "</s>", "the", "cat"}
    assert lower.tokenize("THE\ncat") == ["the", "</s>", "cat"]


def test_the_penn_treebank_has_the_published_figures(tmp_path: Path) -> None:
    if not PTB.is_dir():
        pytest.skip(f"the public data sets are not here: {PTB} is no folder")
    parts = {}
    for name in ("train.txt.zst", "valid.txt.gz", "test.txt.gz"):
        with pa.input_stream(str(PTB / f"ptb.{name}"), compression="detect") as file:
            parts[name.split(".")[0]] = file.read().decode().splitlines()
    tokenizer = trained(tmp_path, parts["train"], vocab_size=10_000)
    assert len(tokenizer) == 10_000 and {"N", "<unk>", "</s>"} <= set(tokenizer.get_vocab())
    for part, tokens in (("train", 929_589), ("valid", 73_760), ("test", 82_430)):
        _, lengths = Encoder(tokenizer, literal=True).encode(parts[part])
        assert int(lengths.sum()) + len(parts[part]) == tokens


def test_wikitext_2_too_blank_lines_and_all(tmp_path: Path) -> None:
    if not (DATA / "wikitext-2").is_dir():
        pytest.skip(f"the public data sets are not here: {DATA}/wikitext-2 is no folder")
    tokenizer: Any = None
    for part, tokens in (("train", 2_088_628), ("validation", 217_646), ("test", 245_569)):
        reader = Wikitext.model_validate({"path": str(DATA / "wikitext-2"), "part": part}).build()
        articles = [one.text for one in reader.read() if isinstance(one, Document)]
        tokenizer = tokenizer or trained(tmp_path, articles, vocab_size=33_278)
        _, lengths = Encoder(tokenizer, literal=True).encode(articles)
        assert int(lengths.sum()) + len(articles) == tokens
    assert len(tokenizer) == 33_278
