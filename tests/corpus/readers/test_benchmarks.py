"""GLUE, SuperGLUE and CLUE: real files where there are some, rows in the published form for the others."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from acclimate.corpus.readers.benchmarks import CLUE, GLUE, SUPERGLUE, Clue, Glue, Superglue


@pytest.mark.parametrize(
    ("name", "task", "path", "rows", "labels"),
    [
        ("glue", "cola", "cola/in_domain_train.tsv.gz", 8_551, {"1": 6_023}),
        ("glue", "cola", "cola/in_domain_dev.tsv.gz", 527, {}),
        ("glue", "cola", "cola/out_of_domain_dev.tsv.gz", 516, {}),
        ("glue", "sst2", "sst2/train.tsv.zst", 67_349, {"1": 37_569}),
        ("glue", "sst2", "sst2/dev.tsv.gz", 872, {}),
        ("glue", "sst2", "sst2/test_labeled.tsv.gz", 1_821, {}),
        ("glue", "mrpc", "mrpc/msr_paraphrase_train.txt.gz", 4_076, {"1": 2_753}),
        ("glue", "mrpc", "mrpc/msr_paraphrase_test.txt.gz", 1_725, {"1": 1_147}),
        ("clue", "ocnli", "ocnli/train.10k.json.zst", 10_000, {"-": 15}),
        ("clue", "ocnli", "ocnli/dev.json.gz", 3_000, {"-": 50}),
    ],
)
def test_real_files(
    name: str, task: str, path: str, rows: int, labels: dict[str, int], shared: Any, read_all: Any
) -> None:
    found = read_all(name, shared / path, task=task)
    assert len(found.records) == rows and not found.dropped
    pairs = "pair" in found.fields[0]
    assert len(found.documents) == rows * (2 if pairs else 1)
    assert {label: found.count("label")[label] for label in labels} == labels


def test_clue_reads_cmrc_and_c3_as_their_readers_do(shared: Any, read_all: Any) -> None:
    found = read_all("clue", shared / "cmrc2018", task="cmrc", part="all")
    assert (len(found.documents), len(found.records)) == (848 + 256, 3_219 + 1_002)
    assert len(read_all("clue", shared / "c3", task="c3", part="test").records) == 2_002


GLUE_FILES = {
    "cola": ("CoLA/dev.tsv", "gj04\t1\t\tThe sailors rode."),
    "sst2": ("SST-2/dev.tsv", "sentence\tlabel\nuneasy mishmash . \t0"),
    "mrpc": (
        "MRPC/dev.tsv",
        '\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tHe said "so.\tHe said it.',
    ),
    "qqp": ("QQP/dev.tsv", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tWhy?\tHow?\t0"),
    "stsb": (
        "STS-B/dev.tsv",
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n0\tg\tf\ty\t1\ts\ts\tA.\tB.\t5.0",
    ),
    "mnli": (
        "MNLI/dev_matched.tsv",
        "index\tpairID\tgenre\tsentence1\tsentence2\tlabel1\tgold_label\n0\t1\tslate\tA.\tB.\tneutral\tneutral",
    ),
    "qnli": ("QNLI/dev.tsv", "index\tquestion\tsentence\tlabel\n0\tWhat?\tThis.\tentailment"),
    "rte": ("RTE/dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\tnot_entailment"),
    "wnli": ("WNLI/dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\t1"),
    "ax": ("diagnostic/diagnostic_dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\tneutral"),
}


def test_every_task_of_glue_in_one_folder(put: Any, read_all: Any, tmp_path: Any) -> None:
    assert set(GLUE_FILES) == set(GLUE) == set(get_args(Glue.model_fields["task"].annotation))
    for name, text in GLUE_FILES.values():
        put(name, text + "\n")
    for task, (name, _) in GLUE_FILES.items():
        found = read_all("glue", tmp_path, task=task, part="validation")
        (fields,) = found.fields
        assert fields["text"] and fields["label"], task
        assert ("pair" in fields) == (GLUE[task].pair is not None)
        assert found.records[0].source == name
    assert found.fields[0]["index"] == "0"
    mrpc = read_all("glue", tmp_path, task="mrpc", part="validation").fields[0]
    assert mrpc == {"text": 'He said "so.', "pair": "He said it.", "label": "1", "#1 ID": "7", "#2 ID": "8"}
    qnli = read_all("glue", tmp_path / "QNLI", task="qnli", part="validation").fields[0]
    assert (qnli["text"], qnli["pair"]) == ("This.", "What?")


def test_tests_without_labels_and_ragged_rows(put: Any, read_all: Any, refused: Any) -> None:
    found = read_all("glue", put("CoLA/test.tsv", "index\tsentence\n0\tBill slept.\n1\n\n"), task="cola")
    assert found.fields == [{"text": "Bill slept.", "label": "", "index": "0"}]
    assert found.dropped == {"wrong_shape": 1, "empty": 1}
    path = put("x.tsv", "sentence\tclass\nx\ty\n")
    assert refused("glue", path, task="rte").endswith(
        "expected a header line with the columns 'sentence1' and 'sentence2', found 'sentence\\tclass'"
    )
    path = put("y.tsv", "index\tsentence1\tlabel\n0\tx\t1\n")
    assert "expected 3 columns by tabs (index, sentence1, label), found '0\\tx\\t1'" in refused(
        "glue", path, task="rte"
    )


def test_a_folder_without_the_task(put: Any, reader: Any, tmp_path: Any) -> None:
    put("RTE/train.tsv", "x")
    (said,) = reader("glue", tmp_path, task="sst2").check()
    assert said == f"{tmp_path}: expected a folder SST-2 in it"


SUPERGLUE_ROWS: dict[str, tuple[str, Any]] = {
    "boolq": ("BoolQ", {"question": "is it", "passage": "It is.", "idx": 0, "label": True}),
    "cb": ("CB", {"premise": "A.", "hypothesis": "B.", "label": "contradiction", "idx": 0}),
    "copa": (
        "COPA",
        {"premise": "P.", "choice1": "a", "choice2": "b", "question": "cause", "label": 1, "idx": 0},
    ),
    "multirc": (
        "MultiRC",
        {
            "idx": 0,
            "passage": {
                "text": "T.",
                "questions": [
                    {
                        "idx": 0,
                        "question": "Q?",
                        "answers": [{"text": "a", "idx": 0, "label": 1}, {"text": "b", "label": 0}],
                    }
                ],
            },
        },
    ),
    "record": (
        "ReCoRD",
        {
            "source": "CNN",
            "passage": {"text": "Bob is.\n@highlight\nSo.", "entities": [{"start": 0, "end": 2}]},
            "qas": [
                {"query": "@placeholder is.", "answers": [{"start": 0, "end": 2, "text": "Bob"}], "idx": 0}
            ],
            "idx": 0,
        },
    ),
    "rte": ("RTE", {"premise": "A.", "hypothesis": "B.", "label": "entailment", "idx": 0}),
    "wic": ("WiC", {"word": "w", "sentence1": "A w.", "sentence2": "B w.", "label": False, "start1": 2}),
    "wsc": (
        "WSC",
        {
            "text": "He saw it.",
            "target": {"span1_text": "He", "span1_index": 0, "span2_text": "it", "span2_index": 2},
        },
    ),
    "axb": ("AX-b", {"sentence1": "A.", "sentence2": "B.", "label": "entailment", "logic": "n"}),
    "axg": ("AX-g", {"premise": "A.", "hypothesis": "B.", "label": "entailment"}),
}


def test_every_task_of_superglue_in_one_folder(put: Any, read_all: Any, tmp_path: Any) -> None:
    assert set(SUPERGLUE_ROWS) == set(SUPERGLUE) == set(get_args(Superglue.model_fields["task"].annotation))
    for folder, row in SUPERGLUE_ROWS.values():
        put(f"{folder}/train.jsonl", json.dumps(row) + "\n" + '{"idx": 1}\n')
    found = {task: read_all("superglue", tmp_path, task=task) for task in SUPERGLUE_ROWS}
    assert all(one.dropped == {"wrong_shape": 1} and len(one.records) == 1 for one in found.values())
    assert found["boolq"].fields[0] == {"text": "It is.", "pair": "is it", "label": "true", "idx": "0"}
    assert [one.text for one in found["boolq"].documents] == ["It is."]
    assert [one.text for one in found["cb"].documents] == ["A.", "B."]
    copa = found["copa"].fields[0]
    assert (copa["choices"], copa["label"], copa["answer"]) == ('["a","b"]', "1", "b")
    assert found["multirc"].parsed("labels") == [[1, 0]]
    record = found["record"]
    assert record.parsed("entities") == [[{"text": "Bob", "start": 0, "end": 3}]] == record.parsed("answers")
    assert record.documents[0].text == "Bob is.\nSo."
    assert found["wic"].fields[0]["word"] == "w" and found["wic"].fields[0]["label"] == "false"
    assert (
        json.loads(found["wsc"].fields[0]["target"])["span1_text"] == "He"
        and found["wsc"].fields[0]["label"] == ""
    )


CLUE_ROWS: dict[str, tuple[str, Any]] = {
    "afqmc": ("afqmc_public", {"sentence1": "甲", "sentence2": "乙", "label": "0"}),
    "tnews": (
        "tnews_public",
        {"label": "102", "label_desc": "news_entertainment", "sentence": "甲", "keywords": ""},
    ),
    "iflytek": ("iflytek_public", {"label": "110", "label_des": "社区超市", "sentence": "甲"}),
    "cmnli": ("cmnli_public", {"sentence1": "甲", "sentence2": "乙", "label": "neutral"}),
    "ocnli": ("ocnli_public", {"level": "easy", "sentence1": "甲", "sentence2": "乙", "label": "neutral"}),
    "cluewsc": (
        "cluewsc2020_public",
        {
            "target": {"span2_index": 3, "span1_index": 0, "span1_text": "甲", "span2_text": "他"},
            "text": "甲说他",
            "label": "true",
        },
    ),
    "csl": ("csl_public", {"id": 1, "abst": "摘要", "keyword": ["词"], "label": "0"}),
}


def test_every_task_of_clue_in_one_folder(put: Any, read_all: Any, tmp_path: Any) -> None:
    names = {*CLUE_ROWS, "cmrc", "drcd", "chid", "c3"}
    assert names == set(CLUE) == set(get_args(Clue.model_fields["task"].annotation))
    for folder, row in CLUE_ROWS.values():
        put(f"{folder}/train.json", json.dumps(row, ensure_ascii=False) + "\n")
    passage = {
        "context": "文",
        "qas": [{"id": "1", "question": "问", "answers": [{"text": "文", "answer_start": 0}]}],
    }
    for folder in ("cmrc2018_public", "drcd_public"):
        put(f"{folder}/train.json", {"data": [{"paragraphs": [passage]}]})
    put("c3_public/d-train.json", [[["文"], [{"question": "问", "choice": ["甲"], "answer": "甲"}], "1"]])
    found = {task: read_all("clue", tmp_path, task=task) for task in names - {"chid"}}
    assert all(len(one.records) == 1 and not one.dropped for one in found.values())
    assert found["tnews"].fields[0] == {
        "text": "甲",
        "label": "102",
        "label_desc": "news_entertainment",
        "keywords": "",
    }
    assert found["csl"].fields[0]["keyword"] == '["词"]' and found["csl"].documents[0].text == "摘要"
    assert found["cluewsc"].documents[0].text == "甲说他"


def test_chid_has_its_holes_filled(put: Any, read_all: Any, tmp_path: Any) -> None:
    row = {"content": ["他#idiom000001#地走。", "又#idiom000002#。"], "candidates": ["慢条斯理", "一心一意"]}
    path = put("chid_public/train.json", json.dumps(row, ensure_ascii=False) + '\n{"content": 3}\n')
    put("chid_public/train_answer.json", {"#idiom000001#": 0, "#idiom000002#": 1})
    found = read_all("clue", tmp_path, task="chid")
    assert [one.text for one in found.documents] == ["他慢条斯理地走。", "又一心一意。"]
    assert found.fields[0]["context"] == "他#idiom000001#地走。" and found.dropped == {"wrong_shape": 1}
    assert found.parsed("answers") == [{"#idiom000001#": "慢条斯理"}, {"#idiom000002#": "一心一意"}]
    # A test without answers has nothing to read, for a hole is no Chinese.
    path.rename(path.with_name("test1.1.json"))
    found = read_all("clue", tmp_path, task="chid", part="test")
    assert not found.documents and len(found.records) == 2


def test_another_shape_is_refused(put: Any, refused: Any) -> None:
    path = put("train.json", '{"text": "x"}\n')
    said = refused("clue", path, task="afqmc")
    assert (
        said
        == f'{path}:1: expected an object a line with "sentence1" and "sentence2", found \'{{"text": "x"}}\''
    )
    assert '"choice1"' in refused("superglue", path, task="copa")
