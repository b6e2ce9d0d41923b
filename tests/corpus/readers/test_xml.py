"""Corpora in XML: MedQuAD's answers, the pairs of RTE, and what files of XML can do to a reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.xml_elements import BrokenXml, elements

MEDQUAD = """<?xml version="1.0" encoding="UTF-8"?>
<Document id="7" source="NIDDK" url="http://a/b">
<Focus>糖尿病 &amp; diet</Focus>
<QAPairs>
  <QAPair pid="1"><Question qid="7-1" qtype="symptoms">What are the symptoms?</Question>
    <Answer>First   line,
        second.

    新的一段。</Answer></QAPair>
  <QAPair pid="2"><Question qid="7-2" qtype="treatment">And then?</Question><Answer/></QAPair>
  <QAPair pid="3"><Question qid="7-3" qtype="x"> </Question><Answer>lost</Answer></QAPair>
</QAPairs></Document>
"""
RTE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE entailment-corpus SYSTEM "rte.dtd">
<entailment-corpus challenge="1">
<pair id="8" value="FALSE" task="IR"><t>石油价格&eacute; 上涨。</t><h>Oil &gt; gas</h></pair>
<pair id="9" entailment="YES" task="QA" length="short"><t>a  b</t>
  <h>b</h></pair>
<pair id="10" entailment="UNKNOWN"><t>a</t><h>c</h></pair>
<pair id="11"><t>a</t><h/></pair>
</entailment-corpus>
"""
BOMB = """<?xml version="1.0"?>
<!DOCTYPE entailment-corpus [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<entailment-corpus><pair id="1" value="TRUE"><t>&b;</t><h>x</h></pair></entailment-corpus>"""
OUTSIDE = BOMB.replace(
    '<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">', '<!ENTITY b SYSTEM "file:///etc/hostname">'
)


def test_medquad(put: Any, read_all: Any, refused: Any) -> None:
    found = read_all("medquad", put("1_NIDDK/7.xml", MEDQUAD))
    about = {"focus": "糖尿病 & diet", "source": "NIDDK"}
    assert found.fields == [
        {
            "question": "What are the symptoms?",
            "answer": "First line,\nsecond.\n新的一段。",
            "label": "symptoms",
            **about,
            "id": "7-1",
        },
        {"question": "And then?", "answer": "", "label": "treatment", **about, "id": "7-2"},
    ]
    assert [one.text for one in found.documents] == ["First line,\nsecond.\n新的一段。"]
    assert found.dropped == {"wrong_shape": 1}
    assert "found '<entailment-corpus>'" in refused("medquad", put("rte.xml", RTE))


def test_rte(put: Any, read_all: Any, refused: Any) -> None:
    found = read_all("rte", put("rte1_dev.xml", RTE))
    assert [(one["text"], one["pair"], one["label"], one["task"], one["id"]) for one in found.fields] == [
        ("石油价格é 上涨。", "Oil > gas", "not_entailment", "IR", "8"),
        ("a b", "b", "entailment", "QA", "9"),
        ("a", "c", "unknown", "", "10"),
    ]
    assert len(found.documents) == 6 and found.dropped == {"wrong_shape": 1}
    assert "found '<Document>'" in refused("rte", put("7.xml", MEDQUAD))


@pytest.mark.parametrize("content", [BOMB, OUTSIDE])
def test_a_file_that_declares_entities_is_refused(put: Any, refused: Any, content: str) -> None:
    assert "declares the entity 'a', which is not read" in refused("rte", put("rte.xml", content))


def test_of_a_file_that_breaks_off_what_stands_before_is_read(put: Any, reader: Any) -> None:
    path = put("rte.xml", RTE[: RTE.index("<h>b")])
    (record, dropped) = reader("rte", path).records()
    assert record.fields["id"] == "8"
    assert isinstance(dropped, Dropped) and "broken XML: no element found" in dropped.detail


def test_elements_come_whole_however_the_file_is_cut_into_blocks() -> None:
    data = ("<r n='1'>" + "".join(f"<x i='{n}'>文{n}<x>in</x>!</x>" for n in range(50)) + "</r>").encode()

    def cut(size: int) -> Iterator[bytes]:
        return (data[at : at + size] for at in range(0, len(data), size))

    for size in (1, 7, 10_000):
        root, *found = elements(cut(size), ("x",))
        assert (root.tag, root.get("n"), len(root)) == ("r", "1", 0)
        assert ["".join(one.itertext()) for one in found] == [f"文{n}in!" for n in range(50)]


@pytest.mark.parametrize("data", [b"", b"plain text", b"<r><x></r>", b"<r>\xff</r>"])
def test_what_is_no_xml_is_told_with_its_line(data: bytes) -> None:
    with pytest.raises(BrokenXml) as caught:
        list(elements([data], ("x",)))
    assert caught.value.line >= 1


def test_real_medquad(read_all: Any, shared: Path) -> None:
    found = read_all("medquad", shared / "medquad" / "medquad_subset.tar.gz")
    assert found.dropped == {"empty": 6}  # files without a pair
    assert len(found.records) == 2550 + 16  # of four files whose elements have other names
    assert len(found.documents) == sum(bool(one["answer"]) for one in found.fields)
    assert found.count("label").most_common(1)[0][0] == "information"


@pytest.mark.parametrize(("part", "sizes"), [("validation", (567, 400, 800)), ("test", (800, 800, 800))])
def test_real_rte(read_all: Any, shared: Path, part: str, sizes: tuple[int, ...]) -> None:
    found = read_all("rte", shared / "rte", part=part)
    assert len(found.records) == sum(sizes) and not found.dropped
    assert set(found.count("label")) == {"entailment", "not_entailment"}
