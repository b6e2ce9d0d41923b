"""One of our tokenizers as a SentencePiece `.model`, where that can say the same."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError
from acclimate.tokenizer.encoding import private_backend
from acclimate.tokenizer.merges import merges_of, ranked_pieces
from acclimate.tokenizer.pieces import BYTES, SPACE, pieces_pre_tokenizer
from acclimate.tokenizer.sentencepiece.model import Kind, Model, Piece, write_model
from acclimate.tokenizer.sentencepiece.reading import normalizer, pre_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_ROLES = {
    "unk": ("unk_token",),
    "bos": ("bos_token", "cls_token"),
    "eos": ("eos_token", "sep_token"),
    "pad": ("pad_token",),
}


def write_sentencepiece(tokenizer: PreTrainedTokenizerFast, path: Path) -> None:
    """Write the `.model`: SentencePiece makes the same pieces with it, and knows [CLS] and [SEP] as bos and eos.

    A space at the very beginning of a text is one ▁ more there. Raises UserError, saying which part of the tokenizer
    SentencePiece has no counterpart for.
    """
    try:
        model = as_model(tokenizer)
    except ValueError as error:
        name = tokenizer.name_or_path or type(tokenizer).__name__
        raise UserError(f"{name} cannot be written as a SentencePiece model: {error}") from None
    write_model(model, path)


def as_model(tokenizer: PreTrainedTokenizerFast) -> Model:
    """The tokenizer as such a model. Raises ValueError where it cannot be."""
    state = json.loads(private_backend(tokenizer).to_str())
    inner = state["model"]
    algorithm = {"Unigram": "unigram", "BPE": "bpe"}.get(inner["type"])
    if algorithm is None:
        raise ValueError(f"it is a {inner['type']}; only unigram and BPE tokenizers can be")
    unknown = tokenizer.unk_token
    if unknown is None:
        raise ValueError("it names no unknown token, which such a model must have")
    special = {one["content"] for one in state["added_tokens"] if one["special"]} - {unknown}
    scored = _unigram(inner) if algorithm == "unigram" else _bpe(inner)
    known = {name for name, _ in scored}
    for one in sorted(state["added_tokens"], key=lambda one: one["id"]):
        if one["content"] not in known:
            if one["id"] != len(scored):
                raise ValueError(
                    f"the id {one['id']} of {one['content']!r} leaves a gap behind the vocabulary"
                )
            scored.append((one["content"], 0.0))
    fallback, bytes_ = bool(inner["byte_fallback"]), set(BYTES)
    symbols = {one["content"] for one in state["added_tokens"]} - special
    if inner.get("ignore_merges"):  # what no merges make is taken whole
        made = {left + right for left, right in inner["merges"]}
        symbols |= {name for name in inner["vocab"] if len(name) > 1 and name not in made} - bytes_

    def kind(name: str) -> Kind:
        if name == unknown:
            return Kind.UNKNOWN
        if name in special:
            return Kind.CONTROL
        if fallback and name in bytes_:
            return Kind.BYTE
        return Kind.USER_DEFINED if name in symbols else Kind.NORMAL

    if fallback and not bytes_ <= {name for name, _ in scored}:
        raise ValueError("bytes stand for the unknown, and not all 256 are in its vocabulary")
    ids = {name: id for id, (name, _) in enumerate(scored)}
    roles = {
        role: next(filter(None, (getattr(tokenizer, one) for one in ours)), None)
        for role, ours in _ROLES.items()
    }
    model = Model(
        pieces=tuple(Piece(name, score, kind(name)) for name, score in scored),
        algorithm=algorithm,
        byte_fallback=fallback,
        charsmap=_charsmap(state["normalizer"]),
        special={role: ids[name] for role, name in roles.items() if name in ids},
    )
    return _prepared(model, state)


def _unigram(inner: dict[str, Any]) -> list[tuple[str, float]]:
    return [(name, float(score)) for name, score in inner["vocab"]]


def _bpe(inner: dict[str, Any]) -> list[tuple[str, float]]:
    """Pieces with minus their rank as score. Raises ValueError when SentencePiece would join other pairs."""
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if inner.get(key):
            raise ValueError(f"its BPE has {key} {inner[key]!r}")
    by_id = sorted(inner["vocab"], key=inner["vocab"].__getitem__)
    if [inner["vocab"][name] for name in by_id] != list(range(len(by_id))):
        raise ValueError("the ids of its vocabulary leave gaps")
    merges = [tuple(pair) for pair in inner["merges"]]
    ranked = ranked_pieces(merges)
    ways = merges_of(ranked or (), inner["vocab"])
    if ranked is None or set(ways) != set(merges):
        raise ValueError(
            "its merges are not all the ways to make its pieces, and SentencePiece would take all ("
            + ("is it byte-level, or trained by another program?)")
        )
    ranks = {piece: -float(rank) for rank, piece in enumerate(ranked)}
    return [(name, ranks.get(name, -float(len(ranked)))) for name in by_id]


def _charsmap(state: dict[str, Any] | None) -> bytes:
    steps = (state or {}).get("normalizers", [state] if state else [])
    for step in steps:
        if step["type"] == "Precompiled":
            return base64.b64decode(step["precompiled_charsmap"])
    return b""


def _prepared(model: Model, state: dict[str, Any]) -> Model:
    """The model with the flags under which it prepares texts as the tokenizer does."""
    own = _own_pre_tokenizers()
    if state["normalizer"] is None and state["pre_tokenizer"] in own:
        plain = [piece for piece in model.of_kind(Kind.NORMAL) if SPACE in piece[1:]]
        if plain:
            raise ValueError(f"its piece {plain[0]!r} holds a space, where its pre-tokeniser cuts")
        return replace(model, add_dummy_prefix=True, remove_extra_whitespaces=False)
    for prefix in (True, False):
        for strip in (True, False):
            one = replace(model, add_dummy_prefix=prefix, remove_extra_whitespaces=strip)
            if _state("normalizer", normalizer(one)) != state["normalizer"]:
                continue
            if state["pre_tokenizer"] in (None, _state("pre_tokenizer", pre_tokenizer(one))):
                return one
            raise ValueError(f"its pre-tokeniser ({_kinds(state['pre_tokenizer'])}) has no counterpart")
    raise ValueError(
        f"its normaliser ({_kinds(state['normalizer'])}) and pre-tokeniser ({_kinds(state['pre_tokenizer'])}) have "
        "no counterpart"
    )


def _kinds(part: dict[str, Any] | None) -> str:
    """What a part of tokenizer.json consists of."""
    if part is None:
        return "none"
    steps = part.get("normalizers") or part.get("pretokenizers") or [part]
    return ", ".join(step["type"] for step in steps)


def _own_pre_tokenizers() -> list[Any]:
    return [_state("pre_tokenizer", pieces_pre_tokenizer(first="first"))]


def _state(part: str, value: Any) -> Any:
    """A part as it stands in tokenizer.json."""
    from tokenizers import Tokenizer, models

    backend = Tokenizer(models.BPE())
    if value is not None:
        setattr(backend, part, value)
    return json.loads(backend.to_str())[part]
