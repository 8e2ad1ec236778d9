"""Tables of references through the command: recorded cases are made here exactly, and a changed one is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from chiasm.check import check
from chiasm.check.tables import TABLES
from chiasm.cli import main
from chiasm.errors import BadCheckpoint

RECORDED = Path(__file__).parent / "data" / "tables"
SPELT = {"mllama_canvas": {"id": "hf_id"}}
"""Fields that our copies name otherwise than the tables do."""


def written(folder: Path, name: str, cases: list[dict[str, Any]]) -> Path:
    folder.mkdir()
    (folder / "cases.json").write_text(json.dumps(cases))
    (folder / "meta.json").write_text(json.dumps({"name": name}))
    return folder


def cases(name: str) -> list[dict[str, Any]]:
    spelt = SPELT.get(name, {})
    found = json.loads((RECORDED / f"{name}.json").read_text())
    return [{spelt.get(field, field): value for field, value in case.items()} for case in found]


@pytest.mark.parametrize("table", TABLES)
def test_every_recorded_table_is_made_exactly(table: str, tmp_path: Path) -> None:
    verdict = check(written(tmp_path / "any", table, cases(table.removeprefix("table-"))))
    assert verdict.passed and verdict.start == "table" and len(verdict.worst) >= 1, verdict.line()


def test_a_changed_case_fails_and_its_field_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = cases("internvl")[:10]
    changed[3]["max12"]["tokens"] += 1
    assert main(["check", str(written(tmp_path / "tiles", "table-internvl", changed))]) == 1
    said = capsys.readouterr().out
    assert said.startswith("FAIL tiles") and "max12.tokens 1.0e-01" in said and "max12.grid 0.0e+00" in said


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("table-nothing", [{"w": 1}], "'table-nothing' is no table that can be proved"),
        ("table-pixtral", [{"wide": 3}], "case 0 is not of this table's form"),
        ("table-pixtral", {"w": 3}, "no JSON list of objects"),
    ],
)
def test_what_is_no_table_is_said(name: str, content: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match=said):
        check(written(tmp_path / "any", name, content))
