"""What `acclimate check` refuses, `run` refuses with the same words before anything is written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

BASE = """\
name: t
corpus: {sources: [{path: text.txt, documents: line}], deduplicate: {exact: false}}
model: {family: bert, size: tiny}
pretrain: {length: 2 steps, sequence_length: 64}
"""
ENGLISH = ["the cat sat on the mat", "a bird sang early", "rain fell on the town", "they read old books"]
CHINESE = ["猫坐在垫子上", "鸟儿早早歌唱", "雨落在城里", "他们读旧书"]


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("\n".join(ENGLISH + CHINESE), "utf-8")
    pairs = zip(ENGLISH, CHINESE, strict=True)
    (tmp_path / "pairs.tsv").write_text(
        "en\t中文\n" + "".join(f"{one}\t{two}\n" for one, two in pairs), "utf-8"
    )
    (tmp_path / "pairs.jsonl").write_text(
        "".join(
            json.dumps({"中文": two, "en": one}) + "\n" for one, two in zip(ENGLISH, CHINESE, strict=True)
        ),
        "utf-8",
    )
    (tmp_path / "even.en").write_text("\n".join(ENGLISH) + "\n", "utf-8")
    (tmp_path / "even.zh").write_text("\n".join(CHINESE), "utf-8")  # no line end behind the last line
    (tmp_path / "odd.en").write_text("\n".join(ENGLISH) + "\n", "utf-8")
    (tmp_path / "odd.zh").write_text("\n".join(CHINESE[:3]) + "\n", "utf-8")
    for name, config in {
        "gpt": {"model_type": "gpt2"},
        "gru": {"model_type": "acclimate_recurrent", "cell": "gru"},
        "clip": {"model_type": "clip", "vision_config": {"image_size": 64}},
        "pickled": {"model_type": "bert"},
        "list": [],
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config))
        weights = "pytorch_model.bin" if name == "pickled" else "model.safetensors"
        save_file({"a": np.zeros(1)}, tmp_path / name / weights)
    (tmp_path / "captions.tsv").write_text("image\tcaption\n猫\t一只猫\n", "utf-8")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "猫.png").touch()
    return tmp_path


def pairs(of: str, objective: str = "translation", model: str = "{family: seq2seq}") -> tuple[str, ...]:
    return f"pretrain.objective={{{objective}: {of}}}", f"model={model}"


def pictures(model: str, more: str = "") -> tuple[str, ...]:
    of = "{pairs: {image_captions: {path: captions.tsv, images: pictures}}" + more + "}"
    return f"pretrain.objective={{itc: {of}}}", f"model={model}"


MISSING = "there is no column '{}' \\({}\\); "
REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "no target column": (
        pairs("{pairs: {path: pairs.tsv}, source: en, target: 英文}"),
        "translation.target: .*pairs.tsv:2: " + MISSING.format("英文", "target") + "choose from: en, 中文",
    ),
    "no source column": (
        pairs("{pairs: {path: pairs.tsv}, source: english, target: 中文}"),
        "translation.source: .*pairs.tsv:2: " + MISSING.format("english", "source"),
    ),
    "no column of that number": (
        pairs("{pairs: pairs.tsv, source: 0, target: 2}"),
        r"translation.target: .*there is no column 2 \(target\); the columns are 0 to 1",
    ),
    "no such field": (
        pairs("{pairs: {path: pairs.jsonl}, source: en, target: zh}"),
        "translation.target: .*pairs.jsonl:1: " + MISSING.format("zh", "target"),
    ),
    "no column in the validation pairs": (
        pairs(
            "{pairs: {moses: {path: even, sides: [en, zh]}}, validation: {path: pairs.tsv}, source: en, target: zh}"
        ),
        "translation.target: .*pairs.tsv:2: " + MISSING.format("zh", "target"),
    ),
    "no score": (
        pairs(
            "{pairs: {path: pairs.tsv}, source: en, target: 中文, score: 分数}",
            "cosine_pairs",
            "{family: bert}",
        ),
        "cosine_pairs.score: .*" + MISSING.format("分数", "score"),
    ),
    "no label": (
        pairs("{pairs: {path: pairs.tsv}, source: en, target: 中文}", "contrastive", "{family: bert}"),
        "contrastive.label: .*" + MISSING.format("label", "label"),
    ),
    "one of a mix": (
        pairs(
            "{of: [mlm, {tlm: {pairs: {path: pairs.tsv}, source: en, target: zh}}]}", "mix", "{family: bert}"
        ),
        "mix.of.1.tlm.target: .*" + MISSING.format("zh", "target"),
    ),
    "sides of different length": (
        pairs("{pairs: {moses: {path: odd, sides: [en, zh]}}}"),
        "translation.pairs: .*odd.en has 4 lines, and odd.zh beside it 3; files that are aligned by line must be of",
    ),
    "a side that is not there": (
        pairs("{pairs: {moses: {path: even, sides: [en, fr]}}}"),
        "translation.pairs: .*unpaired: the file of the side fr is missing beside it",
    ),
    "no pairs at all": (
        pairs("{pairs: none.tsv, source: en, target: 中文}"),
        "translation.pairs: .*none.tsv: there is no such file or folder",
    ),
    "patches do not fill the picture": (
        ("model={family: clip, image_size: 30}",),
        "model.image_size: 30 pixels cannot be cut into patches of 8; 24 and 32 are the nearest that can",
    ),
    "nor those of a published size": (
        ("model={family: clip, size: l-14, image_size: 225}",),
        "model.image_size: 225 pixels cannot be cut into patches of 14; 224 and 238",
    ),
    "patches larger than the picture": (
        ("model={family: coconvit, size: base, image_size: 9}",),
        "model.image_size: 9 pixels cannot be cut into patches of 16; 16 is the nearest that can",
    ),
    "pictures of another size": (
        pictures("{family: clip}"),
        "itc.image_size: pictures of 224 pixels, and the model takes 32; say the same in `model.image_size`",
    ),
    "pictures of another size than the checkpoint's": (
        pictures("{family: clip, checkpoint: clip}", ", image_size: 32"),
        "itc.image_size: pictures of 32 pixels, and the model takes 64",
    ),
    "no reader of pictures": (
        (
            "pretrain.objective={itc: {pairs: {tab_pairs: {path: pairs.tsv}}, image_size: 32}}",
            "model={family: clip}",
        ),
        "itc.pairs: tab_pairs reads no pictures",
    ),
    "a checkpoint of another family": (
        ("model={family: bert, checkpoint: gpt}",),
        "model.checkpoint: .*gpt holds a model of type 'gpt2', which the family bert does not take; it takes: bert",
    ),
    "a checkpoint of another cell": (
        ("model={family: lstm, checkpoint: gru}", "pretrain.objective=clm"),
        "model.checkpoint: .*gru holds a recurrent model of the cell 'gru', and the family lstm has 'lstm'",
    ),
    "a checkpoint that could hold code": (
        ("model={family: bert, checkpoint: pickled}",),
        "model.checkpoint: .*its weights are in pytorch_model.bin alone, and such files can hold code",
    ),
    "a folder that is no checkpoint": (
        ("model={family: bert, checkpoint: pictures}",),
        "model.checkpoint: .*no config.json in it",
    ),
    "a configuration that is none": (
        ("model={family: bert, checkpoint: list}",),
        "model.checkpoint: .*config.json: expected a JSON object",
    ),
    "a unit that there is not": (
        ("pretrain.length=20 documents",),
        "pretrain.length: unknown unit 'documents' in '20 documents'; choose from: epochs, hours, minutes",
    ),
    "a pattern of an optimizer that matches nothing": (
        ("pretrain.optimizer={adamw: {overrides: [{match: '*.atention.*', rate: 0.5}]}}",),
        r"pretrain.optimizer: .*'\*.atention.\*' matches no parameter",
    ),
    "a pattern of a task that matches nothing": (
        (
            "tasks={mood: {classification: {train: pairs.tsv, test: pairs.tsv, text: en, label: 中文, "
            "transfer: {only: ['*.byas']}}}}",
        ),
        r"tasks.mood.classification.transfer: .*'\*.byas' matches no parameter; did you mean '\*bias\*'",
    ),
    "a variable that is not set": (
        ("corpus.sources=${NOWHERE}/text.txt",),
        "corpus.sources.*: the environment variable NOWHERE is not set; set it, or write ",
    ),
    "a variable of pairs": (
        pairs('{pairs: "${NOWHERE}/pairs.tsv", source: en, target: 中文}'),
        "translation.pairs.*: the environment variable NOWHERE is not set",
    ),
    "a variable's default that is not there": (
        ("corpus.sources=${NOWHERE:-数据}/text.txt",),
        "数据/text.txt: there is no such file or folder.*; the environment variable NOWHERE is not set, and "
        r"\$\{NOWHERE:-数据\} stands for '数据'",
    ),
}


@pytest.mark.parametrize("verb", ["check", "run"])
@pytest.mark.parametrize(("sets", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_with_one_clear_message(
    acclimate: Callable[..., Any], data: Path, verb: str, sets: tuple[str, ...], message: str
) -> None:
    (data / "r.yaml").write_text(BASE)
    ended = acclimate(verb, "r.yaml", *[part for one in sets for part in ("--set", one)])
    assert ended.code == 2, ended.err
    told = ended.err.replace("\n", " ")
    assert re.search(message, told), told
    assert len(ended.err.strip().splitlines()) == 1, ended.err
    assert not (data / "runs").exists()


SOUND: tuple[tuple[str, ...], ...] = (
    pairs("{pairs: {path: pairs.tsv}, source: en, target: 中文}"),
    pairs("{pairs: pairs.tsv}"),
    pairs("{pairs: {path: pairs.jsonl}, source: en, target: 中文}"),
    pairs("{pairs: {moses: {path: even, sides: [en, zh]}}}"),
    pairs("{pooling: cls}", "ranking", "{family: bert}"),  # without pairs: SimCSE
    pictures("{family: clip}", ", image_size: 32"),
    pictures("{family: clip, checkpoint: clip}", ", image_size: 64"),
    pictures("{family: coconvit, image_size: 40}", ", image_size: 40"),
    ("model={family: gpt2, checkpoint: gpt}", "pretrain.objective=clm"),
    ("corpus.sources.0.path=${NOWHERE:-.}/text.txt",),
    *((f"pretrain.length=20 {unit}",) for unit in ("steps", "tokens", "sequences", "epochs", "minutes")),
)


@pytest.mark.parametrize("sets", SOUND)
def test_what_is_sound_passes(acclimate: Callable[..., Any], data: Path, sets: tuple[str, ...]) -> None:
    (data / "r.yaml").write_text(BASE)
    ended = acclimate("check", "r.yaml", *[part for one in sets for part in ("--set", one)])
    assert ended.code == 0, ended.err


def test_lines_are_counted_in_compressed_files_too(acclimate: Callable[..., Any], data: Path) -> None:
    import gzip

    for side, number in (("en", 3), ("zh", 4)):
        (data / f"zipped.{side}.gz").write_bytes(gzip.compress("\r\n".join(CHINESE[:number]).encode()))
    (data / "r.yaml").write_text(BASE)
    of = pairs("{pairs: {moses: {path: zipped, sides: [en, zh]}}}")
    ended = acclimate("check", "r.yaml", *[part for one in of for part in ("--set", one)])
    assert ended.code == 2 and "zipped.en.gz has 3 lines, and zipped.zh beside it 4" in ended.err, ended.err


def test_text_that_is_no_pairs_may_be_of_different_length(acclimate: Callable[..., Any], data: Path) -> None:
    """As a corpus, lines of one side alone are dropped and counted."""
    (data / "r.yaml").write_text(BASE)
    ended = acclimate("check", "r.yaml", "--set", "corpus.sources=[{moses: {path: odd, sides: [en, zh]}}]")
    assert ended.code == 0, ended.err


def test_what_had_better_not_be_used_is_warned_of_once(acclimate: Callable[..., Any], data: Path) -> None:
    (data / "r.yaml").write_text(BASE)
    warned = ("--set", "pretrain.gradients=[clip_negative]")
    line = "pretrain.gradients.0.clip_negative: no sound method"
    ended = acclimate("check", "r.yaml", *warned)
    assert ended.code == 0 and ended.out.count(f"warning: {line}") == 1
    (told,) = json.loads(acclimate("check", "r.yaml", *warned, "--json").out)["warnings"]
    assert told.startswith(line)
    assert json.loads(acclimate("check", "r.yaml", "--json").out)["warnings"] == []


def test_what_comes_to_nothing_is_warned_of(acclimate: Callable[..., Any], data: Path) -> None:
    (data / "r.yaml").write_text(BASE)
    ended = acclimate("check", "r.yaml", "--set", "pretrain.schedule={linear: {warmup: 100 steps}}")
    assert ended.code == 0 and "warning: pretrain.schedule.linear.warmup: the training is over" in ended.out
