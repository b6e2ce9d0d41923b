"""The special tokens that every tokenizer trained here has, BERT's, and how they stand around texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing
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
BOUNDARIES = (("cls_token", "sep_token"), ("bos_token", "eos_token"))
"""The roles that may close a sequence, the preferred ones first."""


def finished(backend: Tokenizer, *, spaced: bool, model_max_length: int | None) -> PreTrainedTokenizerFast:
    """The Transformers tokenizer around a trained one whose vocabulary begins with `TOKENS`.

    `spaced`: its tokens hold the space before them, so the mask token takes in the space before it when a user writes
    it into a text, as a masked token did in training.
    """
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerFast

    mask = AddedToken("[MASK]", special=True, normalized=False, lstrip=spaced)
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in TOKENS[:-1]])
    backend.add_special_tokens([mask])
    backend.post_processor = around(backend, "[CLS]", "[SEP]")
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **{**SPECIALS, "mask_token": mask},
        **({} if model_max_length is None else {"model_max_length": model_max_length}),
    )


def add_extra(tokenizer: PreTrainedTokenizerFast, tokens: Sequence[str]) -> None:
    """Give a trained tokenizer more special tokens, such as sentinels, behind its vocabulary."""
    if tokens:
        tokenizer.add_special_tokens({"additional_special_tokens": list(tokens)})


def suit(tokenizer: PreTrainedTokenizerFast, *, segments: bool, continues: bool = False) -> None:
    """Make plain calls of the tokenizer give what a model of a kind takes: segments or none, and where the model
    `continues` what it is given, no end behind it, and padding in front."""
    if continues:
        tokenizer.padding_side = "left"
    if not segments:
        tokenizer.model_input_names = [
            name for name in tokenizer.model_input_names if name != "token_type_ids"
        ]
    if continues and tokenizer.cls_token is not None:
        from tokenizers.processors import TemplateProcessing

        first = tokenizer.cls_token
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=[first, "$A"],
            pair=[first, "$A", "$B:1"],
            special_tokens=[(first, tokenizer.cls_token_id)],
        )


def mark_sources(tokenizer: PreTrainedTokenizerFast, mark: str) -> None:
    """Make plain calls of the tokenizer put the token of a language behind the end of a text, as mBART reads it."""
    if hasattr(tokenizer, "src_lang"):  # mBART's own, which sets its template anew whenever it is loaded
        tokenizer.src_lang = tokenizer.init_kwargs["src_lang"] = mark
        return
    from tokenizers.processors import TemplateProcessing

    last = next(
        getattr(tokenizer, role) for _, role in BOUNDARIES if getattr(tokenizer, role, None) is not None
    )
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=["$A", last, mark],
        pair=["$A", "$B:1", f"{last}:1", f"{mark}:1"],
        special_tokens=[(one, tokenizer.convert_tokens_to_ids(one)) for one in (last, mark)],
    )


def around(backend: Tokenizer, first: str, last: str) -> TemplateProcessing:
    """`first a last` around a text, `first a last b last` around a pair, the second of it in segment 1."""
    from tokenizers.processors import TemplateProcessing

    return TemplateProcessing(
        single=[first, "$A", last],
        pair=[first, "$A", last, "$B:1", f"{last}:1"],
        special_tokens=[(token, backend.token_to_id(token)) for token in (first, last)],
    )
