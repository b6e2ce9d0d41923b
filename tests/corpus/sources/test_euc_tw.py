from __future__ import annotations

import shutil
import subprocess

import pytest

from acclimate.corpus.sources import euc_tw
from acclimate.corpus.sources.encodings import detect, normal_name


def test_known_characters() -> None:
    assert bytes.fromhex("eac4 d9d7 c4cb cca8 4f4b".replace(" ", "")).decode("euc-tw") == "維基大典OK"
    assert bytes.fromhex("8ea1eac4").decode("EUC-TW") == "維"
    assert normal_name("EUC-TW") == "euc_tw"


def test_what_is_none_is_refused() -> None:
    with pytest.raises(UnicodeDecodeError, match="no such character"):
        b"ok \xa1".decode("euc_tw")
    assert b"a\xc2\xfeb".decode("euc_tw", "replace").startswith("a\ufffd")
    with pytest.raises(UnicodeEncodeError):
        "維".encode("euc_tw")


def test_it_is_told_from_other_double_byte_encodings() -> None:
    backwards = {char: code for code, char in euc_tw._characters().items() if len(code) == 2}
    text = "維基大典者，網路為礎；集天下知、四海言、眾人志，書百科焉。"
    assert detect(b"".join(backwards[char] for char in text)) == "euc_tw"
    for codec, other in (
        ("gb18030", "我们提出了一种新的方法，在两个数据集上取得了较好的结果。"),
        ("big5", text),
    ):
        assert detect(other.encode(codec) * 3) != "euc_tw"


@pytest.mark.skipif(shutil.which("iconv") is None, reason="there is no iconv to compare with")
def test_it_is_iconvs() -> None:
    codes = list(euc_tw._characters())
    known = subprocess.run(
        ["iconv", "-c", "-f", "EUC-TW", "-t", "UTF-8"],
        input=b"\n".join(codes),
        capture_output=True,
        check=False,
    )
    if not known.stdout:
        pytest.skip("this iconv does not know EUC-TW")
    lines = known.stdout.decode().split("\n")
    assert len(lines) == len(codes) > 13_000
    different = [
        (code, line) for code, line in zip(codes, lines, strict=True) if code.decode("euc_tw") != line
    ]
    assert len(different) <= 12, different  # a few signs that Python's Big5 reads otherwise
