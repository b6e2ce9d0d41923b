from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from acclimate.corpus.sources.encodings import detect, normal_name, strip_mark

ENGLISH = "The patients were treated for six weeks. A second group was not.\n" * 40
CHINESE = "我们提出了一种新的方法，在两个数据集上取得了较好的结果。\n" * 40


@pytest.mark.parametrize(
    ("text", "codec", "expected"),
    [
        (ENGLISH, "utf-8", "utf-8"),
        (CHINESE, "utf-8", "utf-8"),
        (CHINESE, "utf-8-sig", "utf-8"),
        (CHINESE, "gb18030", "gb18030"),
        (CHINESE, "gb2312", "gb18030"),
        ("經濟發展與社會變遷，臺灣的歷史與文化。\n" * 40, "big5", "big5"),
        (CHINESE, "utf-16", "utf-16-le"),
        (ENGLISH, "utf-16-be", "utf-16-be"),
        (ENGLISH, "utf-16-le", "utf-16-le"),
        (ENGLISH, "utf-32-be", "utf-32-be"),
        (CHINESE + ENGLISH, "utf-32", "utf-32-le"),
        ("한국어로 쓴 글입니다. 날씨가 좋습니다.\n" * 40, "euc_kr", "euc_kr"),
        ("日本語の文章です。今日は天気がいいですね。\n" * 40, "iso2022_jp", "iso2022_jp"),
    ],
)
def test_detects(text: str, codec: str, expected: str) -> None:
    head = text.encode(codec)
    found = detect(head)
    assert head[strip_mark(head, found) :].decode(found) == text
    assert found == expected or normal_name(codec) in ("euc_kr", "big5")


def test_western_text_with_many_accents_is_legacy() -> None:
    text = (
        "Les élèves ont été reçus à l'école où ils préfèrent être évalués; ça a été décidé l'été passé.\n"
        * 20
    )
    assert text.encode("latin-1").decode(detect(text.encode("latin-1"))) == text


@pytest.mark.parametrize("bad", [b"\xff\xfe\xfa broken\n", b"caf\xe9\n", b"\x80\x81 \xd6\xd0\xce\xc4\n"])
@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_a_few_bad_lines_leave_utf_8_utf_8(text: str, bad: bytes) -> None:
    lines = text.encode().splitlines(keepends=True)
    lines[10:10] = [bad]
    assert detect(b"".join(lines)) == "utf-8"


def test_a_character_cut_off_by_the_head_is_no_bad_byte() -> None:
    for cut in range(1, 4):
        assert detect(("a" * 9 + "𠀀").encode()[:-cut]) == "utf-8"
    assert detect(CHINESE.encode("utf-8")[:100]) == "utf-8"


def test_declared_names_are_normalised() -> None:
    assert normal_name("UTF8") == normal_name("utf-8-sig") == "utf-8"
    assert normal_name("GBK") == "gb18030"
    assert normal_name("no-such") is None
    assert normal_name("hex") is None


def test_real_pages(shared: Path) -> None:
    """All UTF-8, UTF-16, UTF-32, GB2312 and Big5 files of the test collection decode as labelled."""
    wanted = {
        "utf-8",
        "utf-8-sig",
        "UTF-16",
        "UTF-16BE",
        "UTF-16LE",
        "UTF-32",
        "UTF-32BE",
        "GB2312",
        "Big5",
        "EUC-KR",
    }
    seen = set()
    wrong = []
    with tarfile.open(shared / "encodings" / "encodings.tar.gz") as archive:
        for member in archive:
            label = Path(member.name).parent.name
            if not member.isfile() or label not in wanted:
                continue
            data = io.BytesIO(archive.extractfile(member).read()).getvalue()  # type: ignore[union-attr]
            seen.add(label)
            expected = data.decode(normal_name(label) or label).lstrip("\ufeff")
            found = detect(data[: 1 << 18])
            if data[strip_mark(data, found) :].decode(found, "replace") != expected:
                wrong.append((member.name, found))
    assert seen == wanted
    assert wrong == []


@pytest.mark.parametrize(
    "data",
    [
        b"a good line\nbad \xff line\nanother\n",
        "中文的一行文字\n".encode() * 2 + b"\xd6\xd0\xce\xc4\xd6\xd0\xce\xc4\xd6\xd0\n",
        b"nul\0 in a\0 short file\n",
    ],
)
def test_a_short_file_with_a_bad_line_is_no_evidence_for_another_encoding(data: bytes) -> None:
    assert detect(data) == "utf-8"
