"""The shipped recipes on the public sets they are for: a slice of two on every occasion, one whole when asked for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
SLICED = {
    "thucnews": {
        "thucnews/subset_b/dev.txt.zst": 12,
        "thucnews/subset_b/test.txt.zst": 12,
        "thucnews/subset_a/dev.txt.gz": 20,
        "thucnews/subset_a/test.txt.gz": 20,
    },
    "pubmed-roles": {
        "biomedical_unlabelled/sentences.txt.zst": 20,
        "nicta_piboso/train_clean.txt.gz": 8,
        "nicta_piboso/dev_clean.txt.gz": 4,
        "nicta_piboso/test_clean.txt.gz": 4,
    },
}
"""Recipe → its files, and of how many lines one is taken."""
TASK = {"thucnews": "topic", "pubmed-roles": "role"}


@pytest.fixture
def real_data() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"the public data sets are not here: {DATA} is no folder")
    return DATA


def lines_of(path: Path) -> list[bytes]:
    with pa.input_stream(str(path), compression="detect") as file:
        content: bytes = file.read()
    return content.splitlines(keepends=True)


def cut(source: Path, target: Path, every: int) -> None:
    """Every so-manieth line of a compressed file, compressed alike. Twenty lines stay together, as in an abstract."""
    kept = b"".join(line for number, line in enumerate(lines_of(source)) if number // 20 % every == 0)
    target.parent.mkdir(parents=True, exist_ok=True)
    with pa.output_stream(str(target), compression="detect") as file:
        file.write(kept)


@pytest.fixture
def run(acclimate_command, tmp_path, monkeypatch) -> Callable[..., tuple[dict[str, Any], Path]]:
    """run(recipe, folder of the data, *overrides) → (metrics, run folder)"""

    def start(name: str, data: Path, *overrides: str, within: float = 120) -> tuple[dict[str, Any], Path]:
        monkeypatch.setenv("DATA", str(data))
        sets = [part for one in overrides for part in ("--set", one)]
        recipe = str(ROOT / "recipes" / f"{name}.yaml")
        ended = acclimate_command.start("run", recipe, "--json", *sets, folder=tmp_path).ended(within=within)
        assert ended.code == 0, ended.err
        return ended.told, tmp_path / ended.told["run"]

    return start


def accounted(run: Path, stage: str) -> dict[str, Any]:
    statistics: dict[str, Any] = json.loads(
        (run / "artifacts" / stage / "statistics.json").read_text("utf-8")
    )
    assert statistics["read"] == statistics["kept"] + sum(statistics["dropped"].values())
    return statistics


@pytest.mark.parametrize("recipe", SLICED)
def test_a_slice_of_a_shipped_recipe_runs(run, real_data, tmp_path, recipe: str) -> None:
    data = tmp_path / "data"
    for name, every in SLICED[recipe].items():
        cut(real_data / name, data / name, every)
    task = TASK[recipe]
    metrics, folder = run(
        recipe, data, "model.size=tiny", "tokenizer.train.vocab_size=2k", "hardware.threads=1",
        "pretrain.length=20 steps", "pretrain.batch=2k tokens", f"tasks.{task}.classification.seeds=1",
        f"tasks.{task}.classification.length=2 epochs", f"tasks.{task}.classification.optimizer.adamw.lr=2e-3",
    )  # fmt: skip
    corpus = accounted(folder, "corpus")
    examples = accounted(folder, f"examples-{task}")
    assert corpus["kept"] > 2000 and corpus["splits"]["validation"]["documents"] > 30
    pretrain = metrics["pretrain"]
    assert pretrain["validation"]["bits_per_byte"] < pretrain["before"]["bits_per_byte"] - 0.1
    verdict = metrics["tasks"][task]["verdict"]
    assert verdict["low"] <= verdict["difference"] <= verdict["high"]
    figures = metrics["tasks"][task]["test"]
    # So short a training decides nothing; that the figures are those of real answers is seen where it is long.
    assert 0 < figures["accuracy"]["low"] <= figures["accuracy"]["value"] <= figures["accuracy"]["high"] < 1
    config = json.loads((folder / f"tasks/{task}/model/config.json").read_text("utf-8"))
    if recipe == "thucnews":
        assert corpus["languages"]["zh"] > 0.7 * corpus["languages_sampled"]
        assert list(config["label2id"]) == [str(number) for number in range(10)]
    else:
        assert examples["dropped"]["ragged"] > 10  # the lines between abstracts
        assert {"background", "population", "outcome"} <= set(config["label2id"])


SHORT = ("pretrain.length=4 steps", "pretrain.batch=2k tokens", "hardware.threads=1")


def test_the_web_pages_become_a_corpus(run, real_data) -> None:
    metrics, folder = run("web-pages", real_data, *SHORT)
    corpus = accounted(folder, "corpus")
    assert corpus["read"] == 210 and corpus["kept"] > 100
    assert corpus["dropped"]["not_a_page"] > 20 and corpus["changed"]["html"] > 100
    assert corpus["languages"]["zh"] > 10 and corpus["languages"]["en"] > 30
    # Four steps teach less than token frequencies, and the run says so.
    told = [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]
    assert any(one["kind"] == "warning" and "token frequencies" in one["message"] for one in told)
    assert metrics["pretrain"]["frequencies"]["bits_per_byte"] > 2


def test_chinese_medicine_keeps_the_trials_criteria_out(run, real_data) -> None:
    task = "tasks.criteria.classification"
    metrics, folder = run(
        "chinese-medical",
        real_data,
        *SHORT,
        f"{task}.seeds=1",
        f"{task}.length=2 steps",
        "corpus.distances=null",
    )
    corpus = accounted(folder, "corpus")
    assert corpus["read"] == 57_702 and corpus["dropped"]["exact_duplicate"] > 15_000
    found = {one["split"]: one["found"] for one in corpus["contamination"]["sets"]}
    assert found["test"] > 200 and found["validation"] > 150
    assert len(json.loads((folder / "tasks/criteria/model/config.json").read_text("utf-8"))["id2label"]) == 44
    assert 0 <= metrics["tasks"]["criteria"]["test"]["macro_f1"]["value"] < 0.2


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_thucnews_whole(run, real_data) -> None:
    metrics, folder = run("thucnews", real_data, within=3500)
    corpus = accounted(folder, "corpus")
    assert corpus["read"] == 39_991 and corpus["dropped"]["in_task"] > 100
    assert accounted(folder, "examples-topic")["kept"] > 19_000
    assert (
        metrics["pretrain"]["validation"]["bits_per_byte"]
        < metrics["pretrain"]["before"]["bits_per_byte"] - 1
    )
    topic = metrics["tasks"]["topic"]
    assert topic["test"]["macro_f1"]["value"] > 0.5
    assert topic["verdict"]["seeds"] == 3
    assert topic["verdict"]["low"] > 0, topic["verdict"]["statement"]  # pretraining on titles helps


@pytest.mark.parametrize(("recipe", "length"), [("ptb-lstm", "150 steps"), ("awd-lstm", "3 steps")])
def test_a_slice_of_the_penn_treebank_in_streams(run, real_data, tmp_path, recipe: str, length: str) -> None:
    data = tmp_path / "data"
    for name, every in (("ptb.train.txt.zst", 20), ("ptb.valid.txt.gz", 12), ("ptb.test.txt.gz", 12)):
        cut(real_data / "ptb" / name, data / "ptb" / name, every)
    overrides = f"pretrain.length={length}", "tokenizer.train.vocab_size=2k", "hardware.threads=1"
    metrics, folder = run(recipe, data, *overrides)
    splits = accounted(folder, "corpus")["splits"]
    pretrain = metrics["pretrain"]
    assert 2000 < splits["train"]["documents"] < 2200 and 200 < splits["validation"]["documents"] < 320
    assert pretrain["validation"]["perplexity"] < pretrain["before"]["perplexity"] / 1.5
    # Every token is asked for, line ends too: so many as the text has words, and lines.
    tokens = json.loads((folder / "artifacts/tokens/counts.json").read_text("utf-8"))["test"]
    bits = pretrain["test"]["loss"] * (tokens["tokens"] + tokens["documents"]) / math.log(2) / tokens["bytes"]
    assert pretrain["test"]["bits_per_byte"] == pytest.approx(bits, rel=1e-6)
    assert json.loads((folder / "model/config.json").read_text("utf-8"))["vocab_size"] == 2000
    if recipe == "ptb-lstm":
        assert pretrain["validation"]["loss"] < pretrain["frequencies"]["loss"]


def slice_of_captions(real_data: Path, data: Path, every: int) -> None:
    source, target = real_data / "emoji", data / "emoji"
    target.mkdir(parents=True)
    header, *lines = (source / "captions.tsv").read_text("utf-8").splitlines(keepends=True)
    (target / "captions.tsv").write_text("".join([header, *lines[::every]]), "utf-8")
    for name in ("noto_72px", "emojitwo_32px"):
        (target / f"{name}.tar.gz").symlink_to(source / f"{name}.tar.gz")


def test_a_slice_of_the_emoji_is_retrieved(run, real_data, tmp_path) -> None:
    slice_of_captions(real_data, tmp_path / "data", 6)
    metrics, folder = run(
        "emoji-clip",
        tmp_path / "data",
        "pretrain.length=4 steps",
        "pretrain.batch=32 sequences",
        "hardware.threads=1",
    )
    material = accounted(folder, "material")
    assert material["read"] == 2 * 2 * 145 and material["dropped"] == {}
    assert sum(part["items"] for part in material["parts"].values()) == 145
    pretrain = metrics["pretrain"]
    assert pretrain["validation"]["loss"] < pretrain["before"]["loss"]
    assert "bits_per_byte" not in pretrain["validation"]
    found = pretrain["retrieval"]
    assert found["captions"] == 2 * found["items"] == material["parts"]["test"]["captions"]
    for way in ("text_to_image", "image_to_text"):
        one = found[way]["recall@5"]
        assert 0 <= one["low"] <= one["value"] <= one["high"] <= 1 and 0 < one["chance"] < 0.5
    page = (folder / "report.html").read_text("utf-8")
    assert "Held-out texts and pictures" in page and "a caption finds its picture" in page


def test_forms_are_learnt_with_their_layout(run, real_data) -> None:
    metrics, folder = run(
        "funsd-layoutlm",
        real_data,
        "pretrain.length=6 steps",
        "pretrain.batch=1k tokens",
        "hardware.threads=1",
    )
    material = accounted(folder, "material")
    assert material["read"] == 22_512 and set(material["dropped"]) == {"no_text"}
    pretrain = metrics["pretrain"]
    assert pretrain["validation"]["loss"] < pretrain["before"]["loss"] - 0.05
    config = json.loads((folder / "model" / "config.json").read_text("utf-8"))
    assert config["model_type"] == "layoutlm"


def test_a_slice_of_multi30k_is_translated(run, real_data, tmp_path) -> None:
    data = tmp_path / "data" / "multi30k"
    for name, every in (("train", 24), ("val", 12), ("test_2016_flickr", 16)):
        for side in ("en", "de"):
            cut(real_data / "multi30k" / f"{name}.{side}.gz", data / f"{name}.{side}.gz", every)
    metrics, folder = run(
        "translation",
        data.parent,
        "pretrain.length=30 steps",
        "tokenizer.train.vocab_size=1k",
        "hardware.threads=1",
    )
    material = accounted(folder, "material")
    parts = material["parts"]
    assert min(parts.values()) > 50
    assert material["read"] == sum(parts.values()) + sum(material["dropped"].values())
    pretrain = metrics["pretrain"]
    assert "frequencies" not in pretrain  # those of the corpus say nothing of translations
    assert pretrain["validation"]["perplexity"] < pretrain["before"]["perplexity"] / 1.2
    translation = pretrain["translation"]
    assert translation["texts"] == parts["test"]
    for name in ("bleu", "chrf"):
        one = translation[name]
        assert 0 <= one["low"] <= one["value"] <= one["high"] <= 100
    lines = (folder / "artifacts/translations/translations.jsonl").read_text("utf-8").splitlines()
    written = [json.loads(line) for line in lines]
    sources = lines_of(data / "test_2016_flickr.en.gz")
    assert len(written) == parts["test"] <= len(sources)
    order = iter(line.decode().rstrip("\n") for line in sources)
    assert all(
        one["source"] in order for one in written
    )  # in the file's order, but for pairs that were dropped
    assert all(one.keys() == {"source", "target", "translation"} for one in written)
    config = json.loads((folder / "model" / "config.json").read_text("utf-8"))
    assert config["model_type"] == "acclimate_seq2seq"


def test_a_slice_of_wikitext_in_streams_by_transformer_xl(run, real_data, tmp_path) -> None:
    data = tmp_path / "data" / "wikitext-2"
    for name, every in (("wiki.train.txt.zst", 60), ("wiki.valid.txt.gz", 40), ("wiki.test.txt.gz", 40)):
        cut(real_data / "wikitext-2" / name, data / name, every)
    metrics, folder = run(
        "transformer-xl",
        data.parent,
        "pretrain.length=6 steps",
        "pretrain.batch=4 sequences",
        "pretrain.sequence_length=64",
        "model.memory=64",
        "tokenizer.train.vocab_size=1k",
        "hardware.threads=1",
    )
    pretrain = metrics["pretrain"]
    assert pretrain["validation"]["perplexity"] < pretrain["before"]["perplexity"] / 1.5
    config = json.loads((folder / "model/config.json").read_text("utf-8"))
    assert config["model_type"] == "acclimate_transformer_xl" and config["memory_length"] == 64
