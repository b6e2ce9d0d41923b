from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

ENGLISH = [
    "the",
    "cat",
    "sat",
    "on",
    "mat",
    "and",
    "a",
    "dog",
    "ran",
    "by",
    "un",
    "##s",
    "##ed",
    "##ing",
    "mask",
]
WORDS = [*ENGLISH, *"我们喜欢猫和狗,.[]"]
SPECIALS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """A small BERT-like tokenizer that knows some English and some Chinese."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    backend = Tokenizer(models.WordPiece({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **SPECIALS,
    )


@pytest.fixture(scope="session")
def real_texts() -> list[str]:
    """English paragraphs and Chinese titles from the shared data sets."""
    data = Path(__file__).parents[2].parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip(f"the shared data sets are not at {data}")
    english = gzip.decompress((data / "wikitext-2" / "wiki.test.txt.gz").read_bytes()).decode().split("\n")
    (titles,) = (data / "thucnews" / "subset_a").glob("test.txt*")
    raw = titles.read_bytes()
    chinese = (gzip.decompress(raw) if titles.suffix == ".gz" else raw).decode().split("\n")
    return english[:1500] + [line.split("\t")[0] for line in chinese[:1500]]
