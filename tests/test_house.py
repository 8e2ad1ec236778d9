"""The rules of the house, held by reading the sources."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "chiasm"
SOURCES = sorted(PACKAGE.rglob("*.py"))
EVERYWHERE = [
    path for folder in ("chiasm", "tests", "recipes", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")
]

ORDER = (
    "errors", "home", "spec", "shapes", "spec_json", "resample", "place", "slices", "geometry", "layout", "readers", "towers",
    "layouts", "families", "registry", "layers", "pixels", "render", "vision", "connect", "sequence", "language", "heads",
    "model", "weights", "prompt", "generate", "budget", "assistant", "retrieve", "classify", "outline", "ground", "local",
    "remote", "loading", "compose", "evaluate", "probe", "train", "reference", "check", "env", "cli", "__init__",
)  # fmt: skip
"""Every room, in the order in which data flows: a room imports earlier ones only."""

DATA = {"errors", "spec", "spec_json", "layout", "readers", "towers", "layouts"}
"""All that a file of families may know."""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def room(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of every import, wherever it stands."""
    package = ["chiasm", *path.relative_to(PACKAGE).parts[:-1]] if path.is_relative_to(PACKAGE) else []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{name.name}") for name in node.names)


def rooms_imported(path: Path) -> Iterator[tuple[int, str]]:
    for line, name in imported(path):
        if name.startswith("chiasm."):
            target = name.split(".")[1]
            yield line, target if target in ORDER else "__init__"


def test_every_room_has_its_place_in_the_flow() -> None:
    assert {room(path) for path in SOURCES} - {"__main__"} <= set(ORDER)


def test_the_drawing_of_the_rooms_is_the_order() -> None:
    drawn = [line for line in (ROOT / "docs" / "design.md").read_text().splitlines() if line.startswith("| ") and "`" in line]
    assert re.findall(r"`(\w+)`", "".join(drawn)) == [*ORDER[:-1]]


def test_imports_run_one_way() -> None:
    backwards = [
        f"{path.relative_to(ROOT)}:{line} ({room(path)} imports {target})"
        for path in SOURCES
        if room(path) not in ("__init__", "__main__")
        for line, target in rooms_imported(path)
        if target not in ("__init__", room(path)) and ORDER.index(target) > ORDER.index(room(path))
    ]
    assert not backwards


def test_families_are_data() -> None:
    for path in (PACKAGE / "families").glob("*.py"):
        others = {name.split(".")[0] for _, name in imported(path)} - {"chiasm", "dataclasses", "typing", "collections"}
        assert not others, path
        assert {target for _, target in rooms_imported(path)} <= DATA, path


def test_nothing_imports_torchvision() -> None:
    assert not [path for path in EVERYWHERE for _, name in imported(path) if name.split(".")[0] == "torchvision"]


def test_nothing_guesses_at_attributes() -> None:
    """No `hasattr`, no `getattr` with a default: a type says what it has."""
    guesses = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and (node.func.id == "hasattr" or (node.func.id == "getattr" and len(node.args) > 2))
    ]
    assert not guesses


def test_nothing_asks_for_a_familys_name() -> None:
    """No `if "llava" in name`: outside of its own data no family is spelled out, but for what proves it."""
    from chiasm.registry import families

    names = set(families())
    spelled = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        if room(path) not in ("families", "reference")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
        if isinstance(side, ast.Constant) and side.value in names
    ]
    assert not spelled


def test_every_module_says_what_it_is() -> None:
    silent = [path for path in SOURCES if path.read_text().strip() and not ast.get_docstring(tree(path))]
    assert not silent


def test_no_path_of_a_workplace_is_written_down() -> None:
    words = ("/" + "work/", "/" + "root/", "." + "library", "/" + "home/")
    texts = [p for p in ROOT.rglob("*") if p.suffix in (".py", ".md", ".toml", ".json", ".yaml", ".yml", ".sh", ".jinja")]
    ours = [p for p in texts if not any(part.startswith(".") or part == "runs" for part in p.relative_to(ROOT).parts)]
    assert not [(path, word) for path in ours for word in words if word in path.read_text(errors="replace")]


def test_importing_chiasm_is_quick_and_pulls_no_torch() -> None:
    program = (
        "import sys, time; start = time.process_time(); import chiasm; took = time.process_time() - start;"
        "heavy = {'torch', 'numpy', 'PIL', 'transformers', 'jinja2', 'tokenizers', 'safetensors'} & set(sys.modules);"
        "print(took, sorted(heavy))"
    )
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT) for _ in range(3)]
    assert all(run.stdout.split(" ", 1)[1].strip() == "[]" for run in runs), runs[0].stdout + runs[0].stderr
    assert min(float(run.stdout.split()[0]) for run in runs) < 0.1


@pytest.mark.parametrize("command", ["ruff check", "ruff format --check", "mypy"])
def test_the_sources_are_clean(command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command.split()], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
