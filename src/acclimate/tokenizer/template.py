"""The special tokens around a text or a pair, as the tokenizer itself puts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from acclimate.errors import UserError
from acclimate.tokenizer.encoding import private_backend
from acclimate.tokenizer.specials import BOUNDARIES

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class Part:
    """A stretch of special tokens, or a text (`tokens` is None), with the segment of each."""

    tokens: tuple[int, ...] | None
    segments: tuple[int, ...]


@dataclass(frozen=True)
class Template:
    """How a sequence is put together: `[CLS] a [SEP]` is (before, text, after), a pair has five parts."""

    single: tuple[Part, ...]
    pair: tuple[Part, ...]


def boundaries(tokenizer: PreTrainedTokenizerFast) -> tuple[int, int]:
    """(first, last) special token of a sequence: cls and sep, or bos and eos. Raises UserError without
    either.
    """
    for first, last in BOUNDARIES:
        ids = getattr(tokenizer, f"{first}_id"), getattr(tokenizer, f"{last}_id")
        if ids[0] is not None and ids[1] is not None:
            return ids
    raise UserError(
        f"the tokenizer {tokenizer.name_or_path or type(tokenizer).__name__} names neither cls_token and "
        "sep_token nor bos_token and eos_token; a sequence cannot be closed with it"
    )


def closing(tokenizer: PreTrainedTokenizerFast) -> int:
    """The last special token of a sequence, which T5's tokenizer has too, though it has none to begin one with."""
    if tokenizer.eos_token_id is not None and tokenizer.cls_token_id is None:
        return int(tokenizer.eos_token_id)
    return boundaries(tokenizer)[1]


def template(tokenizer: PreTrainedTokenizerFast) -> Template:
    """Read from the tokenizer's own post-processor; where that adds nothing, `boundaries` around each text.

    Raises UserError for a tokenizer with neither.
    """
    backend = private_backend(tokenizer)
    found = _read(backend)
    if found is not None:
        return found
    first, last = boundaries(tokenizer)
    before, text, close = Part((first,), (0,)), Part(None, (0,)), Part((last,), (0,))
    return Template((before, text, close), (before, text, close, Part(None, (1,)), Part((last,), (1,))))


def _read(backend: Tokenizer) -> Template | None:
    probe = next(
        (text for text in ("a", "0", "。", ".") if len(backend.encode(text, add_special_tokens=False).ids)),
        None,
    )
    if probe is None:
        return None
    single, pair = backend.encode(probe), backend.encode(probe, probe)
    if not any(single.special_tokens_mask):
        return None
    return Template(_parts(single, 1), _parts(pair, 2))


def _parts(encoding: object, texts: int) -> tuple[Part, ...]:
    """Specials before, between and after the texts; the texts' tokens are told by their sequence number."""
    parts: list[Part] = []
    specials: list[tuple[int, int]] = []
    expected = 0
    rows = zip(encoding.ids, encoding.type_ids, encoding.sequence_ids, strict=True)  # type: ignore[attr-defined]
    for token, segment, owner in rows:
        if owner is None:
            specials.append((token, segment))
        elif owner == expected:
            parts += [_special(specials), Part(None, (segment,))]
            specials, expected = [], expected + 1
    parts.append(_special(specials))
    if expected != texts:
        raise ValueError(f"the tokenizer's template shows {expected} texts of {texts}")
    return tuple(parts)


def _special(rows: list[tuple[int, int]]) -> Part:
    return Part(tuple(token for token, _ in rows), tuple(segment for _, segment in rows))
