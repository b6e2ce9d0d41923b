from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from acclimate.corpus.readers.columns import Conll


def labels(found: Any) -> Counter[str]:
    return Counter(one["label"] for entities in found.parsed("entities") for one in entities)


@pytest.mark.parametrize(
    ("part", "sentences", "documents", "entities"),
    [
        ("train", 14_041, 946, {"LOC": 7140, "PER": 6600, "ORG": 6321, "MISC": 3438}),
        ("validation", 3_250, 216, {"LOC": 1837, "PER": 1842, "ORG": 1341, "MISC": 922}),
        ("test", 3_453, 231, {"LOC": 1668, "PER": 1617, "ORG": 1661, "MISC": 702}),
    ],
)
def test_conll2003_has_the_published_counts(
    part: str, sentences: int, documents: int, entities: dict[str, int], shared: Any, read_all: Any
) -> None:
    found = read_all("conll2003", shared / "conll2003", part=part)
    assert (len(found.records), len(found.documents), labels(found)) == (sentences, documents, entities)
    assert found.count("scheme") == {"iob1": sentences} and not found.dropped
    if part == "train":
        first = found.records[0].fields
        assert first["text"] == "EU rejects German call to boycott British lamb ."
        assert first["tags"] == '["I-ORG","O","I-MISC","O","O","O","I-MISC","O","O"]'
        assert first["pos"].startswith('["NNP","VBZ"') and set(first) == {
            *("text", "tokens", "tags", "scheme", "valid", "entities", "pos", "chunk")
        }
        assert found.documents[0].text.startswith(
            "EU rejects German call to boycott British lamb .\nPeter Blackburn\n"
        )


def test_msra_is_characters_in_iob2(shared: Any, reader: Any) -> None:
    built = reader("msra_ner", shared / "msra_ner")
    tags: Counter[str] = Counter()
    valid: Counter[str] = Counter()
    entities: Counter[str] = Counter()
    for record in built.records():
        valid[record.fields["valid"]] += 1
        if "-" in record.fields["tags"]:
            tags.update(json.loads(record.fields["tags"]))
            entities.update(one["label"] for one in json.loads(record.fields["entities"]))
    assert {label: tags[f"B-{label}"] for label in ("LOC", "ORG", "PER")} == {
        "LOC": 39_394,
        "ORG": 21_902,
        "PER": 19_588,
    }
    # 17 sentences break IOB2; as the CoNLL evaluation they have a few spans more.
    assert valid == {"true": 55_272, "false": 17}
    assert entities == {"LOC": 39_394, "ORG": 21_905, "PER": 19_602}
    documents = list(built.read())
    assert len(documents) == 55_289 and " " not in documents[0].text
    assert documents[1].text.startswith("藏书本来就是所有传统收藏门类中的第一大户")


def test_weibo_has_digits_behind_its_characters(shared: Any, read_all: Any) -> None:
    sizes = {"train": 1_350, "validation": 270, "test": 270}
    for part, size in sizes.items():
        found = read_all("weibo_ner", shared / "weibo_ner", part=part)
        assert len(found.records) == len(found.documents) == size
        assert found.count("scheme") == {"iob2": size}
        assert set(labels(found)) <= {
            f"{kind}.{form}" for kind in ("PER", "ORG", "GPE", "LOC") for form in ("NAM", "NOM")
        }
    assert found.documents[0].text and not any(char.isspace() for char in found.records[0].fields["text"])
    first = found.records[0].fields
    assert set("".join(first["place_in_word"])) <= set('[]",0123456789')


def test_letters_of_weibo_stand_together(put: Any, read_all: Any) -> None:
    found = read_all("weibo_ner", put("a.dev", "我0\tO\n用0\tO\nJ0\tB-X\nz1\tI-X\n好0\tO\n！0\tO\n"))
    assert (
        found.fields[0]["text"] == "我用Jz好！"
        and found.fields[0]["place_in_word"] == '["0","0","0","1","0","0"]'
    )


def test_medical_tags_with_an_underscore(shared: Any, read_all: Any) -> None:
    for part, size in (("train", 1_673), ("validation", 175), ("test", 215)):
        found = read_all("conll", shared / "chinese_medical" / "cMedQANER", part=part)
        assert len(found.records) == size and found.count("valid") == {"true": size}
    assert {"disease", "symptom", "body"} < set(labels(found))


@pytest.mark.parametrize(
    ("name", "documents", "scheme", "kinds"),
    [
        ("bc5cdr", 500, "iob1", {"Entity"}),
        ("scierc/ner_train.txt.gz", 350, "iob1", 6),
        ("ncbi_disease", 5_424, "iob2", {"Disease"}),
    ],
)
def test_domain_sets(name: str, documents: int, scheme: str, kinds: Any, shared: Any, read_all: Any) -> None:
    found = read_all("conll", shared / name)
    assert len(found.documents) == documents and set(found.count("scheme")) == {scheme}
    assert (len(labels(found)) if isinstance(kinds, int) else set(labels(found))) == kinds


@pytest.mark.parametrize(
    ("content", "text", "entities"),
    [
        ("北 B-LOC\n京 E-LOC\n, O\n好 S-X\n", "北京,好", [("LOC", 0, 2), ("X", 3, 4)]),
        ("New\tB-LOC\nYork\tI-LOC\nis\tO\n", "New York is", [("LOC", 0, 8)]),
        ("我们 O\n用 O\nBERT B-M\nbase I-M\n模型 O\n", "我们用BERT base模型", [("M", 3, 12)]),
        ("a  NN   O\nb  NN   B-X\n", "a b", [("X", 2, 3)]),
        ("a O\n\u3000 O\nb B-X\n", "a\u3000b", [("X", 2, 3)]),
        ("a O\n  O\nb B-X\n", "a b", [("X", 2, 3)]),
        ("# id = 1\nx\tO\n#\tB-X\n", "x #", [("X", 2, 3)]),
    ],
)
def test_tokens_become_text_with_offsets(
    content: str, text: str, entities: Any, put: Any, read_all: Any
) -> None:
    found = read_all("conll", put("a.bio", content))
    assert found.fields[0]["text"] == text
    assert [(one["label"], one["start"], one["end"]) for one in found.parsed("entities")[0]] == entities
    for one in found.parsed("entities")[0]:
        assert text[one["start"] : one["end"]] == one["text"]


def test_spaces_and_columns_can_be_said(put: Any, read_all: Any) -> None:
    path = put("a.bio", "O a x\nB-P b y\n")
    found = read_all("conll", path, columns=["tag", "token", "other"], spaces=True)
    assert found.fields[0]["text"] == "a b" and found.fields[0]["other"] == '["x","y"]'
    with pytest.raises(ValidationError, match="expected 'tag' once among the columns, found token, x"):
        Conll(path="a", columns=["token", "x"])


def test_sentences_or_documents(put: Any, read_all: Any) -> None:
    path = put("a.bio", "-DOCSTART- O\n\nA O\n\nB O\n\n-DOCSTART- (2) O\n\nC O\n")
    assert [one.text for one in read_all("conll", path).documents] == ["A\nB", "C"]
    found = read_all("conll", path, documents="sentence")
    assert [one.text for one in found.documents] == ["A", "B", "C"]
    assert [one.place for one in found.records] == [f"{path}:{line}" for line in (3, 5, 9)]


def test_broken_sentences_are_counted(put: Any, read_all: Any) -> None:
    path = put(
        "a.bio", b"a O\n\nb\n\nc O extra\n\nd O\ne WHAT\n\n\xff\xfe O\n\nf B-X\n\ng I-X\n" + 3 * b"\nh B-X\n"
    )
    found = read_all("conll", path)
    assert [one.text for one in found.documents] == ["a", "f", "g", "h", "h", "h"]
    assert found.dropped == {"wrong_shape": 2, "wrong_tags": 1, "invalid_encoding": 1}
    assert (
        f"{path}:3: expected a line `token tag` with a tag such as O, B-PER or I-PER, found 'b'"
        in found.details
    )
    assert [fields["valid"] for fields in found.fields] == ["true", "true", "false", "true", "true", "true"]


def test_another_shape_is_refused(put: Any, refused: Any) -> None:
    path = put("a.txt", "This is prose.\nNothing else.\n")
    assert refused("conll", path).startswith(f"{path}:")
    path = put("b.txt", "the DT\ncat NN\n\nit PRP\n")
    assert refused("conll", path).endswith(
        "BILOU or BMEWO in the last column, as `O O B-PER I-PER`, found 'DT NN'"
    )
    path = put("c.txt", "口 O\n\n腔 O\n")
    assert "expected a character and a digit, as `科0`, found '口 O'" in refused("weibo_ner", path)
    path = put("d.txt", "a O\nb O\n")
    assert "expected a line of 4 columns (token pos chunk tag), found 'a O'" in refused("conll2003", path)
