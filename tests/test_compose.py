"""Composition: parts with their weights, any connector and fusion, folders that read back, LLaVA's own layout."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Reference
from torch import Tensor

import chiasm
from chiasm.cli import main
from chiasm.compose import Composition, compose
from chiasm.compose.steps import KINDS, steps
from chiasm.errors import BadPicture, UserError
from chiasm.geometry import Size
from chiasm.model import Causal, Sight
from chiasm.pixels.views import look, packed
from chiasm.prompt.items import count
from chiasm.prompt.plan import Plan
from chiasm.spec import Cross as CrossSpec
from chiasm.spec import Expert, Merge, Mlp, Placed, Resize, Splice
from chiasm.weights.read import describe, load_model

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)


def logits(model: Causal, ids: list[int], picture: np.ndarray | None = PICTURE) -> Tensor:
    """Of a row: ids, and a picture before them where there is one."""
    sight = model.spec.sight
    assert sight is not None
    if picture is None:
        batch = Plan.from_ids(model.spec, [ids]).batch()
    else:
        size = Size(picture.shape[1], picture.shape[0])
        places = 1 if isinstance(sight.fusion, CrossSpec) else count(model.spec, size).visual
        patches = torch.from_numpy(packed(look(sight, picture, 0)))
        batch = Plan.from_ids(model.spec, [[*[sight.fusion.image] * places, *ids]], [size]).batch(patches)  # type: ignore[union-attr]
    with torch.inference_mode():
        found: Tensor = model.logits(model(batch))[0]
    return found


@pytest.mark.parametrize("fusion", ["splice", "expert"])
@pytest.mark.parametrize("connector", [*KINDS, "shuffle:2+mlp2", "pool:2+linear", "mlp3"])
def test_what_a_table_counts_is_what_is_built(connector: str, fusion: str, parts: tuple[str, str]) -> None:
    made = compose(parts[0], connector, parts[1], fusion=fusion, views=Resize(24, 24))  # type: ignore[arg-type]
    model = made.build()
    assert sum(part.parameters for part in made.parts) == sum(p.numel() for p in model.parameters())
    sight = model.spec.sight
    assert sight is not None
    shown = np.zeros((made.size.height, made.size.width, 3), np.uint8)
    assert count(model.spec, made.size).visual == made.tokens
    assert logits(model, [5, 6], shown).shape[0] == made.tokens + 2


def test_parts_keep_their_weights_and_new_ones_follow_the_seed(parts: tuple[str, str]) -> None:
    made = compose(parts[0], "mlp2", parts[1])
    first, again, other = (made.build(seed=seed) for seed in (0, 0, 1))
    text = load_model(describe(Path(parts[1])), torch.float32)
    eye = load_model(describe(Path(parts[0])), torch.float32)
    assert all(torch.equal(first.state_dict()[name], p) for name, p in text.state_dict().items())
    assert all(torch.equal(first.vision.state_dict()[name], p) for name, p in eye.vision.state_dict().items())  # type: ignore[union-attr]
    name = "connect.steps.0.layers.0.weight"
    assert torch.equal(first.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])
    assert torch.equal(logits(first, [5, 6, 7], None), _alone(text, [5, 6, 7]))  # type: ignore[arg-type]


def _alone(model: Causal, ids: list[int]) -> Tensor:
    with torch.inference_mode():
        found: Tensor = model.logits(model(Plan.from_ids(model.spec, [ids]).batch()))[0]
    return found


def test_an_expert_begins_as_the_language_model(parts: tuple[str, str]) -> None:
    spliced, expert = (compose(parts[0], "mlp2", parts[1], fusion=way).build() for way in ("splice", "expert"))
    # Positions of inner visual tokens differ, so that one visual token is the case in which both are the same model.
    single = [compose(parts[0], "compressor:1", parts[1], fusion=way).build() for way in ("splice", "expert")]
    torch.testing.assert_close(*(logits(model, [5, 6, 7]) for model in single), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(logits(spliced, [5, 6, 7]), logits(expert, [5, 6, 7]))


def test_gated_blocks_begin_as_nothing(parts: tuple[str, str]) -> None:
    made = compose(parts[0], "resampler:4", parts[1], fusion="cross", image_token="<image>")
    model = made.build()
    image = made.spec.sight.fusion.image  # type: ignore[union-attr]
    text = load_model(describe(Path(parts[1])), torch.float32)
    torch.testing.assert_close(logits(model, [5, 6, 7]), _alone(text, [image, 5, 6, 7]))  # type: ignore[arg-type]


@pytest.mark.parametrize("fusion", ["splice", "expert", "cross"])
def test_a_folder_reads_back_to_the_same_model(fusion: str, parts: tuple[str, str], tmp_path: Path) -> None:
    made = compose(parts[0], "resampler:4", parts[1], fusion=fusion)  # type: ignore[arg-type]
    model = made.build()
    again = load_model(describe(made.save(tmp_path / "made", model)), torch.float32)
    assert again.spec == made.spec
    assert torch.equal(logits(model, [5, 6]), logits(again, [5, 6]))


def test_a_saved_composition_can_be_asked(parts: tuple[str, str], tmp_path: Path) -> None:
    made = compose(parts[0], "mlp2", parts[1])
    answer = chiasm.load(str(made.save(tmp_path / "made")), dtype="float32").ask("What is this?", PICTURE, max_tokens=3)
    assert answer.usage.image_tokens == count(made.spec, Size(30, 40)).visual


def test_a_llava_is_written_in_its_published_layout(
    parts: tuple[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Read by transformers and by us, the exported folder computes what the composition does."""
    transformers = pytest.importorskip("transformers")
    made = compose(parts[0], "mlp2", parts[1], taps=(-2,))
    model = made.build()
    folder = made.export_llava(tmp_path / "llava", model)
    with caplog.at_level(logging.WARNING, "chiasm"):
        ours = load_model(describe(folder), torch.float32)
    assert not caplog.messages
    wanted = logits(model, [5, 6, 7])
    torch.testing.assert_close(logits(ours, [5, 6, 7])[:, : wanted.shape[1]], wanted)  # type: ignore[arg-type]
    theirs = transformers.LlavaForConditionalGeneration.from_pretrained(folder, attn_implementation="eager").eval()
    pixels = transformers.AutoImageProcessor.from_pretrained(folder)(images=PICTURE, return_tensors="pt")["pixel_values"]
    ids = [*[made.spec.sight.fusion.image] * made.tokens, 5, 6, 7]  # type: ignore[union-attr]
    with torch.inference_mode():
        found = theirs(input_ids=torch.tensor([ids]), pixel_values=pixels).logits[0]
    torch.testing.assert_close(found[:, : wanted.shape[1]], wanted, rtol=2e-5, atol=2e-5)


def test_what_is_no_llava_is_not_written_as_one(parts: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no LLaVA"):
        compose(parts[0], "resampler:4", parts[1]).export_llava(tmp_path / "llava")
    assert not (tmp_path / "llava").exists()


def test_another_resolution_stretches_the_table_of_places(parts: tuple[str, str]) -> None:
    made = compose(parts[0], "linear", parts[1])
    side = made.size.width
    larger = compose(parts[0], "linear", parts[1], views=Resize(2 * side, 2 * side))
    assert larger.tokens == 4 * made.tokens
    assert logits(larger.build(), [5]).isfinite().all()


def test_what_does_not_fit_is_said_before_anything_is_allocated(parts: tuple[str, str]) -> None:
    for connector, said in (
        ("mlq2", "no connector is called 'mlq2'; near it are mlp "),
        ("temporal-qform:4", "near it are temporal-qformer"),
        ("zzz", "known are linear"),
        ((Mlp(48, 48),), "leaves 48 numbers a token and the language model takes 16"),
        ((), "none at all"),
    ):
        with pytest.raises(UserError, match=said):
            compose(parts[0], connector, parts[1])
    with pytest.raises(BadPicture, match="cannot be merged"):
        compose(parts[0], "shuffle:7+linear", parts[1])
    with pytest.raises(UserError, match="has no vision encoder"):
        compose("smollm2:135m", "mlp2", parts[1])
    with pytest.raises(UserError, match="Of the families, the nearest are llama-3, "):
        compose(parts[0], "mlp2", "llama-4")
    with pytest.raises(UserError, match="writes no text"):
        compose(parts[0], "mlp2", "siglip:b16-224")
    with pytest.raises(UserError, match="has no size '7b'; it has 135m"):
        compose(parts[0], "mlp2", "smollm2:7b")
    with pytest.raises(UserError, match="no token '<eye>'"):
        compose(parts[0], "mlp2", parts[1], fusion="cross", image_token="<eye>")


@pytest.mark.parametrize("name", ["pixtral", "siglip2", "idefics2", "fuyu"])
def test_squares_of_neighbours_take_grids_of_any_shape(name: str, reference: Reference, parts: tuple[str, str]) -> None:
    """These encoders show pictures as grids of odd sides too, whose last squares are filled up."""
    made = compose(str(reference(name, 0)), "shuffle:3+linear", parts[1])
    model, odd = made.build(), np.zeros((41, 67, 3), np.uint8)
    seen = look(made.spec.sight, odd, 0)  # type: ignore[arg-type]
    tokens = count(made.spec, Size(67, 41)).visual
    assert tokens == sum(-(-view.grid.h // 3) * -(-view.grid.w // 3) for view, _ in seen)
    assert logits(model, [5, 6], odd).shape[0] == tokens + 2


def test_the_eye_of_a_model_that_matches_by_queries_is_taken(reference: Reference, parts: tuple[str, str]) -> None:
    folder = reference("blip2", 2)
    made = compose(str(folder), "linear", parts[1])
    kept = load_model(describe(folder), torch.float32).get_parameter("vision.blocks.0.attention.q.weight")
    assert torch.equal(made.build().get_parameter("vision.blocks.0.attention.q.weight"), kept)


def test_steps_by_name_lead_to_the_decoders_width() -> None:
    assert steps("shuffle:2+mlp2", 64, 32) == (Merge(2), Mlp(32, 32, 2))
    assert steps("shuffle", 64, 32) == (Merge(2), Mlp(32, 32, 1))


def test_values_of_spec_are_taken_as_they_are(parts: tuple[str, str]) -> None:
    made = compose(parts[0], (Mlp(16, 32, 2),), parts[1], fusion=Splice(60))
    assert made.spec.sight is not None and made.spec.sight.fusion == Splice(60)
    assert isinstance(replace(made, spec=made.spec), Composition) and not isinstance(made.spec.sight.fusion, Expert)


def test_the_command_shows_a_table_and_writes_a_folder(
    parts: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compose", parts[0], "mlp2", parts[1], "--out", str(tmp_path / "made")]) == 0
    said = capsys.readouterr().out
    assert "connector" in said and "tokens for a picture" in said
    assert main(["compose", parts[0], "mlp2", parts[1], "--out", str(tmp_path / "made")]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert main(["compose", parts[0], "mlp2", parts[1], "--llava"]) == 2


def test_tokens_are_told_their_row_and_column(parts: tuple[str, str]) -> None:
    steps_of = (Mlp(16, 16), Placed(rows=5, columns=5))
    model = compose(parts[0], steps_of, parts[1]).build()
    before = model.see(seen_by(model)).tokens_VD
    tables: Any = model.connect.steps[1].tables
    torch.nn.init.normal_(tables["rows"])
    torch.nn.init.normal_(tables["columns"])
    told = (model.see(seen_by(model)).tokens_VD - before).unflatten(0, (5, 5))
    torch.testing.assert_close(told, tables["rows"][:, None] + tables["columns"][None], rtol=1e-4, atol=1e-5)
    with pytest.raises(BadPicture, match="a view of 10 rows, and this model knows places of 5"):
        compose(parts[0], steps_of, parts[1], views=Resize(60, 30))


def seen_by(model: Causal) -> Sight:
    assert model.spec.sight is not None
    views = look(model.spec.sight, PICTURE, 0)
    return Sight(torch.from_numpy(packed(views)), tuple(view.grid for view, _ in views), ((30, 40),))
