"""A family is one file: without it, every other family is still there and still reads its published folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chiasm import registry

ROOT = Path(__file__).parent.parent
FILES = sorted(path.name for path in (ROOT / "chiasm" / "families").glob("*.py") if path.name != "__init__.py")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package whose families can be taken away one by one."""
    root = tmp_path_factory.mktemp("copy")
    (root / "chiasm" / "families").mkdir(parents=True)
    for path in (ROOT / "chiasm").iterdir():
        if path.name not in ("families", "__pycache__"):
            (root / "chiasm" / path.name).symlink_to(path)
    for path in (ROOT / "chiasm" / "families").glob("*.py"):
        (root / "chiasm" / "families" / path.name).write_text(path.read_text())
    return root


def rest(package: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("CHIASM_FAMILIES", None)
    command = [sys.executable, str(ROOT / "tests" / "rest_of_registry.py"), str(ROOT / "tests" / "data" / "configs")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_whole_registry_is_in_the_copy(package: Path) -> None:
    done = rest(package)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0].split() == list(registry.families())


@pytest.mark.parametrize("file", FILES)
def test_without_one_file_the_rest_is_whole(file: str, package: Path) -> None:
    path = package / "chiasm" / "families" / file
    text = path.read_text()
    path.unlink()
    try:
        done = rest(package)
    finally:
        path.write_text(text)
    assert done.returncode == 0, done.stdout + done.stderr
    gone = registry.families().keys() - set(done.stdout.splitlines()[0].split())
    assert gone and all(f'"{name}"' in text for name in gone)
