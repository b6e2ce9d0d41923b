"""What a `.model` file holds: pieces with scores, how text is made ready for them, and the special ones.

Numbers of fields are those of SentencePiece's published message `ModelProto` (Kudo & Richardson 2018).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from acclimate.artifacts import durable
from acclimate.errors import UserError
from acclimate.tokenizer.pieces import BYTES
from acclimate.tokenizer.sentencepiece import wire

ALGORITHMS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
_SPECIAL_IDS = {40: "unk", 41: "bos", 42: "eos", 43: "pad"}
_SPECIAL_PIECES = {"unk": 45, "bos": 46, "eos": 47, "pad": 48}


class Kind(IntEnum):
    """What a piece is for."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    """Never made from text."""
    USER_DEFINED = 4
    """Always taken whole."""
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True)
class Piece:
    """An entry of the vocabulary; its id is its place."""

    text: str
    score: float
    kind: Kind = Kind.NORMAL


@dataclass(frozen=True)
class Model:
    """A model as it is written in the file; defaults are those of the format."""

    pieces: tuple[Piece, ...]
    algorithm: str = "unigram"
    byte_fallback: bool = False
    charsmap: bytes = b""
    """Normalisation rules as SentencePiece compiles them."""
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    escape_whitespaces: bool = True
    whitespace_as_suffix: bool = False
    denormalizes: bool = False
    """Whether it changes text while decoding."""
    special: dict[str, int] = field(default_factory=dict)
    """Ids of unk, bos, eos, pad, where there are such."""

    def of_kind(self, *kinds: Kind) -> list[str]:
        """The pieces of these kinds, by id."""
        return [piece.text for piece in self.pieces if piece.kind in kinds]


def read_model(path: Path) -> Model:
    """The model in a file. Raises UserError when the file is none, or is damaged."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return _checked(_parsed(data))
    except ValueError as error:
        raise UserError(f"{path} is no SentencePiece model: {error}") from None


def _parsed(data: bytes) -> Model:
    pieces: list[Piece] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    denormalizer: dict[int, int | bytes] = {}
    for number, value in wire.fields(data):
        if number == 1:
            pieces.append(_piece(_message(value)))
        elif number in (2, 3, 5):
            {2: trainer, 3: normalizer, 5: denormalizer}[number].update(wire.fields(_message(value)))
    code = trainer.get(3, 1)
    if code not in ALGORITHMS:
        raise ValueError(f"unknown algorithm {code!r}")
    ids = {name: wire.signed(trainer[number]) for number, name in _SPECIAL_IDS.items() if number in trainer}
    special = {"unk": 0, "bos": 1, "eos": 2, "pad": -1, **ids}
    return Model(
        pieces=tuple(pieces),
        algorithm=ALGORITHMS[int(code)],
        byte_fallback=bool(trainer.get(35, 0)),
        charsmap=_message(normalizer.get(2, b"")),
        add_dummy_prefix=bool(normalizer.get(3, 1)),
        remove_extra_whitespaces=bool(normalizer.get(4, 1)),
        escape_whitespaces=bool(normalizer.get(5, 1)),
        whitespace_as_suffix=bool(trainer.get(24, 0)),
        denormalizes=bool(denormalizer.get(2, b"")),
        special={name: id for name, id in special.items() if 0 <= id < len(pieces)},
    )


def _message(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where a message was expected")
    return value


def _piece(data: bytes) -> Piece:
    text, score, kind = "", 0.0, 1
    for number, value in wire.fields(data):
        if number == 1:
            text = _message(value).decode()
        elif number == 2:
            score = struct.unpack("<f", _message(value)[:4].ljust(4, b"\0"))[0]
        elif number == 3:
            kind = wire.signed(value)
    return Piece(text, score, Kind(kind))


def _checked(model: Model) -> Model:
    """The model, if it makes sense; ValueError otherwise."""
    if not model.pieces:
        raise ValueError("it holds no pieces")
    seen: dict[str, int] = {}
    for id, piece in enumerate(model.pieces):
        if not piece.text:
            raise ValueError(f"piece {id} is empty")
        if not math.isfinite(piece.score):
            raise ValueError(f"the score of piece {id} ({piece.text!r}) is {piece.score}")
        if seen.setdefault(piece.text, id) != id:
            raise ValueError(f"piece {piece.text!r} stands twice, as {seen[piece.text]} and {id}")
    unknown = model.of_kind(Kind.UNKNOWN)
    if len(unknown) != 1:
        raise ValueError(f"expected one piece for the unknown, found {len(unknown)}")
    missing = [name for name in BYTES if name not in seen]
    if model.byte_fallback and missing:
        raise ValueError(f"bytes stand for the unknown, and {len(missing)} of 256 are missing ({missing[0]})")
    return model


def write_model(model: Model, path: Path) -> None:
    """Write the file that `read_model` and SentencePiece read; the same model gives the same bytes."""
    codes = {name: code for code, name in ALGORITHMS.items()}
    trainer = wire.integer(3, codes[model.algorithm]) + wire.integer(4, len(model.pieces))
    trainer += wire.integer(24, model.whitespace_as_suffix) + wire.integer(35, model.byte_fallback)
    for number, name in _SPECIAL_IDS.items():
        id = model.special.get(name, -1)
        trainer += wire.integer(number, id)
        if id >= 0:
            trainer += wire.content(_SPECIAL_PIECES[name], model.pieces[id].text.encode())
    normalizer = wire.content(1, b"user_defined" if model.charsmap else b"identity")
    normalizer += wire.content(2, model.charsmap) + wire.integer(3, model.add_dummy_prefix)
    normalizer += wire.integer(4, model.remove_extra_whitespaces) + wire.integer(5, model.escape_whitespaces)
    pieces = (
        wire.content(1, one.text.encode())
        + wire.single(2, struct.pack("<f", one.score))
        + wire.integer(3, one.kind)
        for one in model.pieces
    )
    durable.write_bytes(
        path,
        b"".join(wire.content(1, piece) for piece in pieces)
        + wire.content(2, trainer)
        + wire.content(3, normalizer),
    )
