"""Runs of models that write: from text to a delivered folder that plain Transformers generates with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from acclimate.errors import UserError
from acclimate.serve.layout import find_models

RECIPE = """\
name: writer
seed: 3
corpus:
  sources: [{{path: text.txt, documents: line}}, {{path: more.txt, documents: line}}]
  split: {{validation: 10%, test: 5%}}
tokenizer: {{train: {{vocab_size: 400, least: 0%}}}}
model: {model}
pretrain:
  objective: {objective}
  length: 6 steps
  batch: 512 tokens
  sequence_length: 48
evaluate: {{intervals: {{bootstrap: {{resamples: 100}}}}}}
hardware: {{threads: 1}}
"""
TASK = """\
tasks:
  topic:
    classification:
      {train: train.tsv, test: test.tsv, text: 0, label: 1, header: false, length: 4 steps, seeds: 1,
       sequence_length: 48}
"""


@pytest.fixture
def run(acclimate_command: Any, make_project: Any, tmp_path: Path) -> Any:
    def make(model: str, objective: str, more: str = "") -> tuple[Path, dict[str, Any]]:
        recipe = RECIPE.format(model=model, objective=objective) + more
        folder: Path = make_project(tmp_path / "project", recipe=recipe, lines=300)
        lines = (folder / "text.txt").read_text("utf-8").splitlines()
        (folder / "more.txt").write_text("".join(f"{line[::-1]}\n" for line in lines[:100]), "utf-8")
        ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
        assert ended.code == 0, ended.err
        return folder / ended.told["run"], ended.told

    return make


def test_a_causal_model_and_its_task(run: Any) -> None:
    folder, told = run("{family: gpt2, size: tiny, positions: 64}", "clm", TASK)
    figures = json.loads((folder / "metrics.json").read_text("utf-8"))["pretrain"]
    assert figures["validation"]["bits_per_byte"] < figures["before"]["bits_per_byte"]
    card = (folder / "model" / "README.md").read_text("utf-8")
    assert "pipeline_tag: text-generation" in card and "AutoModelForCausalLM" in card
    assert "| layers | 2 |" in card and "acclimate serve" not in card
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    model = AutoModelForCausalLM.from_pretrained(folder / "model").eval()
    given = tokenizer("salt oven", return_tensors="pt")
    assert sorted(given) == ["attention_mask", "input_ids"]
    assert (
        given["input_ids"][0, 0] == tokenizer.cls_token_id
        and tokenizer.sep_token_id not in given["input_ids"]
    )
    torch.manual_seed(0)
    assert model.generate(**given, max_new_tokens=5, do_sample=True).shape[1] > given["input_ids"].shape[1]
    served = find_models(folder)
    assert served.base is None and [task.name for task in served.tasks] == ["topic"]
    task = AutoTokenizer.from_pretrained(folder / "tasks" / "topic" / "model")
    assert "token_type_ids" not in task("salt") and task("salt")["input_ids"][-1] == task.sep_token_id
    assert told["tasks"]["topic"]["test"]


@pytest.mark.parametrize(
    ("model", "objective", "extra"),
    [
        ("{family: t5, size: tiny}", "span_corruption", ["<extra_id_0>", "<extra_id_1>", "<extra_id_2>"]),
        (
            "{family: mbart, size: tiny, positions: 64}",
            "{denoise: {languages: {text.txt: en_XX, more.txt: xx_YY}}}",
            ["en_XX", "xx_YY"],
        ),
    ],
)
def test_an_encoder_decoder(run: Any, model: str, objective: str, extra: list[str]) -> None:
    folder, _ = run(model, objective)
    figures = json.loads((folder / "metrics.json").read_text("utf-8"))["pretrain"]
    assert figures["validation"]["bits_per_byte"] > 0
    assert "pipeline_tag: text2text-generation" in (folder / "model" / "README.md").read_text("utf-8")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    assert tokenizer.all_special_tokens[-len(extra) :] == extra
    written = AutoModelForSeq2SeqLM.from_pretrained(folder / "model")
    assert written.get_input_embeddings().num_embeddings == len(tokenizer)
    start = tokenizer.convert_tokens_to_ids(extra[0]) if "mbart" in model else None
    out = written.generate(
        **tokenizer("salt oven", return_tensors="pt"), max_new_tokens=4, decoder_start_token_id=start
    )
    assert out.shape[0] == 1
    with pytest.raises(UserError, match="ForConditionalGeneration is not served"):
        find_models(folder)


def test_a_source_without_a_language_is_named(
    acclimate_command: Any, make_project: Any, tmp_path: Path
) -> None:
    recipe = RECIPE.format(
        model="{family: bart, size: tiny, positions: 64}",
        objective="{denoise: {languages: {tex.txt: en_XX}}}",
    )
    folder = make_project(tmp_path / "project", recipe=recipe, lines=60)
    (folder / "more.txt").write_text("more text here\n", "utf-8")
    ended = acclimate_command("run", "recipe.yaml", folder=folder)
    assert ended.code == 1 and "denoise.languages: the corpus has a source 'text.txt'" in ended.err
    assert "Traceback" not in ended.err
