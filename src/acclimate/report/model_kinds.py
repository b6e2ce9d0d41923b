"""What a delivered model is for and how to use it, by its kind (the kinds of `models/kinds.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Purpose:
    """What the card and the report say of one kind."""

    pipeline: str
    """The hub's name of the task."""
    loader: str
    """Transformers' class that loads it."""
    intended: str
    example: str = ""
    """Lines of Python that follow the loading."""
    served: bool = False
    """Whether `acclimate serve` answers with it."""


_DOMAIN = "Texts of the domain it was trained on. "
_START = "is meant as a starting point for tasks of that domain."
_WRITE = (
    'inputs = tokenizer("…", return_tensors="pt")\n'
    "written = model.generate(**inputs, max_new_tokens=50)\n"
    "print(tokenizer.decode(written[0], skip_special_tokens=True))"
)
_MLM = Purpose(
    "fill-mask",
    "AutoModelForMaskedLM",
    f"{_DOMAIN}It fills in hidden tokens and gives embeddings, and {_START}",
    served=True,
)
_OTHER = Purpose("feature-extraction", "AutoModel", f"{_DOMAIN}It gives embeddings, and {_START}")
_PURPOSES: Mapping[str, Purpose] = {
    "mlm": _MLM,
    "pretraining": _MLM,
    "clm": Purpose(
        "text-generation",
        "AutoModelForCausalLM",
        f"{_DOMAIN}It continues a text and tells how likely one is, and {_START} What it writes is not checked.",
        _WRITE,
    ),
    "seq2seq": Purpose(
        "text2text-generation",
        "AutoModelForSeq2SeqLM",
        f"{_DOMAIN}It writes a text for the one that it reads, in the form its objective taught it, and {_START} What "
        "it writes is not checked.",
        _WRITE,
    ),
    "classification": Purpose(
        "text-classification",
        "AutoModelForSequenceClassification",
        "Texts of the kind it was tuned on. It assigns the labels listed here and knows no others; a text that none of "
        "them fits gets one all the same.",
        served=True,
    ),
    "regression": Purpose(
        "text-classification",
        "AutoModelForSequenceClassification",
        "Texts of the kind it was tuned on. It gives each a number, in the unit of the numbers that it learnt from.",
        'print(model(**tokenizer("…", return_tensors="pt")).logits)',
    ),
    "multiple_choice": Purpose(
        "multiple-choice",
        "AutoModelForSequenceClassification",
        "Questions about texts of the kind it was tuned on. It gives each choice a number by itself; the choice with "
        "the largest one is its answer, right or not.",
        'choices = ["…", "…"]\n'
        'pairs = tokenizer(["the text"] * len(choices), [f"the question {one}" for one in choices],\n'
        '                  padding=True, return_tensors="pt")\n'
        "print(choices[model(**pairs).logits.argmax()])",
    ),
    "vectors": Purpose(
        "sentence-similarity",
        "AutoModel",
        "Texts of the kind it was tuned on. It makes a vector of each, as `sentence_vector` in config.json says; the "
        "cosine of two tells how much alike they are.",
    ),
    "spans": Purpose(
        "question-answering",
        "AutoModelForQuestionAnswering",
        "Questions about texts of the kind it was tuned on. It marks the part of the text that answers, right or not.",
    ),
    "tokens": Purpose(
        "token-classification",
        "AutoModelForTokenClassification",
        "Texts of the kind it was tuned on. It gives each word one of the labels listed here and knows no others.",
    ),
}


def purpose(kind: str) -> Purpose:
    """That of a kind; of one without a line of its own that of any encoder."""
    return _PURPOSES.get(kind, _OTHER)


def usage(kind: str, config: Mapping[str, Any]) -> str:
    """Python that loads the model and uses it."""
    found = purpose(kind)
    ours = str(config.get("model_type") or "").startswith("acclimate_")
    known = "import acclimate.models.register  # makes the architecture known\n" if ours else ""
    code = (
        f"from transformers import {found.loader}, AutoTokenizer\n{known}\n"
        'folder = "."  # where this file is\n'
        "tokenizer = AutoTokenizer.from_pretrained(folder)\n"
        f"model = {found.loader}.from_pretrained(folder)"
    )
    return f"{code}\n{found.example}" if found.example else code
