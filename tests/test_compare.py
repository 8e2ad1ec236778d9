"""Runs compared: paired numbers, unequal settings, and a page that works in a browser and asks nothing of any address."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from chiasm.cli import main
from chiasm.errors import UserError
from chiasm.evaluate.intervals import bootstrapped
from chiasm.evaluate.runs.compare import compared
from chiasm.evaluate.runs.page import write
from chiasm.evaluate.runs.store import Sample, Store

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = '</script><script>document.title="broken"</script><img src=x onerror="document.title=\'broken\'">'


def written(folder: Path, model: str, scores: Sequence[float], pictures: Path | None = None, **said: object) -> Path:
    """A finished run of as many own questions as there are scores, as `chiasm eval` leaves it."""
    manifest: dict[str, object] = {
        "model": model, "task": "own", "prompts": ["as it is"], "prompt hash": "p", "data hash": "d", "scorer": "own",
        "samples": len(scores), "unusable rows": [], "decoding": {"temperature": 0.0, "seeds": [0], "max_tokens": 64},
        "ablations": ["picture", "blank"], "versions": {"torch": "2"}, **said,
    }  # fmt: skip
    store = Store(folder)
    store.begin(manifest)
    for number, score in enumerate(scores):
        shown = () if pictures is None else (str(pictures / f"{number}.png"),)
        sample = Sample(
            str(number), "picture", "as it is", 0, "<picture>Which colour?", {"answers": ["red"], "choices": []},
            {"kind": "even" if number % 2 == 0 else "odd"}, pictures=shown,
            answer="red" if score == 1 else f"{model} says blue", parsed="red" if score == 1 else "blue",
            score=score, tokens={"image": 4, "text": 9, "generated": 2}, finish_reason="stop",
        )  # fmt: skip
        store.add([sample, replace(sample, ablation="blank", answer="", parsed=None, score=0.0, pictures=())], 0.5)
    return folder


def changed(folder: Path, change: Mapping[str, object], where: str = "0") -> None:
    store = Store(folder)
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    lines = [{**line, **(change if line["id"] == where else {})} for line in lines]
    (store.folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_differences_are_paired_and_sliced(tmp_path: Path) -> None:
    a = written(tmp_path / "a", "one", [1, 0, 1, 0, 0, 0, 0, 0])
    b = written(tmp_path / "b", "two", [0, 1, 1, 1, 1, 1, 1, 1])
    ((pair,),) = (one.pairs for one in compared([a, b]))
    assert (pair.only_first, pair.only_second) == (1, 6)
    overall = pair.overall
    assert (overall.n, overall.first, overall.second) == (8, 0.25, 0.875)
    assert overall.change.value == pytest.approx(0.625) and overall.change.low < 0.625 < overall.change.high
    assert overall.p == pytest.approx(2 * (1 + 7) / 2**7)
    slices = {made.name: made for made in pair.differences[1:]}
    assert slices["kind: odd"].change.value == pytest.approx(1) and slices["kind: odd"].n == 4
    # Every odd question changed alike: draws of them would claim to be sure.
    assert slices["kind: odd"].change.low < 0.9 and slices["kind: even"].change.value == pytest.approx(0.25)
    assert pair.first.cost.seconds == pytest.approx(0.25) and pair.first.cost.image_tokens == 4
    assert not pair.unequal


def test_answers_to_one_question_are_no_new_questions(tmp_path: Path) -> None:
    a, b = (written(tmp_path / name, name, [1, 0, 0, 0]) for name in "ab")
    for number in range(4):
        line = next(sample for sample in Store(b).samples() if sample.id == str(number) and sample.ablation == "picture")
        Store(b).add([replace(line, seed=1, score=1.0)], 0.5)
    ((pair,),) = (one.pairs for one in compared([a, b]))
    assert pair.overall.n == 4 and pair.overall.second == pytest.approx(0.625) and pair.overall.p is None


def test_bootstrap_covers_about_as_often_as_it_says() -> None:
    import random

    draw = random.Random(3)
    held = 0
    for _ in range(40):
        found = bootstrapped([draw.gauss(0.2, 0.5) for _ in range(60)])
        held += found.low <= 0.2 <= found.high
    assert 33 <= held <= 40
    with pytest.raises(ValueError, match="at least one"):
        bootstrapped([])


def test_unequal_settings_are_named_and_refused_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = written(tmp_path / "a", "one", [1, 0, 1])
    b = written(
        tmp_path / "b",
        "two",
        [1, 0, 1, 1],
        decoding={"temperature": 0.7, "seeds": [0], "max_tokens": 64},
        machine={"dtype": "x"},
    )
    changed(b, {"prompt": "<picture>What colour is it?"})
    assert main(["compare", str(a), str(b), "--page", str(tmp_path / "page.html")]) == 0
    said = capsys.readouterr().out
    assert "UNEQUAL, own, one and two: decoding temperature: 0.0 against 0.7" in said
    assert "wording of 1 of 3 questions" in said and "What colour is it?" in said
    assert "questions that the other lacks: 0 of 3 against 1 of 4" in said
    assert "machine dtype: not said against x" in said
    assert main(["compare", str(a), str(b), "--strict", "--page", str(tmp_path / "none.html")]) == 2
    assert "differ in more than the model" in capsys.readouterr().err and not (tmp_path / "none.html").exists()


def test_runs_that_mean_something_else_are_refused(tmp_path: Path) -> None:
    a, b = (written(tmp_path / name, name, [1, 0]) for name in "ab")
    with pytest.raises(UserError, match="only run of own"):
        compared([a])
    with pytest.raises(UserError, match=r"by own and .* by another: name one rule for both with --reference"):
        compared([a, written(tmp_path / "c", "c", [1, 0], scorer="another")])
    assert compared([a, tmp_path / "c"], reference="own")
    changed(b, {"gold": {"answers": ["green"], "choices": []}})
    with pytest.raises(UserError, match="question 0 is not the same"):
        compared([a, b])
    changed(b, {"id": "5"}, "0")
    changed(b, {"id": "6"}, "1")
    with pytest.raises(UserError, match="share no question"):
        compared([a, b])


def test_a_task_with_one_run_is_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        written(tmp_path / "runs" / name / "own", name, [1, 0])
    written(tmp_path / "runs" / "a" / "pope", "a", [1, 0], task="pope", scorer="RUCAIBox/POPE")
    assert main(["compare", str(tmp_path / "runs"), "--page", str(tmp_path / "page.html")]) == 0
    assert "pope is the only run of pope" in capsys.readouterr().out


def test_several_runs_are_held_to_the_first_and_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "abc":
        written(tmp_path / "runs" / name / "own", "same", [1, 0, float(name == "c")])
    page = tmp_path / "page.html"
    assert main(["compare", str(tmp_path / "runs"), "--page", str(page), "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert len({run["run"] for run in one["runs"]}) == 3 and len(one["pairs"]) == 2
    assert [pair["better"] for pair in one["pairs"]] == [0, 1]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Two runs of twenty questions with pictures; one of the questions and one of the answers try to break out."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        Image.new("RGB", (600, 30 + number), (12 * number, 90, 9)).save(folder / f"{number}.png")
    (folder / "3.png").write_bytes(b"no picture")
    a = written(tmp_path / "a", "one", [1.0] * 15 + [0.0] * 5, folder)
    b = written(tmp_path / "b", "two", [0.0] * 14 + [1.0] * 6, folder)
    changed(b, {"prompt": HOSTILE, "answer": HOSTILE})
    file = tmp_path / "page.html"
    write(compared([a, b]), file, 18)
    return file


def embedded(page: Path) -> dict[str, Any]:
    """What the gallery of a page shows."""
    data = re.search(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    found: dict[str, Any] = json.loads(data.group(1))  # type: ignore[union-attr]
    return found


def test_the_page_is_whole_in_itself(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"(src|href|url|import|fetch)\s*[=(]\s*[\"']?\s*(https?:)?//", text) and "http" not in text.replace(
        "http-equiv", ""
    )
    assert "default-src 'none'" in text and text.count("</script>") == 2
    data = embedded(page)
    assert len(data["pictures"]) == 18 and all(uri.startswith("data:image/jpeg;base64,") for uri in data["pictures"])
    absent = [place for question in data["tasks"][0]["questions"] for place in question["pictures"] if isinstance(place, str)]
    assert len(absent) == 2 and "3.png" in absent[0] and "the page holds 18 pictures" in absent[1]
    # Those that both had right stand last in the line for a place.
    assert data["tasks"][0]["questions"][14]["pictures"] == [absent[1]]


def test_pictures_inside_of_files_of_rows_are_shown(tmp_path: Path) -> None:
    """Bytes in parquet, base 64 in a TSV: the page holds small copies, the questions that runs disagree on first."""
    shown = []
    for number in range(6):
        held = io.BytesIO()
        Image.new("RGB", (900, 300), (40 * number, 9, 9)).save(held, "PNG")
        shown.append(held.getvalue())
    rows = [
        {"id": str(number), "question": "Which colour?", "answer": "red", "image": {"bytes": data, "path": None}}
        for number, data in enumerate(shown)
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "mine.parquet")
    lines = [f"{n}\tWhich colour?\tred\t{base64.b64encode(data).decode()}" for n, data in enumerate(shown)]
    (tmp_path / "mine.tsv").write_text("\n".join(["id\tquestion\tanswer\timage", *lines]) + "\n")
    for name in ("mine.parquet", "mine.tsv"):
        said: dict[str, Any] = {"data": str(tmp_path / name), "split": None}
        a = written(tmp_path / name[5:] / "a", "one", [1, 1, 1, 1, 1, 1], **said)
        b = written(tmp_path / name[5:] / "b", "two", [1, 1, 1, 0, 0, 0], **said)
        file = tmp_path / "page.html"
        write(compared([a, b]), file, 4)
        data = embedded(file)
        assert len(data["pictures"]) == 4
        with Image.open(io.BytesIO(base64.b64decode(data["pictures"][0].partition(",")[2]))) as small:
            assert max(small.size) == 448
        places = [question["pictures"] for question in data["tasks"][0]["questions"]]
        assert places[3:] == [[0], [1], [2]] and places[0] == [3]
        assert "picture of 1 is left out: the page holds 4 pictures" in places[1]
        assert "2 are left out" in file.read_text()
        write(compared([a, b]), file, 300, 0.005)
        assert 0 < len(embedded(file)["pictures"]) < 6
    (tmp_path / "mine.tsv").unlink()
    write(compared([a, b]), file, 4)
    assert "there is no" in embedded(file)["tasks"][0]["questions"][0]["pictures"][0]


@pytest.mark.skipif(BROWSER is None, reason="no browser is installed")
def test_the_page_is_clicked_through_in_a_browser(page: Path, tmp_path: Path) -> None:
    clicks = """
    const seen = [];
    const look = (what) => seen.push([what, document.getElementById("where").textContent,
      [...document.querySelectorAll(".card img")].filter((one) => one.complete && one.naturalWidth > 0).length,
      document.querySelectorAll(".card").length]);
    const press = (group) => document.querySelector(`[data-group=${group}]`).click();
    const loaded = (one) => one.complete || new Promise((done) => { one.onload = one.onerror = done; });
    const settled = () => Promise.all([...document.images].map(loaded));
    (async () => {
      await settled(); look("start");
      document.getElementById("on").click(); await settled(); look("on");
      press("better"); await settled(); look("better");
      press("both"); look("both");
      press("all");
      const slice = document.getElementById("slice");
      slice.value = "kind: odd"; slice.dispatchEvent(new Event("change")); await settled(); look("odd");
      const text = document.getElementById("text");
      text.value = "onerror"; text.dispatchEvent(new Event("input")); look("odd onerror");
      slice.value = ""; slice.dispatchEvent(new Event("change")); await settled(); look("onerror");
      seen.push(document.querySelector(".card").textContent.includes("<img src=x onerror="));
      seen.push(document.title);
      const out = document.createElement("pre"); out.id = "seen"; out.textContent = JSON.stringify(seen);
      document.body.append(out);
    })();
    """
    copy = tmp_path / "clicked.html"
    copy.write_text(page.read_text().replace("</body>", f"<script>{clicks}</script></body>"))
    flags = [
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
    ]
    command = [str(BROWSER), *(f"--{flag}" for flag in flags), "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--virtual-time-budget=8000", "--dump-dom", copy.as_uri()]
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout
    found = re.search(r'<pre id="seen">(.*?)</pre>', dumped, re.DOTALL)
    assert found, dumped[-2000:]
    seen = json.loads(found.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert seen == [
        ["start", "1 to 12 of 14", 11, 12],
        ["on", "13 to 14 of 14", 2, 2],
        ["better", "1 to 5 of 5", 5, 5],
        ["both", "1 to 1 of 1", 0, 1],
        ["odd", "1 to 10 of 10", 9, 10],
        ["odd onerror", "none", 0, 0],
        ["onerror", "1 to 1 of 1", 1, 1],
        True,
        "Runs compared: own",
    ]
