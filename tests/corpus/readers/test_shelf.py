"""Folders, archives and URLs; what all named readers share."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from acclimate.corpus.document import Dropped
from acclimate.recipe.parts import PARTS
from acclimate.recipe.registry import registry

FILES = {
    "corpus/train.en": "a\nb\n",
    "corpus/train.zh": "一\n二\n",
    "corpus/dev.en": "c\n",
    "corpus/dev.zh": "三\n",
    "corpus/README": "not read",
    "corpus/.hidden.en": "x\n",
}


def as_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
    return path


def as_tar(path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("corpus/train_link.en")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return path


def test_folder_zip_and_tar_give_the_same(put: Any, read_all: Any, tmp_path: Path) -> None:
    for name, text in FILES.items():
        put(f"plain/{name}", text)
    places = [tmp_path / "plain" / "corpus", as_zip(tmp_path / "c.zip"), as_tar(tmp_path / "c.tar.gz")]
    for place in places:
        found = read_all("moses", place)
        assert [fields["zh"] for fields in found.fields] == ["一", "二"], place
        assert [fields["zh"] for fields in read_all("moses", place, part="validation").fields] == ["三"]
        assert found.records[0].place in (f"{place}/train.en:1", f"{place}/corpus/train.en:1")
    assert found.dropped == {"special_file": 1}


def test_an_archive_that_breaks_off_gives_what_it_has(tmp_path: Path, reader: Any) -> None:
    path = as_tar(tmp_path / "c.tar.gz")
    path.write_bytes(path.read_bytes()[:-40])
    items = list(reader("moses", path, part="all").records())
    reasons = {one.reason for one in items if isinstance(one, Dropped)}
    assert "truncated" in reasons or "corrupt" in reasons
    path.write_bytes(b"no archive")
    (said,) = reader("moses", path).check()
    assert "expected files called *.en or" in said and said.endswith("found none")


def test_the_fingerprint_is_of_the_content_and_not_of_the_place(
    tmp_path: Path, put: Any, reader: Any
) -> None:
    def digest(path: Path) -> str:
        return path.read_bytes().hex()

    for folder in ("one", "two"):
        put(f"{folder}/corpus/train.en", "a\n")
        put(f"{folder}/corpus/train.zh", "一\n")
    prints = [reader("moses", tmp_path / name / "corpus").fingerprint(digest) for name in ("one", "two")]
    assert prints[0] == prints[1] and [name for name, _ in prints[0]["files"]] == ["train.en", "train.zh"]
    put("two/corpus/train.zh", "二\n")
    assert reader("moses", tmp_path / "two" / "corpus").fingerprint(digest) != prints[0]
    assert reader("moses", tmp_path / "one" / "corpus", use=["zh"]).fingerprint(digest) != prints[0]
    archive = reader("moses", as_zip(tmp_path / "c.zip"))
    assert [name for name, _ in archive.fingerprint(digest)["files"]] == ["c.zip"]


def test_a_url(put: Any, read_all: Any, tmp_path: Path) -> None:
    path = put("dev.en", "a\n")
    put("dev.zh.gz", __import__("gzip").compress("一\n".encode()))
    found = read_all("ptb", f"file://{path}")
    assert [one.text for one in found.documents] == ["a"] and found.documents[0].place == f"file://{path}:1"
    found = read_all("moses", f"file://{tmp_path}/dev.*")
    assert found.fields == [{"en": "a", "zh": "一"}]


def test_a_link_that_leads_out_is_not_followed(put: Any, read_all: Any, tmp_path: Path) -> None:
    outside = put("outside.txt", "secret\n")
    put("ptb/ptb.train.txt", "inside\n")
    (tmp_path / "ptb" / "ptb.more.train.txt").symlink_to(outside)
    assert [one.text for one in read_all("ptb", tmp_path / "ptb").documents] == ["inside"]


def test_missing_and_empty(put: Any, reader: Any, tmp_path: Path) -> None:
    (said,) = reader("ptb", tmp_path / "none").check()
    assert said.startswith(f"{tmp_path / 'none'}: there is no such file or folder")
    (said,) = reader("ptb", tmp_path).check()
    assert said == f"{tmp_path}: the folder is empty"
    path = put("ptb.train.txt", "")
    assert [one.reason for one in reader("ptb", path).read()] == ["empty"]
    (said,) = reader("ptb", path).check()
    assert "none of the first records can be read; the first: empty" in said


def test_broken_text_is_counted_and_too_long_is_not_loaded(put: Any, read_all: Any) -> None:
    path = put("ptb.train.txt", b"one\n\xff\xff two\nnul \0\n" + b"x" * 21_000_000 + b"\n\nlast\n")
    found = read_all("ptb", path)
    assert [one.text for one in found.documents] == ["one", "last"]
    assert found.dropped == {"invalid_encoding": 1, "nul_bytes": 1, "too_long": 1, "empty": 1}


def test_gb18030_is_read(put: Any, read_all: Any) -> None:
    line = "体育\t许海峰首度揭秘：放弃点燃奥运主火炬非因身体原因，我们都是中国人，大家一起来看看这个新闻\n"
    found = read_all("thucnews", put("a.txt", (line * 20).encode("gb18030")))
    assert found.documents[0].text.startswith("许海峰") and len(found.documents) == 20


READERS = [
    (name, target) for role, name, target in PARTS if role == "reader" and ".corpus.readers." in target
]


@pytest.mark.parametrize(("name", "target"), READERS, ids=[name for name, _ in READERS])
def test_every_reader_refuses_what_it_does_not_know(name: str, target: str, put: Any, reader: Any) -> None:
    """A sentence, a picture and JSON of another kind are an error with place and line, or dropped and counted."""
    task = {"glue": "rte", "superglue": "copa", "clue": "chid"}.get(name)
    settings = {"task": task} if task else {}
    for content in (
        "Nothing of the Kind\n",
        b"\x89PNG\r\n\x1a\n\0\0",
        '{"nothing": ["of", "the kind"]}\n',
        "[]\n",
    ):
        built = reader(name, put("a.json", content), **settings)
        found = built.check()
        if found:
            assert len(found) == 1 and len(found[0]) < 600, found
        elif name not in ("bookcorpus", "wikitext", "ptb", "moses"):
            assert not list(built.records())


def test_a_recipe_names_a_reader_bare_or_with_settings(put: Any, tmp_path: Path) -> None:
    from acclimate.corpus.build import build_corpus
    from acclimate.recipe.corpus_section import Corpus

    put("data/ptb.train.txt", "no it was n't black monday\nthe end\n")
    put("data/x.en", "hello\n")
    put("data/x.zh", "你好\n")
    sources = [{"ptb": "data/ptb.train.txt"}, {"moses": {"path": "data", "use": ["zh"]}}]
    corpus = Corpus.model_validate(
        {"sources": sources, "split": {"validation": 0, "test": 0}}, context={"base": tmp_path}
    )
    statistics = build_corpus(corpus, tmp_path / "out")
    assert (statistics["read"], statistics["kept"]) == (3, 3)
    with pytest.raises(ValidationError, match="unknown value 'sst'; did you mean 'sst2'"):
        registry.get("reader", "glue").model_validate({"path": "x", "task": "sst"})
