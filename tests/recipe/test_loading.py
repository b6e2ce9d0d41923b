"""Every problem at once, each at its line and column, and never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from acclimate.recipe.loading import load_recipe
from acclimate.recipe.problems import RecipeError
from acclimate.recipe.resolving import dump_yaml, resolved

SMALLEST = "corpus: {sources: [{path: text.txt}]}\nmodel: {family: bert}\n"


def test_smallest_recipe_loads_with_its_defaults(recipes: Any) -> None:
    loaded = recipes.load(SMALLEST)
    assert loaded.recipe.name == "run"
    assert loaded.recipe.pretrain is None
    assert loaded.recipe.corpus.sources[0].path == str(recipes.folder / "text.txt")
    assert loaded.recipe.corpus.clean[0].form == "NFC"
    assert loaded.path == recipes.folder / "r.yaml"
    assert loaded.raw["model"] == {"family": "bert"}


def test_all_problems_come_at_once_in_the_order_of_the_file(recipes: Any) -> None:
    text = """\
name: a/b
corpus:
  sources:
    - {path: text.txt, txt: body}
    - {docstring: {packages: [x]}}
  clean: [unicode, {langage: [en]}, {language: []}]
  split: {validation: 120%}
tokenizer: {train: {algorithm: bpee, vocab_size: lots}}
model: {family: brt}
pretrian: {}
pretrain:
  optimizer: {adamw: {lr: -1, decay: 2}}
  gradients: [{clip_norm: big}, {clip_norm: {max_norm: 0}}, {chain: [{clip_norm: no}]}]
  length: 3 blinks
  batch: 3 epochs
  validate: {patience: 0, evry: 3}
tasks:
  role: {classification: {label: [1], threshold: {lo: 1}}}
hardware: {precision: fp23}
"""
    assert recipes.lines(text) == [
        "r.yaml:1:7: name: 'a/b' names a folder: letters, digits, `.`, `_`, `-` only, at most 64",
        "r.yaml:4:24: corpus.sources.0.txt: unknown key 'txt'; did you mean 'text'?",
        "r.yaml:5:8: corpus.sources.1.docstring: unknown reader 'docstring'; did you mean 'docstrings'?",
        "r.yaml:6:21: corpus.clean.1.langage: unknown cleaner 'langage'; did you mean 'language'?",
        "r.yaml:6:38: corpus.clean.2.language.keep: needs at least 1 entry",
        "r.yaml:7:23: corpus.split.validation: expected a share between 0% and 100%, found '120%'",
        "r.yaml:8:32: tokenizer.train.algorithm: unknown value 'bpee'; did you mean 'bpe'?",
        "r.yaml:8:50: tokenizer.train.vocab_size: expected a count such as 16000 or 16k, found 'lots'",
        "r.yaml:9:17: model.family: unknown family 'brt'; did you mean 'bert'?",
        "r.yaml:10:1: pretrian: unknown key 'pretrian'; did you mean 'pretrain'?",
        "r.yaml:12:27: pretrain.optimizer.adamw.lr: expected more than 0.0, found -1",
        "r.yaml:12:31: pretrain.optimizer.adamw.decay: unknown key 'decay'; did you mean 'weight_decay'?",
        "r.yaml:13:27: pretrain.gradients.0.clip_norm.max_norm: expected a number, found 'big'",
        "r.yaml:13:56: pretrain.gradients.1.clip_norm.max_norm: expected more than 0.0, found 0",
        "r.yaml:13:62: pretrain.gradients.2.chain.steps.0.clip_norm.max_norm: expected a number, found 'no'",
        "r.yaml:14:11: pretrain.length: unknown unit 'blinks' in '3 blinks'; choose from: epochs, hours, minutes, "
        "seconds, sequences, steps, tokens",
        "r.yaml:15:10: pretrain.batch: unknown unit 'epochs' in '3 epochs'; choose from: sequences, tokens",
        "r.yaml:16:24: pretrain.validate.patience: expected at least 1, found 0",
        "r.yaml:16:27: pretrain.validate.evry: unknown key 'evry'; did you mean 'every'?",
        "r.yaml:18:34: tasks.role.classification.label: expected text or a whole number, found [1]",
        "r.yaml:18:55: tasks.role.classification.threshold.lo: unknown key 'lo'; did you mean 'low'?",
        "r.yaml:19:23: hardware.precision: unknown value 'fp23'; did you mean 'fp32'?",
    ]


def test_what_is_missing_is_told_at_the_key_that_lacks_it(recipes: Any) -> None:
    text = "corpus: {}\npretrain:\n  optimizer: {sgd: {}}\n"
    assert recipes.lines(text) == [
        "r.yaml:1:1: corpus.sources: this key is needed and missing",
        "r.yaml:1:1: model: this key is needed and missing",
        "r.yaml:3:15: pretrain.optimizer.sgd.lr: this key is needed and missing",
    ]


def test_a_component_written_by_name_alone_tells_what_it_needs(recipes: Any) -> None:
    assert recipes.lines(SMALLEST + "pretrain:\n  optimizer: sgd\n") == [
        "r.yaml:4:14: pretrain.optimizer.sgd.lr: this key is needed and missing"
    ]


@pytest.mark.parametrize(
    ("sources", "wrong"),
    [
        ("text.txt", None),
        ("{path: text.txt}", None),
        ("{files: {path: text.txt}}", None),
        ("{files: text.txt}", None),
        ("docstrings", None),
        ("[docstrings, text.txt]", None),
        ("3", "r.yaml:1:19: corpus.sources: expected a list, found 3"),
        ("[3]", "r.yaml:1:20: corpus.sources.0: expected the name of a reader, found 3"),
        ("[]", "r.yaml:1:19: corpus.sources: needs at least 1 entry"),
        ("{pth: x}", "r.yaml:1:10: corpus.sources.0.path: this key is needed and missing"),
        ("{path: ''}", "r.yaml:1:26: corpus.sources.0.path: expected a path, found nothing"),
        (
            "{path: '${NO_SUCH}/x'}",
            "r.yaml:1:26: corpus.sources.0.path: the environment variable NO_SUCH is not set;",
        ),
        ("{path: 3}", "r.yaml:1:26: corpus.sources.0.path: expected text, found 3; put it in quotes"),
    ],
)
def test_a_reader_in_every_form(recipes: Any, sources: str, wrong: str | None) -> None:
    text = f"corpus: {{sources: {sources}}}\nmodel: {{family: bert}}\n"
    if wrong is None:
        kinds = [type(one).__name__ for one in recipes.load(text).recipe.corpus.sources]
        assert set(kinds) <= {"Files", "Docs"} and kinds
    else:
        assert recipes.lines(text)[0].startswith(wrong)


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        ("bert", "r.yaml:2:8: model: expected a mapping with the key 'family', found 'bert'"),
        ("{size: tiny}", "r.yaml:2:8: model: the key 'family' is needed; choose from: bert"),
        ("{family: [bert]}", "r.yaml:2:17: model.family: unknown family ['bert']; did you mean 'bert'?"),
        (
            "{family: bert, size: huge}",
            "r.yaml:2:29: model.size: unknown value 'huge'; choose from: mini, tiny",
        ),
        (
            "{family: bert, positions: 1.5}",
            "r.yaml:2:34: model.positions: expected a whole number, found 1.5",
        ),
    ],
)
def test_a_tagged_part(recipes: Any, model: str, wrong: str) -> None:
    assert recipes.lines(f"corpus: {{sources: a.txt}}\nmodel: {model}\n") == [wrong]


def test_braces_and_line_ends_in_values_stay_what_they_are(recipes: Any) -> None:
    lines = recipes.lines(SMALLEST + 'pretrain: {length: "{message} {0}\\n%s"}\n')
    assert len(lines) == 1
    assert "{message} {0}" in lines[0]


def test_validate_is_written_and_dumped_without_the_underscore(recipes: Any) -> None:
    loaded = recipes.load(SMALLEST + "pretrain: {validate: {patience: 4}}\n")
    assert loaded.recipe.pretrain.validate_.patience == 4
    dumped = resolved(loaded.recipe)["pretrain"]
    assert dumped["validate"]["patience"] == 4
    assert "validate_" not in dumped
    assert recipes.lines(SMALLEST + "pretrain: {validate_: {}}\n") == [
        "r.yaml:3:12: pretrain.validate_: unknown key 'validate_'; did you mean 'validate'?"
    ]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a: 1\na: 2\n", [":2:1: a: the key 'a' stands twice, first in line 1"]),
        ("name: x\n\tb: 2\n\tc: 2\n", [":2:1: a tab; YAML is indented", ":3:1: a tab; YAML is indented"]),
        ("corpus: [1\n", [":2:1: not valid YAML: expected ',' or ']'"]),
        ("name: 'x\n", [":2:1: not valid YAML: found unexpected end of stream"]),
        ("- a\n- b\n", [":1:1: expected sections such as `corpus:` and `model:`, found a list"]),
        ("just text\n", [":1:1: expected sections such as `corpus:` and `model:`, found a str"]),
        ("# nothing but this\n", [":1:1: expected sections such as `corpus:` and `model:`, found nothing"]),
        ("name: a\n---\nname: b\n", [":2:1: not valid YAML: a second document starts here"]),
        ("name: *x\n", [":1:7: not valid YAML: found undefined alias"]),
        ("name: &x [*x]\n", [":1:7: name.0: this alias contains itself"]),
        ("name: !!python/object:os.system x\n", [":1:7: name: the tag tag:yaml.org,2002:python/object"]),
        ("name: " + "[" * 500, [":1:1: this is not YAML"]),
        ("seed: " + "9" * 9000, [":1:7: seed: cannot be read as int"]),
        ("seed: !!bool maybe\n", [":1:7: seed: cannot be read as bool"]),
        ("pretrain:\nname: x\n", [":1:1: pretrain: nothing stands here; write {} for the defaults"]),
        ("x: &a {b: 1}\ny: {<<: *a}\n", [":2:5: y: `<<` is not known in a recipe"]),
    ],
)
def test_text_that_is_no_recipe(recipes: Any, text: str, problems: list[str]) -> None:
    lines = recipes.lines(text)
    for problem in problems:
        assert any(line.startswith("r.yaml" + problem) for line in lines), (problem, lines)


def test_aliases_that_unfold_without_end_are_refused(recipes: Any) -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 8))
    assert any("this is no recipe" in line for line in recipes.lines(text))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "1:1: the file is empty"),
        (b" \n\n", "1:1: the file is empty"),
        (b"\x89PNG\r\n\x00\x00", "1:1: this is a binary file"),
        ("name: x\n# 中文".encode("gb18030"), "2:3: the byte 0xd6 is not UTF-8"),
        (b"name: \x01\n", "1:7: the character U+0001 may not stand in YAML"),
        (b"x: 1\n" * 1_000_000, "1:1: longer than 4 MB"),
    ],
)
def test_a_file_that_is_no_text(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(data)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert message in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").write_text("x", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"no such file; did you mean 'quickstart\.yaml'\?"):
        load_recipe(tmp_path / "quickstat.yaml")
    with pytest.raises(RecipeError, match="is not there either"):
        load_recipe(tmp_path / "no" / "r.yaml")
    with pytest.raises(RecipeError, match="this is a folder"):
        load_recipe(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_understood(recipes: Any, encoding: str) -> None:
    path = recipes.folder / "r.yaml"
    path.write_bytes(("name: bom\n" + SMALLEST).encode(encoding))
    assert load_recipe(path).recipe.name == "bom"


FULL = """\
name: full
corpus:
  sources: [{path: 数据/*.txt, text: 0}, docstrings, {docstrings: {packages: [json]}}]
  clean: [unicode, {language: [en, zh]}]
  deduplicate: {near: {threshold: 12.345%}}
tokenizer: {train: {vocab_size: 2k}}
model: {family: bert, size: tiny}
pretrain:
  length: 400 steps
  optimizer: {sgd: {lr: 1e-5}}
  gradients: [clip_norm, {chain: [{clip_norm: 2}]}]
  validate: {every: 20 steps}
tasks:
  topic: {classification: {train: t.tsv, data: {path: x.tsv}, label: 1, threshold: {low: 3}}}
  二: {classification: {threshold: true}}
hardware: {micro_batch: 8 sequences}
"""


def test_the_resolved_recipe_reads_back_equal(recipes: Any) -> None:
    first = recipes.load(FULL.replace("  二:", "  two:")).recipe
    (recipes.folder / "elsewhere").mkdir()
    again = recipes.folder / "elsewhere" / "again.yaml"
    again.write_text(dump_yaml(resolved(first)), encoding="utf-8")
    second = load_recipe(again).recipe
    assert second == first
    assert resolved(second) == resolved(first)
    assert resolved(first)["corpus"]["sources"][0]["path"] == str(recipes.folder / "数据" / "*.txt")


def test_a_task_name_is_a_folder_name(recipes: Any) -> None:
    assert recipes.lines(FULL) == [
        "r.yaml:15:3: tasks.二: '二' names a folder: letters, digits, `.`, `_`, `-` only, at most 64"
    ]


def test_anchors_give_the_same_value_in_two_places(recipes: Any) -> None:
    text = "corpus: {sources: &s [a.txt]}\nmodel: {family: bert}\ntasks: {t: {classification: {train: &f f.tsv}}}\n"
    assert recipes.load(text).recipe.tasks["t"].train.endswith("f.tsv")


# --- overrides


def test_an_override_changes_one_value_and_nothing_else(recipes: Any) -> None:
    text = SMALLEST + "pretrain: {length: 3 epochs}\n"
    plain = resolved(recipes.load(text).recipe)
    changed = resolved(recipes.load(text, "pretrain.optimizer.adamw.weight_decay=0.5").recipe)
    assert changed["pretrain"]["optimizer"]["adamw"].pop("weight_decay") == 0.5
    del plain["pretrain"]["optimizer"]["adamw"]["weight_decay"]
    assert changed == plain


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("name=other", ("name",), "other"),
        ("seed=0x10", ("seed",), 16),
        ("corpus.sources.0.text=body", ("corpus", "sources", 0, "text"), "body"),
        ("corpus.sources.1=docstrings", ("corpus", "sources", 1), {"docstrings": {"packages": None}}),
        ("model.size=tiny", ("model", "size"), "tiny"),
        ("pretrain.objective.mlm.rate=40%", ("pretrain", "objective", "mlm", "rate"), "40%"),
        ("pretrain.gradients.0.clip_norm=3", ("pretrain", "gradients", 0, "clip_norm", "max_norm"), 3.0),
        ("pretrain.gradients.0.clip_norm.max_norm=3", ("pretrain", "gradients", 0, "clip_norm", "max_norm"), 3.0),
        ("pretrain.optimizer={sgd: {lr: 1e-4}}", ("pretrain", "optimizer"), {"sgd": {"lr": 0.0001}}),
        ("pretrain=null", ("pretrain",), None),
        ("pretrain=", ("pretrain",), None),
        ("pretrain.validate.every=7 steps", ("pretrain", "validate", "every"), "7 steps"),
        ("hardware.threads=1", ("hardware", "threads"), 1),
    ],
)  # fmt: skip
def test_overrides(recipes: Any, override: str, path: tuple[Any, ...], value: Any) -> None:
    text = "corpus: {sources: text.txt}\nmodel: {family: bert}\npretrain: {objective: mlm, gradients: [clip_norm]}\n"
    at = resolved(recipes.load(text, override).recipe)
    for step in path:
        at = at[step]
    assert at == value


def test_overrides_can_complete_a_recipe_that_is_not_valid_alone(recipes: Any) -> None:
    loaded = recipes.load("corpus: {sources: text.txt}\n", "model.family=bert", "model.size=tiny")
    assert loaded.recipe.model.size == "tiny"


def test_the_last_override_of_a_value_counts(recipes: Any) -> None:
    assert recipes.load(SMALLEST, "seed=1", "seed=2").recipe.seed == 2


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("sed=1", "sed", "unknown key 'sed'; did you mean 'seed'?"),
        ("pretrain.optimzer.adamw.lr=1", "pretrain.optimzer", "unknown key 'optimzer'; did you mean 'optimizer'?"),
        ("pretrain.optimizer.adamw.lr=x", "pretrain.optimizer.adamw.lr", "expected a number, found 'x'"),
        ("model={family: brt}", "model.family", "unknown family 'brt'; did you mean 'bert'?"),
        ("corpus.sources.5.text=x", "corpus.sources.5", "the list has 1 entries; choose from: 0, 1"),
        ("corpus.sources.x.text=x", "corpus.sources.x", "this is a list of 1: 'x' is no index; count from 0"),
        ("name.first=x", "name.first", "there is no place 'first' below 'run'"),
        ("name=[1", "name", "not valid YAML: expected ',' or ']', but got '<stream end>' (in '[1')"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_told_by_its_name(recipes: Any, override: str, path: str, message: str) -> None:
    name = override.split("=")[0]
    told = "" if path == name else f" {path}:"  # no place is named twice
    assert recipes.lines("name: run\n" + SMALLEST, override) == [f"--set {name}:{told} {message}"]


@pytest.mark.parametrize("override", ["name", "a..b=1", "=1", ""])
def test_an_override_of_no_form(recipes: Any, override: str) -> None:
    assert recipes.lines(SMALLEST, override) == [f"--set: expected --set a.b.c=value, found {override!r}"]


def test_problems_of_the_file_come_before_those_of_overrides(recipes: Any) -> None:
    lines = recipes.lines(SMALLEST + "sed: 1\n", "seed=x")
    assert [line.split(" ")[0] for line in lines] == ["r.yaml:3:1:", "--set"]
