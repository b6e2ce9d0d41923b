"""The tokenizer of a foreign checkpoint, from the files that its program keeps beside it.

BERT: a WordPiece `vocab.txt`. ALBERT: a SentencePiece `.model`. fairseq: `dict.txt`, which numbers the pieces of
GPT-2's byte-level BPE (`encoder.json`, `vocab.bpe`) or of a SentencePiece model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError
from acclimate.tokenizer.loading import load_tokenizer
from acclimate.tokenizer.sentencepiece.model import Kind, Piece, read_model
from acclimate.tokenizer.sentencepiece.reading import read_sentencepiece, refused, to_backend

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
_MASK = "<mask>"
_OVERWRITE = "#fairseq:overwrite"
_MOST_PADDING = 128
"""Rows without a token that a table may have, or a twentieth of them. Published tables are padded to multiples of 8 to
1024: that of T5 by 28 rows, of ByT5 by 125 (of 384), of GPT-J by 143 (of 50,400), of Phi by 905 (of 51,200)."""
_UNMATCHED = -100.0
"""Score of an entry that the SentencePiece model does not know: no text is cut that way."""


def find_tokenizer(
    place: Path, model_type: str, rows: int, *, languages: Sequence[str] = ()
) -> tuple[PreTrainedTokenizerFast | None, str]:
    """(the tokenizer in a file or folder, from what); (None, why not) where there is none.

    rows: the model's vocabulary. languages: of mBART, in the order of their tokens. Raises UserError for files that
    are damaged or do not fit the model.
    """
    tokenizer, told = _found(place, model_type, rows, languages)
    if tokenizer is not None:
        tokens = num_ids(tokenizer)
        numbers = f"{told}: the tokenizer has {tokens:,} tokens, the model's table {rows:,} rows"
        if tokens > rows:
            raise UserError(f"{numbers}; it belongs to another model")
        if rows - tokens > max(_MOST_PADDING, rows // 20):
            raise UserError(
                f"{numbers}: too many without a token to be padding, so it belongs to another model or is cut short; "
                "name the right one with --tokenizer"
            )
    return tokenizer, told


def num_ids(tokenizer: PreTrainedTokenizerFast) -> int:
    """How many rows a table needs for all ids of the tokenizer."""
    return max(tokenizer.get_vocab().values(), default=-1) + 1


def _found(
    place: Path, model_type: str, rows: int, languages: Sequence[str]
) -> tuple[PreTrainedTokenizerFast | None, str]:
    if place.is_file():
        return _from_file(place, model_type), str(place)
    if (place / "tokenizer.json").is_file():
        return load_tokenizer(place), str(place / "tokenizer.json")
    entries = place / "dict.txt"
    if entries.is_file():
        pieces = sorted(place.glob("*.model"))
        if (place / "encoder.json").is_file() and (place / "vocab.bpe").is_file():
            return _byte_level(entries, place / "encoder.json", place / "vocab.bpe", rows), str(entries)
        if len(pieces) == 1:
            return _numbered(pieces[0], entries, rows, languages), f"{entries} and {pieces[0].name}"
        return None, (
            f"{entries} alone does not say how text is cut: put encoder.json and vocab.bpe, or the SentencePiece "
            "model, beside it"
        )
    for pattern in ("vocab.txt", "*vocab*.txt", "*.model"):
        if len(files := sorted(place.glob(pattern))) == 1:
            return _from_file(files[0], model_type), str(files[0])
        if files:
            return (
                None,
                f"{place} holds several vocabularies, name one: {', '.join(one.name for one in files)}",
            )
    return None, f"there is no vocabulary in {place}"


def _from_file(path: Path, model_type: str) -> PreTrainedTokenizerFast:
    if path.suffix == ".model":
        return _albert(path) if model_type == "albert" else read_sentencepiece(path)
    if path.name == "tokenizer.json":
        return load_tokenizer(path.parent)
    return _wordpiece(path)


def _lines(path: Path) -> list[str]:
    try:
        # No `splitlines`: a vocabulary may hold Unicode's own line ends as tokens.
        return path.read_bytes().decode("utf-8").rstrip("\n").split("\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: it is not UTF-8 text") from error


def _wordpiece(path: Path) -> PreTrainedTokenizerFast:
    from transformers import BertTokenizer

    tokens = [line.removesuffix("\r") for line in _lines(path)]
    vocabulary = {token: number for number, token in reversed(list(enumerate(tokens)))}
    if "[UNK]" not in vocabulary or "[CLS]" not in vocabulary:
        raise UserError(f"{path}: no vocabulary of BERT's: it lacks [UNK] or [CLS]")
    lacking = [name for name in ("[PAD]", "[SEP]", "[MASK]") if name not in vocabulary]
    if lacking:
        raise UserError(f"{path}: no vocabulary of BERT's: it lacks {', '.join(lacking)}")
    ordered = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    return BertTokenizer(vocab=ordered, do_lower_case=not _has_capitals(tokens))  # type: ignore[return-value]


def _has_capitals(tokens: Sequence[str]) -> bool:
    """Whether the vocabulary tells capitals from small letters; of an uncased model no piece has one."""
    return any(token != token.lower() for token in tokens if not re.fullmatch(r"\[.*\]|<.*>|▁?\[.*\]", token))


def _albert(path: Path) -> PreTrainedTokenizerFast:
    """ALBERT straightens quotes, and where its pieces have no capitals strips accents and lower-cases, before all."""
    from tokenizers import normalizers

    tokenizer = read_sentencepiece(path)
    steps: list[Any] = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    if not _has_capitals([piece.text for piece in read_model(path).pieces]):
        steps += [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    backend = tokenizer.backend_tokenizer
    own = backend.normalizer
    backend.normalizer = normalizers.Sequence([*steps, *([] if own is None else [own])])
    return tokenizer


def _dictionary(path: Path) -> list[str]:
    """fairseq's tokens in the order of their numbers: four special ones, then a line each."""
    found = list(_SPECIALS)
    for number, line in enumerate(_lines(path), 1):
        text = line.removesuffix("\r").removesuffix(_OVERWRITE).rstrip(" ")
        token, space, count = text.rpartition(" ")
        if not space or not count.lstrip("-").isdigit():
            raise UserError(f"{path}:{number}: expected a token and its count, found {line[:60]!r}")
        found.append(token)
    return found


def _mask_last(tokens: list[str], rows: int) -> list[str]:
    return [*tokens, _MASK] if _MASK not in tokens and len(tokens) < rows else tokens


def _byte_level(entries: Path, encoder: Path, merges: Path, rows: int) -> PreTrainedTokenizerFast:
    """RoBERTa's: the dictionary's entries are GPT-2's numbers of pieces."""
    from transformers import RobertaTokenizer

    try:
        spelt = {str(number): piece for piece, number in json.loads(encoder.read_text("utf-8")).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{encoder}: no JSON of pieces and their numbers") from error
    tokens = _mask_last([spelt.get(token, token) for token in _dictionary(entries)], rows)
    joined = [tuple(line.split(" ")) for line in _lines(merges) if line and not line.startswith("#version")]
    if any(len(pair) != 2 for pair in joined):
        raise UserError(f"{merges}: expected two pieces a line")
    try:
        return RobertaTokenizer(  # type: ignore[no-any-return]
            vocab={token: number for number, token in enumerate(tokens)}, merges=joined
        )
    except Exception as error:  # the library raises bare exceptions for merges of unknown pieces
        raise UserError(f"{entries} and {merges.name} do not fit together: {error}") from error


def _numbered(pieces: Path, entries: Path, rows: int, languages: Sequence[str]) -> PreTrainedTokenizerFast:
    """XLM-R's: SentencePiece cuts, the dictionary numbers."""
    from tokenizers import AddedToken
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    model = read_model(pieces)
    if problem := refused(model):
        raise UserError(f"{pieces}: {problem}")
    known = {piece.text: piece for piece in model.pieces if piece.kind in (Kind.NORMAL, Kind.BYTE)}
    tokens = _mask_last([*_dictionary(entries), *languages], rows)
    marked = {*_SPECIALS, _MASK, *languages}
    kinds = dict.fromkeys(marked, Kind.CONTROL) | {"<unk>": Kind.UNKNOWN}
    ordered = tuple(
        Piece(name, 0.0, kinds[name]) if name in marked else known.get(name, Piece(name, _UNMATCHED))
        for name in tokens
    )
    backend = to_backend(replace(model, pieces=ordered, special={}))
    backend.add_special_tokens(
        [
            AddedToken(name, special=True, normalized=False, lstrip=name == _MASK)
            for name in tokens
            if name in marked
        ]
    )
    backend.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(name, tokens.index(name)) for name in ("<s>", "</s>")],
    )
    ends = {
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
        pad_token="<pad>",
        **({"mask_token": _MASK} if _MASK in tokens else {}),
        **ends,
    )
