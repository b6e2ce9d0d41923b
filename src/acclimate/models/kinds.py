"""What a model is built to do: its head. An objective names the kind it trains; a family those that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Kind = Literal[
    "encoder",
    "mlm",
    "clm",
    "prefix",
    "seq2seq",
    "pretraining",
    "rtd",
    "perm",
    "bilm",
    "dual",
    "matching",
    "tokens",
    "spans",
    "classification",
]
"""encoder: no head. mlm: the vocabulary at hidden places. clm: the next token. prefix: the next one behind a prefix
that is seen both ways. seq2seq: a second row, token by token. pretraining: mlm and a head over pairs of texts. rtd: a
generator, and a discriminator of its tokens. perm: tokens in any order. bilm: the next token and the one before. dual:
two towers, one vector each. matching: that and a head that judges pairs of text and image. tokens: a class for each
token. spans: where in a sequence an answer begins and ends. classification: one for each sequence."""

AUTO_CLASSES: Mapping[Kind, str] = {
    "encoder": "AutoModel",
    "mlm": "AutoModelForMaskedLM",
    "clm": "AutoModelForCausalLM",
    "prefix": "AutoModelForCausalLM",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "pretraining": "AutoModelForPreTraining",
    "perm": "AutoModelForCausalLM",
    "tokens": "AutoModelForTokenClassification",
    "spans": "AutoModelForQuestionAnswering",
    "classification": "AutoModelForSequenceClassification",
}
"""Transformers' class for a kind; a family may name another, or one of ours."""
