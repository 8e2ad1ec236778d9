"""One reader of tables for benchmarks, own questions, training data and labels."""

import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.rows import rows_of
from chiasm.evaluate.sheets import Unread, values

ROWS = [{"id": "1", "question": "Café?\u2028Yes?"}, {"id": "2", "question": "two, three; four"}]
CSV = 'id,question\n1,Café?\u2028Yes?\n2,"two, three; four"\n'
DEEP = "[" * 100_000 + "]" * 100_000
SPELLINGS = {
    "a.json": json.dumps(ROWS),
    "B.JSON": json.dumps({"info": {"rows": 2}, "rows": ROWS, "kinds": ["a", "b", "c"]}),
    "c.json": json.dumps({row["id"]: row for row in ROWS}),
    "lines.json": "\n".join(map(json.dumps, ROWS)),
    "d.jsonl": "\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n",
    "e.csv": CSV,
    "f.csv": CSV.replace(",question", ";question").replace("1,", "1;").replace("2,", "2;"),
    "g.tsv": CSV.replace(",question", "\tquestion").replace("1,", "1\t").replace("2,", "2\t"),
}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_has_the_same_rows(name: str, mark: str, tmp_path: Path) -> None:
    """With a mark of the byte order too, as some editors write it."""
    (tmp_path / name).write_text(mark + SPELLINGS[name], encoding="utf-8")
    assert [*values(tmp_path / name)] == ROWS


def test_parquet_has_the_same_rows(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "h.parquet")
    assert [*values(tmp_path / "h.parquet")] == ROWS


def test_a_single_object_is_a_row(tmp_path: Path) -> None:
    row = {"question": "Q?", "choices": ["a", "b"], "answers": []}
    (tmp_path / "a.json").write_text(json.dumps(row))
    assert [*values(tmp_path / "a.json")] == [row]


def test_cells_beside_the_heading_are_no_columns(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("index\timage\n1\n2\tx\ty\n")
    assert [*values(tmp_path / "a.tsv")] == [{"index": "1"}, {"index": "2", "image": "x"}]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"broken"', "line 2 is not JSON: Expecting ':' delimiter (character 11)"),
        (b'{"id": "\xe9"}', "line 2 is no text in UTF-8 (byte 8)"),
        (DEEP.encode(), "nested too deeply"),
        (b"[" + b"9" * 5000 + b"]", "line 2 is not JSON that can be read: "),
    ],
    ids=["cut", "latin", "deep", "long"],
)
def test_a_line_that_cannot_be_read_stands_for_itself_or_ends_a_strict_reading(line: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"id": 1}\n' + line + b'\n{"id": 3}\n')
    first, second, third = values(file)
    assert (first, third) == ({"id": 1}, {"id": 3}) and isinstance(second, Unread) and why in second.why
    with pytest.raises(UserError, match="line 2 "):
        [*rows_of(file, tmp_path)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", json.dumps(ROWS, indent=1)[:-9].encode(), "a.json is not JSON: "),
        ("a.json", DEEP.encode(), "nested too deeply"),
        ("a.json", "é".encode("latin-1"), "no text in UTF-8 (byte 0)"),
        ("a.csv", b"id\n\xe9\n", "no text in UTF-8 (byte 3)"),
        ("a.parquet", b"PAR1", "not a whole parquet file"),
        ("a.xlsx", b"", "rows are read from .jsonl, .json, .csv, .tsv, .parquet, not from .xlsx"),
        ("a", b"", "not from a file without an ending"),
    ],
    ids=["cut", "deep", "latin", "cells", "parquet", "ending", "none"],
)
def test_a_file_that_is_no_table_is_one_sentence(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        [*values(tmp_path / name)]
    assert said in str(caught.value)
