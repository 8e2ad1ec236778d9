"""VideoChat2's tower over whole clips: places of other grids and lengths, and what a file may leave out."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from chiasm.check import check
from chiasm.errors import BadCheckpoint
from chiasm.layers.begun import begun
from chiasm.model import See, blank
from chiasm.model import Sight as Seen
from chiasm.place import Box, Grid
from chiasm.reference.cases import RECORDED
from chiasm.spec import ClipSines, ClipTable
from chiasm.vision.clips import SinePlaces
from chiasm.weights.keys import published
from chiasm.weights.read import describe, load_model

Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """The recorded folder with other settings of its eye or its whole; `drop` are tensors that the file goes without."""

    def changed(eye: dict[str, Any] | None = None, drop: tuple[str, ...] = (), **whole: Any) -> Path:
        place = shutil.copytree(RECORDED / "videochat2-0", tmp_path / f"{len(list(tmp_path.iterdir()))}")
        config = json.loads((place / "config.json").read_text()) | whole
        config["vision_encoder"] |= eye or {}
        (place / "config.json").write_text(json.dumps(config))
        tensors = {n: x for n, x in load_file(place / "model.safetensors").items() if not n.startswith(drop or ("-",))}
        save_file(tensors, place / "model.safetensors")
        return place

    return changed


def recorded(name: str) -> torch.Tensor:
    return load_file(RECORDED / "videochat2-0" / "expected.safetensors")[name][0]


def test_places_are_those_that_were_recorded() -> None:
    places = SinePlaces(ClipSines(4, 4), 24)
    assert torch.equal(places.of(6, 4, 4), recorded("pos_embed"))
    assert torch.equal(places.of(1, 4, 4), recorded("img_pos_embed"))


def test_places_are_stretched_over_space_first_and_then_over_time() -> None:
    angles = np.arange(784)[:, None] / 10000 ** (2 * (np.arange(24) // 2) / 24)
    table = torch.tensor(np.where(np.arange(24) % 2 == 0, np.sin(angles), np.cos(angles)), dtype=torch.float32)
    space = F.interpolate(table.view(4, 14, 14, 24).permute(0, 3, 1, 2), size=(6, 6), mode="bicubic", align_corners=False)
    time = F.interpolate(space.permute(2, 3, 1, 0).flatten(0, 1), size=8, mode="linear")
    wanted = time.view(6, 6, 24, 8).permute(3, 0, 1, 2).reshape(-1, 24)
    places = SinePlaces(ClipSines(14, 4), 24)
    torch.testing.assert_close(places.of(8, 6, 6), wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(places.of(4, 6, 6), space.permute(0, 2, 3, 1).reshape(-1, 24), rtol=0, atol=1e-6)
    assert torch.equal(places.of(1, 6, 6), places.of(4, 6, 6)[:36])


def test_a_tower_of_another_side_has_a_table_that_a_file_may_leave_out(folder: Folder) -> None:
    spec = describe(folder({"img_size": 42, "num_frames": 8})).model
    assert spec.encoder.position == ClipTable(6, 8, ClipSines(14, 4))  # type: ignore[union-attr]
    without = load_model(describe(folder({"img_size": 42, "num_frames": 8})), torch.float32)
    first = begun(without)
    assert set(first) == {"vision.place.clips", "vision.place.pictures"}
    assert torch.equal(without.get_parameter("vision.place.clips"), first["vision.place.clips"])
    place = folder({"img_size": 42, "num_frames": 8})
    tensors = load_file(place / "model.safetensors")
    learned = {"pos_embed": torch.randn(1, 288, 24), "img_pos_embed": torch.randn(1, 36, 24)}
    save_file({**tensors, **{f"vision_encoder.encoder.{n}": x for n, x in learned.items()}}, place / "model.safetensors")
    described = describe(place)
    model = load_model(described, torch.float32)
    assert torch.equal(model.get_parameter("vision.place.clips"), learned["pos_embed"][0])
    written = published(dict(model.named_parameters()), described.keys)
    assert torch.equal(written["vision_encoder.encoder.img_pos_embed"], learned["img_pos_embed"])


def test_a_table_of_the_wrong_size_is_refused(folder: Folder) -> None:
    place = folder({"img_size": 42})
    tensors = load_file(place / "model.safetensors")
    save_file({**tensors, "vision_encoder.encoder.pos_embed": torch.randn(1, 90, 24)}, place / "model.safetensors")
    with pytest.raises(BadCheckpoint, match="pos_embed"):
        load_model(describe(place), torch.float32)


def test_frames_of_a_clip_see_one_another_and_clips_do_not(folder: Folder) -> None:
    model = load_model(describe(folder()), torch.float32)
    assert isinstance(model, See)
    draw = torch.Generator().manual_seed(0)
    patches = torch.randn(96 + 16, 147, generator=draw)
    grids = [Grid(0, 6, 4, 4, Box(0, 0, 28, 28), tuple(map(float, range(6)))), Grid(1, 1, 4, 4, Box(0, 0, 28, 28))]

    def features(patches_PK: torch.Tensor) -> torch.Tensor:
        return model.vision(patches_PK, grids)

    with torch.inference_mode():
        before, moved = features(patches), patches.clone()
        moved[:16] += 1
        after = features(moved)
    change = (after - before).abs().amax(1)
    assert bool((change[:96] > 1e-6).all()) and float(change[96:].max()) == 0
    seen = Seen(patches, tuple(grids), ((28, 28),) * 2)
    with torch.inference_mode():
        visual = model(seen)[1]
    assert visual.laid.place_V4.tolist() == [[0, -1, -1, -1]] * 8 + [[1, -1, -1, -1]] * 8


def test_without_text_the_queries_read_the_view_alone(folder: Folder) -> None:
    words = ("qformer.bert.embeddings.word", "qformer.bert.embeddings.position")
    layers = tuple(f"qformer.bert.encoder.layer.{n}.{part}." for n in range(2) for part in ("intermediate", "output"))
    for drop in ((), (*words, *layers)):
        place = folder(qformer_text_input=False, drop=drop)
        model = load_model(describe(place), torch.float32)
        assert isinstance(model, See) and "connect.steps.1.embed.weight" not in dict(model.named_parameters())
        (place / "expected.safetensors").unlink()
        assert check(place).passed
    few = describe(folder(extra_num_query_token=0, drop=("extra_query_tokens",))).model
    assert "connect.steps.1.added" not in dict(blank(few).named_parameters())
