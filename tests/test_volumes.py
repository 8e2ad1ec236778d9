"""Scans: the door they come in by, what of them is seen, and flat filters given a third axis."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_tokenizers import byte_level
from torch.nn import functional as F

from chiasm.check import check
from chiasm.errors import BadPicture
from chiasm.loading import load
from chiasm.local import LocalAssistant
from chiasm.model import EncodeVolume, parameters
from chiasm.pixels.volume import VolumeLimits, open_volume, seen
from chiasm.reference.cases import RECORDED
from chiasm.reference.parts import library
from chiasm.registry import families
from chiasm.spec import EncodeVolume as EncodeVolumeSpec
from chiasm.spec import Window
from chiasm.vision.volume import VolumeNetwork
from chiasm.weights.inflate import inflated

DRAW = np.random.default_rng(0)
SCAN = DRAW.integers(-1200, 1200, (5, 7, 4), np.int16)
WINDOW = Window(6, 6, 6, -1000.0, 1000.0, (1.5, 1.5, 3.0))


def file(values: np.ndarray, *, version: tuple[int, int] = (1, 0)) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, values, version=version)
    return out.getvalue()


def test_arrays_and_files_are_the_same_volume(tmp_path: Path) -> None:
    (tmp_path / "scan.npy").write_bytes(file(SCAN))
    columns_first = file(np.asfortranarray(SCAN), version=(2, 0))
    for source in (SCAN, tmp_path / "scan.npy", file(SCAN), columns_first):
        np.testing.assert_array_equal(open_volume(source).values_HWT, SCAN.astype(np.float32))


def test_the_middle_is_seen_and_zeros_around_it() -> None:
    got = seen(open_volume(SCAN), WINDOW)
    scaled = np.clip((SCAN.astype(np.float32) + 1000) / 2000, 0, 1)
    np.testing.assert_allclose(got[:5, :, 1:5], scaled[:, :6], rtol=1e-6)
    assert got.shape == (6, 6, 6) and not got[5].any() and not got[:, :, [0, 5]].any()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"PK" + b"\0" * 100, "not a .npy file"),
        (file(SCAN)[:-3], "is it cut short"),
        (file(SCAN)[:30], "not a .npy file"),
        (np.zeros((4, 4), np.int16), "rows x columns x slices"),
        (np.zeros((4, 4, 4), np.complex64), "complex64"),
        (np.zeros((4, 5000, 1), np.uint8), "5,?000 voxels|4,096 along a side"),
        (np.full((2, 2, 2), np.nan, np.float32), "no finite numbers"),
    ],
)
def test_what_is_no_volume_is_refused(source: bytes | np.ndarray, said: str) -> None:
    with pytest.raises(BadPicture, match=said):
        open_volume(source)


def test_nothing_is_unpickled_and_caps_hold_before_reading(tmp_path: Path) -> None:
    out = io.BytesIO()
    np.save(out, np.array([[[print]]], object), allow_pickle=True)
    with pytest.raises(BadPicture, match="holds object"):
        open_volume(out.getvalue())
    # A header may promise more than there is; no room is made for it.
    promised = file(SCAN).replace(b"(5, 7, 4)", b"(999,9,9)")
    with pytest.raises(BadPicture, match="cut short"):
        open_volume(promised)
    with pytest.raises(BadPicture, match="at most 100 are read"):
        open_volume(SCAN, VolumeLimits(voxels=100))
    (tmp_path / "scan.npy").write_bytes(file(SCAN))
    with pytest.raises(BadPicture):
        open_volume(tmp_path / "scan.npy", VolumeLimits(bytes=64))


def test_an_inflated_network_reads_a_slice_as_it_read_a_picture() -> None:
    draw = torch.Generator().manual_seed(0)
    flat = {
        "wide": torch.randn(4, 3, 7, 7, generator=draw),
        "point": torch.randn(5, 4, 1, 1, generator=draw),
        "b": torch.ones(5),
    }
    grown = inflated(flat)
    assert [tuple(grown[name].shape) for name in flat] == [(4, 3, 3, 7, 7), (5, 4, 1, 1, 1), (5,)]
    picture = torch.randn(1, 3, 9, 9, generator=draw)
    slices = torch.stack([torch.zeros_like(picture), picture, torch.zeros_like(picture)], 2)
    made = F.conv3d(F.conv3d(slices, grown["wide"], padding=(1, 3, 3)), grown["point"], grown["b"])
    wanted = F.conv2d(F.conv2d(picture, flat["wide"], padding=3), flat["point"], flat["b"])
    torch.testing.assert_close(made[:, :, 1], wanted)


def test_recorded_filters_are_inflated_alike(tmp_path: Path) -> None:
    """A folder of flat weights under the recording's own form."""
    weights = load_file(RECORDED / "merlin-0" / "model.safetensors")
    prefix = "encode_image.i3_resnet."
    deep = {n.removeprefix(prefix): x for n, x in weights.items() if x.ndim == 5 and "layer1" in n}
    flat = {name: x[:, :, x.shape[2] // 2].contiguous() for name, x in deep.items()}
    centre = {name: torch.zeros_like(x) for name, x in deep.items()}
    for name, x in deep.items():
        centre[name][:, :, x.shape[2] // 2] = x[:, :, x.shape[2] // 2]
    save_file(flat, tmp_path / "model.safetensors")
    save_file(centre, tmp_path / "expected.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"note": "2-D checkpoint"}))
    (tmp_path / "meta.json").write_text(json.dumps({"family": "merlin-inflate", "main": next(iter(flat))}))
    verdict = check(tmp_path)
    assert verdict.passed and len(verdict.worst) == len(flat)


def test_a_folder_embeds_scans() -> None:
    model = load(str(RECORDED / "merlin-0"))
    with torch.inference_mode():
        vectors = model.embed([SCAN, file(SCAN)])
    assert isinstance(vectors, torch.Tensor) and vectors.shape == (2, 12)
    torch.testing.assert_close(vectors[0], vectors[1])
    torch.testing.assert_close(vectors.float().norm(dim=1), torch.ones(2), atol=1e-2, rtol=0)


def test_the_published_size_is_a_resnet_152_of_three_axes() -> None:
    spec = families()["merlin"].model
    # The flat network's 58,143,808 without its head, two more slices of every 7 x 7 and 3 x 3 filter, two heads.
    wider = 3 * 64 * 49 + 9 * sum(blocks * width**2 for blocks, width in ((3, 64), (8, 128), (36, 256), (3, 512)))
    assert parameters(spec) == 58_143_808 + 2 * wider + 2049 * (512 + 1692)
    assert isinstance(spec, EncodeVolumeSpec)
    middle = VolumeNetwork(spec.encoder).stages[2]
    assert isinstance(middle, torch.nn.Sequential | torch.nn.ModuleList) and len(middle) == 36


def test_reports_stand_in_the_space_of_scans(tmp_path: Path) -> None:
    """The text's half is transformers' class, joined by hand as the original joins it."""
    recorded, tokenizer = RECORDED / "merlin-0", byte_level()
    told = library().LongformerConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=82, type_vocab_size=1, attention_window=[8, 8], pad_token_id=1,
    )  # fmt: skip
    torch.manual_seed(0)
    reads, linear = library().LongformerModel(told).eval(), torch.nn.Linear(32, 12)
    tensors = load_file(recorded / "model.safetensors") | {
        **{f"encode_text.text_encoder.{name}": tensor for name, tensor in reads.state_dict().items()},
        **{f"encode_text.linear_layer.{name}": tensor for name, tensor in linear.state_dict().items()},
        "logit_scale": torch.tensor(2.6),
    }
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, tmp_path / "model.safetensors")
    config = json.loads((recorded / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"text_config": told.to_dict()}))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    model = load(str(tmp_path), dtype="float32")
    assert isinstance(model, LocalAssistant) and isinstance(model.model, EncodeVolume)
    assert float(model.model.scale.detach()) == pytest.approx(2.6)
    for report in ("Fatty LIVER.", "No acute finding.\nThe rest of the report is longer than one window."):
        ids = torch.tensor([tokenizer.encode(report.lower().replace("\n", " ")).ids])
        with torch.no_grad():
            state = linear(reads(ids).last_hidden_state[:, 0])
        torch.testing.assert_close(model.embed([report])[0], F.normalize(state, dim=-1)[0], atol=2e-5, rtol=0)
    both = model.embed([report, SCAN])
    assert isinstance(both, torch.Tensor) and both.shape == (2, 12)
