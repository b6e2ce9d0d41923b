from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import sentencepiece
from transformers import PreTrainedTokenizerFast

from acclimate.errors import UserError
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.sentencepiece.model import read_model
from acclimate.tokenizer.sentencepiece.reading import read_sentencepiece
from acclimate.tokenizer.sentencepiece.writing import write_sentencepiece
from acclimate.tokenizer.training import Train


def rows(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    tokens, lengths = Encoder(tokenizer, literal=True).encode(texts)
    ends = [0, *lengths.cumsum().tolist()]
    return [tokens[start:end].tolist() for start, end in pairwise(ends)]


@pytest.mark.parametrize("algorithm", ["unigram", "character_bpe"])
def test_sentencepiece_makes_the_same_pieces(
    algorithm: str, tmp_path: Path, english: list[str], chinese: list[str], awkward: list[str]
) -> None:
    folder, path = tmp_path / "trained", tmp_path / "x.model"
    folder.mkdir()
    tokenizer = Train(algorithm=algorithm, vocab_size=3000).build(
        texts=iter([english[:900], chinese[:1500]]), folder=folder
    )
    write_sentencepiece(tokenizer, path)
    reference = sentencepiece.SentencePieceProcessor(model_file=str(path))
    assert len(reference) == len(tokenizer) == 3000
    specials = [reference.pad_id(), reference.unk_id(), reference.bos_id(), reference.eos_id()]
    assert specials == [0, 1, 2, 3]  # [PAD] [UNK] [CLS] [SEP]
    # One space at the very beginning of a text is a ▁ more in SentencePiece.
    texts = [text for text in [*awkward, *english, *chinese] if not text.startswith(" ")]
    again = rows(read_sentencepiece(path), texts)
    for text, ours, theirs, read in zip(
        texts, rows(tokenizer, texts), reference.encode(texts), again, strict=True
    ):
        if algorithm == "character_bpe":
            assert ours == theirs == read, text
        elif not ours == theirs == read:  # of segmentations with equal scores either may be taken
            scores = [sum(map(reference.get_score, row)) for row in (ours, theirs, read)]
            assert scores == pytest.approx([scores[0]] * 3), text


def test_a_model_read_can_be_written_again(
    models: dict[str, Path], tmp_path: Path, awkward: list[str]
) -> None:
    for path in models.values():
        target = tmp_path / path.name
        write_sentencepiece(read_sentencepiece(path), target)
        first, second = (sentencepiece.SentencePieceProcessor(model_file=str(one)) for one in (path, target))
        assert first.encode(awkward) == second.encode(awkward)
        assert read_model(target).charsmap == read_model(path).charsmap


def test_what_sentencepiece_cannot_say_is_refused(tmp_path: Path, english: list[str]) -> None:
    cases = {
        "wordpiece": "it is a WordPiece",
        "word": "it is a WordLevel",
        "bpe": "byte-level",
        "character": "write spaces|no counterpart|normaliser",
    }
    for algorithm, message in cases.items():
        folder = tmp_path / algorithm
        folder.mkdir()
        tokenizer = Train(algorithm=algorithm, vocab_size=600).build(
            texts=iter([english[:200]]), folder=folder
        )
        with pytest.raises(UserError, match=message):
            write_sentencepiece(tokenizer, tmp_path / "x.model")
    folder = tmp_path / "lower"
    folder.mkdir()
    lower = Train(algorithm="unigram", vocab_size=600, lowercase=True).build(
        texts=iter([english[:200]]), folder=folder
    )
    with pytest.raises(UserError, match=r"its normaliser \(Lowercase\)"):
        write_sentencepiece(lower, tmp_path / "x.model")
    assert not (tmp_path / "x.model").exists()
