"""Only `acclimate.artifacts` writes durable state, and nothing in the package runs what it reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "acclimate"

WRITING_METHODS = {
    *(
        "write_text",
        "write_bytes",
        "mkdir",
        "touch",
        "unlink",
        "rename",
        "rmdir",
        "chmod",
        "symlink_to",
        "hardlink_to",
    ),
}
WRITING_OS = {
    *(
        "open",
        "replace",
        "rename",
        "renames",
        "remove",
        "unlink",
        "mkdir",
        "makedirs",
        "rmdir",
        "removedirs",
        "link",
    ),
    *("symlink", "truncate", "chmod", "mkfifo", "mknod"),
}
OPENING_MODULES = {"io", "os", "gzip", "bz2", "lzma", "codecs", "builtins"}
"""Whose `open` takes the mode second."""
READING_SHUTIL = {"disk_usage", "which", "get_terminal_size"}
SAVERS = {
    *(
        "save_pretrained",
        "ParquetWriter",
        "write_table",
        "write_csv",
        "write_feather",
        "save_file",
        "save",
        "savez",
    ),
    *(
        "savez_compressed",
        "save_model",
        "save_weights",
        "tofile",
        "memmap",
        "open_memmap",
        "to_csv",
        "to_parquet",
    ),
    *("OSFile", "output_stream", "FileHandler", "to_json_file", "push_to_hub"),
    *("export", "quantize_dynamic"),
}

ALLOWED = {
    ("corpus/build.py", "save"): "asks for the index of held-out texts, which goes through durable",
    ("corpus/parallel/worker.py", "open"): "standard output, for answers",
    ("corpus/storage.py", "ParquetWriter"): "fills the draft of a corpus",
    ("corpus/storage.py", "write_table"): "fills the draft of a corpus",
    ("tokenizer/training.py", "save_pretrained"): "fills the draft of a tokenizer",
    ("tokenizer/loading.py", "save_pretrained"): "fills the draft of a tokenizer",
    ("batching/form_store.py", "save"): "makes bytes, which durable writes",
    ("batching/picture_store.py", "save"): "makes bytes, which durable writes",
    ("corpus/images/decoding.py", "open"): "reads a picture from memory",
    ("corpus/ngram_model.py", "save"): "writes arrays into a file of artifacts",
    ("corpus/ngram_text.py", "save"): "asks the model to fill the draft of both",
    ("corpus/clean/learnt_perplexity.py", "save"): "asks the model to fill the draft of both",
    ("corpus/clean/perplexity.py", "save"): "asks for a folder written by artifacts",
    ("corpus/sources/archives.py", "open"): "reads a member of an archive",
    ("corpus/sources/files_reader.py", "open"): "asks for a source to be read",
    ("corpus/sources/inputs.py", "os.open"): "reads a file without waiting for a writer",
    ("corpus/sources/inputs.py", "open"): "the writing end of a pipe to the reading child",
    ("corpus/sources/remote.py", "open"): "reads from a file system behind a URL",
    ("tokenizer/adapt/adapting.py", "save_pretrained"): "fills the draft of an adapted tokenizer",
    ("pipeline/vocabulary.py", "save_pretrained"): "fills the draft of an adapted checkpoint",
    ("transfer/augment/augmenting.py", "write_table"): "fills the draft of a task's augmented examples",
    ("corpus/readers/shelf.py", "open"): "copies members of archives into a scratch folder of artifacts",
    ("transfer/examples/preparing.py", "write_table"): "fills the draft of a task's examples",
    ("pipeline/corpus_run.py", "save"): "asks for the store's digests",
    ("search/study.py", "save"): "asks for the store's digests",
    ("engine/checkpoint.py", "save_file"): "fills a checkpoint inside replace_folder",
    ("engine/fit.py", "save"): "asks for a checkpoint",
    ("pipeline/run.py", "save"): "has the digests of inputs written by artifacts",
    ("cli/tokenizer.py", "save_pretrained"): "fills the draft of a converted tokenizer",
    ("pipeline/pretrain.py", "save_pretrained"): "fills the draft of a pretraining",
    ("pipeline/pretrain.py", "save_file"): "fills the draft of a pretraining",
    (
        "models/families/electra/modelling.py",
        "save_pretrained",
    ): "fills the folder that its caller has drafted",
    ("pipeline/tasks.py", "save_pretrained"): "fills the draft of a task",
    ("pipeline/tokens.py", "save_pretrained"): "fills the draft of a tokenizer",
    ("pipeline/tasks.py", "save_file"): "fills the draft of a task",
    ("models/pruning.py", "save_file"): "fills the scratch folder of a pruned model",
    ("models/pruning.py", "save_pretrained"): "fills the scratch folder of a pruned model",
    ("models/importing/converting.py", "save_file"): "fills the scratch folder of an import",
    ("models/importing/converting.py", "save_pretrained"): "fills the scratch folder of an import",
    ("serve/export.py", "save_pretrained"): "fills the scratch folder of an export",
    ("serve/onnx_graph.py", "export"): "fills the scratch folder of an export",
    ("serve/onnx_graph.py", "quantize_dynamic"): "fills the scratch folder of an export",
    ("pipeline/memory.py", "write_text"): "a switch of the kernel in /proc, no state of ours",
    ("cli/main.py", "os.open"): "opens the null device",
}
"""(file, call) → why it may stand there: library savers write into folders that artifacts hands out and seals."""

RUNNING_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "runpy",
    "code",
}
RUNNING_CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
IMPORTERS = {
    "recipe/registry.py": "what is listed in parts.py or offered by an installed package",
    "models/building.py": "the classes that the families state, constants of theirs",
    "models/register.py": "our own families, by a table of constants",
}
"""Files that may import a module by its name, and what decides that name: never a recipe."""
READER_OF_PICKLES = "models/importing/pickled.py"
"""The one file that may call `torch.load`, and only with a literal `weights_only=True`."""


def writes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, what) for each thing in the source that writes to the disk."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found = _writing_call(node)
            if found:
                yield node.lineno, found
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                if _is_writing(node.module or "", name.name):
                    yield node.lineno, f"{node.module}.{name.name}"


def _is_writing(module: str, name: str) -> bool:
    return (
        (module == "os" and name in WRITING_OS)
        or (module == "shutil" and name not in READING_SHUTIL)
        or (module == "tempfile" and name != "gettempdir")
    )


def _writing_call(node: ast.Call) -> str | None:
    function = node.func
    if isinstance(function, ast.Name):
        if function.id == "open":
            return "open" if _opens_for_writing(node, 1) else None
        return function.id if function.id in SAVERS and not _maps_for_reading(function.id, node) else None
    if not isinstance(function, ast.Attribute):
        return None
    name = function.attr
    whose = function.value.id if isinstance(function.value, ast.Name) else ""
    if whose == "durable":
        return None
    if _is_writing(whose, name):
        return f"{whose}.{name}"
    if name in WRITING_METHODS or (name in SAVERS and not _maps_for_reading(name, node)):
        return name
    # str.replace takes two texts, dataclasses.replace and datetime.replace take keywords, Path.replace one path.
    if name == "replace" and len(node.args) == 1 and not node.keywords:
        return "replace"
    if name in ("open", "fdopen"):
        return "open" if _opens_for_writing(node, 1 if whose in OPENING_MODULES else 0) else None
    return None


def _maps_for_reading(name: str, node: ast.Call) -> bool:
    modes = [keyword.value for keyword in node.keywords if keyword.arg == "mode"]
    return name in ("memmap", "open_memmap") and [ast.dump(mode) for mode in modes] == [
        ast.dump(ast.Constant("r"))
    ]


def _opens_for_writing(node: ast.Call, place: int) -> bool:
    """Whether the mode, by name or at its place among the arguments, writes or cannot be told from the source."""
    modes = [keyword.value for keyword in node.keywords if keyword.arg in ("mode", None)]
    modes += node.args[place : place + 1]
    return any(
        not isinstance(mode, ast.Constant) or bool(set(str(mode.value)) & set("wax+")) for mode in modes
    )


def runs_what_it_reads(tree: ast.AST, file: str) -> Iterator[tuple[int, str]]:
    """(line, what) for each thing in the source that could run code from data."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = (
                [name.name for name in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
            for module in modules:
                if module.split(".")[0] in RUNNING_MODULES:
                    yield node.lineno, module
            if isinstance(node, ast.ImportFrom) and any(
                (node.module, name.name) in (("torch", "load"), ("torch", "save")) for name in node.names
            ):
                yield node.lineno, "torch.load or torch.save"
        elif isinstance(node, ast.Call):
            found = _running_call(node, file)
            if found:
                yield node.lineno, found
        elif isinstance(node, ast.Constant) and node.value == "trust_remote_code":
            yield node.lineno, "trust_remote_code"


def _running_call(node: ast.Call, file: str) -> str | None:
    function = node.func
    for keyword in node.keywords:
        is_false = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        if keyword.arg in ("trust_remote_code", "allow_pickle") and not is_false:
            return keyword.arg
    name = (
        function.id
        if isinstance(function, ast.Name)
        else function.attr
        if isinstance(function, ast.Attribute)
        else ""
    )
    if isinstance(function, ast.Name) and name in RUNNING_CALLS:
        return name
    if isinstance(function, ast.Attribute):
        whose = ast.unparse(function.value)
        if (whose, name, file) == ("torch", "load", READER_OF_PICKLES) and any(
            one.arg == "weights_only" and isinstance(one.value, ast.Constant) and one.value.value is True
            for one in node.keywords
        ):
            return None
        if (whose, name) in (
            ("torch", "load"),
            ("torch", "save"),
            ("builtins", "eval"),
            ("builtins", "exec"),
        ):
            return f"{whose}.{name}"
        if name in ("read_pickle", "to_pickle", "unsafe_load", "full_load"):
            return name
    if name == "import_module" and file not in IMPORTERS:
        return "import_module"
    return None


def test_pickles_are_read_in_one_place_and_for_weights_alone():
    for call, file, allowed in (
        ("torch.load(p, weights_only=True)", READER_OF_PICKLES, True),
        ("torch.load(p)", READER_OF_PICKLES, False),
        ("torch.load(p, weights_only=False)", READER_OF_PICKLES, False),
        ("torch.load(p, weights_only=w)", READER_OF_PICKLES, False),
        ("torch.load(p, **{'weights_only': True})", READER_OF_PICKLES, False),
        ("torch.load(p, weights_only=True)", "models/loading.py", False),
    ):
        assert (not list(runs_what_it_reads(ast.parse(call), file))) == allowed, call


def sources() -> list[tuple[str, ast.AST]]:
    found = [(path.relative_to(PACKAGE).as_posix(), path) for path in sorted(PACKAGE.rglob("*.py"))]
    assert len(found) > 30, "the package is not where the test looks"
    return [(file, ast.parse(path.read_text("utf-8"))) for file, path in found]


def test_only_artifacts_write():
    wrong, used = [], set()
    for file, tree in sources():
        if file.startswith("artifacts/"):
            continue
        for line, what in writes(tree):
            used.add((file, what))
            if (file, what) not in ALLOWED:
                wrong.append(f"src/acclimate/{file}:{line}: {what}; go through acclimate.artifacts.durable")
    assert not wrong, "\n" + "\n".join(wrong)
    assert ALLOWED.keys() <= used, f"no longer needed: {ALLOWED.keys() - used}"


def test_nothing_runs_what_it_reads():
    wrong = [
        f"src/acclimate/{file}:{line}: {what}"
        for file, tree in sources()
        for line, what in runs_what_it_reads(tree, file)
    ]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    "source",
    [
        *(
            "open(p, 'w')",
            "open(p, mode='ab')",
            "open(p, 'r+')",
            "open(p, mode)",
            "open(p, **k)",
            "p.open('xb')",
        ),
        *("p.open(mode='a')", "p.open(mode=m)", "gzip.open(p, 'wt')", "io.open(p, 'w')", "os.open(p, flags)"),
        *("p.write_text('x')", "p.write_bytes(b'x')", "p.mkdir()", "p.touch()", "p.unlink()", "p.rename(q)"),
        *(
            "p.replace(q)",
            "p.symlink_to(q)",
            "p.hardlink_to(q)",
            "p.rmdir()",
            "p.chmod(0)",
            "os.replace(p, q)",
        ),
        *(
            "os.rename(p, q)",
            "os.remove(p)",
            "os.mkdir(p)",
            "os.makedirs(p)",
            "os.link(p, q)",
            "os.symlink(p, q)",
        ),
        *(
            "shutil.copy(p, q)",
            "shutil.rmtree(p)",
            "shutil.move(p, q)",
            "tempfile.mkdtemp()",
            "from shutil import copy",
        ),
        *(
            "from os import replace",
            "from tempfile import mkdtemp",
            "m.save_pretrained(p)",
            "pq.ParquetWriter(p, s)",
        ),
        *(
            "save_file(t, p)",
            "np.save(p, a)",
            "t.save(p)",
            "a.tofile(p)",
            "np.memmap(p, d, 'w+')",
            "pa.OSFile(p, 'wb')",
        ),
        *(
            "np.memmap(p, d, mode=m)",
            "logging.FileHandler(p)",
            "def f():\n    with p.open('w') as g:\n        pass",
        ),
    ],
)
def test_every_way_of_writing_is_seen(source):
    assert list(writes(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        *("open(p)", "open(p, 'rb')", "p.open()", "p.open('rb')", "p.open(mode='r')", "gzip.open(p, 'rt')"),
        *("gzip.open('wax', 'rt')", "s.replace('a', 'b')", "replace(o, x=1)", "dataclasses.replace(o, x=1)"),
        *(
            "d.replace(tzinfo=u)",
            "p.read_text()",
            "shutil.which('x')",
            "np.memmap(p, d, mode='r')",
            "os.listdir(p)",
        ),
        *(
            "durable.write_text(p, v)",
            "tempfile.gettempdir()",
            "write_text(p, t)",
            "new_folder(p)",
            "checkpoints.save_best(s)",
        ),
    ],
)
def test_reading_is_left_alone(source):
    assert not list(writes(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        *(
            "import pickle",
            "import joblib as j",
            "from dill import load",
            "eval(x)",
            "exec(x)",
            "__import__(x)",
        ),
        *(
            "torch.load(p)",
            "torch.save(x, p)",
            "from torch import load",
            "f(trust_remote_code=True)",
            "f(allow_pickle=True)",
        ),
        *(
            "f(trust_remote_code=t)",
            "f(**{'trust_remote_code': True})",
            "pd.read_pickle(p)",
            "importlib.import_module(x)",
        ),
        *("compile(x, y, 'exec')", "import_module(x)"),
    ],
)
def test_every_way_of_running_data_is_seen(source):
    assert list(runs_what_it_reads(ast.parse(source), "corpus/files.py"))


def test_plain_code_is_left_alone():
    plain = "model.eval(); re.compile(x); np.load(p, allow_pickle=False); json.load(f); load_file(p)"
    assert not list(runs_what_it_reads(ast.parse(plain), "corpus/files.py"))
    assert not list(runs_what_it_reads(ast.parse("import_module(x)"), "recipe/registry.py"))
