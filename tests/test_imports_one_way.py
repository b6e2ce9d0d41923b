"""The shape of the house: who may import whom, what stays light, how long a file may get."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "acclimate"

FLOORS = [
    {"errors", "progress"},
    {"artifacts", "recipe"},
    {"kernels"},
    {"corpus"},
    {"tokenizer", "optim", "report"},
    {"batching"},
    {"models", "objectives"},
    {"engine", "evaluate", "explain", "distill", "serve"},
    {"transfer"},
    {"pipeline"},
    {"search"},
    {"cli"},
    {"__main__"},
]
"""From the ground up. A room may import lower floors, and its own floor only as SIDEWAYS says."""

SIDEWAYS = {
    ("objectives", "models"): {"acclimate.models.forward", "acclimate.models.crf"},
    ("serve", "explain"): None,
}
"""(who, whom) → which modules; None: all."""

DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
LONGEST_FILE, LONGEST_FUNCTION = 400, 70
HEAVY = ("torch", "transformers", "sklearn")


def floor_of(room: str) -> int:
    for number, rooms in enumerate(FLOORS):
        if room in rooms:
            return number
    raise AssertionError(
        f"the room {room!r} stands on no floor; give it one in FLOORS, where the design says"
    )


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module of ours) for each import, also those inside functions and those for types alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] == "acclimate":
                    yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "acclimate.<relative>"
            elif node.module == "acclimate":
                for name in node.names:
                    yield node.lineno, f"acclimate.{name.name}"
            elif node.module and node.module.startswith("acclimate."):
                yield node.lineno, node.module


def is_allowed(importer: str, target: str) -> bool:
    """Both as dotted modules of the package."""
    if target == "acclimate.<relative>":
        return False
    own, room = importer.split(".")[1], target.split(".")[1]
    if room == own and own not in FLOORS[0]:
        return True
    if floor_of(room) < floor_of(own):
        return True
    if (own, room) in SIDEWAYS:
        modules = SIDEWAYS[own, room]
        return modules is None or target in modules
    return False


def sources() -> list[Path]:
    found = sorted(PACKAGE.rglob("*.py"))
    assert len(found) > 30, "the package is not where the test looks"
    return found


def module_of(path: Path) -> str:
    return ".".join(["acclimate", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


def place(path: Path, line: int = 1) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_imports_point_one_way():
    wrong = []
    for path in sources():
        module = module_of(path)
        for line, target in imported(ast.parse(path.read_text("utf-8"))):
            if module == "acclimate" or not is_allowed(module, target):
                wrong.append(f"{place(path, line)}: {module} imports {target}")
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    ("importer", "target", "allowed"),
    [
        ("acclimate.corpus.sources.files", "acclimate.artifacts.durable", True),
        ("acclimate.corpus.sources.files", "acclimate.corpus.sources.lines", True),
        ("acclimate.corpus.sources.files", "acclimate.errors", True),
        ("acclimate.corpus.sources.files", "acclimate.tokenizer.training", False),
        ("acclimate.artifacts.store", "acclimate.recipe.units", False),
        ("acclimate.recipe.units", "acclimate.artifacts.store", False),
        ("acclimate.errors", "acclimate.progress", False),
        ("acclimate.optim.quick_adamw", "acclimate.kernels.native", True),
        ("acclimate.kernels.native", "acclimate.optim.quick_adamw", False),
        ("acclimate.objectives.mlm", "acclimate.models.forward", True),
        ("acclimate.objectives.mlm", "acclimate.models.loading", False),
        ("acclimate.models.loading", "acclimate.objectives.mlm", False),
        ("acclimate.engine.loop", "acclimate.evaluate.metrics", False),
        ("acclimate.pipeline.run", "acclimate.cli.main", False),
        ("acclimate.cli.run", "acclimate.pipeline.run", True),
        ("acclimate.cli.run", "acclimate.<relative>", False),
    ],
)
def test_the_rule_itself(importer, target, allowed):
    assert is_allowed(importer, target) == allowed


def test_a_room_without_floor_is_noticed():
    with pytest.raises(AssertionError, match="stands on no floor"):
        is_allowed("acclimate.cellar.wine", "acclimate.errors")


@pytest.mark.parametrize(
    "source",
    [
        "import acclimate.cli.main",
        "from acclimate.cli import main",
        "from acclimate.cli.main import app",
        "def f():\n    import acclimate.cli.main as m",
        "if TYPE_CHECKING:\n    from acclimate.cli.main import app",
    ],
)
def test_every_form_of_import_is_seen(source):
    ((_, target),) = imported(ast.parse(source))
    assert target in ("acclimate.cli.main", "acclimate.cli")
    assert [target for _, target in imported(ast.parse("from . import x"))] == ["acclimate.<relative>"]
    assert [target for _, target in imported(ast.parse("from acclimate import cli"))] == ["acclimate.cli"]


IMPORT_ALL = """
import importlib, sys
for name in sys.argv[2:]:
    importlib.import_module(name)
    heavy = [one for one in sys.argv[1].split(",") if one in sys.modules]
    if heavy:
        sys.exit(f"importing {name} brings {', '.join(heavy)}")
"""


def brings(modules: list[str]) -> str:
    """What the first of these modules that is not light says; empty when all are."""
    command = [sys.executable, "-c", IMPORT_ALL, ",".join(HEAVY), *modules]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()


def test_recipe_and_artifacts_never_import_torch():
    modules = [module_of(path) for path in sources()]
    light = [name for name in modules if name.startswith(("acclimate.recipe", "acclimate.artifacts"))]
    assert len(light) > 10
    assert brings(light) == ""


def test_the_command_line_starts_without_torch():
    assert brings(["acclimate.cli.main"]) == ""


def test_settings_load_without_torch():
    from acclimate.recipe.parts import PARTS

    assert brings(sorted({target.partition(":")[0] for _, _, target in PARTS})) == ""


def test_heavy_imports_are_noticed():
    assert brings(["json", "torch"]).startswith("importing torch brings torch")
    assert "No module named" in brings(["acclimate.nowhere"])


def test_no_file_is_a_drawer():
    wrong = [place(path) for path in sources() if DRAWERS & {path.stem, path.parent.name}]
    assert not wrong, f"name the idea instead: {wrong}"


def test_files_and_functions_stay_short():
    wrong = []
    for path in sources():
        text = path.read_text("utf-8")
        if (length := len(text.splitlines())) > LONGEST_FILE:
            wrong.append(f"{place(path)}: {length} lines, at most {LONGEST_FILE}")
        for name, line, length in functions(ast.parse(text)):
            if length > LONGEST_FUNCTION:
                wrong.append(f"{place(path, line)}: {name} has {length} lines, at most {LONGEST_FUNCTION}")
    assert not wrong, "\n" + "\n".join(wrong)


def functions(tree: ast.AST) -> Iterator[tuple[str, int, int]]:
    """(name, line, number of lines) of each function."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1


def test_length_of_functions_is_counted():
    body = "    x = 1\n" * 70
    assert list(functions(ast.parse(f"class A:\n  async def f():\n{body}"))) == [("f", 2, 71)]
