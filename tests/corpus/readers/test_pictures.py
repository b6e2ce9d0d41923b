"""Images with captions, forms of FUNSD."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def emoji(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shared = Path(__file__).parents[4] / "shared" / "data" / "emoji"
    if not shared.is_dir():
        pytest.skip(f"the real data sets are not at {shared}")
    folder = tmp_path_factory.mktemp("emoji")
    (folder / "captions.tsv").write_bytes((shared / "captions.tsv").read_bytes())
    with tarfile.open(shared / "noto_72px.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_emoji_have_names_in_two_languages(emoji: Path, read_all: Any) -> None:
    found = read_all("image_captions", emoji, image="codepoints", captions=["name_en", "name_zh"])
    assert (len(found.records), len(found.documents), dict(found.dropped)) == (2 * 869, 2 * 869, {})
    first = found.fields[0]
    assert (first["caption"], first["column"], first["character"]) == ("hash sign", "name_en", "#")
    assert Path(first["image"]).read_bytes().startswith(b"\x89PNG")
    assert found.documents[1].text == "井号" and found.documents[1].fields["image"] == "0023.png"


def test_images_elsewhere_and_missing(emoji: Path, read_all: Any, reader: Any, tmp_path: Path) -> None:
    settings = {"image": "codepoints", "captions": ["name_zh"]}
    found = read_all("image_captions", emoji / "captions.tsv", images=str(emoji / "noto"), **settings)
    assert len(found.documents) == 869
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "0023.png").write_bytes((emoji / "noto" / "0023.png").read_bytes())
    found = read_all("image_captions", emoji / "captions.tsv", images=str(tmp_path / "few"), **settings)
    assert len(found.documents) == 1 and found.dropped == {"no_image": 868}
    (said,) = reader(
        "image_captions", emoji / "captions.tsv", images=str(tmp_path / "none"), **settings
    ).check()
    assert said.endswith("none: there is no such folder (images)")
    (said,) = reader("image_captions", emoji, image="codepoint", captions=["name_zh"]).check()
    assert "expected a header line with the column 'codepoint' (did you mean 'codepoints'?)" in said


def test_several_folders_or_archives_are_views_of_the_same(read_all: Any, tmp_path: Path, put: Any) -> None:
    captions = put("captions.tsv", "name\tcaption\na\tone\nb\t二\nc\tthree\n")
    put("front/a.png", b"1")
    put("front/b.png", b"2")
    with tarfile.open(tmp_path / "back.tar", "w") as archive:
        archive.add(put("x/a.jpg", b"3"), "back/a.jpg")
    sources = [str(tmp_path / "front"), str(tmp_path / "back.tar")]
    found = read_all("image_captions", captions, image="name", images=sources)
    assert [json.loads(one["images"]) for one in found.fields] == [
        [f"{tmp_path}/front/a.png", f"{tmp_path}/back.tar/back/a.jpg"],
        [f"{tmp_path}/front/b.png", None],
    ]
    assert [one["image"] for one in found.fields] == [f"{tmp_path}/front/{name}.png" for name in "ab"]
    assert found.dropped == {"no_image": 1}
    found = read_all("image_captions", captions, image="name", images=sources[1])
    assert len(found.fields) == 1 and "images" not in found.fields[0]


def test_a_webdataset_archive(shared: Path, read_all: Any) -> None:
    path = shared / "cc12m_sample" / "cc12m-train-0000.tar"
    found = read_all("image_captions", path, part="all")
    assert len(found.records) == len(found.documents) == 16 and not found.dropped
    assert found.fields[0]["image"] == f"{path}/000000001.jpg"
    assert {"key", "url", "width"} <= set(found.fields[0])


def test_flickr_coco_and_lines(put: Any, read_all: Any, refused: Any, tmp_path: Path) -> None:
    put("flickr/images/1.jpg", b"\xff\xd8")
    flickr = read_all(
        "image_captions",
        put("flickr/results.token", "1.jpg#0\tA dog .\n1.jpg#1\t一只狗\n2.jpg#0\tx\n").parent,
    )
    assert [one.text for one in flickr.documents] == ["A dog .", "一只狗"] and flickr.dropped == {
        "no_image": 1
    }
    found = read_all(
        "image_captions",
        put("flickr8k/captions.txt", 'image,caption\n1.jpg,"A dog, too"\n'),
        images=str(tmp_path / "flickr" / "images"),
    )
    assert found.fields[0]["caption"] == "A dog, too"
    coco = {
        "images": [{"id": 7, "file_name": "1.jpg"}],
        "annotations": [{"image_id": 7, "caption": "A dog"}, {"image_id": 8, "caption": "x"}],
    }
    path = put("coco/captions_train2017.json", coco)
    put("coco/train2017/1.jpg", b"\xff\xd8")
    found = read_all("image_captions", path.parent)
    assert found.fields[0]["caption"] == "A dog" and found.dropped == {"wrong_shape": 1}
    put("lines/1.jpg", b"\xff\xd8")
    put("lines/README.txt", "not captions")
    rows = [{"image": "1", "caption": "狗", "size": [1, 2]}, {"image": "1"}]
    found = read_all("image_captions", put("lines/metadata.jsonl", "\n".join(map(json.dumps, rows))).parent)
    assert found.fields[0]["size"] == "[1,2]" and found.dropped == {"wrong_shape": 1}
    assert 'COCO\'s JSON, {"images"' in refused("image_captions", put("x/x.json", {"a": 1}))


def test_the_fingerprint_knows_the_images(put: Any, reader: Any) -> None:
    path = put("a/captions.csv", "image,caption\n1.jpg,x\n").parent
    put("a/1.jpg", b"1")
    built = reader("image_captions", path)
    before = built.fingerprint(lambda path: path.name)
    assert before["images"] == [["1", "1.jpg"]] and before["reader"] == "image_captions"
    put("a/2.jpg", b"2")
    assert built.fingerprint(lambda path: path.name) != before


def test_funsd(shared: Path, read_all: Any) -> None:
    entities: Counter[str] = Counter()
    words = 0
    for part, forms in (("train", 149), ("test", 50)):
        found = read_all("funsd", shared / "funsd" / "annotations.tar.gz", part=part)
        assert len(found.records) == len(found.documents) == forms and not found.dropped
        for fields in found.fields:
            parsed = {
                name: json.loads(fields[name]) for name in ("words", "boxes", "labels", "entities", "links")
            }
            assert len(parsed["words"]) == len(parsed["boxes"]) == len(parsed["labels"])
            assert all(len(box) == 4 for box in parsed["boxes"]) and all(
                len(link) == 2 for link in parsed["links"]
            )
            words += len(parsed["words"])
            assert sum(one["end"] - one["start"] for one in parsed["entities"]) == len(parsed["words"])
            for one in parsed["entities"]:
                entities[one["label"]] += 1
                assert set(parsed["labels"][one["start"] : one["end"]]) <= {one["label"]}
            assert fields["text"].split() == " ".join(parsed["words"]).split()
    assert entities == {"question": 4_343, "answer": 3_623, "other": 1_214, "header": 563}
    assert words == 31_485


def test_pages_of_funsd_stand_beside(shared: Path, read_all: Any, tmp_path: Path) -> None:
    for name in ("annotations", "images_13"):
        with tarfile.open(shared / "funsd" / f"{name}.tar.gz") as archive:
            archive.extractall(tmp_path, filter="data")
    found = read_all("funsd", tmp_path, part="all")
    images = [fields["image"] for fields in found.fields if fields["image"]]
    assert len(found.records) == 199 and len(images) == 13 and all(Path(one).is_file() for one in images)


def test_another_shape_is_no_funsd(put: Any, refused: Any) -> None:
    assert 'expected {"form": [{"id", "text"' in refused("funsd", put("a.json", {"form": [{"id": 1}]}))
    label = {"form": [{"id": 1, "label": "footer", "box": [0, 0, 1, 1], "words": [], "linking": []}]}
    assert "found " in refused("funsd", put("b.json", label))
