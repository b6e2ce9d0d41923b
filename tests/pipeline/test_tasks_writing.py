"""Tasks that write through a run: a causal model and an encoder-decoder, Chinese and English."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from safetensors.numpy import load_file

from acclimate.transfer.examples.text_arrays import unpack_texts

CAUSAL = """\
name: causal
seed: 5
corpus: {sources: [{path: text.txt, documents: line}], split: {validation: 10%, test: 5%}}
tokenizer: {train: {algorithm: bpe, vocab_size: 400, least: 0%}}
model: {family: gpt2, size: tiny, positions: 96}
pretrain: {objective: clm, length: 6 steps, batch: 512 tokens, sequence_length: 48}
tasks:
  spelling:
    correction: {data: {path: wrong.jsonl}, seeds: 1, length: 2 epochs, sequence_length: 96, target_length: 46,
                 metrics: [gleu, correction_f1, exact_text, rouge_l, chrf], optimizer: {adamw: {lr: 2e-3}}}
  onward:
    generation: {data: {path: text.txt, documents: line}, near: null, baseline: false, seeds: 1, length: 1 epochs,
                 sequence_length: 64, given: 40%, decoding: {top_k: 20, temperature: 0.9, no_repeat_ngram: 3}}
evaluate: {intervals: {bootstrap: {resamples: 100}}}
hardware: {threads: 1, precision: fp32}
"""
READING = """\
name: reading
seed: 5
corpus: {sources: [{path: text.txt, documents: line}], split: {validation: 10%, test: 5%}}
tokenizer: {train: {algorithm: bpe, vocab_size: 400, least: 0%}}
model: {family: bart, size: tiny, positions: 96}
tasks:
  back:
    translation: {data: {tab_pairs: {path: pairs.tsv, sides: [en, zh]}}, text: en, target: zh, near: null, seeds: 1,
                  length: 2 epochs, sequence_length: 64, decoding: {beams: 2, length_penalty: 0.6}}
  title:
    summarization: {data: {path: wrong.jsonl}, target: [title, target], seeds: 1, length: 1 epochs,
                    sequence_length: 64, target_length: 16, metrics: [rouge_1, rouge_2, bleu]}
evaluate: {intervals: {bootstrap: {resamples: 100}}}
hardware: {threads: 1, precision: fp32}
"""


def write(folder: Path) -> None:
    chance = random.Random(3)
    lines = (folder / "text.txt").read_text("utf-8").splitlines()[:120]
    rows, pairs = [], []
    for number, line in enumerate(lines):
        at = chance.randrange(len(line))
        wrong = line[:at] + chance.choice("错x误y") + line[at + 1 :]
        rows.append(
            {"text": wrong, "target": line, "title": line[:12]} | ({"title": ""} if number % 2 else {})
        )
        pairs.append(f"word {number} {line.split()[0]}\t第{number}个 {line[:8]}")
    (folder / "wrong.jsonl").write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    (folder / "pairs.tsv").write_text("\n".join(pairs), "utf-8")


def run(acclimate_command: Any, make_project: Any, folder: Path, recipe: str) -> tuple[Path, dict[str, Any]]:
    folder = make_project(folder, recipe=recipe, lines=200)
    write(folder)
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    return folder / ended.told["run"], ended.told


def evaluation(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (folder / f"artifacts/evaluation-{name}/evaluation.json").read_text("utf-8")
    )
    return found


def test_a_causal_model_corrects_and_goes_on(
    acclimate_command: Any, make_project: Any, tmp_path: Path
) -> None:
    folder, told = run(acclimate_command, make_project, tmp_path / "project", CAUSAL)
    spelling, onward = evaluation(folder, "spelling"), evaluation(folder, "onward")
    assert spelling["verdict"]["metric"] == "gleu" and spelling["arms"] == ["with", "without"]
    assert spelling["baselines"]["copy"]["gleu"] > 50 and spelling["baselines"]["copy"]["correction_f1"] == 0
    assert any("the source as it is would have GLEU" in note for note in spelling["notes"])
    assert set(told["tasks"]["spelling"]["test"]) >= {
        "gleu",
        "correction_f1",
        "exact_text",
        "rouge_l",
        "chrf",
    }
    answers = load_file(folder / "artifacts/task-onward-with-0/test-answers.safetensors")
    texts = unpack_texts(answers)
    assert len(texts) == len(answers["losses"]) and any(texts)
    assert onward["scored_by"] == "log_likelihood" and onward["test"]["log_likelihood"]["value"] < 0
    assert onward["bits_per_byte"] == pytest.approx(-onward["test"]["log_likelihood"]["value"])
    assert 0 < onward["test"]["distinct_1"]["value"] <= 1 and onward["baselines"] == {}
    assert onward["examples"][0]["predicted"] in texts
    # The whole of a text whose end is to be written is no text to learn from.
    held = pyarrow.parquet.read_table(folder / "artifacts/examples-onward/test.parquet").to_pydict()
    parted = {
        text.split()[0]: json.loads(more)["targets"][0]
        for text, more in zip(held["text"], held["more"], strict=True)
    }
    learnt = pyarrow.parquet.read_table(folder / "artifacts/corpus/documents/train/part-00000.parquet")
    assert len(parted) > 5 and not any(
        end in one for end in parted.values() for one in learnt["text"].to_pylist()
    )


def test_an_encoder_decoder_translates_and_finds_titles(
    acclimate_command: Any, make_project: Any, tmp_path: Path
) -> None:
    folder, _ = run(acclimate_command, make_project, tmp_path / "project", READING)
    back, title = evaluation(folder, "back"), evaluation(folder, "title")
    assert "tok:zh" in back["signatures"]["bleu"] and set(back["test"]) == {"bleu", "chrf"}
    assert title["baselines"]["lead"]["rouge_1"] > 0 and title["verdict"] is None
    assert any(isinstance(one["label"], list) for one in title["examples"])  # several targets
    accounting = title["accounting"]
    assert accounting["read"] == accounting["kept"] + sum(accounting["dropped"].values())
