from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece

from acclimate.errors import UserError
from acclimate.tokenizer.sentencepiece.model import Kind, Model, Piece, read_model, write_model

SMALL = Model((Piece("<unk>", 0.0, Kind.UNKNOWN), Piece("▁", -1.0), Piece("a", -2.5)), special={"unk": 0})


def test_the_file_says_what_sentencepiece_says(models: dict[str, Path]) -> None:
    for name, path in models.items():
        model = read_model(path)
        reference = sentencepiece.SentencePieceProcessor(model_file=str(path))
        assert model.algorithm == name.split("-")[0]
        assert [piece.text for piece in model.pieces] == [
            reference.id_to_piece(id) for id in range(len(reference))
        ]
        assert [piece.score for piece in model.pieces] == [
            reference.get_score(id) for id in range(len(reference))
        ]
        for id, piece in enumerate(model.pieces):
            assert (piece.kind is Kind.CONTROL) == reference.is_control(id)
            assert (piece.kind is Kind.BYTE) == reference.is_byte(id)
        assert model.special == {"unk": 0, "bos": reference.bos_id(), "eos": reference.eos_id()}
        assert model.byte_fallback == reference.is_byte(reference.piece_to_id("<0x41>"))
        assert bool(model.charsmap) == (name.split("-")[1] != "identity")


def test_written_and_read_again(tmp_path: Path, models: dict[str, Path]) -> None:
    for path in models.values():
        model = read_model(path)
        write_model(model, tmp_path / "again.model")
        assert read_model(tmp_path / "again.model") == model


def test_what_is_no_model_is_refused(tmp_path: Path, models: dict[str, Path]) -> None:
    path = tmp_path / "x.model"
    whole = next(iter(models.values())).read_bytes()
    cases = [
        (b"", "no pieces"),
        (b"no model at all, but text", "SentencePiece"),
        (b"PK\x03\x04" * 50, "SentencePiece"),
    ]
    cases += [
        (whole[: len(whole) // 2], "is no SentencePiece model"),
        (b"\x80\x04\x95pickle", "SentencePiece"),
    ]
    for data, message in cases:
        path.write_bytes(data)
        with pytest.raises(UserError, match=message):
            read_model(path)
    with pytest.raises(UserError, match=r"absent\.model: cannot be read"):
        read_model(tmp_path / "absent.model")


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ((Piece("a", 0.0),), "one piece for the unknown, found 0"),
        ((*SMALL.pieces, Piece("a", 0.0)), "'a' stands twice, as 2 and 3"),
        ((*SMALL.pieces, Piece("", 0.0)), "piece 3 is empty"),
        ((*SMALL.pieces, Piece("b", float("nan"))), "score of piece 3"),
    ],
)
def test_models_that_make_no_sense(tmp_path: Path, pieces: tuple[Piece, ...], message: str) -> None:
    write_model(Model(pieces), tmp_path / "x.model")
    with pytest.raises(UserError, match=message):
        read_model(tmp_path / "x.model")


def test_bytes_must_be_all_there(tmp_path: Path) -> None:
    write_model(Model(SMALL.pieces, byte_fallback=True), tmp_path / "x.model")
    with pytest.raises(UserError, match="256 of 256 are missing"):
        read_model(tmp_path / "x.model")
