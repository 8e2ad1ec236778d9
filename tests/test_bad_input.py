"""What people give by mistake, through the real command: one sentence, exit code 2, nothing else."""

import json
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from attack.pictures import encoded, png_bomb, sample
from PIL import Image
from tiny_folder import tiny_folder
from tiny_tokenizers import byte_level

PEAK = """
import sys
from pathlib import Path
from chiasm.cli import main
code = main(sys.argv[1:])
line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(line.split()[1]) / 1024, code)
"""
"""Runs the command and says the most memory that it took, in megabytes, and its exit code."""


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one sentence on standard error."""
        assert self.code == 2, self.err
        assert "Traceback" not in self.err and self.out == ""
        (line,) = self.err.splitlines()
        return line


def environment(place: Path) -> dict[str, str]:
    """Offline, with a cache of its own."""
    own = {"OMP_NUM_THREADS": "1", "CHIASM_HOME": str(place / "home"), "CHIASM_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **own, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def chiasm(*words: str, cwd: Path, **settings: str) -> Ran:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "chiasm.cli", *words]
    env = environment(cwd) | settings
    run = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False)
    return Ran(run.returncode, run.stdout, run.stderr)


def prepared(folder: Path) -> Path:
    """Every broken thing, and a model that is whole."""
    (folder / "home").mkdir()
    tiny_folder(folder / "model")
    tiny_folder(folder / "narrow", context=90)
    (folder / "text.jpg").write_text("This is not a picture, whatever its name says.\n")
    whole = encoded(sample(400, 300), "JPEG")
    (folder / "good.jpg").write_bytes(whole)
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "bomb.png").write_bytes(png_bomb())
    (folder / "empty").mkdir()
    cut = tiny_folder(folder / "cut") / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-1000])
    pickled = tiny_folder(folder / "pickled")
    (pickled / "model.safetensors").unlink()
    torch.save({"a": torch.zeros(2)}, pickled / "pytorch_model.bin")
    disguised = tiny_folder(folder / "disguised")
    (disguised / "model.safetensors").write_bytes(pickle.dumps({"a": 1}))
    return folder


ASK = ("ask", "good.jpg", "What is this?", "--model")
CASES: dict[str, tuple[str, ...]] = {
    "missing file": ("ask", "god.jpg", "What is this?", "--model", "model"),
    "text named jpg": ("ask", "text.jpg", "What is this?", "--model", "model"),
    "truncated": ("ask", "cut.jpg", "What is this?", "--model", "model"),
    "bomb": ("ask", "bomb.png", "What is this?", "--model", "model"),
    "bomb planned": ("plan", "bomb.png", "--model", "llava-1.5"),
    "empty question": ("ask", "good.jpg", "  ", "--model", "model"),
    "no question": ("ask", "good.jpg", "--model", "model"),
    "nothing": ("ask",),
    "unknown model": (*ASK, "modle"),
    "unknown path": (*ASK, "./modle"),
    "a family": (*ASK, "llava-1.5"),
    "like a family": (*ASK, "llava-15"),
    "no config": (*ASK, "empty"),
    "cut safetensors": (*ASK, "cut"),
    "pickle": (*ASK, "pickled"),
    "disguised pickle": (*ASK, "disguised"),
    "overflow": (*ASK, "narrow", "--max-tokens", "50"),
    "overflow planned": ("plan", "good.jpg", "--text", "What is this?", "--model", "narrow", "--json"),
    "no tokens": (*ASK, "model", "--max-tokens", "0"),
    "unknown option": ("ask", "good.jpg", "What?", "--modle", "model"),
    "no number": ("ask", "good.jpg", "What?", "--max-tokens", "many"),
    "unknown verb": ("aks", "good.jpg", "What?"),
    "no cache entry": ("cache", "rm", "nothing"),
    "nothing to convert": ("convert", "absent.bin", "out.safetensors"),
    "no recipe": ("train", "absent.py"),
    "nothing to prove": ("check", "empty"),
    "unknown size": ("plan", "--model", "llava-1.5:70b"),
    "not a size": ("plan", "--size", "big", "--model", "llava-1.5"),
    "not a limit": ("plan", "--size", "10x10", "--model", "llava-1.5", "--fit", "much"),
    "a model that only compares": ("plan", "--size", "10x10", "--text-tokens", "9", "--model", "clip"),
}
SAYS: dict[str, tuple[str, ...]] = {
    "missing file": ("god.jpg", "good.jpg"),
    "text named jpg": ("text.jpg", "picture"),
    "truncated": ("cut.jpg", "JPEG"),
    "bomb": ("bomb.png", "30000x30000", "900,000,000", "67,108,864"),
    "bomb planned": ("bomb.png", "900,000,000"),
    "empty question": ("question is empty",),
    "no question": ("question", "good.jpg"),
    "nothing": ("question",),
    "unknown model": ("modle", "model"),
    "unknown path": ("modle", "model"),
    "a family": ("llava-1.5", "family", "plan"),
    "like a family": ("llava-15", "llava-1.5"),
    "no config": ("empty", "config.json"),
    "cut safetensors": ("model.safetensors",),
    "pickle": ("pytorch_model.bin", "chiasm convert"),
    "disguised pickle": ("model.safetensors", "pickle", "chiasm convert"),
    "overflow": ("90", "more than", "max_tokens"),
    "overflow planned": ("90", "more than"),
    "no tokens": ("0",),
    "unknown option": ("--modle", "--model"),
    "no number": ("--max-tokens", "many"),
    "unknown verb": ("aks", "ask"),
    "no cache entry": ("nothing",),
    "nothing to convert": ("absent.bin",),
    "no recipe": ("absent.py",),
    "nothing to prove": ("empty",),
    "unknown size": ("70b", "7b", "13b"),
    "not a size": ("big", "1344x1344"),
    "not a limit": ("much", "tokens=4096"),
    "a model that only compares": ("clip",),
}
GOOD: dict[str, tuple[str, ...]] = {
    "turned": ("ask", "turned.jpg", "What is this?", "--model", "model", "--max-tokens", "3", "--json"),
    "see-through": ("ask", "clear.png", "What is this?", "--model", "model", "--max-tokens", "3", "--json"),
    "typed placeholder": ("ask", "good.jpg", "What is <image> here?", "--model", "model", "--max-tokens", "3", "--json"),
    "plain words": ("ask", "good.jpg", "What is (image) here?", "--model", "model", "--max-tokens", "3", "--json"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = prepared(tmp_path_factory.mktemp("bad"))
    wide, exif = sample(60, 20), Image.Exif()
    exif[0x0112] = 6
    wide.save(folder / "turned.jpg", exif=exif)
    Image.merge("RGBA", [*sample(60, 40).split(), Image.new("L", (60, 40), 30)]).save(folder / "clear.png")
    return folder


FORKS = """
import json, os, sys, traceback
import chiasm.loading
from chiasm.cli import main

def child(name, words):
    for number, suffix in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{name}.{suffix}", os.O_WRONLY | os.O_CREAT), number)
    try:
        code = main(words)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

for name, words in json.load(sys.stdin).items():
    process = os.fork()
    if not process:
        child(name, words)
    print(json.dumps([name, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])]), flush=True)
"""
"""Starts a process for every command, from one that has paid for importing torch once."""


@pytest.fixture(scope="module")
def ran(place: Path) -> dict[str, Ran]:
    """Every case in a process of its own."""
    command, cases = [sys.executable, "-c", FORKS], json.dumps(CASES | GOOD)
    run = subprocess.run(
        command, cwd=place, env=environment(place), input=cases, capture_output=True, text=True, timeout=900, check=True
    )
    codes = dict(json.loads(line) for line in run.stdout.splitlines())
    return {
        name: Ran(codes[name], (place / f"{name}.out").read_text(), (place / f"{name}.err").read_text())
        for name in CASES | GOOD
    }


@pytest.mark.parametrize("case", ["missing file", "truncated", "unknown model", "no config", "unknown option"])
def test_the_command_itself_says_the_same(case: str, ran: dict[str, Ran], place: Path) -> None:
    assert chiasm(*CASES[case], cwd=place) == ran[case]


@pytest.mark.parametrize("case", [name for name in CASES if name != "overflow planned"])
def test_a_mistake_is_one_sentence_and_exit_code_2(case: str, ran: dict[str, Ran]) -> None:
    sentence = ran[case].sentence
    assert len(sentence) < 600
    for word in SAYS[case]:
        assert word in sentence, sentence


def test_a_plan_that_overflows_is_shown_and_refused(ran: dict[str, Ran]) -> None:
    found = ran["overflow planned"]
    assert found.code == 2 and len(found.err.splitlines()) == 1
    plan = json.loads(found.out)
    assert plan["context"]["over"] == plan["tokens"]["total"] - 90 > 0
    for word in (*SAYS["overflow planned"], f"{plan['context']['over']:,}"):
        assert word in found.err


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the system does not tell a process's memory")
def test_a_bomb_is_refused_from_its_header(place: Path) -> None:
    assert 2e6 < (place / "bomb.png").stat().st_size < 4e6
    taken = []
    for picture in ("god.jpg", "bomb.png"):
        command = [sys.executable, "-c", PEAK, "ask", picture, "What is this?", "--model", "model"]
        run = subprocess.run(command, cwd=place, env=environment(place), capture_output=True, text=True, check=True)
        megabytes, code = run.stdout.split()
        assert code == "2"
        taken.append(float(megabytes))
    assert taken[1] < taken[0] + 20


def test_nothing_is_left_behind(ran: dict[str, Ran], place: Path) -> None:
    assert not (place / "out.safetensors").exists() and not (place / "runs").exists()
    kept = [file for file in (place / "home").rglob("*") if file.is_file() and file.suffix not in (".lock", ".so")]
    assert not kept


@pytest.mark.parametrize("case", ["turned", "see-through"])
def test_turned_and_transparent_pictures_are_answered(case: str, ran: dict[str, Ran]) -> None:
    assert ran[case].code == 0, ran[case].err
    answer = json.loads(ran[case].out)
    assert answer["usage"]["generated_tokens"] == 3 and answer["usage"]["image_tokens"] > 0


def test_a_turned_picture_is_counted_upright(ran: dict[str, Ran], place: Path) -> None:
    turned = json.loads(chiasm("plan", "turned.jpg", "--model", "model", "--json", cwd=place).out)
    assert (turned["pictures"][0]["width"], turned["pictures"][0]["height"]) == (20, 60)


def test_a_typed_placeholder_stays_text(ran: dict[str, Ran]) -> None:
    typed, plain = (json.loads(ran[case].out)["usage"] for case in ("typed placeholder", "plain words"))
    assert typed["image_tokens"] == plain["image_tokens"]
    assert typed["text_tokens"] > 0


def test_debug_shows_the_traceback(place: Path) -> None:
    shown = chiasm("ask", "god.jpg", "What?", cwd=place, CHIASM_DEBUG="1")
    assert "Traceback" in shown.err and shown.code != 0


def test_ctrl_c_stops_with_130(place: Path) -> None:
    endless = tiny_folder(place / "endless", context=100_000)
    ends = [byte_level().token_to_id(token) for token in ("<|im_end|>", "</s>")]
    drawn = {"do_sample": True, "temperature": 3.0, "suppress_tokens": ends}
    (endless / "generation_config.json").write_text(json.dumps(drawn))
    command = [sys.executable, "-m", "chiasm.cli", "ask", "Tell me all.", "--model", "endless", "--stream", "--json"]
    command += ["--max-tokens", "90000"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Whoever runs the tests in the background hands down an ignored Ctrl-C.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, cwd=place, env=environment(place), text=True, preexec_fn=heard, **pipes) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["delta"]
        process.send_signal(signal.SIGINT)
        try:
            _, err = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 130 and "Traceback" not in err and err.splitlines()[-1] == "Interrupted."
