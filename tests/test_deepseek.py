"""DeepSeek's seeing models: padded tiles, squares of patches, several pictures, two resolutions; the text around pictures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Reference
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file
from shrink import tiny
from sizes import FEW
from tiny_tokenizers import NAMED, word_level
from tokenizers import AddedToken, Tokenizer

from chiasm.budget import Tokens, budget, fit
from chiasm.check import check
from chiasm.connect.gathered import MergeStep
from chiasm.errors import BadPicture
from chiasm.geometry import Size, best_pinpoint
from chiasm.model import Causal
from chiasm.pixels.views import look, packed
from chiasm.place import Box, Grid, raster, route
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.items import count, lay
from chiasm.prompt.messages import Image as Shown
from chiasm.prompt.messages import Message, Text
from chiasm.prompt.planner import Planner
from chiasm.prompt.taught import settled
from chiasm.prompt.tokenizer import Tokenizer as OurTokenizer
from chiasm.reference.cases import RECORDED
from chiasm.registry import families
from chiasm.spec import Candidates, Merge, Sight, Splice
from chiasm.spec import Causal as CausalSpec


def two() -> CausalSpec:
    model = families()["deepseek-vl2"].model
    assert isinstance(model, CausalSpec) and model.sight is not None
    return model


def small() -> Sight:
    sight = two().sight
    assert sight is not None and isinstance(sight.views, Candidates)
    grids = tuple((high // 384 * 28, wide // 384 * 28) for high, wide in sight.views.grids)
    return replace(sight, views=Candidates(28, grids))


@pytest.mark.parametrize("beside", [0, 2])
@pytest.mark.parametrize("size", FEW)
def test_padded_tiles_are_pillows(size: tuple[int, int], beside: int) -> None:
    """The whole picture and then its tiles, as Pillow pads and crops them; only one tile where three pictures are shown."""
    width, height = size
    sight = small()
    assert isinstance(sight.views, Candidates)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    high, wide = (28, 28) if beside else best_pinpoint(sight.views, Size(width, height))
    try:
        seen = look(sight, pixels, 0, beside)
    except BadPicture:
        assert max(size) / min(size) > 50
        return
    grey, picture = (127, 127, 127), Image.fromarray(pixels)
    canvas = ImageOps.pad(picture, (wide, high), color=grey)
    cuts = [canvas.crop((x, y, x + 28, y + 28)) for y in range(0, high, 28) for x in range(0, wide, 28)]
    wanted = np.stack([np.asarray(view) for view in (ImageOps.pad(picture, (28, 28), color=grey), *cuts)])
    values = (torch.from_numpy(wanted).float() / 255 - 0.5) / 0.5
    got = torch.from_numpy(packed(seen)).unflatten(1, (3, 14, 14)).unflatten(0, (-1, 2, 2))
    torch.testing.assert_close(got.permute(0, 1, 4, 2, 5, 3).reshape(values.shape), values, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("high", "wide"), [(4, 4), (5, 5), (3, 4)])
def test_odd_grids_are_filled_with_zeros(high: int, wide: int) -> None:
    """The squares of unfold over a grid that zeros make even, row by row instead of channel by channel."""
    laid = raster([Grid(n, 1, high, wide, Box(0, 0, wide, high)) for n in range(2)])
    x = torch.randn(len(laid), 6)
    path = route(Merge(2, "zeros"), laid, ())
    got = MergeStep()(x, torch.from_numpy(path.index_VM), None)
    maps = torch.nn.functional.pad(x.unflatten(0, (2, high, wide)).permute(0, 3, 1, 2), (0, wide % 2, 0, high % 2))
    wanted = torch.nn.functional.unfold(maps, 2, stride=2).transpose(1, 2).unflatten(2, (6, 4)).transpose(2, 3).flatten(2)
    assert torch.equal(got, wanted.flatten(0, 1))
    last = path.laid.grids[0].cell(-(-high // 2) - 1, -(-wide // 2) - 1)
    assert (last.x1 - last.x0, last.y1 - last.y0) == (2, 2)
    with pytest.raises(BadPicture, match="cannot be merged"):
        route(Merge(2), raster([Grid(0, 1, 5, 4, Box(0, 0, 4, 5))]), ())


def test_the_eye_of_an_odd_grid_puts_out_what_is_counted() -> None:
    """The published one: 27 x 27 patches a tile, 14 x 14 tokens."""
    model = two()
    _, laid, counts = lay(model, [Size(760, 380), Size(384, 384), Size(100, 100, 5)])
    assert counts == [14 * 15 + 1 + 14 * 29, 421, 421]
    assert [(grid.h, grid.w) for grid in laid.grids] == [(14, 14), (14, 28), *[(14, 14)] * 4]


def test_a_budget_knows_how_many_pictures_are_shown() -> None:
    model, size = two(), Size(1000, 700)
    alone = count(model, size).visual
    assert budget(model, [size] * 2).visual == 2 * alone > 3 * 421 == budget(model, [size] * 3).visual
    found = fit(model, size, Tokens(3 * 421), count=3).largest
    assert found is not None and found.visual == 421 and found.size.width > 4000
    narrow = fit(model, size, Tokens(3 * 421), count=2).largest
    assert narrow is not None and narrow.visual < 3 * 421 / 2


def test_the_recorded_folder_is_proved_by_tensors_too(tmp_path: Path) -> None:
    folder = RECORDED / "deepseek_vl2-0"
    for name in ("config.json", "meta.json", "model.safetensors", "expected.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    given = load_file(folder / "inputs.safetensors")
    sight = check_sight(folder)
    seen = look(sight, given.pop("raw_image_0_0").numpy(), 0)
    views = torch.from_numpy(packed(seen)).unflatten(1, (3, 7, 7)).unflatten(0, (-1, 4, 4))
    images = views.permute(0, 3, 1, 4, 2, 5).reshape(1, len(seen), 3, 28, 28)
    padded = torch.cat([images, torch.zeros(1, 2, 3, 28, 28)], 1)
    grids = torch.cat([given["images_spatial_crop"], torch.zeros(1, 1, 2, dtype=torch.int64)], 1)
    save_file({**given, "images": padded, "images_spatial_crop": grids}, tmp_path / "inputs.safetensors")
    verdict = check(tmp_path)
    assert verdict.passed and verdict.start == "tensors", verdict.line()


def test_a_row_is_itself_beside_a_row_of_three_pictures(tmp_path: Path) -> None:
    """The recorded row padded on the left, above a row whose pictures, three of them, are one tile each."""
    folder = RECORDED / "deepseek_vl2-0"
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    given, wanted = load_file(folder / "inputs.safetensors"), load_file(folder / "expected.safetensors")
    image, each = given["input_ids"][given["images_seq_mask"]][0].item(), 2 * 3 + 1 + 2 * 3
    other = [1, 7, *[image] * each, 8, *[image] * 2 * each, 9]
    pads = len(other) - given["input_ids"].shape[1]
    assert pads > 0
    padded = {name: torch.nn.functional.pad(given[name].long(), (pads, 0)) for name in ("input_ids", "attention_mask")}
    rows = {
        "input_ids": torch.cat([padded["input_ids"], torch.tensor([other])]),
        "attention_mask": torch.cat([padded["attention_mask"], torch.ones(1, len(other), dtype=torch.int64)]),
    }
    mask = (rows["input_ids"] == image) & rows["attention_mask"].bool()
    draw = torch.Generator().manual_seed(0)
    shown = {f"raw_image_1_{n}": torch.randint(0, 256, (50 + n, 90, 3), generator=draw, dtype=torch.uint8) for n in range(3)}
    pictures = {**shown, "raw_image_0_0": given["raw_image_0_0"]}
    save_file({**rows, **pictures, "images_seq_mask": mask}, tmp_path / "inputs.safetensors")
    (tmp_path / "meta.json").write_text(json.dumps({"main": "logits", "generate": None, "frame": "given"}))
    assert check(tmp_path, tmp_path / "out").start == "raw"
    got = load_file(tmp_path / "out" / f"{tmp_path.name}.safetensors")["logits"]
    torch.testing.assert_close(got[0, pads:], wanted["logits"][0], rtol=2e-5, atol=2e-5)


def check_sight(folder: Path) -> Sight:
    from chiasm.weights.read import describe

    model = describe(folder).model
    assert isinstance(model, CausalSpec) and model.sight is not None
    return model.sight


def test_the_tokenizer_says_which_id_pictures_have() -> None:
    backend = Tokenizer.from_str(word_level().to_str())
    backend.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in ("<image>", "<|User|>", "<|Assistant|>")]
    )
    tokenizer = OurTokenizer(backend, NAMED)
    model = two()
    known, same = settled(model, tokenizer)
    assert isinstance(known, CausalSpec)
    assert same is tokenizer
    assert known.sight is not None and isinstance(known.sight.fusion, Splice)
    image = backend.token_to_id("<image>")
    assert known.sight.fusion.image == image != model.sight.fusion.image  # type: ignore[union-attr]
    known = replace(known, decoder=replace(known.decoder, context=100_000))
    planner = Planner(known, tokenizer, ChatTemplate(families()["deepseek-vl2"].chat, "family", special=tokenizer.special))
    asks = Message("user", (Shown("a"), Text("what is this")))
    rendered = planner.template.render([asks], add_generation_prompt=True)
    assert rendered.text == "<|User|>: <image>\nwhat is this\n\n<|Assistant|>:"
    plan = planner.plan([[asks]], [Size(400, 300)])
    assert (plan.rows[0].ids_T == image).sum() == count(known, Size(400, 300)).visual
    three = Message("user", (Shown("a"), Shown("b"), Shown("c"), Text("and these")))
    together = planner.plan([[asks], [three]], [Size(800, 300)] * 4)
    assert together.visual_tokens() == [count(known, Size(800, 300)).visual, 421, 421, 421]


def test_two_resolutions_are_two_views_of_their_own_patches(reference: Reference) -> None:
    model = tiny(families()["deepseek-vl-hybrid"].model)
    assert isinstance(model, Causal) and model.spec.sight is not None
    pixels = np.random.default_rng(1).integers(0, 256, (50, 80, 3), np.uint8)
    low, high = look(model.spec.sight, pixels, 0)
    assert low[0].patch != high[0].patch and low[1].shape[1] < high[1].shape[1]
    assert len(packed([low, high])) == low[0].grid.cells + high[0].grid.cells
    assert not packed([low, high])[: low[0].grid.cells, low[1].shape[1] :].any()
