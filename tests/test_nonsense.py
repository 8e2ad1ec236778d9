"""Values that make no sense, wherever a person or a file may put one: always a sentence, never a traceback."""

import copy
import errno
import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from attack.pictures import sample
from safetensors.torch import load_file, save_file
from test_bad_input import environment
from test_fields import objects, read_of, written
from tiny_folder import tiny_folder

import chiasm
from chiasm.assistant import Done, Request
from chiasm.cli import main
from chiasm.errors import BadCheckpoint, BadConfig, BadPrompt, UserError
from chiasm.generate.sampling import Sampling
from chiasm.loading import load_local
from chiasm.prompt.messages import Text, question
from chiasm.weights.read import describe

COMMANDS: dict[tuple[str, ...], str] = {
    ("ask", "", "What?"): "empty name",
    ("ask", "a.png", "What?", "--model", " "): "is no model's name",
    ("ask", "a.png", "What?", "--max-tokens", "1.5"): '--max-tokens: "1.5" is not a whole number.',
    ("ask", "a.png", "What?", "--fps", "nan"): '--fps: "nan" is not a number.',
    ("ask", "a.png", "What?", "--model", "zzzzzz"): "chiasm families",
    ("plan", "--size", "9x9", "--model", "llava-1.5", "--text-tokens", "-5"): "--text-tokens is -5",
    ("plan", "--size", "9x9", "--model", "llava-1.5", "--max-tokens", "-1"): "--max-tokens is -1",
    ("check", "llava-1.5", "--seeds", "0"): "--seeds 0",
    ("check", "llava-1.5", "--geometries", "-1"): "--geometries -1",
    ("convert", "/dev/zero", "out.safetensors"): "pipe or a device",
    ("train", "a.png"): "a.png is not Python",
    ("train", "cut.py"): "cut.py is not Python (line 1: ",
    ("cache", "rm"): "NAME",
    ("ask", "b" * 300, "What?"): "not a path that can be opened",
    ("ask", "a.png", "What?", "--model", "m" * 300): "File name too long",
    ("cache", "rm", "c" * 300): "ccc",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nonsense")
    (folder / "home").mkdir()
    tiny_folder(folder / "model")
    sample(40, 30).save(folder / "a.png")
    (folder / "cut.py").write_text("RECIPE = (\nfor\n")
    return folder


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_says_what_is_wrong(
    words: tuple[str, ...], place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("CHIASM_HOME", str(place / "home"))
    assert main(words) == 2
    said = capsys.readouterr()
    assert COMMANDS[words] in said.err and said.err.count("\n") == 1 and len(said.err) < 450 and not said.out
    if "See:" in said.err:
        assert f"See: chiasm {words[0]} --help" in said.err


@pytest.mark.parametrize("length", [300, 500])
def test_a_long_question_is_no_file(length: int, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's name has at most 255 bytes, and asking the system for a longer one is an error of its own."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("CHIASM_HOME", str(place / "home"))
    question = "a" * length if length < 400 else "tell me more / " * (length // 15)
    assert main(["ask", "--model", "model", "--max-tokens", "1", question]) == 0


# --- what a command writes to ------------------------------------------------------------------------------------------


def shell(line: str, place: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    run = f"{sys.executable} -m chiasm.cli {line}"
    env = environment(place) | settings
    return subprocess.run(["sh", "-c", run], cwd=place, env=env, capture_output=True, text=True, check=False)


def test_an_output_that_is_closed_is_no_error(place: Path) -> None:
    closed = shell("plan --size 9x9 --model llava-1.5 >&-", place)
    assert (closed.returncode, closed.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no disk that is always full")
def test_a_full_disk_is_one_sentence(place: Path) -> None:
    full = shell("plan --size 9x9 --model llava-1.5 >/dev/full", place)
    assert full.returncode == 2 and full.stderr == "The system refuses the output: No space left on device.\n"


@pytest.mark.parametrize("number", [errno.EROFS, errno.EEXIST, errno.EACCES])
def test_what_the_system_refuses_is_one_sentence(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def facts() -> None:
        raise OSError(number, os.strerror(number), "some/place")

    monkeypatch.setattr("chiasm.env.facts", facts)
    monkeypatch.setattr("chiasm.cli._drop_output", lambda: None)
    assert main(["env"]) == 2
    assert capsys.readouterr().err == f"The system refuses some/place: {os.strerror(number)}.\n"


def test_an_output_of_few_characters_holds_every_answer(place: Path) -> None:
    sample(20, 20).save(place / "größe.png")
    settings = {"PYTHONIOENCODING": "ascii"}
    told = shell("plan 'größe.png' --model llava-1.5 --json", place, **settings)
    assert json.loads(told.stdout)["pictures"][0]["name"] == "größe.png"
    assert r"gr\xf6\xdfe.png" in shell("plan 'größe.png' --model llava-1.5", place, **settings).stdout


def test_a_question_that_is_no_unicode(place: Path) -> None:
    asked: list[str | bytes] = [sys.executable, "-m", "chiasm.cli", "plan", "--text", b"caf\xe9", "--model", "model"]
    run = subprocess.run(asked, cwd=place, env=environment(place), capture_output=True, text=True, check=False)
    assert run.returncode == 2 and "no Unicode text" in run.stderr and run.stderr.count("\n") == 1
    with pytest.raises(BadPrompt, match="character 3"):
        Text("caf\udce9")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from chiasm import home

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("CHIASM_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(UserError, match="CHIASM_HOME"):
        home.home()
    monkeypatch.setenv("CHIASM_HOME", "~nobody-of-this-name/cache")
    assert home.home() == Path("~nobody-of-this-name/cache").absolute()


# --- what a folder says ---------------------------------------------------------------------------------------------------

NONSENSE = ("big", -3, None, [1, 2], {"a": "b"})


@pytest.mark.parametrize("name", ["llava-1.5", "qwen2-vl", "clip", "idefics3"])
def test_a_config_of_nonsense_is_read_or_refused(name: str, tmp_path: Path) -> None:
    files = copy.deepcopy(read_of(name))
    for _, data in list(objects(files)):
        for key, right in list(data.items()):
            for value in NONSENSE:
                data[key] = value
                try:
                    describe(written(tmp_path, files))
                except UserError as e:
                    assert str(e).isprintable()
            data[key] = right


@pytest.mark.parametrize(
    ("place", "key", "value", "said"),
    [
        ("text_config", "num_hidden_layers", 10**9, "num_hidden_layers = 1000000000 is not 1,000 or fewer"),
        (None, "vision_feature_layer", -99, "vision_feature_layer = -99 chooses none"),
        (None, "vision_feature_layer", "a", "vision_feature_layer = 'a'"),
    ],
)
def test_the_sentence_names_the_value(place: str | None, key: str, value: object, said: str, tmp_path: Path) -> None:
    files = copy.deepcopy(read_of("llava-1.5"))
    (files["config"] if place is None else files["config"][place])[key] = value
    with pytest.raises(BadConfig, match=said):
        describe(written(tmp_path, files))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"do_sample": True, "temperature": "hot"}, "temperature = 'hot'"),
        ({"do_sample": True, "temperature": float("inf")}, "temperature = inf"),
        ({"eos_token_id": "a"}, "eos_token_id = 'a'"),
        ({"eos_token_id": [[1]]}, "eos_token_id"),
        ({"suppress_tokens": "abc"}, "suppress_tokens = 'abc'"),
        ({"bad_words_ids": [3.5]}, "bad_words_ids = 3.5"),
        ({"bad_words_ids": 3}, "bad_words_ids = 3"),
        ({"max_new_tokens": "5"}, "max_new_tokens = '5'"),
    ],
)
def test_a_generation_config_of_nonsense(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=r"generation_config\.json: ") as refused:
        Sampling.from_generation_config(setting)
    assert said in str(refused.value)


@pytest.mark.parametrize("wrong", [{"top_k": 1.5}, {"seed": "a"}, {"seed": 2**70}, {"min_p": float("nan")}])
def test_a_way_of_sampling_that_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        Sampling(**wrong)


def changed(folder: Path, change: dict[str, torch.Tensor]) -> Path:
    tiny_folder(folder)
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | change, folder / "model.safetensors")
    return folder


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    name = "connect.steps.1.layers.0.weight"
    shape = load_file(tiny_folder(tmp_path / "whole") / "model.safetensors")[name].shape
    with pytest.raises(BadCheckpoint, match=rf"{name}.*model\.safetensors is of I8"):
        chiasm.load(changed(tmp_path / "codes", {name: torch.zeros(shape, dtype=torch.int8)}))


def test_a_weight_that_nothing_takes_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "chiasm"):
        chiasm.load(changed(tmp_path / "more", {"language.blocks.7.norm1.weight": torch.ones(16)}))
    assert any("'language.blocks.7.norm1.weight'" in line and "left out" in line for line in caplog.messages)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes of a name")
def test_weights_that_are_a_pipe_are_not_waited_for(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "pipe")
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")
    with pytest.raises(BadCheckpoint, match="pipe or a device"):
        chiasm.load(folder)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_model_whose_scores_are_no_numbers_says_so(temperature: float, tmp_path: Path) -> None:
    folder = changed(tmp_path / "broken", {"language.norm.weight": torch.full((16,), float("nan"))})
    with pytest.raises(BadCheckpoint, match="no numbers"):
        chiasm.load(folder, dtype="float32").ask("What?", max_tokens=3, sampling=Sampling(temperature))


# --- what a program hands over -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [0, -1, 2.5, "3"])
def test_an_answer_of_no_whole_number_of_tokens(tokens: Any, place: Path) -> None:
    with pytest.raises(BadPrompt, match="max_tokens"):
        chiasm.load(place / "model").ask("What?", max_tokens=tokens)


def test_a_device_that_is_not_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for device in ("tpu", "cuda:77"):
        with pytest.raises(UserError, match=device):
            chiasm.load(place / "model", device=device)
    monkeypatch.setenv("CHIASM_DEVICE", "cuda:77")
    with pytest.raises(UserError, match="'cuda:77' here, as CHIASM_DEVICE says"):
        chiasm.load(place / "model")
    monkeypatch.setenv("CHIASM_DEVICE", "cpu")
    assert next(chiasm.load(place / "model").model.parameters()).device.type == "cpu"  # type: ignore[attr-defined]


def test_a_gpu_that_is_full_is_one_sentence(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_local(str(place / "model"))

    def full(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(model.model, "logits", full)
    with pytest.raises(UserError, match="CHIASM_DEVICE=cpu"):
        model.ask("What?", max_tokens=3)
    with pytest.raises(UserError, match="a smaller batch"):
        model.score(Request((question("What?"),)), ["a", "b"])


def test_one_stop_string_is_not_its_letters(place: Path) -> None:
    model = chiasm.load(place / "model", dtype="float32")
    whole = model.ask("What?", max_tokens=8).text
    middle = whole[3:9]
    assert model.ask("What?", max_tokens=8, stop=middle).text == whole[: whole.index(middle)]
    with pytest.raises(BadPrompt, match="stop"):
        model.ask("What?", stop=[3])  # type: ignore[list-item]


def test_an_answer_that_stops_ends_no_other(place: Path) -> None:
    """Two at once of one assistant: what ends the first must not end the second."""
    model = load_local(str(place / "model"), dtype="float32")
    text = model.ask("What?", max_tokens=8).text
    slow = model.generate([Request((question("What?"),), 8)])
    next(slow)
    assert model.ask("What?", max_tokens=8, stop=text[:4]).finish_reason == "stop"
    done = [event for event in slow if isinstance(event, Done)]
    assert done[0].answer.text == text and done[0].answer.finish_reason == "length"
    answers: list[str] = []
    asking = [threading.Thread(target=lambda: answers.append(model.ask("What?", max_tokens=8).text)) for _ in range(3)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert answers == [text] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not fork")
def test_a_forked_process_answers_too(place: Path) -> None:
    """With two threads: OpenMP's do not live on in the child."""
    code = """
import os, sys, time, torch, chiasm
torch.set_num_threads(2)
model = chiasm.load("model", dtype="float32", device="cpu")
torch.ones(600, 600) @ torch.ones(600, 600)
text = model.ask("What?", "a.png", max_tokens=4).text
child = os.fork()
if not child:
    torch.ones(600, 600) @ torch.ones(600, 600)
    os._exit(model.ask("What?", "a.png", max_tokens=4).text != text)
for _ in range(600):
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        sys.exit(os.waitstatus_to_exitcode(status))
    time.sleep(0.1)
os.kill(child, 9)
sys.exit("the child hangs")
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=place, env=environment(place), text=True, stderr=-1, check=False)
    assert run.returncode == 0, run.stderr


# --- what is piped in -----------------------------------------------------------------------------------------------------


def piped(data: bytes, *words: str, place: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "chiasm.cli", "ask", *words, "--model", "model", "--max-tokens", "2", "--json"]
    return subprocess.run(command, cwd=place, env=environment(place), input=data, capture_output=True, check=False)


def test_a_picture_or_the_question_may_be_piped_in(place: Path) -> None:
    picture = (place / "a.png").read_bytes()
    named = json.loads(piped(b"", "a.png", "What is this?", place=place).stdout)
    for run in (
        piped(picture, "-", "What is this?", place=place),
        piped(b"What is this?\n", "a.png", "-", place=place),
    ):
        assert run.returncode == 0, run.stderr
        found = json.loads(run.stdout)
        assert (found["text"], found["usage"]) == (named["text"], named["usage"])


@pytest.mark.parametrize(
    ("data", "words", "said"),
    [
        (b"", ("-", "What?"), "standard input is empty"),
        (b"", ("a.png", "-"), "is empty"),
        (b"\xff\xd8\xff", ("a.png", "-"), "not UTF-8"),
        (b"What?", ("-", "-"), "2 words are -"),
        (b"a text", ("-", "What?"), "found text"),
    ],
)
def test_what_cannot_be_piped_in(data: bytes, words: tuple[str, ...], said: str, place: Path) -> None:
    run = piped(data, *words, place=place)
    assert run.returncode == 2 and said in run.stderr.decode() and run.stderr.count(b"\n") == 1 and not run.stdout
