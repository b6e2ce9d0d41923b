"""Pairs of texts: the books, the parts, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acclimate.corpus.aligned import AlignedPairs
from acclimate.errors import UserError
from acclimate.recipe.settings import Part


def reader(written: Any) -> Any:
    return Part("reader", default="files").parse(written).build()


@pytest.fixture
def read(tmp_path: Path) -> Iterator[Callable[..., AlignedPairs]]:
    """read((part, reader as in a recipe), …, columns=…)"""
    with ExitStack() as stack:

        def make(*sources: tuple[str, Any], columns: tuple[str | int, str | int] = (0, 1)) -> AlignedPairs:
            return AlignedPairs([(part, reader(one)) for part, one in sources], columns, tmp_path, stack)

        yield make


Read = Callable[..., AlignedPairs]


def tsv(path: Path, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    path.write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    return {"tab_pairs": {"path": str(path), "sides": ["en", "zh"]}}


def texts(pairs: AlignedPairs, part: str) -> list[tuple[str, str]]:
    sides = [[text for batch in pairs.texts(part, side) for text in batch] for side in (0, 1)]
    return list(zip(*sides, strict=True))


def balanced(told: dict[str, Any]) -> bool:
    return bool(told["read"] == told["kept"] + sum(told["dropped"].values()))


def many(number: int) -> list[tuple[str, str]]:
    return [(f"sentence number {n}", f"第{n}句话") for n in range(number)]


def test_every_pair_is_kept_once_or_dropped_by_reason(read: Read, tmp_path: Path) -> None:
    written = [
        *many(3000),
        ("same", "一样"),
        ("Same ", "一样"),
        ("same", "另一个"),
        ("", "没有"),
        ("nothing", " "),
    ]
    source = tsv(tmp_path / "pairs.tsv", written)
    with (tmp_path / "pairs.tsv").open("a", encoding="utf-8") as file:
        file.write("\nno tab here\n")
    pairs = read(("train", source))
    pairs.settle(0.1, 0.2)
    told = pairs.totals()
    assert told["read"] == 3007 and balanced(told)
    assert told["dropped"] == {"duplicate": 1, "empty": 1, "one_sided": 2, "wrong_shape": 1}
    assert sum(told["parts"].values()) == told["kept"] == 3002
    assert told["parts"]["validation"] == pytest.approx(300, abs=50)
    assert told["parts"]["test"] == pytest.approx(600, abs=70)
    found = [pair for part in ("train", "validation", "test") for pair in texts(pairs, part)]
    assert sorted(found) == sorted([*many(3000), ("same", "一样"), ("same", "另一个")])
    samples = [json.loads(line) for line in pairs.account.samples_jsonl().splitlines()]
    assert {one["reason"] for one in samples} == set(told["dropped"])
    assert any(one["place"].endswith("pairs.tsv:3002") for one in samples)  # the second of two equal pairs


def test_pairs_that_share_a_side_stay_together_even_over_others(read: Read, tmp_path: Path) -> None:
    chain = [("a", "甲"), ("b", "甲"), ("b", "乙"), ("c", "乙"), ("C", "丙")]
    for seed in range(40):  # wherever the hash of the first falls
        named = [(f"{a} {seed}", f"{b}{seed}") for a, b in chain]
        pairs = read(("train", tsv(tmp_path / "chain.tsv", [*named, *many(20)])))
        pairs.settle(0.3, 0.3)
        where = [part for part in ("train", "validation", "test") if named[0] in texts(pairs, part)]
        assert len(where) == 1 and set(named) <= set(texts(pairs, where[0]))


def test_more_pairs_move_none(read: Read, tmp_path: Path) -> None:
    parts = []
    for number in (500, 800):
        pairs = read(("train", tsv(tmp_path / "some.tsv", many(number))))
        pairs.settle(0.2, 0.2)
        parts.append({pair: part for part in ("train", "validation", "test") for pair in texts(pairs, part)})
    assert parts[0].items() <= parts[1].items()


def test_official_parts_stay_whole_and_are_not_learnt_from(read: Read, tmp_path: Path) -> None:
    held = [("held out", "保留"), ("held out", "保留"), ("also", "也是")]
    learnt = [*many(50), ("HELD  out", "别的"), ("another", "也是"), ("held out", "保留")]
    pairs = read(
        ("train", tsv(tmp_path / "train.tsv", learnt)),
        ("test", tsv(tmp_path / "test.tsv", held)),
    )
    pairs.settle(0.1, 0)
    told = pairs.totals()
    assert balanced(told) and told["dropped"] == {"in_held_out": 3}
    assert texts(pairs, "test") == held
    assert len(texts(pairs, "validation")) > 0
    assert [one["read"] for one in told["sources"]] == [53, 3]


def test_drops_after_the_parts_were_made_are_booked_where_the_pair_was_read(
    read: Read, tmp_path: Path
) -> None:
    pairs = read(
        ("train", tsv(tmp_path / "train.tsv", many(10))),
        ("test", tsv(tmp_path / "test.tsv", [("x", "y"), ("u", "v")])),
    )
    pairs.settle(0, 0)
    pairs.drop(pairs.numbers("test")[1:], "long_pair", "too long")
    told = pairs.totals()
    assert balanced(told) and told["parts"] == {"train": 10, "validation": 0, "test": 1}
    assert told["sources"][1] == {"source": "test.tsv", "read": 2, "kept": 1, "dropped": {"long_pair": 1}}


def test_files_of_different_length_are_refused(read: Read, tmp_path: Path) -> None:
    (tmp_path / "train.en").write_text("one\ntwo\nthree\n")
    (tmp_path / "train.zh").write_text("一\n二\n")
    with pytest.raises(UserError, match=r"train\.en:3.*fewer lines.*must be of one length"):
        read(("train", {"moses": {"path": str(tmp_path / "train"), "sides": ["en", "zh"]}}))
    (tmp_path / "train.zh").write_text("一\n二\n三\n四\n")
    with pytest.raises(UserError, match="must be of one length"):
        read(("train", {"moses": {"path": str(tmp_path / "train"), "sides": ["en", "zh"]}}))


@pytest.mark.parametrize("form", ["tsv", "jsonl", "tmx", "moses"])
def test_pairs_come_from_any_reader_of_records(form: str, read: Read, tmp_path: Path) -> None:
    expected = [("good morning", "早上好"), ("rain", "下雨")]
    columns: tuple[str | int, str | int] = ("en", "zh")
    if form == "tsv":
        (tmp_path / "a.tsv").write_text("en\tzh\n" + "".join(f"{a}\t{b}\n" for a, b in expected), "utf-8")
        written: Any = {"path": str(tmp_path / "a.tsv")}
    elif form == "jsonl":
        lines = [json.dumps({"zh": b, "id": 1, "en": a}, ensure_ascii=False) for a, b in expected]
        (tmp_path / "a.jsonl").write_text("\n".join(lines), "utf-8")
        written = {"path": str(tmp_path / "a.jsonl")}
    elif form == "tmx":
        units = "".join(
            f'<tu><tuv xml:lang="zh-CN"><seg>{b}</seg></tuv><tuv xml:lang="en"><seg>{a}</seg></tuv></tu>'
            for a, b in expected
        )
        (tmp_path / "a.tmx").write_text(f'<tmx version="1.4"><body>{units}</body></tmx>', "utf-8")
        written = {"tmx": {"path": str(tmp_path / "a.tmx"), "sides": ["en", "zh"]}}
    else:
        for side, name in enumerate(("en", "zh")):
            (tmp_path / f"a.{name}").write_text("".join(f"{pair[side]}\n" for pair in expected), "utf-8")
        written = {"moses": {"path": str(tmp_path / "a"), "sides": ["en", "zh"]}}
    pairs = read(("train", written), columns=columns)
    pairs.settle(0, 0)
    assert texts(pairs, "train") == expected


def test_columns_that_are_not_there_are_told_with_those_that_are(read: Read, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"source": "a", "target": "b"}\n')
    with pytest.raises(
        UserError, match=r"a\.jsonl:1: no record has the columns 'en' and 1; .*source, target"
    ):
        read(("train", {"path": str(tmp_path / "a.jsonl")}), columns=("en", 1))
    (tmp_path / "a.jsonl").write_text('{"en": "a", "zh": "b"}\n{"en": "c"}\n')
    pairs = read(("train", {"path": str(tmp_path / "a.jsonl")}), columns=("en", "zh"))
    pairs.settle(0, 0)
    assert pairs.totals()["dropped"] == {"missing_column": 1} and balanced(pairs.totals())


def test_nothing_at_all_is_counted_too(read: Read, tmp_path: Path) -> None:
    pairs = read(("train", tsv(tmp_path / "a.tsv", [("", "")])))
    pairs.settle(0.1, 0.1)
    told = pairs.totals()
    assert told["kept"] == 0 and balanced(told) and not len(pairs.numbers("train"))
    assert np.array_equal(list(pairs.texts("train", 0)), [])
