"""Regions that a text names: which states name them, whose pictures they are in, what they are trained on, and the verb."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Reference
from safetensors.torch import load_file, save_file
from shrink import tiny
from tiny_tokenizers import NAMED, byte_level

import chiasm
from chiasm.check import check
from chiasm.errors import BadPrompt
from chiasm.generate.engine import greedy
from chiasm.geometry import Size
from chiasm.layout import Rule
from chiasm.loading import load_local
from chiasm.model import Batch, Causal
from chiasm.pixels.views import look, packed
from chiasm.place import Box, Point
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import Plan
from chiasm.reference.cases import RECORDED
from chiasm.registry import families
from chiasm.spec import Causal as CausalSpec
from chiasm.spec import MaskDecoder, Mlp, Pointing, WindowedViT, override
from chiasm.towers.sam import Spelling, mask_keys, tower_keys
from chiasm.train.outlines import Weights, cross_entropies, dice, loss, outline_losses
from chiasm.weights.keys import published
from chiasm.weights.read import describe, load_model


@pytest.fixture(scope="module")
def model() -> Causal:
    made = tiny(families()["lisa"].model)
    assert isinstance(made, Causal)
    return made


def batch(model: Causal, *rows: list[int]) -> Batch:
    return Plan.from_ids(model.spec, rows).batch()


def pointing(model: Causal) -> Pointing:
    assert isinstance(model.spec.head, Pointing)
    return model.spec.head


# --- which states -----------------------------------------------------------------------------------------------------------


@torch.inference_mode()
def test_a_mark_is_named_by_the_state_before_it(model: Causal) -> None:
    mark = pointing(model).mark
    rows = batch(model, [5, 6, mark, 7, mark], [8, 9], [mark, 4, mark])
    hidden = model(rows)
    named = model.pointer.named(hidden, rows)
    assert named.row_R.tolist() == [0, 0, 2]
    # Rows are padded on the left; a mark at the very beginning was written by nothing.
    assert named.at_R.tolist() == [1, 3, 3]
    torch.testing.assert_close(named.prompt_RE, model.pointer.by(hidden[named.row_R, named.at_R]))
    alone = batch(model, [5, 6, mark, 7, mark])
    torch.testing.assert_close(model.pointer.named(model(alone), alone).prompt_RE, named.prompt_RE[:2], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_regions_of_one_picture_are_outlined_together_as_alone(model: Causal) -> None:
    mark, side = pointing(model).mark, pointing(model).outlines.encoder.side
    rows = batch(model, [5, 6, mark, 7, mark], [8, 9, mark], [4, 3])
    named = model.pointer.named(model(rows), rows)
    maps = torch.randn(2, 32, side, side, generator=torch.Generator().manual_seed(0))
    first, second = model.pointer.outline(maps, named, [0, 0, 1])
    assert first.masks_BRMHW.shape == (1, 2, 1, 4 * side, 4 * side) and second.scores_BRM.shape == (1, 1, 1)
    for number in range(3):
        only = replace(named, row_R=named.row_R[[number]], at_R=named.at_R[[number]], prompt_RE=named.prompt_RE[[number]])
        picture = [0, 0, 1][number]
        alone = model.pointer.outline(maps, only, [picture])[picture].masks_BRMHW[0, 0]
        torch.testing.assert_close(alone, (first.masks_BRMHW[0, number] if picture == 0 else second.masks_BRMHW[0, 0]))


# --- the recorded folder ----------------------------------------------------------------------------------------------------


def test_several_conversations_share_a_picture(tmp_path: Path) -> None:
    """The recorded conversation twice about one picture and once about another copy of it: each is what it is alone."""
    folder = RECORDED / "lisa-0"
    for name in ("config.json", "meta.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    given, wanted = load_file(folder / "inputs.safetensors"), load_file(folder / "expected.safetensors")
    rows = {name: given[name].repeat(3, 1) for name in ("input_ids", "labels", "attention_mask")}
    # Pads stand on the right.
    rows = {
        name: torch.nn.functional.pad(tensor, (0, 2), value=0 if name != "labels" else -100) for name, tensor in rows.items()
    }
    twice = {
        name: given[name].repeat(2, *[1] * (given[name].ndim - 1)) for name in ("images", "images_clip", "original", "resize")
    }
    masks = {"gt_masks.0": given["gt_masks.0"].repeat(2, 1, 1), "gt_masks.1": given["gt_masks.0"]}
    save_file({**given, **rows, **twice, **masks, "offset": torch.tensor([0, 2, 3])}, tmp_path / "inputs.safetensors")
    many = {f"{name}.1": wanted[f"{name}.0"] for name in ("low_res_masks", "pred_masks", "iou", "sparse")}
    both = {name: torch.cat([wanted[name]] * 2) for name in wanted if name.endswith(".0")}
    place = torch.tensor([[row, wanted["seg_positions"][0, 1].item()] for row in range(3)])
    losses = {name: wanted[name] for name in wanted if name.endswith("loss")}
    save_file({**both, **many, **losses, "seg_positions": place}, tmp_path / "expected.safetensors")
    verdict = check(tmp_path)
    assert verdict.passed and {"low_res_masks.1", "loss", "seg_positions"} <= verdict.worst.keys(), verdict.line()


def test_the_recorded_folder_goes_in_and_out_unchanged() -> None:
    described = describe(RECORDED / "lisa-0")
    loaded = load_model(described, torch.float32)
    written = published({name: p.detach() for name, p in loaded.named_parameters()}, described.keys)
    file = load_file(RECORDED / "lisa-0" / "model.safetensors")
    assert written.keys() == file.keys() and all(torch.equal(written[name], file[name]) for name in file)


def test_glamm_is_lisa_with_two_layers_over_larger_pictures() -> None:
    lisa, glamm = (families()[name].model for name in ("lisa", "glamm"))
    assert isinstance(lisa, CausalSpec) and isinstance(glamm, CausalSpec)
    changes = {
        "sight.views.height": 336, "sight.views.width": 336, "sight.encoder.position.side": 24,
        "sight.connector": (Mlp(4096, 4096),),
        "decoder.vocab": 32007, "head.mark": 32004, "regions": glamm.regions,
    }  # fmt: skip
    assert override(lisa, changes) == glamm


def test_both_spellings_of_sam_are_one_model(reference: Reference) -> None:
    """What transformers calls its own way, renamed as the original code has it, is read to the same numbers."""
    described = describe(reference("sam", 0))
    ours = dict(load_model(described, torch.float32).named_parameters())
    tower, masks = described.model.encoder, described.model.masks  # type: ignore[union-attr]
    assert isinstance(tower, WindowedViT) and isinstance(masks, MaskDecoder)

    def rules(by: Spelling) -> tuple[Rule, ...]:
        return tower_keys(tower, by)

    eye = {name.removeprefix("vision."): tensor for name, tensor in ours.items() if name.startswith("vision.")}
    rest = {name: tensor for name, tensor in ours.items() if name.startswith(("prompts.", "masks.")) and "code" not in name}
    names = [published(eye, rules(by)).keys() for by in ("library", "original")]
    more = [published(rest, mask_keys(masks, by)).keys() for by in ("library", "original")]
    assert len(names[0]) == len(names[1]) and len(more[0]) == len(more[1])
    assert "blocks.0.norm1.weight" in names[1] and "layers.0.layer_norm1.weight" in names[0]


# --- losses -----------------------------------------------------------------------------------------------------------------


def test_losses_of_masks_are_those_of_their_definitions() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, wanted = torch.randn(3, 6, 5, generator=draw), torch.rand(3, 6, 5, generator=draw).round()
    p = logits.sigmoid()
    overlap = 1 - 2 * (p * wanted).sum((1, 2)) / (p.sum((1, 2)) + wanted.sum((1, 2)))
    torch.testing.assert_close(dice(logits, wanted), overlap, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(cross_entropies(logits, wanted), -(wanted * p.log() + (1 - wanted) * (1 - p).log()).mean((1, 2)))
    bce, shared = outline_losses([logits[:2], logits[2:]], [wanted[:2], wanted[2:]])
    torch.testing.assert_close(bce, cross_entropies(logits, wanted).mean())
    torch.testing.assert_close(shared, dice(logits, wanted).mean())
    nothing = outline_losses([logits[:0]], [wanted[:0]])
    assert [part.item() for part in nothing] == [0.0, 0.0]
    assert loss(Weights(2.0, 3.0, 4.0), *(torch.tensor(x) for x in (1.0, 10.0, 100.0))).item() == 432.0
    perfect = torch.where(wanted > 0, 50.0, -50.0)
    assert float(dice(perfect, wanted).max()) < 1e-3 and float(cross_entropies(perfect, wanted).max()) < 1e-6


# --- the verb ---------------------------------------------------------------------------------------------------------------


SHOWN = np.random.default_rng(3).integers(0, 256, (70, 110, 3), np.uint8)


def folder(path: Path, mark: int) -> str:
    """The recorded model over a vocabulary that has words, and knows no placeholder of pictures."""
    source, backend = RECORDED / "lisa-0", byte_level()
    vocab, draw = backend.get_vocab_size(), torch.Generator().manual_seed(0)
    config = json.loads((source / "config.json").read_text())
    config |= {"seg_token_idx": mark, "text_config": {**config["text_config"], "vocab_size": vocab}}
    weights = load_file(source / "model.safetensors")
    weights |= {name: torch.randn(vocab, 32, generator=draw) for name in ("model.embed_tokens.weight", "lm_head.weight")}
    path.mkdir()
    save_file(weights, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(config))
    (path / "tokenizer.json").write_text(backend.to_str().replace("<image>", "<other>"))
    (path / "tokenizer_config.json").write_text(json.dumps({**NAMED, "tokenizer_class": "PreTrainedTokenizerFast"}))
    (path / "generation_config.json").write_text(json.dumps({"max_new_tokens": 8}))
    (path / "chat_template.jinja").write_text(families()["lisa"].chat or "")
    return str(path)


def test_an_answer_that_names_regions_is_outlined(tmp_path: Path) -> None:
    before = load_local(folder(tmp_path / "before", 0), dtype="float32", device="cpu")
    assert "segment" in before.capabilities and before.planner is not None and isinstance(before.model, Causal)
    message = Message("user", (Image(0), Text("the dog")))
    plan = before.planner.plan([[message]], [Size(110, 70)])
    assert plan.visual_tokens() == [25] and before.ask("the dog", SHOWN, max_tokens=4).usage.image_tokens == 25
    assert before.model.spec.sight is not None
    patches = torch.from_numpy(packed(look(before.model.spec.sight, SHOWN, 0)))
    with torch.inference_mode():
        said = greedy(before.model, plan.batch(patches), 8)[0].tolist()
    assistant = chiasm.load(folder(tmp_path / "after", said[2]), dtype="float32")
    outlines = assistant.segment(SHOWN, "the dog")
    assert len(outlines) == said.count(said[2]) > 0
    assert all(one.mask_HW.shape == (70, 110) and one.score is not None for one in outlines)
    silent = next(number for number in range(100) if number not in said)
    assert chiasm.load(folder(tmp_path / "silent", silent), dtype="float32").segment(SHOWN, "the dog") == ()
    assert len(chiasm.load(str(tmp_path / "after"), dtype="bfloat16").segment(SHOWN, "the dog")) >= 0
    for hints in ((Point(3, 4),), ("the dog", Box(0, 0, 4, 4)), ()):
        with pytest.raises(BadPrompt, match="one question in words"):
            assistant.segment(SHOWN, *hints)
