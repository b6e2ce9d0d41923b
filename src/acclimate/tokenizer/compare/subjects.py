"""The tokenizers to compare, from wherever they are, and what must be known of their vocabularies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import UserError
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.loading import load_tokenizer
from acclimate.tokenizer.pieces import BYTES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class Subject:
    """A tokenizer under comparison."""

    name: str
    algorithm: str
    """As its file calls the model, such as `BPE`."""
    vocabulary: int
    """Entries, special tokens included."""
    encoder: Encoder
    unknown: int | None
    partial: NDArray[np.bool_]
    """[V] entries that are no whole characters: bytes of a fallback, or a part of a character at byte level."""


def subject(source: str | Path, name: str | None = None) -> Subject:
    """The tokenizer in a folder, a `tokenizer.json` or a `.model` file, or fetched from the hub before.

    Raises UserError as `load_tokenizer` does.
    """
    path = Path(source)
    tokenizer = (
        _from_json(path)
        if path.is_file() and path.suffix == ".json"
        else load_tokenizer(source, offline=True)
    )
    encoder = Encoder(tokenizer, literal=True)
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary = tokenizer.get_vocab()
    partial = np.zeros(max(vocabulary.values()) + 1, dtype=bool)
    broken = _broken_at_byte_level if _is_byte_level(state) else set(BYTES).__contains__
    partial[[id for entry, id in vocabulary.items() if broken(entry)]] = True
    return Subject(
        name=name or _called(path),
        algorithm=str(state["model"]["type"]),
        vocabulary=len(vocabulary),
        encoder=encoder,
        unknown=tokenizer.unk_token_id,
        partial=partial,
    )


def _called(path: Path) -> str:
    """The folder's name for a tokenizer.json, else the file's or folder's own."""
    return path.absolute().parent.name if path.name == "tokenizer.json" else path.stem or str(path)


def _from_json(path: Path) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    try:
        backend = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare exceptions for whatever it does not know
        raise UserError(f"{path} could not be loaded as a tokenizer: {error}") from error
    unknown = json.loads(backend.to_str())["model"].get("unk_token")
    vocabulary = json.loads(backend.to_str())["model"].get("vocab")
    if unknown is None and isinstance(vocabulary, list):  # Unigram tells its number
        number = json.loads(backend.to_str())["model"].get("unk_id")
        unknown = None if number is None else vocabulary[number][0]
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token=unknown)


def _is_byte_level(state: dict[str, Any]) -> bool:
    steps: list[Any] = []
    for part in ("pre_tokenizer", "decoder"):
        one = state[part] or {}
        steps += one.get("pretokenizers") or one.get("decoders") or [one]
    return any(step.get("type") == "ByteLevel" for step in steps)


def _byte_of() -> dict[str, int]:
    """Which byte each letter of a byte-level vocabulary stands for (Radford et al. 2019): printable Latin-1 characters
    for themselves, the others from U+0100 on.
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {**{chr(byte): byte for byte in plain}, **{chr(256 + n): byte for n, byte in enumerate(others)}}


_BYTE_OF = _byte_of()


def _broken_at_byte_level(entry: str) -> bool:
    try:
        bytes(_BYTE_OF[letter] for letter in entry).decode()
    except UnicodeDecodeError:
        return True
    except KeyError:  # a special token
        return False
    return False
