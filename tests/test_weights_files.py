"""Folders of safetensors: what is read, what is refused and with which words, and that writing is all or nothing."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from chiasm.errors import BadCheckpoint
from chiasm.weights.files import TensorFiles, read_header, sha256
from chiasm.weights.json_files import read_json
from chiasm.weights.write import MANIFEST, replacing, write_folder, write_json, write_manifest, write_safetensors

TENSORS = {
    "a.weight": torch.arange(12, dtype=torch.float32).reshape(3, 4),
    "b.bias": torch.ones(5, dtype=torch.bfloat16),
    "c.ids": torch.tensor([1, -2, 3]),
    "d.empty": torch.zeros(0, 4),
    "e.scalar": torch.tensor(2.5, dtype=torch.float16),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_json(tmp_path / "config.json", {"model_type": "llama"})
    return tmp_path


def raw(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def f32(begin: int, end: int, shape: list[int]) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize("shard_bytes", [10**9, 60, 1])
def test_what_is_written_is_read(folder: Path, shard_bytes: int) -> None:
    files = write_folder(folder, TENSORS, {"source": "x"}, shard_bytes)
    read = TensorFiles.open(folder)
    assert len(files) == {10**9: 1, 60: 2, 1: 5}[shard_bytes]
    assert set(read) == set(TENSORS) and len(read) == 5
    assert read.bytes == sum(t.nbytes for t in TENSORS.values())
    assert read["a.weight"].shape == (3, 4) and read["b.bias"].dtype == "BF16"
    for name, tensor in TENSORS.items():
        assert torch.equal(read.get(name), tensor) and read.get(name).dtype == tensor.dtype
    assert read.sha256() == {file.name: sha256(file) for file in files}


def test_headers_are_read_without_torch_or_the_tensors(folder: Path) -> None:
    write_folder(folder, TENSORS)
    with (folder / "model.safetensors").open("rb+") as f:
        f.seek(-4, 2)
        f.write(b"\xff\xff\xff\xff")
    assert TensorFiles.open(folder)["a.weight"].bytes == 48


def test_shared_storage_is_written_apart(tmp_path: Path) -> None:
    base = torch.arange(10.0)
    write_safetensors(
        tmp_path / "x.safetensors", {"whole": base, "same": base, "part": base[2:4], "turned": base.view(2, 5).t()}
    )
    read = load_file(tmp_path / "x.safetensors")
    assert torch.equal(read["same"], base) and torch.equal(read["part"], base[2:4])
    assert torch.equal(read["turned"], base.view(2, 5).t())


def test_one_other_name_is_enough_but_two_are_ambiguous(folder: Path) -> None:
    write_safetensors(folder / "weights.safetensors", TENSORS)
    assert len(TensorFiles.open(folder)) == 5
    write_safetensors(folder / "more.safetensors", {"z": torch.zeros(1)})
    with pytest.raises(BadCheckpoint, match="2 safetensors files but neither"):
        TensorFiles.open(folder)


def test_a_file_cut_short_anywhere_is_refused(folder: Path) -> None:
    (whole,) = write_folder(folder, TENSORS)
    content = whole.read_bytes()
    for length in (0, 4, 8, 50, len(content) - 100, len(content) - 1):
        whole.write_bytes(content[:length])
        with pytest.raises(BadCheckpoint, match="cut short"):
            TensorFiles.open(folder)
    whole.write_bytes(content + b"x")
    with pytest.raises(BadCheckpoint, match="1 bytes after its last tensor"):
        TensorFiles.open(folder)


LIES = {
    "not json": (b"{oops", b"", "header is not valid JSON"),
    "deep": (b"[" * 100_000, b"", "header is not valid JSON"),
    "not an object": ([1], b"", "not a JSON object"),
    "twice": (b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":1}', b"", "announces 'a' twice"),
    "no shape": ({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, b"1234", "without a valid dtype"),
    "negative": ({"a": f32(0, 4, [-1])}, b"1234", "without a valid dtype"),
    "wrong size": ({"a": f32(0, 4, [2])}, b"1234", "lies about 'a': F32 \\(2,\\) takes 8 bytes, 4"),
    "huge": ({"a": f32(0, 4, [1 << 40, 1 << 40])}, b"1234", "lies about 'a'"),
    "overlap": ({"a": f32(0, 4, [1]), "b": f32(0, 4, [1])}, b"1234", "'b' begins at 0 instead of 4"),
    "hole": ({"a": f32(4, 8, [1])}, b"12345678", "'a' begins at 4 instead of 0"),
    "kind": ({"a": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}, b"1234", "as X9, a kind that is not read"),
}


@pytest.mark.parametrize("case", LIES)
def test_a_header_that_lies_is_refused(tmp_path: Path, case: str) -> None:
    header, data, words = LIES[case]
    with pytest.raises(BadCheckpoint, match=words):
        read_header(raw(tmp_path / "x.safetensors", header, data))


def test_an_absurd_header_length_is_refused_without_reading_it(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes((1 << 62).to_bytes(8, "little") + b"{}")
    with pytest.raises(BadCheckpoint, match="not a safetensors file"):
        read_header(tmp_path / "x.safetensors")


def test_what_is_no_model_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="is not a folder"):
        TensorFiles.open(tmp_path / "absent")
    with pytest.raises(BadCheckpoint, match=r"has no config\.json"):
        TensorFiles.open(tmp_path)
    write_json(tmp_path / "config.json", {})
    with pytest.raises(BadCheckpoint, match="has no weights"):
        TensorFiles.open(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.pth", "model.pt"])
def test_a_folder_of_pickles_names_the_way_out(folder: Path, name: str) -> None:
    torch.save(TENSORS, folder / name)
    with pytest.raises(BadCheckpoint, match=f"chiasm convert .*{name} OUT"):
        TensorFiles.open(folder)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_in_disguise_is_seen_by_its_content(folder: Path, zipped: bool) -> None:
    torch.save(TENSORS, folder / "model.safetensors", _use_new_zipfile_serialization=zipped)
    with pytest.raises(BadCheckpoint, match="is a pickle"):
        TensorFiles.open(folder)


@pytest.mark.parametrize("length", [0x4B50, 0x80])
def test_a_header_length_that_looks_like_a_pickle_is_read(tmp_path: Path, length: int) -> None:
    header = json.dumps({"a": f32(0, 4, [1])}).encode().ljust(length)
    assert "a" in read_header(raw(tmp_path / "x.safetensors", header, b"1234"))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"GGUF\x03\0\0\0", "is a GGUF file"), (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull")],
)
def test_other_things_under_that_name_are_named(folder: Path, content: bytes, words: str) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(BadCheckpoint, match=words):
        TensorFiles.open(folder)


def sharded(folder: Path) -> dict[str, str]:
    write_folder(folder, TENSORS, shard_bytes=60)
    return dict(json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"])


def test_an_index_that_disagrees_with_its_shards_is_refused(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    shard_of = sharded(folder)
    for changed, words in (
        (
            {**shard_of, "new": "model-00003-of-00003.safetensors"},
            r"model-00003-of-00003\.safetensors, which is not in",
        ),
        ({**shard_of, "new": shard_of["a.weight"]}, "places 'new' in .*does not hold it"),
        ({**shard_of, "a.weight": shard_of["e.scalar"]}, "places 'a.weight' in .*does not hold it"),
        ({**shard_of, "a.weight": "../secret.safetensors"}, "not a file name"),
        ({}, "has no weight_map"),
    ):
        write_json(index, {"weight_map": changed})
        with pytest.raises(BadCheckpoint, match=words):
            TensorFiles.open(folder)


def test_a_tensor_in_two_shards_is_refused(folder: Path) -> None:
    shard_of = sharded(folder)
    write_safetensors(folder / shard_of["e.scalar"], {"a.weight": torch.zeros(1), "e.scalar": torch.zeros(1)})
    with pytest.raises(BadCheckpoint, match=r"'a\.weight' is in both"):
        TensorFiles.open(folder)


def test_an_unknown_tensor_is_named(folder: Path) -> None:
    write_folder(folder, TENSORS)
    with pytest.raises(BadCheckpoint, match="No tensor 'nope'"):
        TensorFiles.open(folder).get("nope")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "line 1, column 2"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"[1]", "a JSON list"),
        (b"[" * 99_999, "nested too deeply"),
    ],
)
def test_json_that_is_none(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(BadCheckpoint, match=words):
        read_json(tmp_path / "x.json")
    with pytest.raises(BadCheckpoint, match="of at most 0 was"):
        read_json(tmp_path / "x.json", limit=0)
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        read_json(tmp_path / "absent.json")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"kept": 1})
    with pytest.raises(RuntimeError), replacing(tmp_path / "x.json") as part:
        part.write_text("half")
        raise RuntimeError
    assert read_json(tmp_path / "x.json") == {"kept": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def test_a_manifest_has_every_file(folder: Path) -> None:
    (file,) = write_folder(folder, TENSORS)
    write_manifest(folder, {"source": "here"})
    manifest = read_json(folder / MANIFEST)
    assert manifest["source"] == "here" and set(manifest["files"]) == {"config.json", "model.safetensors"}
    assert manifest["files"]["model.safetensors"] == {"bytes": file.stat().st_size, "sha256": sha256(file)}
