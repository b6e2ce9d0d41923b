"""The verbs that look at recipes and runs, as a user calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acclimate.cli.shipped import find_shipped
from acclimate.errors import UserError
from acclimate.pipeline.optimizer_groups import gathered
from acclimate.recipe.loading import load_recipe


def test_check_says_ok_and_how_large_things_are(acclimate: Any, small: Path) -> None:
    ended = acclimate("check", "small.yaml")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("OK: small.yaml\n")
    assert "files, 1 file, " in ended.out and "2 steps, 256 tokens a step" in ended.out
    told = json.loads(acclimate("check", "small.yaml", "--json").out)
    assert told["ok"] is True and told["recipe"] == str(small)


def test_check_tells_every_problem_and_ends_with_2(acclimate: Any, small: Path) -> None:
    small.write_text("corpus: {sorces: x}\nmodel: {family: bert}\nnme: x\n", encoding="utf-8")
    ended = acclimate("check", "small.yaml", "--set", "seed=-1", "--json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.split("\n") == [
        "small.yaml:1:1: corpus.sources: this key is needed and missing",
        "small.yaml:1:10: corpus.sorces: unknown key 'sorces'; did you mean 'sources'?",
        "small.yaml:3:1: nme: unknown key 'nme'; did you mean 'name'?",
        "--set seed: expected at least 0, found -1",
        "",
    ]


def test_check_takes_a_recipe_for_a_corpus_alone(acclimate: Any, small: Path) -> None:
    alone = small.parent / "alone.yaml"
    alone.write_text("name: a\ncorpus: {sources: [text.txt]}\nhardware: {workers: 1}\n", encoding="utf-8")
    ended = acclimate("check", "alone.yaml")
    assert ended.code == 0 and "none; a recipe for `acclimate corpus`" in ended.out
    assert "trains nothing" in acclimate("check", "alone.yaml", "--dry-batch").out
    wrong = acclimate("check", "alone.yaml", "--set", "corpus.deduplicate.near.threshold=0%")
    assert wrong.code == 2 and "expected 10% or more" in wrong.err and "model" not in wrong.err
    # With any other section a model is wanted.
    more = acclimate("check", "alone.yaml", "--set", "pretrain.length=1 epochs")
    assert more.code == 2 and "model: this key is needed" in more.err
    assert acclimate("run", "alone.yaml").code == 2


def test_check_looks_at_the_data(acclimate: Any, small: Path) -> None:
    (small.parent / "text.txt").unlink()
    ended = acclimate("check", "small.yaml")
    assert ended.code == 2
    assert ended.err.startswith("small.yaml:2:20: corpus.sources.0: ") and "text.txt" in ended.err


def test_run_refuses_a_wrong_recipe_before_it_writes_anything(acclimate: Any, small: Path) -> None:
    ended = acclimate("run", "small.yaml", "--set", "pretrain.sequence_length=1000")
    assert ended.code == 2
    assert ended.err.split("\n") == [
        "small.yaml:5:36: pretrain.batch: '256 tokens' cannot hold one sequence of 1000 tokens (sequence_length)",
        "--set pretrain.sequence_length: 1000 is longer than the model's 512 positions; at most 512 fit",
        "",
    ]
    assert not (small.parent / "runs").exists()


def test_fill_prints_or_changes_the_file(acclimate: Any, small: Path) -> None:
    before = small.read_text(encoding="utf-8")
    ended = acclimate("fill", "small.yaml")
    assert ended.code == 0
    assert "\n# Seed of everything random.\nseed: 17\n" in ended.out
    assert small.read_text(encoding="utf-8") == before
    recipe = load_recipe(small).recipe
    assert acclimate("fill", "small.yaml", "--write").out == ""
    assert small.read_text(encoding="utf-8") == ended.out
    assert load_recipe(small).recipe == recipe


def test_list_and_schema(acclimate: Any) -> None:
    names = json.loads(acclimate("list", "--json").out)
    assert {"bert", "gpt2", "lstm"} <= set(names["family"]) and "macro_f1" in names["metric"]
    assert json.loads(acclimate("list", "reader", "--json").out) == {"reader": names["reader"]}
    shown = acclimate("list").out
    for role, components in names.items():
        assert f"{role}\n" in shown
        for name in components:
            assert f"\n  {name} " in shown
    ended = acclimate("list", "optimiser")
    assert (ended.code, ended.err) == (1, "acclimate: unknown role 'optimiser'; did you mean 'optimizer'?\n")
    assert json.loads(acclimate("schema").out)["title"] == "Acclimate recipe"
    assert acclimate("schema", "--reference").out.startswith("# Reference\n")


def test_show_a_recipe_in_full(acclimate: Any, small: Path) -> None:
    shown = acclimate("show", "small.yaml", "--set", "seed=5")
    assert "\nseed: 5\n" in shown.out and f"path: {small.parent}/text.txt" in shown.out
    full = json.loads(acclimate("show", "small.yaml", "--json").out)
    assert full["pretrain"]["validate"]["patience"] is None
    assert acclimate("show", "nothing.yaml").code == 2


def test_show_model(acclimate: Any) -> None:
    told = json.loads(acclimate("show", "model", "bert/tiny", "--json").out)
    assert told["parameters"] == 4_385_920  # as published: 4.4 million
    assert "4,385,920" in acclimate("show", "model", "bert/tiny").out
    for item, message in [
        ("bert/tny", "unknown size bert/tny; did you mean 'tiny'?"),
        ("brt/tiny", "expected FAMILY/SIZE, found 'brt/tiny'; did you mean 'bert/tiny'?"),
        ("bert-tiny", "expected FAMILY/SIZE, found 'bert-tiny'; did you mean 'bert/tiny'?"),
        ("bert", "expected FAMILY/SIZE, such as bert/mini, found 'bert'; sizes of bert: tiny, mini, small, "),
    ]:
        ended = acclimate("show", "model", item)
        assert (ended.code, ended.out) == (1, "") and ended.err.startswith(f"acclimate: {message}")


TASK = "tasks: {topic: {classification: {train: topic.tsv, test: topic.tsv}}}\n"


def test_show_optim(acclimate: Any, small: Path) -> None:
    small.write_text(small.read_text(encoding="utf-8") + TASK, encoding="utf-8")
    pretrain, task = json.loads(acclimate("show", "optim", "small.yaml", "--json").out)["optimizers"]
    assert (pretrain["path"], task["path"]) == ("pretrain.optimizer", "tasks.topic.classification.optimizer")
    layers = 2 * (4 * (128 * 128) + 2 * (128 * 512))
    embeddings = (300 + 512 + 2) * 128
    for part, head, lr in ((pretrain, 128 * 128, 1e-3), (task, 128 * 128 + 2 * 128, 3e-4)):
        decayed, plain = part["groups"]
        assert (decayed["weight_decay"], plain["weight_decay"]) == (0.01, 0.0)
        assert decayed["lr"] == plain["lr"] == lr
        assert decayed["parameters"] == layers + embeddings + head
        assert all(len(shape) == 2 for shape in decayed["names"].values())
        assert all(name.endswith("bias") or "LayerNorm" in name for name in plain["names"])
        assert (decayed["tensors"], plain["tensors"]) == (len(decayed["names"]), len(plain["names"]))
        assert part["frozen"] == {"tensors": 0, "parameters": 0, "names": {}}
    assert "cls.predictions.bias" in pretrain["groups"][1]["names"]
    assert "cls.predictions.decoder.weight" not in pretrain["groups"][0]["names"]  # tied, counted once
    shown = acclimate("show", "optim", "small.yaml").out
    assert "tasks.topic.classification.optimizer: adamw\n" in shown and "frozen" not in shown
    assert "    bert.encoder.layer.*.intermediate.dense.weight  2 times 512 × 128\n" in shown


def test_show_optim_tells_of_each_stage_of_a_model_that_grows(acclimate: Any, small: Path) -> None:
    small.write_text(small.read_text(encoding="utf-8") + TASK, encoding="utf-8")
    grow = (
        "pretrain.grow={stages: [{layers: 1, length: 30%, rate: 0.5}, {layers: 2, length: 30%}], train: new}"
    )
    asked = ("show", "optim", "small.yaml", "--set", grow)
    *phases, task = json.loads(acclimate(*asked, "--json").out)["optimizers"]
    assert [(one["phase"], one["phases"], one["layers"]) for one in phases] == [
        (1, 3, 1),
        (2, 3, 2),
        (3, 3, 2),
    ]
    assert "phase" not in task
    rates = [{group["lr"] for group in one["groups"]} for one in phases]
    assert rates[0] == {rate / 2 for rate in rates[2]}
    first, second, last = ({name for group in one["groups"] for name in group["names"]} for one in phases)
    assert not any(".layer.1." in name for name in first) and any(".layer.0." in name for name in first)
    assert not any(".layer.0." in name or "embeddings" in name for name in second)
    assert any(".layer.1." in name for name in second)
    assert last == second | set(phases[1]["frozen"]["names"]) and not phases[2]["frozen"]["tensors"]
    shown = acclimate(*asked).out
    assert "pretrain.optimizer, stage 2 of 3 (layers: 2): adamw" in shown


def test_show_optim_tells_what_it_cannot_show(acclimate: Any, small: Path) -> None:
    for arguments, code, message in [
        ([], 1, "expected `show optim RECIPE`"),
        (["small.yaml", "--set", "pretrain=null"], 1, "the recipe trains nothing"),
        (["nothing.yaml"], 2, "there is no such file"),
    ]:
        ended = acclimate("show", "optim", *arguments)
        assert (ended.code, ended.out) == (code, "") and message in ended.err


def test_layers_of_several_widths_are_shown_one_by_one() -> None:
    names = {"a.0.w": [2, 2], "a.1.w": [2, 2], "a.2.w": [3, 3], "b.w": [1]}
    assert gathered(names) == {"a.*.w": (2, [2, 2]), "a.2.w": (1, [3, 3]), "b.w": (1, [1])}


def test_runs_lists_states_and_main_figures(acclimate: Any, finished: Callable[..., Path]) -> None:
    assert acclimate("runs").out == "no runs in runs\n"
    done, open_ = finished(), finished(None, seed=5)
    lines = acclimate("runs").out.splitlines()
    assert len(lines) == 2
    assert "finished" in lines[0] and done.name in lines[0] and "bits_per_byte 2.25" in lines[0]
    assert "unfinished" in lines[1] and open_.name in lines[1]
    told = json.loads(acclimate("runs", "--json").out)["runs"]
    assert [one["state"] for one in told] == ["finished", "unfinished"]
    assert told[0]["figures"] == {"bits_per_byte": 2.25, "topic macro_f1": 0.8, "topic difference": 0.1}


def test_show_a_run(acclimate: Any, finished: Callable[..., Path]) -> None:
    finished()
    shown = acclimate("show", "latest")
    assert shown.code == 0
    assert "2.250" in shown.out and "topic: macro-F1" in shown.out and "AUC 0.900" in shown.out
    assert (
        json.loads(acclimate("show", "small", "--json").out)["pretrain"]["validation"]["bits_per_byte"]
        == 2.25
    )
    open_ = finished(None, seed=5)
    again = acclimate("show", "latest")
    assert again.code == 0 and again.out == shown.out
    assert f"{open_.name} was begun later and is not finished" in again.err
    assert "this run is not finished" in acclimate("show", str(open_)).err
    ended = acclimate("show", "nosuch")
    assert ended.code == 1 and "no run 'nosuch'" in ended.err


def test_diff_of_recipes(acclimate: Any, small: Path) -> None:
    text = small.read_text(encoding="utf-8")
    (small.parent / "b.yaml").write_text(
        text.replace("2 steps", "3 steps").replace("size: tiny", "size: mini"), "utf-8"
    )
    ended = acclimate("diff", "small.yaml", "b.yaml")
    assert (
        ended.out
        == "settings: 2 differences\n  model.size: tiny → mini\n  pretrain.length: 2 steps → 3 steps\n"
    )
    told = json.loads(acclimate("diff", "small.yaml", "b.yaml", "--json").out)
    assert told == {
        "settings": {
            "model.size": {"left": "tiny", "right": "mini"},
            "pretrain.length": {"left": "2 steps", "right": "3 steps"},
        }
    }
    assert acclimate("diff", "small.yaml", "small.yaml").out == "settings: 0 differences\n"


def test_diff_of_runs_compares_figures_too(
    acclimate: Any, finished: Callable[..., Path], metrics: dict[str, Any]
) -> None:
    first = finished()
    metrics["pretrain"]["validation"]["bits_per_byte"] = 2.0
    metrics["pretrain"]["seconds"] = 1.0
    metrics["tasks"]["topic"]["test"]["macro_f1"]["value"] = 0.85
    second = finished(metrics, seed=5)
    ended = acclimate("diff", str(first), second.name)
    assert ended.out == (
        "settings: 1 difference\n  seed: 17 → 5 (-12)\nmetrics: 2 differences\n"
        "  pretrain.validation.bits_per_byte: 2.25 → 2 (-0.25)\n"
        "  tasks.topic.test.macro_f1: 0.8 → 0.85 (+0.05)\n"
    )


def test_serve_names_what_it_cannot_find(acclimate: Any, small: Path) -> None:
    ended = acclimate("serve", "nosuch")
    assert ended.code == 1 and "no run 'nosuch'" in ended.err
    ended = acclimate("serve", ".")
    assert ended.code == 1 and ended.err.startswith("acclimate: ") and "Traceback" not in ended.err


def test_doctor(acclimate: Any) -> None:
    told = json.loads(acclimate("doctor", "--json").out)["findings"]
    assert {"python", "cores", "memory"} <= {one["name"] for one in told}
    shown = acclimate("doctor").out
    assert all(one["name"] in shown for one in told)


def test_shipped_recipes_are_found() -> None:
    assert find_shipped("quickstart").name == "quickstart.yaml"
    with pytest.raises(UserError, match=r"did you mean 'quickstart'\?"):
        find_shipped("quikstart")
