from __future__ import annotations

import json
import random
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pytest

from acclimate.corpus.document import Cleaned, Document
from acclimate.corpus.leakage.decontaminate import Decontaminator
from acclimate.corpus.leakage.held_out import HeldOutText
from acclimate.corpus.leakage.index import ContaminationIndex
from acclimate.corpus.leakage.log import ContaminationLog

SYLLABLES = ["la", "ko", "mi", "ze", "ru"]
CHARACTERS = "天地玄黄宇宙"


def documents(texts: Sequence[str]) -> list[Document]:
    return [Document("a.txt", f"a.txt:{n}", text, {}) for n, text in enumerate(texts, 1)]


def index_of(texts: Sequence[str], per_window: tuple[int, int] = (13, 50)) -> ContaminationIndex:
    held = [HeldOutText("topic", "test", f"test.tsv:{n}", text) for n, text in enumerate(texts, 1)]
    return ContaminationIndex.build(((one, one.text) for one in held), per_window=per_window)


def clean(texts: Sequence[str], tests: Sequence[str], *, cut: bool = True, **window: Any) -> Cleaned:
    result = Decontaminator(index_of(tests, **window), near=0.8, cut=cut)(documents(texts))
    assert len(result.documents) + len(result.dropped) == len(texts)
    return result


def runs(text: str, size: int, chinese: bool) -> set[tuple[str, ...]]:
    words = list(text.replace("，", "")) if chinese else text.split()
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


@pytest.mark.parametrize("chinese", [False, True])
@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_no_window_of_a_test_text_stays(seed: int, cut: bool, chinese: bool) -> None:
    """A small vocabulary, so that what is cut brings new windows together."""
    source = random.Random(seed)
    alphabet, space = (list(CHARACTERS), "") if chinese else (SYLLABLES, " ")

    def text(size: int) -> str:
        return space.join(source.choices(alphabet, k=size))

    tests = [text(9) for _ in range(30)]
    texts = [text(80) for _ in range(40)] + [text(9) for _ in range(40)] + tests[:3]
    result = clean(texts, tests, cut=cut, per_window=(5, 5))
    forbidden = set().union(*(runs(one, 5, chinese) for one in tests))
    for document in result.documents:
        assert not runs(document.text, 5, chinese) & forbidden
    assert {one.place for one in result.documents} | {one.place for one in result.dropped} == {
        f"a.txt:{n}" for n in range(1, len(texts) + 1)
    }
    untouched = [document for document in documents(texts) if not runs(document.text, 5, chinese) & forbidden]
    assert all(document in result.documents for document in untouched)
    touched = {one["place"] for one in result.findings}
    assert touched == {document.place for document in documents(texts)} - {one.place for one in untouched}
    assert result.changed["contamination_cut"] == len(result.documents) - len(untouched)
    assert cut or not result.changed
    reasons = {one.reason for one in result.dropped}
    assert reasons == {"in_task", "contaminated"}


def test_what_is_cut_and_what_is_said_of_it() -> None:
    passage = "the committee will meet on the second of may in the old town hall of Springfield"
    page = (
        "Nothing else is known of these people, who lived far away and never wrote a word about it all, so: "
    )
    result = clean(
        [f"{page}“{passage.upper()}”. {page}", passage + "!", f"Well, {passage}", "apart"], [passage]
    )
    assert [one.text for one in result.documents] == [f"{page}“”. {page}", "apart"]
    assert [(one.reason, one.place, one.detail) for one in result.dropped] == [
        ("in_task", "a.txt:2", "equals the test text test.tsv:1 of task topic"),
        ("in_task", "a.txt:3", "nearly equals the test text test.tsv:1 of task topic (similarity 0.92)"),
    ]
    cut, equal, near = result.findings
    assert cut == {
        "id": documents([f"{page}“{passage.upper()}”. {page}"])[0].id,
        "source": "a.txt",
        "place": "a.txt:1",
        "became": "cut",
        "reason": "contaminated",
        "characters_cut": len(passage),
        "texts": [
            {
                "task": "topic",
                "split": "test",
                "id": "test.tsv:1",
                "how": "holds",
                "shared": "the committee will meet on the second of may in the old town",
            }
        ],
        "found": [0],
    }
    assert equal["became"] == "dropped" and near["texts"][0]["similarity"] == 0.9231


def test_a_document_that_is_mostly_a_test_text_is_dropped_and_with_drop_any() -> None:
    passage = " ".join(f"w{n}" for n in range(30))
    mostly, partly = (
        f"{passage} and {' '.join('abcdefghij')}",
        f"{passage} {' '.join(f'x{n}' for n in range(99))}",
    )
    result = clean([mostly, partly], [passage])
    assert [(one.reason, one.place) for one in result.dropped] == [("contaminated", "a.txt:1")]
    assert result.dropped[0].detail.startswith("holds “w0 w1 w2") and "test.tsv:1" in result.dropped[0].detail
    assert [one.place for one in clean([mostly, partly], [passage], cut=False).dropped] == [
        "a.txt:1",
        "a.txt:2",
    ]


def test_more_texts_than_one_are_counted() -> None:
    shared = " ".join(f"w{n}" for n in range(20))
    tests = [f"{shared} {name}" for name in ("one", "two", "three")]
    (dropped,) = clean([f"{shared} here"], tests).dropped
    assert dropped.detail.endswith("of task topic (similarity 0.89), and of 2 more")


def test_the_list_counts_what_became_of_documents_and_which_texts_were_found() -> None:
    passage = " ".join(f"w{n}" for n in range(15))
    rest = " ".join(f"x{n}" for n in range(40))
    tests = [passage, "never there at all", "好"]
    index = index_of(tests)
    file = BytesIO()
    log = ContaminationLog(file, index.texts)
    ask = Decontaminator(index, near=0.8, cut=True)
    for text in (f"{rest} {passage}", "好", "nothing", passage):
        log.add(ask(documents([text])).findings)
    assert log.counts() == {
        "dropped": {"in_task": 2},
        "cut": 1,
        "characters_cut": len(passage),
        "sets": [{"task": "topic", "split": "test", "texts": 3, "found": 2}],
    }
    lines = [json.loads(line) for line in file.getvalue().decode().splitlines()]
    assert [line["found"] for line in lines] == [1, 1, 1]
    assert [line["texts"][0]["id"] for line in lines] == ["test.tsv:1", "test.tsv:3", "test.tsv:1"]
