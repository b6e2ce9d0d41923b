from __future__ import annotations

import errno
from pathlib import Path

import pytest

from acclimate.artifacts.faults import (
    CannotWrite,
    error_number,
    explained,
    folder_bytes,
    free_bytes,
    size_text,
)
from acclimate.errors import UserError


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (4_200_000, "4.2 MB"),
        (3 * 10**15, "3000.0 TB"),
    ],
)
def test_sizes_read_well(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.EROFS, "x"), errno.EROFS),
        (RuntimeError("I/O error: No space left on device (os error 28)"), errno.ENOSPC),
        (RuntimeError("[Errno 30] read-only"), errno.EROFS),
        (RuntimeError("write failed: no space left on device"), errno.ENOSPC),
        (OSError("1000 requested and 12 written"), errno.ENOSPC),
        (RuntimeError("28 things went wrong"), None),
    ],
)
def test_numbers_are_found_where_libraries_hide_them(error, number):
    assert error_number(error) == number


def test_other_errors_pass_unchanged(tmp_path):
    for error in (ValueError("x"), FileNotFoundError(errno.ENOENT, "x"), UserError("x"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, explained(tmp_path):
            raise error
        assert caught.value is error


def test_the_message_names_the_place_inside_the_folder_and_what_was_kept(tmp_path):
    draft = tmp_path / ".a.tmp-1"
    text = r"^cannot write \S*/a \(at b/w\): no space is left there \(needed 1\.5 kB, free .*\); all is well$"
    with (
        pytest.raises(CannotWrite, match=text),
        explained(tmp_path / "a", need=1500, draft=draft, kept="all is well"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device", str(draft / "b" / "w"))


def test_what_fails_inside_a_draft_is_told_by_the_name_it_was_to_get(tmp_path):
    draft = tmp_path / ".a.tmp-1"
    text = r"^cannot write \S*/a \(at w\): no space is left there \(needed 3 bytes, free .*\); all is well$"
    full = OSError(errno.ENOSPC, "No space left on device")
    outer = explained(tmp_path / "a", draft=draft, kept="all is well")
    with pytest.raises(CannotWrite, match=text), outer, explained(draft / "w", need=3):
        raise full
    outer = explained(tmp_path / "a", draft=draft)
    with pytest.raises(CannotWrite, match="/work/w: "), outer, explained(tmp_path / "work" / "w"):
        raise full


def test_a_message_of_no_permission_elsewhere_passes(tmp_path):
    with pytest.raises(PermissionError), explained(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "Permission denied", "/somewhere/else")
    with pytest.raises(CannotWrite, match="permission denied"), explained(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / ".a.tmp"))


def test_the_second_name_of_a_link_counts_too(tmp_path):
    link = str(tmp_path / ".a.tmp")
    with pytest.raises(CannotWrite, match="permission denied"), explained(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "Permission denied", "target", None, link)


def test_free_bytes_looks_at_the_nearest_folder_there_is(tmp_path):
    assert free_bytes(tmp_path / "not" / "yet") == pytest.approx(free_bytes(tmp_path), rel=0.2)
    assert free_bytes(Path("relative/not/there")) is not None


def test_folder_bytes(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"123")
    assert folder_bytes(tmp_path) == 8
