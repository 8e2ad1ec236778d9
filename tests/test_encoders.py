"""Blocks of encoders, each by an identity: rotary places, extra tokens, forms of tensors, frames, budgets."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Reference
from safetensors.torch import load_file
from shrink import shrunk, tiny

import chiasm
from chiasm.errors import BadConfig, Unsupported
from chiasm.geometry import Size, budget_size
from chiasm.layout import Form, Reshaped, alone, rows, transposed
from chiasm.model import Bind, Encode, Match, Sight, assemble, blank, prepare
from chiasm.place import WHOLE, Box, Grid, encoded
from chiasm.reference.cases import RECORDED
from chiasm.reference.make import redraw
from chiasm.reference.patches import cut
from chiasm.registry import families
from chiasm.spec import Bind as BindSpec
from chiasm.spec import Budget, ViT
from chiasm.spec import Encode as EncodeSpec
from chiasm.towers.rotary import bias_pairs, pairs
from chiasm.vision.vit import VisionTransformer
from chiasm.weights.keys import formed, published, unformed
from chiasm.weights.read import describe, load_model


def spec(name: str) -> EncodeSpec:
    found = shrunk(families()[name].model)
    assert isinstance(found, EncodeSpec)
    return found


def grids(*shapes: tuple[int, int]) -> tuple[Grid, ...]:
    return tuple(Grid(n, 1, h, w, Box(0, 0, w, h)) for n, (h, w) in enumerate(shapes))


def sight(encoder: ViT, *shapes: tuple[int, int]) -> Sight:
    laid = grids(*shapes)
    numbers = encoder.channels * encoder.frames * encoder.patch**2
    patches = torch.randn(sum(g.cells for g in laid), numbers, generator=torch.Generator().manual_seed(5))
    return Sight(patches, laid, tuple((g.w, g.h) for g in laid))


def test_registers_and_class_token_stand_before_their_own_cells() -> None:
    model = spec("dinov2-registers")
    assert isinstance(model.encoder, ViT) and model.encoder.extra == 5
    seen = sight(model.encoder, (2, 3), (4, 4))
    modules = tiny(model)
    assert isinstance(modules, Encode)
    features, vectors = modules(seen)
    laid = modules.vision.laid(seen.grids)
    assert len(features) == len(laid) == 5 + 6 + 5 + 16
    whole = (laid.place_V4[:, 2] == WHOLE).nonzero()[0].tolist()
    assert whole == [0, 1, 2, 3, 4, 11, 12, 13, 14, 15]
    assert torch.equal(vectors, features[[0, 11]])
    dropped = replace(model.encoder, cls="drop")
    cells = assemble(replace(model, encoder=dropped)).eval()
    cells.load_state_dict(modules.state_dict())
    assert isinstance(cells, Encode)
    kept = [n for n in range(32) if n not in whole]
    assert torch.equal(cells.vision(seen.patches_PK, seen.grids), features[kept])
    assert len(encoded(dropped, seen.grids)) == 22


def test_a_stretched_grid_turns_as_the_one_that_it_is_stretched_to() -> None:
    """Rows and columns of a 2 x 2 grid are those at 0 and 2 of a 4 x 4 one."""
    model = spec("nomic-vision")
    assert isinstance(model.encoder, ViT) and model.encoder.turn is not None
    turning = replace(model.encoder, turn=replace(model.encoder.turn, side=4))
    eye = tiny(replace(model, encoder=turning))
    assert isinstance(eye, Encode) and isinstance(eye.vision, VisionTransformer)
    small = eye.vision._turn(grids((2, 2)), None, torch.float32, torch.device("cpu"))
    large = eye.vision._turn(grids((4, 4)), None, torch.float32, torch.device("cpu"))
    assert small is not None and large is not None
    torch.testing.assert_close(small.cos[0, 1:], large.cos[0, [1, 3, 9, 11]])
    assert torch.equal(small.cos[0, 0], torch.ones_like(small.cos[0, 0])) and not small.sin[0, 0].any()


@pytest.mark.parametrize("name", ["nomic-vision", "dinov2", "eva-clip", "imagebind"])
def test_prepared_is_unprepared(name: str) -> None:
    """Norms inside the branches, scales, missing biases of keys: the joined form for inference has them all."""
    model = families()[name].model
    before, after = tiny(model), tiny(model)
    prepare(after)
    assert isinstance(before, Match | Encode | Bind) and isinstance(after, Match | Encode | Bind)
    assert isinstance(before.spec.encoder, ViT)
    seen = sight(before.spec.encoder, (4, 4))
    with torch.inference_mode():
        torch.testing.assert_close(after.embed_pictures(seen), before.embed_pictures(seen))


def test_forms_have_inverses() -> None:
    block = spec("nomic-vision").encoder.block  # type: ignore[union-attr]
    width = block.width
    shapes = {
        alone(2): (1, 1, width), rows(width): (1, 17, width), transposed(6, 4): (6, 4), pairs(block): (width, width),
        bias_pairs(block): (width,), Form((8, 2, 2, 3), (0, 3, 1, 2), (8, 3, 2, 2), (8, 12)): (8, 12),
    }  # fmt: skip
    for form, shape in shapes.items():
        theirs = torch.randn(shape)
        ours = formed(theirs, form)
        assert torch.equal(unformed(ours, form), theirs)
        assert torch.equal(published({"b.0.x": ours}, (Reshaped("a.*.y", "b.*.x", form),))["a.0.y"], theirs)
    assert pairs(block).split[2] == 2


def test_a_clip_of_one_frame_held_is_the_picture() -> None:
    model = shrunk(families()["imagebind"].model)
    assert isinstance(model, BindSpec)
    modules = assemble(model).eval()
    redraw(modules, 0)
    assert isinstance(modules, Bind)
    side = 4 * model.encoder.patch
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    held = pixels[:, :, None].expand(-1, -1, model.encoder.frames, -1, -1)
    assert torch.equal(cut(model, pixels), cut(model, held))
    scaled = modules.scaled("text", torch.ones(1))
    assert torch.equal(scaled, modules.scales["text"].exp()[None])
    with torch.no_grad():
        modules.scales["text"].fill_(10.0)
    assert modules.scaled("text", torch.ones(1)).item() == 100


def test_a_budget_is_kept_and_used() -> None:
    """At most as many patches as allowed, about the picture's own shape, and no larger picture of that shape fits."""
    spec = Budget(16, 256)
    for width, height in ((224, 224), (1000, 300), (37, 911), (16, 16), (4000, 3000), (5, 5), (3000, 1)):
        high, wide = budget_size(spec, Size(width, height))
        assert high % 16 == wide % 16 == 0 and 0 < (high // 16) * (wide // 16) <= 256
        if min(width, height) > 100:
            assert abs((wide / high) / (width / height) - 1) < 0.25 and (high // 16) * (wide // 16) > 200


@pytest.mark.parametrize("folder", ["dinov2", "vit", "nomic_vision-0", "open_clip-resnet", "eva-2", "imagebind-0"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_folder_of_an_encoder_is_loaded_and_embeds(folder: str, dtype: str, reference: Reference) -> None:
    path = RECORDED / folder if (RECORDED / folder).is_dir() else reference(folder, 0)
    model = chiasm.load(str(path), dtype=dtype)
    assert model.capabilities == {"embed"}
    draw = np.random.default_rng(0)
    shown = [draw.integers(0, 256, (high, wide, 3), np.uint8) for high, wide in ((90, 120), (70, 64))]
    vectors = model.embed(shown).float()
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2), rtol=0.01, atol=0.01)
    assert vectors[0].dot(vectors[1]) < 0.999
    with pytest.raises(Unsupported):
        model.ask("What is this?", shown[0])


def test_a_plain_mlp_and_no_turning_are_read_from_their_config(tmp_path: Path) -> None:
    config = json.loads((RECORDED / "nomic_vision-0" / "config.json").read_text())
    config |= {"activation_function": "gelu", "use_rotary_pos_emb": False}
    (tmp_path / "config.json").write_text(json.dumps(config))
    described = describe(tmp_path)
    assert isinstance(described.model, EncodeSpec) and isinstance(described.model.encoder, ViT)
    assert described.model.encoder.turn is None and described.model.encoder.block.mlp_width == 40
    names = published(dict(blank(described.model).named_parameters()), described.keys)
    assert {"layers.0.mlp.fc1.weight", "selector.mlp.fc1.weight", "layers.1.attn.Wqkv.bias"} <= names.keys()
    assert not [name for name in names if "fc11" in name or "mlp.norm" in name]


def test_one_tower_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip_vision_model"}))
    with pytest.raises(BadConfig, match="one tower of a model"):
        describe(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pool_type": "none"}, "pool_type"),
        ({"timm_model_name": "vit_medium_patch16_gap_256"}, "eva02_base_patch16_clip_224"),
        ({"attentional_pool": True}, "attentional_pool"),
    ],
)
def test_what_is_not_done_is_refused_by_name(changes: dict[str, object], said: str, tmp_path: Path) -> None:
    config = json.loads((RECORDED / "open_clip-vit" / "config.json").read_text())
    config["vision_cfg"] |= changes
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadConfig, match=said):
        describe(tmp_path)


@pytest.mark.parametrize(
    ("folder", "computed"),
    [
        ("vit", ()), ("dinov2", ()), ("siglip2", ()), ("nomic_vision-0", ()), ("eva-1", ()), ("eva-2", ()),
        ("open_clip-vit", ()), ("open_clip-mean", ()), ("open_clip-resnet", ("num_batches_tracked",)),
        ("imagebind-0", ("text.mask",)),
    ],
)  # fmt: skip
def test_a_file_goes_in_and_out_unchanged(folder: str, computed: tuple[str, ...], reference: Reference) -> None:
    path = RECORDED / folder if (RECORDED / folder).is_dir() else reference(folder, 1)
    described = describe(path)
    model = load_model(described, torch.float32)
    written = published({name: p.detach() for name, p in model.named_parameters()}, described.keys)
    file = {name: tensor for name, tensor in load_file(path / "model.safetensors").items() if not name.endswith(computed)}
    assert written.keys() == file.keys()
    assert all(torch.equal(written[name], tensor) for name, tensor in file.items())
