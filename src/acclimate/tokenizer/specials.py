"""The special tokens that every tokenizer trained here has, BERT's, and how they stand around texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

SPECIALS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
TOKENS = list(SPECIALS.values())
"""In the order of their ids, 0 to 4."""


def finished(backend: Tokenizer, *, spaced: bool, model_max_length: int | None) -> PreTrainedTokenizerFast:
    """The Transformers tokenizer around a trained one whose vocabulary begins with `TOKENS`.

    `spaced`: its tokens hold the space before them, so the mask token takes in the space before it when a user writes
    it into a text, as a masked token did in training.
    """
    from tokenizers import AddedToken
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    mask = AddedToken("[MASK]", special=True, normalized=False, lstrip=spaced)
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in TOKENS[:-1]])
    backend.add_special_tokens([mask])
    backend.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, TOKENS.index(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **{**SPECIALS, "mask_token": mask},
        **({} if model_max_length is None else {"model_max_length": model_max_length}),
    )
