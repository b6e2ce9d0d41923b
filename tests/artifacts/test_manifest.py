from __future__ import annotations

import json
from dataclasses import replace

import pytest

from acclimate.artifacts.manifest import MANIFEST, CorruptArtifact, FileEntry, Manifest, read_manifest


@pytest.fixture
def manifest():
    return Manifest(
        stage="corpus",
        key="k" * 64,
        settings={"语言": ["zh", 1.5, None]},
        inputs={"text.txt": "0" * 64},
        versions={"pyarrow": "25.0"},
        files={"train/part.parquet": FileEntry(3, "a" * 64)},
        created="2026-11-21T00:00:00+00:00",
    )


def write(folder, content):
    (folder / MANIFEST).write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")


def test_what_is_written_is_read(tmp_path, manifest):
    write(tmp_path, manifest.to_json())
    assert read_manifest(tmp_path) == manifest
    assert read_manifest(tmp_path).digest == manifest.digest


def test_the_digest_covers_everything_but_the_time(manifest):
    changed = {
        "stage": "tokens",
        "key": "l",
        "settings": {"语言": ["en", 1.5, None]},
        "inputs": {"text.txt": "1" * 64},
        "versions": {"pyarrow": "25.1"},
        "files": {"train/part.parquet": FileEntry(4, "a" * 64)},
    }
    digests = {replace(manifest, **{name: value}).digest for name, value in changed.items()}
    assert len(digests | {manifest.digest}) == 7
    assert replace(manifest, created="2027").digest == manifest.digest


def test_every_torn_manifest_is_refused(tmp_path, manifest):
    text = json.dumps(manifest.to_json())
    for end in range(0, len(text), 5):
        write(tmp_path, text[:end])
        with pytest.raises(CorruptArtifact, match=r"manifest\.json is torn or was changed"):
            read_manifest(tmp_path)


@pytest.mark.parametrize(
    "field", ["stage", "key", "settings", "inputs", "versions", "files", "created", "digest"]
)
def test_a_field_that_is_missing_or_changed_is_noticed(tmp_path, manifest, field):
    content = manifest.to_json()
    write(tmp_path, {name: value for name, value in content.items() if name != field})
    with pytest.raises(CorruptArtifact, match=f"was changed: it lacks or garbles '{field}'"):
        read_manifest(tmp_path)
    if field != "created":
        write(tmp_path, {**content, field: "changed"})
        with pytest.raises(CorruptArtifact, match="was changed"):
            read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["[]", "null", "3", '"x"'])
def test_json_that_is_no_manifest_is_refused(tmp_path, text):
    write(tmp_path, text)
    with pytest.raises(CorruptArtifact, match="was changed"):
        read_manifest(tmp_path)


def test_another_format_is_named(tmp_path, manifest):
    write(tmp_path, {**manifest.to_json(), "format": 2})
    with pytest.raises(CorruptArtifact, match="has format 2, this version of Acclimate reads format 1"):
        read_manifest(tmp_path)


def test_no_manifest(tmp_path):
    with pytest.raises(CorruptArtifact, match=r"is no artifact: it has no manifest\.json"):
        read_manifest(tmp_path)
