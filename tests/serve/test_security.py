from __future__ import annotations

from pathlib import Path

import pytest

from acclimate.errors import UserError
from acclimate.serve.security import check_exposure, is_loopback, read_key


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback_hosts_need_no_key(host: str) -> None:
    assert is_loopback(host)
    check_exposure(host, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "", "::ffff:8.8.8.8"])
def test_other_hosts_need_a_key(host: str) -> None:
    with pytest.raises(UserError, match=r"ACCLIMATE_KEY.*--key-file"):
        check_exposure(host, None)
    check_exposure(host, "s3cret")


def test_an_unknown_host_is_a_user_error() -> None:
    with pytest.raises(UserError, match=r"no\.such\.host\.invalid"):
        is_loopback("no.such.host.invalid")


def test_the_key_comes_from_the_file_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-file\n")
    assert read_key(str(file), {"ACCLIMATE_KEY": "from-environment"}) == "from-file"
    assert read_key(None, {"ACCLIMATE_KEY": "from-environment"}) == "from-environment"
    assert read_key(None, {}) is None


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", "schlüssel".encode(), b"\xff"])
def test_a_key_that_cannot_be_sent_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(UserError, match="key file"):
        read_key(str(file), {})


def test_an_empty_key_in_the_environment_is_no_open_door() -> None:
    with pytest.raises(UserError, match="ACCLIMATE_KEY"):
        read_key(None, {"ACCLIMATE_KEY": ""})


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: No such file"):
        read_key(str(tmp_path / "nowhere"), {})
