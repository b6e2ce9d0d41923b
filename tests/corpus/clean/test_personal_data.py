from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from acclimate.corpus.clean.personal_data import PersonalData
from acclimate.corpus.clean.personal_patterns import NAMES, find
from acclimate.corpus.document import Document


def found(text: str) -> list[tuple[str, str]]:
    return [(kind, text[start:end]) for start, end, kind in find(text, frozenset(NAMES))]


@pytest.mark.parametrize(
    ("kind", "datum"),
    [
        ("email", "a.b-c+d@mail.example.co.uk"),
        ("email", "zhang＠example．com"),
        ("phone", "13800138000"),
        ("phone", "１３８００１３８０００"),
        ("phone", "+86 138-0013-8000"),
        ("phone", "010-62781234"),
        ("phone", "(021) 62781234"),
        ("phone", "(415) 555-2671"),
        ("phone", "415-555-2671"),
        ("phone", "+1 415.555.2671"),
        ("phone", "+49 30 901820"),
        ("phone", "+33 1 42 68 53 00"),
        ("phone", "+44 (0)20 7946 0958"),
        ("phone", "0049 171 1234567"),
        ("phone", "06 12 34 56 78"),
        ("phone", "07700 900123"),
        ("phone", "0171 1234567"),
        ("national_id", "11010519491231002X"),
        ("national_id", "123-45-6789"),
        ("national_id", "12345678Z"),
        ("national_id", "2 55 08 14 168 025 38"),
        ("national_id", "AB 12 34 56 C"),
        ("card", "4111 1111 1111 1111"),
        ("card", "4111-1111-1111-1111"),
        ("card", "6222021234567890128"),
        ("card", "3782 822463 10005"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "GB82WEST12345698765432"),
        ("ip", "8.8.8.8"),
        ("ip", "2001:4860:4860::8888"),
        ("key", "AKIAIOSFODNN7EXAMPLE"),
        ("key", "ghp_0123456789abcdefghijklmnopqrstuvwxyz"),
        ("key", "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"),
    ],
)
@pytest.mark.parametrize("around", ["{}", "see {}.", "（{}）", "联系人{}，谢谢", "x: {}; y"])
def test_what_is_found(kind: str, datum: str, around: str) -> None:
    assert found(around.format(datum)) == [(kind, datum)]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('password: "hUn7er2xQz9!kk"', "hUn7er2xQz9!kk"),
        ("API_KEY=9f86d081884c7d659a2feaa0c55ad015", "9f86d081884c7d659a2feaa0c55ad015"),
        ("密码：Abc123xyz789Qw", "Abc123xyz789Qw"),
    ],
)
def test_secrets_are_found_after_their_names(text: str, key: str) -> None:
    assert found(text) == [("key", key)]


@pytest.mark.parametrize(
    "text",
    [
        "订单号：13800138000",
        "快递单号 13912345678",
        "order no. 13912345678",
        "Invoice #415-555-2671",
        "ISBN 978-7-111-12345-6 and ISBN 9787111123456",
        "ISSN 0317-8471",
        "DOI 10.1016/j.cell.2020.01.001 and 10.1101/2020.03.22.002386",
        "arXiv:2101.00027, PMID 32015507",
        "2024-01-15 12:30:45, 2020年11月21日, 01.02.2003, 2019-2020-2021",
        "version 1.2.3.4, v8.8.4.4, 版本 8.8.4.4, section 1.2.3.4, numpy-8.8.4.4",
        "192.168.1.1, 10.0.0.1, 127.0.0.1, 255.255.255.255, 999.1.1.1",
        "12:34:56, std::vector, a::b, fe80::1",
        "1,234,567,890 and 3.14159265358979 and 138,001,380.00",
        "4111111111111112 and 1234 5678 9012 3456",  # no check digit, no issuer
        "110105194912310021",  # no check digit
        "DE89 3704 0044 0532 0130 01",  # no check digits
        "000-45-6789, 666-45-6789, 100-200-3000",
        "12345678A",
        "1380013800, 138001380000, 23800138000",
        "foo@2x.png, @user, a@b, user@localhost",
        "https://example.com/item/13912345678?id=13912345678",
        "sha 9f86d081884c7d659a2feaa0c55ad015",
        "password is required: change it every month; secret: confidential",
        "第13800138000号文件",
    ],
)
def test_what_only_looks_like_it(text: str) -> None:
    assert found(text) == []


def test_masks_and_their_count(documents: Callable[..., list[Document]]) -> None:
    texts = documents(
        "写信到 a@example.com 或 b@example.com，电话13800138000。", "nothing here", "call 415-555-2671"
    )
    cleaned = PersonalData().build()(texts)
    assert [one.text for one in cleaned.documents] == [
        "写信到 [EMAIL] 或 [EMAIL]，电话[PHONE]。",
        "nothing here",
        "call [PHONE]",
    ]
    assert cleaned.changed == {"personal_data:email": 1, "personal_data:phone": 2}
    own = PersonalData(mask="<{kind}>", kinds=["email"]).build()(texts)
    assert own.documents[0].text == "写信到 <email> 或 <email>，电话13800138000。"


def test_documents_may_be_dropped_and_the_data_are_not_told(documents: Callable[..., list[Document]]) -> None:
    cleaned = PersonalData(action="drop").build()(documents("a@example.com, 13800138000", "fine"))
    assert [one.text for one in cleaned.documents] == ["fine"]
    (dropped,) = cleaned.dropped
    assert (dropped.reason, dropped.detail) == ("personal_data:email", "1 × email, 1 × phone, more than 0")


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(ValidationError, match="unknown kind 'mail'; did you mean 'email'"):
        PersonalData(kinds=["mail"])


@pytest.mark.parametrize(
    "text",
    [
        "1" * 100_000,
        "1 " * 50_000,
        "a@" * 50_000,
        "+49 " * 30_000,
        "eyJ" * 30_000,
        "password:" * 20_000,
        "AA00 " * 30_000,
        "2001:" * 30_000,
    ],
)
def test_long_runs_take_no_longer_than_their_length_asks_for(text: str) -> None:
    assert isinstance(found(text), list)
