"""Where pictures stand, and their bytes."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from acclimate.corpus.document import Dropped
from acclimate.corpus.images import files
from acclimate.errors import UserError


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    """A folder and an archive, with three pictures each and something else."""
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.JPG", "deep/c.webp", "notes.txt"):
        (folder / name).write_bytes(f"folder {name}".encode())
    archive = tmp_path / "pack.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("x/a.png", "x/d.gif", "x/e.bmp", "x/readme.md"):
            data = f"pack {name}".encode()
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return [str(folder), str(archive)]


def test_images_are_listed_by_name(sources: list[str]) -> None:
    folder, archive = (files.listed(one) for one in sources)
    assert [name for name, _ in folder] == ["a.png", "deep/b.JPG", "deep/c.webp"]
    assert all(Path(place).is_file() for _, place in folder)
    assert [name for name, _ in archive] == ["x/a.png", "x/d.gif", "x/e.bmp"]
    assert archive[0][1] == f"{sources[1]}/x/a.png"
    with pytest.raises(UserError, match="there is no such folder"):
        files.listed(sources[0] + "x")


def test_wanted_ones_are_read_once_each(sources: list[str]) -> None:
    wanted = [f"{sources[0]}/deep/b.JPG", f"{sources[1]}/x/d.gif", f"{sources[1]}/x/none.png"]
    found = dict(files.contents([*sources, *sources], wanted))
    assert found == {wanted[0]: b"folder deep/b.JPG", wanted[1]: b"pack x/d.gif"}


def test_a_file_that_is_too_large_is_told(sources: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 10)
    ((place, dropped),) = files.contents(sources, [f"{sources[0]}/a.png"])
    assert isinstance(dropped, Dropped) and dropped.reason == "too_long" and dropped.place == place


def test_the_fingerprint_goes_by_content(sources: list[str]) -> None:
    def digests(path: Path) -> str:
        return str(hash(path.read_bytes()))

    before = files.fingerprint(sources, digests)
    assert files.fingerprint(sources, digests) == before
    (Path(sources[0]) / "notes.txt").write_text("other")
    assert files.fingerprint(sources, digests) == before
    (Path(sources[0]) / "a.png").write_text("other")
    assert files.fingerprint(sources, digests) != before
