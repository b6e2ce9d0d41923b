"""Examples from files and from one source: exact accounting, no leaks, and a clear word for what cannot be."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from acclimate.errors import UserError
from acclimate.transfer.classes.regression import Regression
from acclimate.transfer.examples.preparing import build_examples, read_examples, read_labels, read_statistics

HEAD = "text\tlabel\n"
FILES = {"train": "train.tsv", "test": "test.tsv"}


def _rows(num: int, labels: str = "ab", stem: str = "text number") -> str:
    return "".join(f"{stem} {n}\t{labels[n % len(labels)]}\n" for n in range(num))


def _accounts(statistics) -> None:
    """read = kept + dropped, everywhere and to the last one."""
    assert statistics["read"] == statistics["kept"] + sum(statistics["dropped"].values())
    for source in statistics["sources"].values():
        assert source["read"] == source["kept"] + sum(source["dropped"].values())
    assert statistics["kept"] == sum(part["examples"] for part in statistics["splits"].values())
    if not statistics["multi_label"]:
        for part, counts in statistics["class_counts"].items():
            assert sum(counts.values()) == statistics["splits"][part]["examples"]


def _error(build, files, **settings) -> str:
    with pytest.raises(UserError) as caught:
        build(files, **settings)
    return str(caught.value)


def test_every_row_is_kept_or_dropped_by_a_reason(build):
    train = HEAD + "in both  TEXT\ta\nno label\t\n\ta\nragged\ta\tb\n\n" + _rows(60)
    statistics, folder = build(
        {
            "train.tsv": train,
            "validation.tsv": HEAD + "watched\ta\nIn Both text\tb\ntext number 3\tb\n",
            "test.tsv": HEAD + "in both text\ta\nunseen\tb\n",
        },
        **FILES,
        validation="validation.tsv",
    )
    _accounts(statistics)
    assert statistics["sources"]["train"] == {
        "read": 65,
        "kept": 59,
        "dropped": {"empty": 1, "in_test": 1, "in_validation": 1, "no_label": 1, "no_text": 1, "ragged": 1},
    }
    assert statistics["sources"]["validation"] == {"read": 3, "kept": 2, "dropped": {"in_test": 1}}
    assert statistics["class_counts"]["train"] == {"a": 30, "b": 29}
    assert read_statistics(folder) == statistics
    dropped = [json.loads(line) for line in (folder / "dropped.jsonl").read_text().splitlines()]
    assert Counter(one["reason"] for one in dropped) == statistics["dropped"]
    assert {
        "source": "train",
        "reason": "no_label",
        "place": "train.tsv:3",
        "detail": "'label' is empty",
    } in dropped


def test_what_is_written_reads_back(build):
    statistics, folder = build(
        {"train.tsv": HEAD + _rows(50), "test.tsv": HEAD + "问题 one\tb\n回答\ta\n"}, **FILES
    )
    test = read_examples(folder, "test")
    assert (test.texts, test.labels.tolist(), test.pairs) == (["问题 one", "回答"], [1, 0], None)
    assert test.ids == ["test.tsv:2", "test.tsv:3"]
    assert read_labels(folder) == ["a", "b"]
    train, validation = read_examples(folder, "train"), read_examples(folder, "validation")
    assert len(train) + len(validation) == 50
    assert not set(train.texts) & set(validation.texts)
    assert len(validation) > 0
    assert statistics["splits"]["validation"]["examples"] == len(validation)


def test_the_same_files_give_the_same_bytes_wherever_they_are_kept(build, tmp_path):
    rows = {"train.tsv": HEAD + _rows(50) + "x\t\n", "test.tsv": HEAD + "one\ta\n"}
    _, first = build(rows, **FILES)
    (tmp_path / "moved").mkdir()
    _, second = build(
        {f"moved/{name}": content for name, content in rows.items()},
        train="moved/train.tsv",
        test="moved/test.tsv",
    )
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_more_training_examples_never_move_the_old_ones(build):
    test = {"test.tsv": HEAD + "one\ta\n"}
    held = []
    for num in (200, 400):
        _, folder = build({"train.tsv": HEAD + _rows(num)} | test, **FILES, near=None)
        held.append(set(read_examples(folder, "validation").texts))
    assert held[0] < held[1]
    assert 0.05 < len(held[1]) / 400 < 0.16


def test_repeats_stay_together_and_are_counted(build):
    repeated = "the same again\ta\n" * 6 + "The Same  again\tb\n"
    statistics, folder = build(
        {"train.tsv": HEAD + _rows(60) + repeated, "test.tsv": HEAD + "one\ta\n"}, **FILES, near=None
    )
    parts = [
        part for part in ("train", "validation") if "the same again" in read_examples(folder, part).texts
    ]
    assert len(parts) == 1
    assert statistics["splits"][parts[0]]["repeats"] == 6
    assert statistics["splits"][parts[0]]["conflicting"] == 1


def test_columns_by_number_pairs_and_other_formats(build):
    lines = "".join(
        json.dumps({"q": f"问 {n}", "a": f"答 {n % 7}", "same": bool(n % 2)}, ensure_ascii=False) + "\n"
        for n in range(40)
    )
    statistics, folder = build(
        {"train.jsonl": lines, "test.jsonl": lines.replace("问", "另")},
        train="train.jsonl",
        test="test.jsonl",
        text="q",
        pair="a",
        label="same",
        near=None,
    )
    test = read_examples(folder, "test")
    assert (test.texts[8], test.pairs[8]) == ("另 8", "答 1")
    assert read_labels(folder) == ["false", "true"]
    assert statistics["pairs"] is True
    _, folder = build(
        {"train.txt": "".join(f"{n % 2}\t{n}\tx{n}\n" for n in range(40)), "test.txt": "1\t0\tz\n"},
        train="train.txt",
        test="test.txt",
        header=False,
        text=2,
        label=0,
    )
    assert read_examples(folder, "test").texts == ["z"]


def test_pairs_are_equal_only_when_both_texts_are(build):
    head = "text\tpair\tlabel\n"
    train = head + "".join(f"q\tanswer {n}\t{n % 2}\n" for n in range(40))
    statistics, _ = build(
        {"train.tsv": train, "test.tsv": head + "q\tanswer 7\t1\nq\tother\t0\n"},
        **FILES,
        pair="pair",
        near=None,
    )
    assert statistics["dropped"] == {"in_test": 1}


def test_a_byte_order_mark_line_ends_and_compression_do_not_show(build):
    train = ("\ufeff" + HEAD + _rows(30)).replace("\n", "\r\n").encode()
    _, folder = build(
        {"train.tsv.gz": gzip.compress(train), "test.tsv": HEAD + "one\ta\n"},
        train="train.tsv.gz",
        test="test.tsv",
    )
    assert read_labels(folder) == ["a", "b"]


def test_numbers_are_ordered_as_numbers_and_names_as_names(build):
    numbers = "".join(f"t {n}\t{n % 12}\n" for n in range(60))
    _, folder = build({"train.tsv": HEAD + numbers, "test.tsv": HEAD + "one\t10\n"}, **FILES)
    assert read_labels(folder) == [str(n) for n in range(12)]
    assert read_examples(folder, "test").labels.tolist() == [10]


def test_several_labels_by_separator_and_as_json_lists(build):
    train = HEAD + "".join(f"t {n}\t{'x, y' if n % 2 else 'y'}\n" for n in range(30)) + "none\t\n"
    test = "".join(
        json.dumps({"text": text, "label": label}) + "\n"
        for text, label in (("p", ["y"]), ("q", []), ("r", ["y", "x", "y"]), ("s", ["y", None]))
    )
    statistics, folder = build(
        {"train.tsv": train, "test.jsonl": test + '{"text": "t"}\n["malformed"]\n'},
        train="train.tsv",
        test="test.jsonl",
        multi_label=True,
    )
    _accounts(statistics)
    assert statistics["sources"]["test"]["dropped"] == {
        "malformed_json": 1,
        "malformed_label": 1,
        "no_label": 1,
    }
    assert read_labels(folder) == ["x", "y"]
    assert read_examples(folder, "test").labels.tolist() == [[0, 1], [0, 0], [1, 1]]
    learnt = [read_examples(folder, part) for part in ("train", "validation")]
    assert sum(len(part) for part in learnt) == 31
    assert sum(part.labels.sum(0) for part in learnt).tolist() == [15, 30]
    assert statistics["imbalance"]["ratio"] > 1.5


def test_another_separator_and_an_unknown_one_of_several(build):
    train = HEAD + "".join(f"t {n}\t{'x, 1|y' if n % 2 else 'y'}\n" for n in range(30))
    files = {"train.tsv": train, "test.tsv": HEAD + "p\ty|x, 1\n"}
    _, folder = build(files, **FILES, multi_label=True, separator="|")
    assert read_labels(folder) == ["x, 1", "y"]
    said = _error(build, files | {"test.tsv": HEAD + "p\ty|z\n"}, **FILES, multi_label=True, separator="|")
    assert "test.tsv:2: label 'z'" in said


def test_the_imbalance_can_be_seen(build):
    statistics, _ = build(
        {"train.tsv": HEAD + _rows(80, "aaab"), "test.tsv": HEAD + "p\ta\nq\tb\nr\tb\n"},
        **FILES,
        hold_out="0.001%",
    )
    assert statistics["splits"]["validation"]["examples"] == 1  # never none where one can be spared
    imbalance, counts = statistics["imbalance"], statistics["class_counts"]["train"]
    assert imbalance["ratio"] == round(counts["a"] / counts["b"], 4) > 2.5
    assert (imbalance["largest"], imbalance["smallest"], imbalance["majority"]) == ("a", "b", ["a"])
    assert imbalance["majority_accuracy"] == pytest.approx(1 / 3)


def test_a_class_with_one_example_is_not_held_out_of_training(build):
    singles = "".join(
        f"single {n}\tclass{n:02}\n" for n in range(40)
    )  # about four would fall into validation
    statistics, _ = build({"train.tsv": HEAD + _rows(60) + singles, "test.tsv": HEAD + "one\ta\n"}, **FILES)
    assert min(statistics["class_counts"]["train"].values()) == 1
    assert sum(statistics["class_counts"]["train"].values()) > 85


@pytest.mark.parametrize(
    ("files", "settings", "messages"),
    [
        (
            {
                "train.tsv": HEAD + _rows(20, ("sports", "politics")),
                "test.tsv": HEAD + "p\tsports\nq\tsprots\n",
            },
            {},
            ["test.tsv:3: label 'sprots'", "2 labels", "did you mean 'sports'?"],
        ),
        ({"train.tsv": HEAD + _rows(20, "a")}, {}, ["train.tsv:2", "all 20 examples have the label 'a'"]),
        (
            {"train.tsv": HEAD + "a\t\nb\t \n"},
            {},
            ["train.tsv", "label column 'label' is empty in all 2 records"],
        ),
        ({"train.tsv": HEAD + "a\t\nb\t\n"}, {"multi_label": True}, ["names no label"]),
        ({"train.tsv": "title\tlabel\nx\ty\n"}, {}, ["train.tsv:2", "no column 'text'", "label, title"]),
        ({"train.tsv": "text\tlabels\nx\ty\n"}, {}, ["no column 'label'", "did you mean 'labels'?"]),
        ({"train.tsv": HEAD + "x\ty\n"}, {"pair": 5}, ["no column 5 (pair)", "0 to 1"]),
        ({"train.tsv": ""}, {}, ["train.tsv", "no labelled example", "empty 1"]),
        ({"train.tsv": HEAD}, {}, ["train.tsv", "no labelled example"]),
        (
            {"test.tsv": HEAD + _rows(20)},
            {},
            ["the train part is empty: its examples are all held out for another part"],
        ),
        ({"train.tsv": HEAD + _rows(4, "abcd")}, {}, ["validation part is empty", "`validation` file"]),
        (
            {"validation.tsv": HEAD + "one\ta\n"},
            {"validation": "validation.tsv"},
            ["validation part is empty"],
        ),
        ({"test.tsv": None}, {}, ["test.tsv", "no such file"]),
    ],
)
def test_what_cannot_be_used_is_said_clearly(build, files, settings, messages):
    given = {"train.tsv": HEAD + _rows(20), "test.tsv": HEAD + "one\ta\n"} | files
    said = _error(
        build, {name: text for name, text in given.items() if text is not None}, **FILES, **settings
    )
    for message in messages:
        assert message in said
    assert "\n" not in said


def test_one_source_is_split_with_duplicates_on_one_side(build):
    families = []
    for n in range(150):
        words = " ".join(f"w{(n * 37 + k) % 1009}" for k in range(30))
        families += [f"{words} v{n}-{copy}\t{'ab'[n % 2]}\n" for copy in range(3)]
    statistics, folder = build({"all.tsv": HEAD + "".join(families)}, data="all.tsv")
    _accounts(statistics)
    part_of = {}
    for part in ("train", "validation", "test"):
        examples = read_examples(folder, part)
        for text in examples.texts:
            part_of.setdefault(text.split()[-1].split("-")[0], set()).add(part)
    assert all(len(parts) == 1 for parts in part_of.values())
    sizes = [statistics["splits"][part]["examples"] / 450 for part in ("validation", "test")]
    assert sizes == pytest.approx([0.15, 0.25], abs=0.1)
    _, alone = build({"all.tsv": HEAD + "".join(families)}, data="all.tsv", near=None)
    apart = Counter(text.split()[-1].split("-")[0] for text in read_examples(alone, "test").texts)
    assert set(apart.values()) != {3}  # without `near` the copies do fall apart


@pytest.mark.parametrize(
    ("texts", "near", "why"),
    [
        (
            ["这件衣服很好看，颜色也很正，穿着很舒服。" + "！" * n for n in range(1, 40)],
            0.8,
            "39 examples fall into 1 group of texts that are like each other (`near`), and a group stays",
        ),
        (["the same words"] * 9, None, "9 examples fall into 1 group of texts that are equal, and"),
        (["one", "二"], None, "there are 2 examples to split; give more examples, or larger shares"),
    ],
)  # fmt: skip
def test_why_a_part_of_the_split_is_empty_is_said(
    tmp_path: Path, texts: list[str], near: float | None, why: str
) -> None:
    path = tmp_path / "rated.tsv"
    path.write_text("text\tscore\n" + "".join(f"{text}\t{n}\n" for n, text in enumerate(texts)), "utf-8")
    task = Regression.model_validate({"data": {"path": str(path)}, "near": near})
    (tmp_path / "made").mkdir()
    with pytest.raises(UserError, match="part is empty") as caught:
        build_examples(task, tmp_path / "made")
    assert why in str(caught.value)


def test_a_class_that_a_part_of_the_split_would_lack_is_named(build):
    said = _error(build, {"all.tsv": HEAD + _rows(60) + "alone\trare\n"}, data="all.tsv")
    assert "class 'rare' has 1 examples" in said
    assert "fell into" in said


def test_chinese_sentiment_as_published(build, data):
    folder = data / "chnsenticorp"
    statistics, made = build(
        train=str(folder / "train.tsv.zst"),
        validation=str(folder / "dev.tsv.gz"),
        test=str(folder / "test.tsv.gz"),
        text="text_a",
    )
    _accounts(statistics)
    assert [source["read"] for source in statistics["sources"].values()] == [9600, 1200, 1200]
    assert statistics["splits"]["test"]["examples"] == 1200
    assert statistics["class_counts"]["test"] == {"0": 592, "1": 608}
    assert statistics["splits"]["train"]["repeats"] > 1000
    train, test = (set(read_examples(made, part).texts) for part in ("train", "test"))
    assert not train & test


def test_news_titles_with_a_line_that_has_no_label(build, data):
    folder = data / "thucnews" / "subset_b"
    statistics, made = build(
        train=str(folder / "dev.txt.zst"),
        test=str(folder / "test.txt.zst"),
        text=1,
        label=0,
        header=False,
        near=None,
    )
    _accounts(statistics)
    assert statistics["sources"]["test"] == {"read": 20000, "kept": 19999, "dropped": {"ragged": 1}}
    assert statistics["sources"]["train"]["read"] == 19991
    assert read_labels(made) == sorted(read_labels(made))
    assert "体育" in read_labels(made)


def test_paraphrases_with_a_byte_order_mark(build, data):
    folder = data / "mrpc"
    statistics, _ = build(
        train=str(folder / "msr_paraphrase_train.txt.gz"),
        test=str(folder / "msr_paraphrase_test.txt.gz"),
        text="#1 String",
        pair="#2 String",
        label="Quality",
        near=None,
    )
    assert statistics["sources"]["train"]["read"] == 4076
    assert statistics["class_counts"]["test"] == {"0": 578, "1": 1147}
    assert sum(statistics["class_counts"][part]["1"] for part in ("train", "validation")) == 2753


def test_one_csv_split_here(build, data):
    statistics, folder = build(
        data={"path": str(data / "ag_news" / "test.csv.zst"), "header": False, "text": 2}, label=0
    )
    _accounts(statistics)
    assert statistics["read"] == 7600
    assert all(min(counts.values()) > 200 for counts in statistics["class_counts"].values())
    assert np.bincount(read_examples(folder, "test").labels).tolist() == list(
        statistics["class_counts"]["test"].values()
    )


def test_fewer_examples_are_learnt_from_and_the_rest_is_booked(build):
    files = {"train.tsv": HEAD + _rows(60), "test.tsv": HEAD + "unseen\tb\nalso unseen\ta\n"}
    statistics, _ = build(files, **FILES, learn_from=20)
    _accounts(statistics)
    kept = statistics["splits"]["train"]["examples"]
    assert kept == 20 and statistics["dropped"] == {
        "beyond_learn_from": 60 - 20 - statistics["splits"]["validation"]["examples"]
    }
    assert "at least one example of each of 2 classes, found 1" in _error(build, files, **FILES, learn_from=1)
