"""The verbs: what they print, what they hand to the library, what starting costs."""

import importlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from attack.pictures import sample
from safetensors.torch import load_file
from tiny_folder import tiny_folder

from chiasm import registry
from chiasm.cli import VERBS, main
from chiasm.weights import cache
from chiasm.weights.write import write_json, write_text

QUESTION = "What is in this picture?"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    tiny_folder(folder / "model")
    sample(120, 40).save(folder / "wide.png")
    sample(50, 60).save(folder / "high.jpg")
    return folder


@pytest.fixture(autouse=True)
def own_home(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("CHIASM_HOME", str(place / "home"))
    monkeypatch.setenv("CHIASM_OFFLINE", "1")


def outside(*command: str) -> subprocess.CompletedProcess[str]:
    """A process that finds the library where this one does."""
    paths = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(command, env=os.environ | paths, capture_output=True, text=True, check=False)


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """What a command wrote to standard output."""
    assert main(words) == code, capsys.readouterr().err
    return capsys.readouterr().out


def read(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    return json.loads(said(capsys, *words, code=code))


# --- starting ---------------------------------------------------------------------------------------------------------


def test_help_imports_no_torch_and_is_quick() -> None:
    """In seconds of the processor: wall time says as much about what else the machine does."""
    code = "import sys, time; from chiasm.cli import main; main(['--help']); print(time.process_time(), 'torch' in sys.modules)"
    spent = []
    for _ in range(3):
        *helped, last = outside(sys.executable, "-c", code).stdout.splitlines()
        seconds, torch_is_there = last.split()
        assert torch_is_there == "False" and all(any(verb in line for line in helped) for verb in VERBS)
        spent.append(float(seconds))
    assert min(spent) < 0.4, spent


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_of_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    helped = said(capsys, verb, "--help")
    sub = "ls " if verb == "cache" else ""
    helped += said(capsys, verb, "ls", "--help") if sub else ""
    assert f"Usage: chiasm {verb}" in helped
    assert f"  chiasm {verb}" in helped.partition("Example:")[2] or sub


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import chiasm

    assert said(capsys, "--version").strip() == chiasm.__version__


# --- plan and ask agree ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pictures", [(), ("wide.png",), ("wide.png", "high.jpg")])
def test_ask_uses_what_plan_says(pictures: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    planned = read(capsys, "plan", *pictures, "--model", "model", "--text", QUESTION, "--max-tokens", "4", "--json")
    answer = read(capsys, "ask", *pictures, QUESTION, "--model", "model", "--max-tokens", "4", "--json")
    tokens, usage = planned["tokens"], answer["usage"]
    assert tokens["visual"] == usage["image_tokens"]
    assert tokens["text"] + tokens["marks"] == usage["text_tokens"]
    assert tokens["prefill"] == usage["image_tokens"] + usage["text_tokens"]
    assert usage["generated_tokens"] <= tokens["generate"] == 4
    assert answer["model"] == planned["model"] == "model"
    assert answer["finish_reason"] in {"stop", "length", "repetition"}
    assert {"load", "open", "prefill", "decode"} <= answer["seconds"].keys()


def test_a_plan_reads_no_weights(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = tiny_folder(place / "bare")
    (bare / "model.safetensors").unlink()
    known = read(capsys, "plan", "wide.png", "--model", "model", "--text", QUESTION, "--json")
    assert read(capsys, "plan", "wide.png", "--model", "bare", "--text", QUESTION, "--json")["tokens"] == known["tokens"]


def test_a_plan_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "plan", "--size", "1344x1344", "--model", "smolvlm:256m", "--text-tokens", "20")
    assert "17 of 32 x 32" in shown and "1,088 visual + 39 marks + 20 text + 256 to generate" in shown
    assert "513 MB" in shown


def test_what_fits(capsys: pytest.CaptureFixture[str]) -> None:
    found = read(capsys, "plan", "--size", "400x300", "--model", "qwen2-vl", "--fit", "tokens=1000", "--json")["fit"]
    width, height = found["largest"]
    assert found["bounded"] and found["tokens"] <= 1000 and abs(width / height - 4 / 3) < 0.01
    shown = said(capsys, "plan", "--size", "1344x1344", "--model", "llava-1.5", "--fit", "tokens=4096")
    assert "any size fits" in shown and "7 pictures" in shown
    gigabytes = read(capsys, "plan", "--size", "1344x1344", "--model", "qwen2-vl:7b", "--fit", "memory=24", "--json")
    assert gigabytes["fit"]["pictures"] > 1


def test_the_plain_rule(capsys: pytest.CaptureFixture[str]) -> None:
    rule = ("--patch", "14", "--tile", "336", "--grid", "6x6", "--merge", "2")
    assert "5,184 tokens" in said(capsys, "plan", "--size", "2016x2016", *rule)
    assert read(capsys, "plan", "--size", "2016x2016", *rule, "--thumbnail", "--json")["tokens"] == 37 * 144
    assert read(capsys, "plan", "wide.png", "--patch", "10", "--row-breaks", "--json")["tokens"] == 12 * 4 + 4


def test_streaming_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("ask", "wide.png", QUESTION, "--model", "model", "--max-tokens", "5")
    whole = said(capsys, *asked)
    assert said(capsys, *asked, "--stream") == whole
    *deltas, last = [json.loads(line) for line in said(capsys, *asked, "--stream", "--json").splitlines()]
    assert "".join(delta["delta"] for delta in deltas) == last["text"] == whole.removesuffix("\n")


# --- the other verbs --------------------------------------------------------------------------------------------------------


def test_families_in_three_forms(capsys: pytest.CaptureFixture[str]) -> None:
    known = read(capsys, "families", "--json")
    assert {family["name"] for family in known} == set(registry.families())
    one = next(family for family in known if family["name"] == "llava-1.5")
    assert one["sizes"] == {"7b": 7_063_427_072, "13b": 13_351_494_656} and one["paper"] == "2310.03744"
    assert {"kind", "year", "proof", "reference", "ran_on_real_weights"} <= one.keys()
    lines = said(capsys, "families", "--markdown").splitlines()
    assert len(lines) == len(known) + 2 and len({line.count("|") for line in lines}) == 1
    assert "7b (7.06B), 13b (13.35B)" in said(capsys, "families", "llava-1.5")


def test_env_says_what_a_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    facts = read(capsys, "env", "--json")
    assert facts["torch"]["build"] == torch.__version__ and facts["torchvision"] in ("absent", "present, unused")
    assert facts["torch"]["threads"] == torch.get_num_threads()
    assert facts["offline"] is True and Path(facts["home"]).name == "home"
    assert "torchvision" in said(capsys, "env")
    declared = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert facts["extras"].keys() == declared.keys()


def test_env_reports_a_torch_that_is_not_imported(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "torch" in read(capsys, "env", "--json")["torch"]["is not imported"]


def test_the_cache_is_listed_verified_and_emptied(capsys: pytest.CaptureFixture[str]) -> None:
    def fill(folder: Path) -> str:
        write_text(folder / "a.txt", "a" * 1000)
        return "nowhere"

    entry = cache.build("kept", fill)
    assert [(e["name"], e["bytes"]) for e in read(capsys, "cache", "ls", "--json")["entries"]] == [("kept", 1000)]
    assert "kept" in said(capsys, "cache", "ls") and "ok" in said(capsys, "cache", "verify")
    (entry.folder / "a.txt").write_text("b" * 1000)
    assert "SHA-256" in said(capsys, "cache", "verify", code=1)
    assert read(capsys, "cache", "verify", "--json", code=1)["entries"][0]["ok"] is False
    assert "kept removed" in said(capsys, "cache", "rm", "kept")
    assert read(capsys, "cache", "ls", "--json")["entries"] == []


def test_convert_writes_what_load_reads(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"a": torch.arange(4.0), "steps": 3}, place / "old.bin")
    made = read(capsys, "convert", "old.bin", "new.safetensors", "--json")
    assert made["tensors"] == 1 and made["dropped"] == ["steps"]
    assert torch.equal(load_file(place / "new.safetensors")["a"], torch.arange(4.0))


def test_check_says_which_proof_failed(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from chiasm import check

    good = check.Verdict("one", "raw", True, {"logits": 1e-6}, "")
    bad = check.Verdict("two", "raw", False, {"logits": 0.5}, "")
    monkeypatch.setattr(check, "check", lambda folder, out: good if folder.name == "one" else bad)
    monkeypatch.setattr(check, "check_family", lambda name, seeds, geometries, out: iter([good] * len(seeds)))
    (place / "one").mkdir()
    (place / "two").mkdir()
    assert said(capsys, "check", "one", "llava-1.5", "--seeds", "2").count("ok") == 3
    assert "FAIL two" in said(capsys, "check", "one", "two", code=1)
    assert said(capsys, "check", "llava-1.5", "--seeds", "0", code=2) == ""
    assert [v["passed"] for v in read(capsys, "check", "one", "two", "--json", code=1)] == [True, False]
    assert main(["check", "one", "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err
    assert said(capsys, "check", "--all").count("ok") == len(registry.families())


def test_train_hands_over_the_recipe_and_its_changes(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("chiasm.train.run")

    taken: list[tuple[Any, ...]] = []

    def run(recipe: Path, overrides: dict[str, str], out: Path, **how: Any) -> Path:
        taken.append((recipe, overrides, out, how))
        return out / "model"

    monkeypatch.setattr(module, "run", run)
    (place / "recipe.py").write_text("RECIPE = None\n")
    trained = said(capsys, "train", "recipe.py", "steps=3", "rate=0.1", "--out", "runs/a", "--no-resume", "--minutes", "9")
    assert trained.strip() == str(Path("runs/a/model"))
    said(capsys, "train", "recipe.py")
    changed = {"steps": "3", "rate": "0.1"}
    assert taken == [
        (Path("recipe.py"), changed, Path("runs/a"), {"resume": False, "device": "auto", "minutes": 9}),
        (Path("recipe.py"), {}, Path("runs/train"), {"resume": True, "device": "auto", "minutes": None}),
    ]
    assert main(["train", "recipe.py", "--minutes", "0"]) == 2
    assert main(["train", "recipe.py", "steps"]) == 2 and main(["train", "recipe.py", "a=1", "a=2"]) == 2


def test_a_reader_who_leaves_is_no_error() -> None:
    run = outside("sh", "-c", f"{sys.executable} -m chiasm.cli families | head -1")
    assert run.stdout.startswith("name") and "Traceback" not in run.stderr and "Error" not in run.stderr


def test_a_users_own_family_is_planned(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "families").mkdir()
    write_json(
        place / "families" / "own.json",
        {"name": "own", "like": "llava-1.5", "changes": {"decoder.depth": 4, "decoder.context": 700}},
    )
    monkeypatch.setenv("CHIASM_FAMILIES", str(place / "families"))
    assert read(capsys, "plan", "--size", "9x9", "--model", "own", "--max-tokens", "1", "--json")["context"]["length"] == 700
    assert main(["plan", "--size", "9x9", "--model", "own", "--text-tokens", "124", "--max-tokens", "1"]) == 2
    assert "1 more than the context of 700" in capsys.readouterr().err


# --- models that look ---------------------------------------------------------------------------------------------------


def test_plan_counts_the_patches_of_models_that_look(capsys: pytest.CaptureFixture[str]) -> None:
    shown = read(capsys, "plan", "--size", "1000x600", "--size", "10x10", "--model", "siglip2:b16", "--json")
    assert [(one["views"], one["tokens"]) for one in shown["pictures"]] == [([[12, 20]], 240), ([[16, 16]], 256)]
    assert shown["parameters"] == 375_234_050 and shown["weight_bytes"]["bfloat16"] == 2 * 375_234_050
    assert "1 of 24 x 24" in said(capsys, "plan", "--size", "30x70", "--model", "clip:l14-336")
    for name in ("vit", "sam:b", "grounding-dino", "imagebind", "blip2-itm", "clip-resnet"):
        assert "weights" in said(capsys, "plan", "--size", "300x200", "--model", name)
    assert main(["plan", "--size", "30x70", "--model", "clip", "--text-tokens", "3"]) == 2
    assert "has no context to fill" in capsys.readouterr().err


def test_plan_says_what_the_context_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert "= 5,056; 257 in the text that is written, of 1,536 (16.7%)" in said(
        capsys, "plan", "--size", "300x300", "--model", "donut"
    )
    assert "text not counted = 1,024 of 8,192" in said(capsys, "plan", "--size", "300x300", "--model", "colpali")
    assert main(["plan", "--size", "30x70", "--model", "llava-1.5", "--budget", "what"]) == 2
    assert "tiles:N" in capsys.readouterr().err
