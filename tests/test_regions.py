"""Rectangles that a text points at: what is sampled, what becomes of it, and where it stands."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from shrink import VOCAB, tiny
from tiny_tokenizers import byte_level
from torch import Tensor
from torch.nn import functional as F

from chiasm.connect.regions import RegionReader, sampled
from chiasm.errors import BadPrompt
from chiasm.families.glamm import REGION_KEYS
from chiasm.geometry import Size
from chiasm.model import Causal
from chiasm.pixels.views import look, packed
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.messages import Image, Message, Region, Text, read_messages
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.prompt.spots import Spot
from chiasm.prompt.taught import settled
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.registry import families
from chiasm.spec import Causal as CausalSpec
from chiasm.spec import Regions, Splice
from chiasm.weights.keys import pieces, published


def between(map_EHW: Tensor, y: float, x: float) -> Tensor:
    """One sample, as the field's RoIAlign takes it."""
    _, high, wide = map_EHW.shape
    if not (-1 <= y <= high and -1 <= x <= wide):
        return torch.zeros(map_EHW.shape[0])
    y, x = min(max(y, 0.0), high - 1.0), min(max(x, 0.0), wide - 1.0)
    top, left = min(int(y), high - 1), min(int(x), wide - 1)
    low, right = min(top + 1, high - 1), min(left + 1, wide - 1)
    down, along = y - top, x - left
    upper = map_EHW[:, top, left] * (1 - along) + map_EHW[:, top, right] * along
    return upper * (1 - down) + (map_EHW[:, low, left] * (1 - along) + map_EHW[:, low, right] * along) * down


def aligned(map_EHW: Tensor, box: tuple[float, ...], side: int) -> Tensor:
    """All of a rectangle's cells, four samples each, by loops."""
    high, wide = map_EHW.shape[1:]
    x0, y0, x1, y1 = box[0] * wide - 0.5, box[1] * high - 0.5, box[2] * wide - 0.5, box[3] * high - 0.5
    found = torch.zeros(map_EHW.shape[0], side, side)
    for row in range(side):
        for column in range(side):
            for a in (0.25, 0.75):
                for b in (0.25, 0.75):
                    y, x = y0 + (row + a) * (y1 - y0) / side, x0 + (column + b) * (x1 - x0) / side
                    found[:, row, column] += between(map_EHW, y, x) / 4
    return found


BOXES = ((0.0, 0.0, 1.0, 1.0), (0.1, 0.3, 0.4, 0.9), (0.52, 0.48, 0.55, 0.51), (0.9, 0.0, 1.0, 0.05))


def test_a_rectangle_is_sampled_as_the_field_does_it() -> None:
    maps = torch.randn(len(BOXES), 5, 6, 9, generator=torch.Generator().manual_seed(0))
    got = sampled(maps, torch.tensor(BOXES), 3)
    for number, box in enumerate(BOXES):
        torch.testing.assert_close(got[number], aligned(maps[number], box, 3), atol=1e-5, rtol=0)
    beyond = sampled(maps[:1], torch.tensor([(-2.0, -2.0, -1.0, -1.0)]), 3)
    assert not beyond.any()


def by_hand(theirs: dict[str, Tensor], maps: list[Tensor], boxes: Tensor, side: int, groups: int) -> Tensor:
    """The original's order of steps over its own names."""
    cells, levels, channels = maps[0].shape[-1], len(maps), maps[0].shape[1]
    drawn = []
    for number, one in enumerate(maps):
        size = cells * 2 ** (levels - 1 - number)
        one = F.interpolate(one, (size, size), mode="bilinear", align_corners=True)
        line = torch.linspace(-1, 1, size)
        places = torch.stack([line.expand(size, size), line[:, None].expand(size, size)])[None]
        named = f"mlvl_fuse.input_conv.{number}"
        drawn.append(F.conv2d(torch.cat([one, places], 1), theirs[f"{named}.weight"], theirs[f"{named}.bias"]))
    quarter = channels // 4
    for conv in range(2):
        joined = []
        for number, own in enumerate(drawn):
            above, below = drawn[min(number + 1, levels - 1)], drawn[max(number - 1, 0)]
            rest = [above[:, 2 * quarter :][:, quarter:], below[:, 2 * quarter :][:, :quarter]]
            rest = [F.interpolate(one, own.shape[-2:], mode="bilinear", align_corners=True) for one in rest]
            joined.append(torch.cat([own[:, : 2 * quarter], *rest], 1))
        named = f"mlvl_fuse.fuse_convs.{conv}"
        drawn = [F.conv2d(one, theirs[f"{named}.conv.weight"], padding=1) for one in joined]
        drawn = [F.relu(F.group_norm(one, groups, theirs[f"{named}.gn.weight"], theirs[f"{named}.gn.bias"])) for one in drawn]
    total = torch.zeros(())
    for number, one in enumerate(drawn):
        cut = torch.stack([aligned(one[0], tuple(box.tolist()), side) for box in boxes])
        named = f"roi_align.pconvs.{number}"
        total = total + F.conv2d(cut, theirs[f"{named}.weight"], theirs[f"{named}.bias"], padding=1)

    def both(name: str) -> tuple[Tensor, Tensor]:
        return theirs[f"roi_align.{name}.weight"], theirs[f"roi_align.{name}.bias"]

    inside, edges = F.linear(F.relu(total).flatten(1), *both("flatten_linear")), boxes
    for linear, norm in ((0, 2), (3, 5)):
        edges = F.relu(F.linear(edges, *both(f"pos_embedd.{linear}")))
        weight, bias = both(f"pos_embedd.{norm}")
        edges = F.layer_norm(edges, edges.shape[1:], weight, bias)
    return F.linear(inside + edges, *both("updims"))


def test_a_rectangles_vector_is_what_its_description_says_and_its_names_come_back() -> None:
    torch.manual_seed(0)
    spec = Regions(0, (-8, -5, -2), mixes=2, side=3, groups=4, edges=6)
    reader = RegionReader(spec, 8, 10)
    ours = {name: torch.randn_like(parameter) for name, parameter in reader.named_parameters()}
    reader.load_state_dict(ours)
    theirs = published(ours, REGION_KEYS)
    found, unknown = pieces(theirs, REGION_KEYS)
    assert not unknown and {name: piece.theirs for name, piece in found.items()}.keys() == ours.keys()
    maps, boxes = [torch.randn(1, 8, 4, 4) for _ in range(3)], torch.tensor(BOXES)
    with torch.no_grad():
        got = reader(maps, boxes, torch.zeros(len(BOXES), dtype=torch.int64))
        torch.testing.assert_close(got, by_hand(theirs, maps, boxes, 3, 4), atol=1e-4, rtol=1e-5)


def test_the_published_size_of_the_region_encoder() -> None:
    model = families()["glamm"].model
    assert isinstance(model, CausalSpec) and model.regions is not None
    assert model.regions.taps == (-11, -8, -5, -2) and model.regions.mark == 32002
    with torch.device("meta"):
        reader = RegionReader(model.regions, 1024, 4096)
    square = 9 * 1024 * 1024
    wanted = 4 * 1024 * 1027 + 5 * (square + 2048) + 4 * (square + 1024) + 1024 * (196 * 1024 + 1)
    wanted += 5 * 256 + 512 + 257 * 1024 + 2048 + 4096 * 1025
    assert sum(math.prod(p.shape) for p in reader.parameters()) == wanted


# --- in a conversation ------------------------------------------------------------------------------------------------------


def glamm() -> Causal:
    model = tiny(families()["glamm"].model)
    assert isinstance(model, Causal)
    return model


def logits(model: Causal, rows: list[list[int]], pictures: list[np.ndarray], spots: list[Spot]) -> Tensor:
    assert model.spec.sight is not None
    sizes = [Size(picture.shape[1], picture.shape[0]) for picture in pictures]
    plan = Plan.from_ids(model.spec, rows, sizes, spots=spots)
    seen = [view for number, picture in enumerate(pictures) for view in look(model.spec.sight, picture, number)]
    batch = plan.batch(torch.from_numpy(packed(seen)))
    with torch.no_grad():
        return model.logits(model(batch))


def test_a_rectangle_is_read_where_its_mark_stands_and_from_its_own_picture() -> None:
    model = glamm()
    assert model.spec.sight is not None and model.spec.regions is not None
    draw = np.random.default_rng(0)
    pictures = [draw.integers(0, 256, (30, 40, 3), dtype=np.uint8) for _ in range(2)]
    image, mark = model.spec.sight.fusion.image, model.spec.regions.mark  # type: ignore[union-attr]
    count = Plan.from_ids(model.spec, [[image] * 16], [Size(40, 30)]).visual_tokens()[0]
    rows = [[1, *[image] * count, 7, mark, 9, 4], [1, *[image] * count, 5, mark, 3, 2]]
    left, right = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
    both = logits(model, rows, pictures, [Spot(0, left), Spot(1, right)])
    for number, edges in enumerate((left, right)):
        alone = logits(model, rows[number : number + 1], pictures[number : number + 1], [Spot(0, edges)])
        torch.testing.assert_close(both[number], alone[0], atol=2e-5, rtol=1e-5)
    moved = logits(model, rows, pictures, [Spot(0, right), Spot(1, right)])
    at = rows[0].index(mark)
    torch.testing.assert_close(moved[0, :at], both[0, :at])
    assert (moved[0, at:] - both[0, at:]).abs().max() > 1e-3
    with pytest.raises(BadPrompt, match=r"2 marks of rectangles and 1 rectangles"):
        logits(model, rows, pictures, [Spot(0, left)])


def planner(model: Causal) -> Planner:
    backend = byte_level()
    backend.add_special_tokens(["<bbox>", "<im_start>", "<im_end>", "[SEG]"])
    tokenizer = Tokenizer(backend)
    spec = replace(model.spec, decoder=replace(model.spec.decoder, vocab=backend.get_vocab_size() + 1, context=10_000))
    assert spec.regions is not None and spec.sight is not None
    assert isinstance(spec.sight.fusion, Splice)
    spec = replace(spec, sight=replace(spec.sight, fusion=replace(spec.sight.fusion, named="<image>")))
    spec, tokenizer = settled(spec, tokenizer)  # type: ignore[assignment]
    return Planner(spec, tokenizer, ChatTemplate(families()["glamm"].chat, "the family's own"))


def test_a_conversation_points_at_the_picture_that_it_showed_last() -> None:
    asks = planner(glamm())
    raw = [
        {
            "role": "user",
            "content": [
                {"type": "image"}, {"type": "text", "text": "What is "}, {"type": "region", "box": [10, 0, 20, 30]},
                {"type": "text", "text": " beside <bbox>?"},
            ],
        }
    ]  # fmt: skip
    plan = asks.plan([read_messages(raw)], [Size(40, 30)])
    assert plan.spots == (Spot(0, (0.25, 0.0, 0.5, 1.0)),)
    assert isinstance(asks.spec, CausalSpec) and asks.spec.regions is not None
    # What a person typed is a word like any other.
    assert int((plan.rows[0].ids_T == asks.spec.regions.mark).sum()) == 1
    assert asks.spec.regions.mark == asks.tokenizer.added["<bbox>"] != VOCAB - 2
    two = [Message("user", (Image(0), Region(box=(0, 0, 5, 5)), Image(1), Region(box=(0, 0, 10, 10)), Text("alike?")))]
    assert [spot.item for spot in asks.plan([two], [Size(40, 30), Size(20, 20)]).spots] == [0, 1]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((Image(0), Region(box=(0, 0, 50, 20)), Text("?")), r"none of a picture of 40 x 30"),
        ((Image(0), Region(box=(9, 0, 9, 20)), Text("?")), r"x0 < x1"),
        ((Region(box=(0, 0, 5, 5)), Image(0), Text("?")), "show it first"),
    ],
)
def test_a_rectangle_that_is_none_is_refused(parts: tuple[Image | Text, ...], said: str) -> None:
    with pytest.raises(BadPrompt, match=said):
        planner(glamm()).plan([[Message("user", parts)]], [Size(40, 30)])


def test_other_models_cannot_be_pointed_at_and_say_so() -> None:
    asks = planner(glamm())
    assert isinstance(asks.spec, CausalSpec)
    asks = replace(asks, spec=replace(asks.spec, regions=None))
    with pytest.raises(BadPrompt, match="cannot point at a rectangle"):
        asks.plan([[Message("user", (Image(0), Region(box=(0, 0, 5, 5)), Text("?")))]], [Size(40, 30)])
    with pytest.raises(BadPrompt, match=r"region without a box"):
        read_messages([{"role": "user", "content": [{"type": "region"}]}])
