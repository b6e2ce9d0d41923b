"""A SentencePiece model as a fast tokenizer with equal ids for every text.

Known to differ: normalisation rules for several characters that take six bytes or more (half-width kana with sound
marks, decomposed Hangul), which the `tokenizers` library applies to single characters only, and the order in which a
BPE joins overlapping equal pieces (runs of one character).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError
from acclimate.tokenizer.merges import merges_of
from acclimate.tokenizer.pieces import SPACE
from acclimate.tokenizer.sentencepiece.model import Kind, Model, Piece, read_model
from acclimate.tokenizer.specials import BOUNDARIES, around

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Normalizer
    from tokenizers.pre_tokenizers import PreTokenizer
    from transformers import PreTrainedTokenizerFast

_ROLES = {
    "cls_token": ("[CLS]", "<cls>"),
    "sep_token": ("[SEP]", "<sep>"),
    "mask_token": ("[MASK]", "<mask>"),
    "pad_token": ("[PAD]", "<pad>"),
}
"""What pieces are called whose part the file does not tell."""
_ASIDE = "\U0010ffff"  # no character
_BYTE = re.escape("<") + "(?=0x[0-9A-F]{2}>)"


def read_sentencepiece(path: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a `.model` file.

    A `<mask>` and a `<pad>` are added behind the pieces where there are none: models of this project need the first.
    Raises UserError for a file that is no model, and for what fast tokenizers cannot express.
    """
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerFast

    model = read_model(path)
    if problem := refused(model):
        raise UserError(f"{path}: {problem}")
    specials = {f"{name}_token": model.pieces[id].text for name, id in model.special.items()}
    specials["unk_token"] = model.of_kind(Kind.UNKNOWN)[0]
    apart = model.of_kind(Kind.CONTROL, Kind.USER_DEFINED)
    for role, written in _ROLES.items():
        found = next((name for name in written if name in apart), None)
        if found is not None:
            specials.setdefault(role, found)
    for role, name in (("mask_token", "<mask>"), ("pad_token", "<pad>")):
        if role not in specials:
            specials[role] = name
            model = replace(model, pieces=(*model.pieces, Piece(name, 0.0, Kind.CONTROL)))
    backend = to_backend(model)
    marked = {*model.of_kind(Kind.UNKNOWN, Kind.CONTROL), *specials.values()}
    names = [piece.text for piece in model.pieces if piece.text in marked]
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    ends = next((pair for pair in BOUNDARIES if all(role in specials for role in pair)), None)
    if ends is not None:
        backend.post_processor = around(backend, *(specials[role] for role in ends))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **specials,
    )


def refused(model: Model) -> str | None:
    """What stands in the way of a fast tokenizer that gives the same ids, if anything does."""
    if model.algorithm not in ("unigram", "bpe"):
        return f"it is a SentencePiece model of {model.algorithm}s; unigram and bpe can be taken"
    if model.whitespace_as_suffix:
        return "it marks the ends of words (treat_whitespace_as_suffix), which fast tokenizers cannot do"
    if not model.escape_whitespaces:
        return "it does not write spaces as ▁ (escape_whitespaces is off), which is not supported"
    if model.denormalizes:
        return "it has rules that change text while decoding (denormalizer_spec), which fast tokenizers cannot do"
    if unused := model.of_kind(Kind.UNUSED):
        return f"{len(unused)} of its pieces are marked unused, such as {unused[0]!r}, which is not supported"
    from tokenizers.normalizers import Sequence

    rules = Sequence(_rules(model))
    for symbol in model.of_kind(Kind.USER_DEFINED):
        if (changed := rules.normalize_str(symbol)) != symbol:
            return (
                f"its own normalisation makes {changed!r} of the user-defined symbol {symbol!r}; "
                "SentencePiece spares such symbols, fast tokenizers cannot"
            )
    if model.algorithm == "bpe":
        normal = model.of_kind(Kind.NORMAL)
        single = {piece for piece in normal if len(piece) == 1}
        for piece in normal:
            if lost := set(piece) - single:
                return f"its piece {piece!r} holds {lost.pop()!r}, which is no piece itself; merges cannot make it"
        if model.of_kind(Kind.USER_DEFINED):
            return _not_made(model, normal)
    return None


def _not_made(model: Model, normal: list[str]) -> str | None:
    """With user-defined symbols a piece between two cuts is taken whole: it must be what merges would make of it."""
    from tokenizers import models

    joined = models.BPE({piece.text: id for id, piece in enumerate(model.pieces)}, _merges(model))
    for piece in normal:
        if len(joined.tokenize(piece)) > 1:
            return f"it has user-defined symbols and the piece {piece!r}, which its own merges never make"
    return None


def to_backend(model: Model) -> Tokenizer:
    """The inner tokenizer, without special tokens."""
    from tokenizers import Tokenizer, decoders, models

    unknown = model.of_kind(Kind.UNKNOWN)[0]
    ids = {piece.text: id for id, piece in enumerate(model.pieces)}
    if model.algorithm == "unigram":
        backend = Tokenizer(models.Unigram(_scores(model), ids[unknown], byte_fallback=model.byte_fallback))
    else:
        joined = models.BPE(
            ids, _merges(model), unk_token=unknown, fuse_unk=True, byte_fallback=model.byte_fallback
        )
        # What the pre-tokeniser leaves alone is taken whole then: the symbols, and pieces that merges make anyway.
        joined.ignore_merges = bool(model.of_kind(Kind.USER_DEFINED))
        backend = Tokenizer(joined)
    backend.normalizer = normalizer(model)
    if (cut := pre_tokenizer(model)) is not None:
        backend.pre_tokenizer = cut
    steps: list[Any] = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if model.add_dummy_prefix:
        steps.append(decoders.Strip(" ", 1, 0))
    backend.decoder = decoders.Sequence(steps)
    return backend


def _merges(model: Model) -> list[tuple[str, str]]:
    normal = [piece for piece in model.pieces if piece.kind is Kind.NORMAL]
    ranked = [one.text for one in sorted(normal, key=lambda one: -one.score)]
    return merges_of(ranked, ranked)


def _scores(model: Model) -> list[tuple[str, float]]:
    """SentencePiece values a user-defined symbol by its bytes, so that it wins against pieces of its parts."""
    normal = [piece.score for piece in model.pieces if piece.kind is Kind.NORMAL] or [0.0]
    best, worst = max(normal), min(normal)

    def score(piece: Piece) -> float:
        if piece.kind is Kind.NORMAL:
            return piece.score
        if piece.kind is Kind.USER_DEFINED:
            # No lower than any piece: what an unknown character costs is reckoned from the lowest.
            return max(worst, len(piece.text.encode()) * best - 0.1)
        return best  # never made from text

    return [(piece.text, score(piece)) for piece in model.pieces]


def _rules(model: Model) -> list[Any]:
    """What the file's own rules do to characters."""
    from tokenizers.normalizers import Lowercase, Precompiled, Replace

    if not model.charsmap:
        return []
    rules = Precompiled(model.charsmap)
    if rules.normalize_str("A") != "a":
        return [rules]
    # The library loses the accent in "Y" + acute, which it takes for the rule of "Y" alone; of "y" there is no rule,
    # and the pair is found. İ has none at all.
    return [Replace("İ", _ASIDE), Lowercase(), Replace(_ASIDE, "İ"), rules]


def normalizer(model: Model) -> Normalizer:
    """What SentencePiece does to a text before it looks for pieces."""
    from tokenizers import Regex
    from tokenizers.normalizers import Prepend, Replace, Sequence

    steps = _rules(model)
    if model.remove_extra_whitespaces:
        steps += [Replace(Regex(r"\A +| +\z"), ""), Replace(Regex(" {2,}"), " ")]
    if model.add_dummy_prefix:
        steps.append(Prepend(SPACE))
    steps.append(Replace(" ", SPACE))
    if model.remove_extra_whitespaces:
        steps.append(Replace(Regex(rf"{SPACE}+\z"), ""))  # a ▁ of the text itself counts as a space here
    return Sequence(steps)


def pre_tokenizer(model: Model) -> PreTokenizer | None:
    """Cuts the text where no piece can stand: before spaces, inside what spells a special piece, around symbols."""
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Metaspace, Sequence, Split

    text = model.of_kind(Kind.NORMAL, Kind.USER_DEFINED)
    steps: list[Any] = []
    symbols = model.of_kind(Kind.USER_DEFINED)
    if model.algorithm == "unigram" or symbols:  # else no merges make a special piece
        cuts = [_unspelt(name, text) for name in model.of_kind(Kind.UNKNOWN, Kind.CONTROL) if len(name) > 1]
        if model.of_kind(Kind.BYTE):
            cuts.append(_BYTE)
        if cuts:
            steps.append(Split(Regex("|".join(cuts)), "merged_with_previous"))
    if model.algorithm == "bpe" and symbols:
        longest_first = sorted(symbols, key=lambda one: (-len(one), one))
        steps.append(Split(Regex("|".join(map(re.escape, longest_first))), "isolated"))
    if SPACE in text and not any(SPACE in piece[1:] for piece in text):
        steps.append(Metaspace(SPACE, "never", split=True))
    return Sequence(steps) if steps else None


def _unspelt(name: str, pieces: list[str]) -> str:
    """A pattern that ends inside the name, where it stands in a text, at a place that no piece crosses if there is one.

    Without the cut the text would be taken for the special piece.
    """
    for cut in range(1, len(name)):
        if not any(name[cut - 1 : cut + 1] in piece for piece in pieces):
            break
    else:
        cut = 1
    return f"{re.escape(name[:cut])}(?={re.escape(name[cut:])})"
