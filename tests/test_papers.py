"""What the papers of the house say is so: commands, outputs, links, examples, the run of CI."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from PIL import Image

import chiasm
from chiasm.cli import VERBS
from chiasm.weights import cache
from chiasm.weights.folders import NAMES
from chiasm.weights.sources import SMOLLM2

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAPERS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("chiasm/weights/default/*.md")])
SETTINGS = [*ROOT.glob("docs/*.*"), *ROOT.glob("examples/*.py"), ROOT / ".ci" / "run", ROOT / ".pre-commit-config.yaml"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def script(path: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(f"papers_{Path(path).stem}", ROOT / path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[module.__name__] = module
    found.loader.exec_module(module)
    return module


refresh, run, make = script("docs/refresh.py"), script("examples/run.py"), script("examples/make.py")
BLOCKS = [(path.name, found["command"], found["body"]) for path in PAPERS for found in refresh.BLOCK.finditer(path.read_text())]
ASKED = [block for block in BLOCKS if block[1].startswith("chiasm ask ")]
SPOKEN = [block for block in BLOCKS if block[1] == "python examples/ask.py"]
PROVED = [block for block in BLOCKS if block[1].startswith("chiasm check ")]
COUNTED = [block for block in BLOCKS if block not in ASKED + SPOKEN + PROVED]


@pytest.fixture
def default_model() -> None:
    """The default model's language model is there, or may be fetched."""
    if cache.offline() and cache.entry(NAMES[SMOLLM2]) is None:
        pytest.skip("CHIASM_OFFLINE is set and the default model's language model is not in the cache")


# --- what the papers print ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("paper", "command", "body"), COUNTED, ids=[f"{b[0]}: {b[1]}" for b in COUNTED])
def test_generated_blocks_are_what_their_commands_print(paper: str, command: str, body: str) -> None:
    assert body == refresh.body(refresh.output(command)), f"python docs/refresh.py {paper}"


def test_there_are_generated_blocks() -> None:
    commands = {command for _, command, _ in COUNTED}
    assert "python docs/tables.py one-picture" in commands
    assert len(ASKED) == 2 and len(SPOKEN) == len(PROVED) == 1


def test_the_table_of_proofs_lists_the_families_as_they_are() -> None:
    """What was proved is the last cell of each line; the proofs themselves are tests of their own."""
    ((paper, _, body),) = PROVED
    lines = [line.rpartition(" | ")[0] + " |" for line in body.strip().splitlines()]
    assert lines == refresh.output("chiasm families --markdown").splitlines(), f"python docs/refresh.py {paper}"
    assert not [line for line in body.splitlines() if line.endswith("| nothing |") or " of " in line.rpartition(" | ")[2]]


@pytest.mark.slow
def test_every_proof_of_the_table_holds() -> None:
    ((_, command, body),) = PROVED
    assert body == refresh.body(refresh.output(command))


@pytest.mark.parametrize(("paper", "command", "body"), ASKED, ids=[b[1] for b in ASKED])
def test_answers_in_the_papers_are_the_recorded_ones(paper: str, command: str, body: str) -> None:
    answers = {f'chiasm ask examples/{e.picture} "{e.question}"': e.answer for e in run.recorded()}
    assert body == refresh.body(answers[command])


def test_the_python_of_the_readme_prints_what_it_says(default_model: None) -> None:
    ((_, command, body),) = SPOKEN
    (code,) = [text for kind, text in FENCE.findall(README) if kind == "python"]
    assert code == (ROOT / "examples" / "ask.py").read_text()
    assert body == refresh.body(refresh.output(command))


def test_the_default_model_answers_the_examples_as_recorded(default_model: None) -> None:
    """Right answers word for word; where it is wrong, that it still is: thin margins may fall otherwise on other processors."""
    before = run.recorded()
    assert all(e.answer is not None for e in before), "python examples/run.py --write"
    for old, new in zip(before, run.asked(before), strict=True):
        assert new.answer == old.answer if old.answer == old.truth else new.answer != new.truth, new


def test_the_first_example_is_right_and_one_shows_the_limit() -> None:
    first, *_, last = run.recorded()
    assert first.picture == "sign.jpg" and first.answer == first.truth
    assert last.picture == "timetable.png" and last.answer != last.truth


# --- examples -----------------------------------------------------------------------------------------------------------------


def test_pictures_are_those_that_the_script_draws(tmp_path: Path) -> None:
    make.main(tmp_path)
    drawn = sorted(path.name for path in tmp_path.iterdir())
    kept = sorted(path.name for path in (ROOT / "examples").iterdir() if path.suffix in {".jpg", ".png"})
    assert drawn == kept
    assert {e.picture for e in run.recorded()} == set(kept)
    for name in drawn:
        ours, theirs = (np.asarray(Image.open(folder / name)).astype(int) for folder in (ROOT / "examples", tmp_path))
        assert ours.shape == theirs.shape and np.abs(ours - theirs).mean() < 1, name


# --- commands -----------------------------------------------------------------------------------------------------------------


def commands(of: str) -> list[str]:
    return [line for kind, text in FENCE.findall(README) if kind == "console" for line in text.splitlines() if of in line]


def test_the_readme_has_its_two_commands() -> None:
    (first,), (second,) = commands("chiasm ask"), commands("pytest")
    assert first.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert 'examples/sign.jpg "What does the sign say?"' in first
    assert second.startswith("python3 -m venv .venv && .venv/bin/pip install ")


@pytest.mark.parametrize("code", [0, 1])
def test_ci_runs_the_readmes_test_command_and_ends_as_it_does(code: int, tmp_path: Path) -> None:
    """With stand-ins for python3, pip and pytest that write down what they were asked."""
    clone = tmp_path / "clone"
    (clone / ".ci").mkdir(parents=True)
    (clone / ".ci" / "run").write_bytes((ROOT / ".ci" / "run").read_bytes())
    (clone / "README.md").write_text(README)
    does = {
        "pip": "",
        "pytest": f"echo '3 passed in 0.01s'; exit {code}",
        "python3": 'mkdir -p .venv && cp -r "${0%/*}" .venv/bin',
    }
    bin = tmp_path / "bin"
    bin.mkdir()
    for tool, more in does.items():
        (bin / tool).write_text(f'#!/bin/sh\necho "{tool} $*"\n{more}\n')
        (bin / tool).chmod(0o755)
    path = f"{bin}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", ".ci/run"], cwd=clone, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == code, ran.stderr
    (command,) = commands("pytest")
    assert ran.stdout.splitlines() == [
        f"+ {command}",
        "python3 -m venv .venv",
        "pip install -e .[dev]",
        "pytest -n 2",
        "3 passed in 0.01s",
    ]


def test_ci_fails_without_a_test_command(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_bytes((ROOT / ".ci" / "run").read_bytes())
    (tmp_path / "README.md").write_text(README.replace("pytest", "nothing"))
    ran = subprocess.run(["bash", ".ci/run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 1 and "no test command" in ran.stderr


def test_pre_commit_has_the_three_commands() -> None:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for hook in repo["hooks"]] == ["ruff check", "ruff format --check", "mypy"]
    assert all(hook["pass_filenames"] is False for hook in repo["hooks"])


# --- what the papers name -----------------------------------------------------------------------------------------------------


def test_the_readme_names_every_verb_and_extra() -> None:
    verbs = set(re.findall(r"`chiasm (\w+)", README))
    assert verbs - VERBS.keys() == set() and VERBS.keys() - verbs == set()
    extras = set(re.findall(r"^\| `([a-z]+)` \| ", README, re.MULTILINE))
    assert extras == PROJECT["project"]["optional-dependencies"].keys()


@pytest.mark.parametrize("path", PAPERS, ids=[str(path.relative_to(ROOT)) for path in PAPERS])
def test_links_lead_somewhere(path: Path) -> None:
    text = FENCE.sub("", path.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        assert ":" not in target and not target.startswith("/"), target
        assert (path.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("path", [*PAPERS, *SETTINGS], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_paths_of_a_machine(path: Path) -> None:
    found = re.findall(r"(?<![\w.~*])/(?:work|root|opt|home|tmp|mnt|Users)/\S*", path.read_text())
    assert not found


def test_the_changelog_is_in_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", version) for version in versions[1:])
    assert chiasm.__version__ == PROJECT["project"]["version"] and chiasm.__version__ in text
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_log_is_dated_newest_first() -> None:
    days = [date.fromisoformat(day) for day in re.findall(r"^## (\S+): ", (ROOT / "LOG.md").read_text(), re.MULTILINE)]
    assert days and days == sorted(days, reverse=True)
    assert len(days) == (ROOT / "LOG.md").read_text().count("\n## ")


def test_the_family_of_the_contributors_page_works(tmp_path: Path) -> None:
    (code,) = [text for kind, text in FENCE.findall((ROOT / "CONTRIBUTING.md").read_text()) if kind == "python"]
    (tmp_path / "tinyllama.py").write_text(code)
    listed = subprocess.run(
        [sys.executable, "-m", "chiasm.cli", "families", "tinyllama", "--json"],
        cwd=ROOT, env={**os.environ, "CHIASM_FAMILIES": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (family,) = json.loads(listed.stdout)
    assert family["sizes"] == {"1.1b": 1_100_048_384}


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Copyright 2026 The Chiasm authors" in text and "[yyyy]" not in text
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in text and text.rstrip().endswith("the License.")
    assert PROJECT["project"]["license"] == "Apache-2.0"
