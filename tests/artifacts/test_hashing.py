from __future__ import annotations

import hashlib
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.artifacts import hashing
from acclimate.artifacts.hashing import FileDigests, digest_file, digest_json

OLD = 1_600_000_000_000_000_000
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@pytest.fixture
def reads(monkeypatch):
    """Files that were really read."""
    read = []

    def counted(path):
        read.append(path.name)
        return digest_file(path)

    monkeypatch.setattr(hashing, "digest_file", counted)
    return read


@pytest.fixture
def settled(monkeypatch):
    """Every file counts as left alone for long enough to be remembered."""
    monkeypatch.setattr(hashing, "_SETTLED_NS", 0)


def test_digest_of_a_known_value():
    assert digest_json({"b": 1, "a": "语"}) == hashlib.sha256(b'{"a":"\\u8bed","b":1}').hexdigest()


@given(VALUES)
def test_digest_survives_writing_and_reading(value):
    assert digest_json(json.loads(json.dumps(value))) == digest_json(value)


@given(VALUES, VALUES)
def test_different_values_have_different_digests(first, second):
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert (digest_json(first) == digest_json(second)) == same


def test_order_of_keys_does_not_count_and_kinds_do():
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    assert digest_json((1, 2)) == digest_json([1, 2])
    assert len({digest_json(value) for value in (1, 1.0, "1", True, [1], None)}) == 6
    assert digest_json("\udc80") != digest_json("\udc81")


@pytest.mark.parametrize("value", [{1: "a"}, [{"x": {2: 1}}], {"a": object()}, {"a": {1, 2}}])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(TypeError):
        digest_json(value)
    with pytest.raises(ValueError, match="JSON"):
        digest_json(float("nan"))


def test_digest_of_a_file(tmp_path):
    (tmp_path / "f").write_bytes(os.urandom(300_000))
    assert digest_file(tmp_path / "f") == hashlib.sha256((tmp_path / "f").read_bytes()).hexdigest()


def test_an_old_file_is_read_once_also_by_the_next_process(tmp_path, reads, settled):
    path = tmp_path / "語.txt"
    path.write_text("one")
    cache = tmp_path / "sub" / "digests.json"
    with FileDigests(cache) as digests:
        assert digests(path) == digests(path) == hashlib.sha256(b"one").hexdigest()
    assert reads == ["語.txt"]
    assert FileDigests(cache)(path) == hashlib.sha256(b"one").hexdigest()
    assert reads == ["語.txt"]


def test_a_fresh_file_is_read_again(tmp_path, reads):
    path = tmp_path / "f"
    path.write_text("one")
    digests = FileDigests(tmp_path / "cache")
    assert digests(path) == digests(path)
    assert reads == ["f", "f"]


@pytest.mark.parametrize("change", ["content of another size", "same size", "another file", "older file"])
def test_a_changed_file_is_read_again(tmp_path, reads, settled, change):
    path = tmp_path / "f"
    path.write_text("one")
    os.utime(path, ns=(OLD, OLD))
    digests = FileDigests(tmp_path / "cache")
    digests(path)
    if change == "content of another size":
        path.write_text("three")
        os.utime(path, ns=(OLD, OLD))
    elif change == "same size":
        path.write_text("two")
    elif change == "another file":
        (tmp_path / "g").write_text("two")
        os.utime(tmp_path / "g", ns=(OLD, OLD))
        (tmp_path / "g").replace(path)
    else:
        path.write_text("two")
        os.utime(path, ns=(OLD - 1, OLD - 1))
    assert digests(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(reads) == 2


def test_caches_of_two_processes_are_merged_and_gone_files_forgotten(tmp_path, reads, settled):
    for name in "abc":
        (tmp_path / name).write_text(name)
    first, second = FileDigests(tmp_path / "cache"), FileDigests(tmp_path / "cache")
    first(tmp_path / "a")
    second(tmp_path / "b")
    second(tmp_path / "c")
    first.save()
    (tmp_path / "c").unlink()
    second.save()
    assert sorted(json.loads((tmp_path / "cache").read_text())) == [str(tmp_path / "a"), str(tmp_path / "b")]


@pytest.mark.parametrize("rubbish", ["", "{", "[]", '{"a": 1}', '{"a": [["x"], "d"]}', "\x00"])
def test_a_damaged_cache_costs_time_only(tmp_path, settled, rubbish):
    (tmp_path / "cache").write_text(rubbish)
    (tmp_path / "f").write_text("one")
    with FileDigests(tmp_path / "cache") as digests:
        assert digests(tmp_path / "f") == hashlib.sha256(b"one").hexdigest()
    assert list(json.loads((tmp_path / "cache").read_text())) == [str(tmp_path / "f")]
