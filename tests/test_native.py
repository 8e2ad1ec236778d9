"""Models without an encoder of their own, with a second path for drawing, or whose pictures are ids of the vocabulary."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Reference
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file
from shrink import tiny as modules
from sizes import SIZES
from tiny_tokenizers import NAMED, byte_level, word_level
from tokenizers import AddedToken, Tokenizer

from chiasm.errors import BadConfig, BadPicture
from chiasm.generate.sampling import Sampling
from chiasm.geometry import Size
from chiasm.layers.embed import sines
from chiasm.layout import under
from chiasm.local import LocalAssistant
from chiasm.model import Causal as Writer
from chiasm.model import assemble, prepare
from chiasm.pixels.patches import patchify_frames
from chiasm.pixels.views import look, packed
from chiasm.place import Box, Grid
from chiasm.prompt.items import Clip, Count, count
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.readers import DECODER_KEYS, head_keys
from chiasm.reference.make import redraw
from chiasm.reference.native import patched
from chiasm.reference.parts import clip_processor, library, processor
from chiasm.registry import families
from chiasm.sequence.words import words
from chiasm.spec import VQ, Causal, Discrete, Fitted, Sines
from chiasm.towers.codes import ENCODER_KEYS
from chiasm.weights.keys import published
from chiasm.weights.read import describe, load_model

TOKENIZERS = [word_level, byte_level]


def speaking(make: Any, folder: Path, *special: str, **named: str) -> Any:
    """A tokenizer of the reference's own kind that knows some control tokens, saved into a folder."""
    backend = Tokenizer.from_str(make().to_str())
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer = library().PreTrainedTokenizerFast(tokenizer_object=backend, **NAMED, extra_special_tokens=named)
    tokenizer.save_pretrained(folder)
    return tokenizer


def planner(family: str, model: Causal, tokenizer: Any, placeholder: str, folder: Path) -> Planner:
    """The planner of a tiny model whose placeholder is the tokenizer's own."""
    assert model.sight is not None
    fusion = replace(model.sight.fusion, image=tokenizer.convert_tokens_to_ids(placeholder))
    decoder = replace(model.decoder, vocab=len(tokenizer), context=100_000)
    spec = replace(model, sight=replace(model.sight, fusion=fusion), decoder=decoder)
    return Planner.from_folder(spec, folder, families()[family].chat)


def tiny(reference: Reference, name: str, variant: int = 0) -> Causal:
    model = describe(reference(name, variant)).model
    assert isinstance(model, Causal)
    return model


QUESTION = (Message("user", (Image(0), Text("What is in this picture?"))),)


def picture(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


# --- Fuyu -------------------------------------------------------------------------------------------------------------------


def test_patches_are_as_many_as_fuyus_processor_cuts(reference: Reference) -> None:
    model = tiny(reference, "fuyu")
    assert model.sight is not None and model.sight.views == Fitted(90, 120)
    by = processor("fuyu", "Fuyu", size={"height": 90, "width": 120}, patch_size={"height": 6, "width": 6})
    for width, height in SIZES[::3]:
        try:
            counted = count(model, Size(width, height))
        except BadPicture:
            assert max(width, height) / min(width, height) > 90
            continue
        rows, columns, _ = patched(by, picture(width, height), 6)
        assert (counted.visual, counted.marks) == (rows * columns, rows), (width, height)


@pytest.mark.parametrize("make", TOKENIZERS)
def test_fuyus_rows_end_in_newlines(make: Any, reference: Reference, tmp_path: Path) -> None:
    tokenizer = speaking(make, tmp_path, "|SPEAKER|", "|NEWLINE|", "<0x04>", "|ENDOFTEXT|")
    ours = planner("fuyu", tiny(reference, "fuyu"), tokenizer, "|SPEAKER|", tmp_path)
    by = library().FuyuProcessor.__new__(library().FuyuProcessor)
    by.image_token, by.image_newline_token = "|SPEAKER|", "|NEWLINE|"
    for width, height in ((31, 40), (200, 70)):
        cutter = processor("fuyu", "Fuyu", size={"height": 90, "width": 120}, patch_size={"height": 6, "width": 6})
        rows, columns, patches = patched(cutter, picture(width, height), 6)
        said = by.replace_image_token({}, 0, num_patches=len(patches), row_width=columns) + "What is in this picture?<0x04>"
        plan = ours.plan([QUESTION], [Size(width, height)])
        assert plan.rows[0].ids_T.tolist() == tokenizer(said, add_special_tokens=False)["input_ids"]
        places = plan.places(0)
        assert places[columns].tolist() == [0, 0, 0, -1] and places[rows * (columns + 1) - 1].tolist() == [0, -1, -1, -1]


# --- Janus ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", TOKENIZERS)
def test_janus_ids_are_its_processors(make: Any, reference: Reference, tmp_path: Path) -> None:
    marks = {"image_token": "<image_placeholder>", "boi_token": "<begin_of_image>", "eoi_token": "<end_of_image>"}
    tokenizer = speaking(make, tmp_path, *marks.values(), **marks)
    by = processor("janus", "Janus", size={"height": 28, "width": 28}, min_size=14)
    theirs = library().JanusProcessor(by, tokenizer, num_image_tokens=16)
    ours = planner("janus-pro", tiny(reference, "janus"), tokenizer, "<image_placeholder>", tmp_path)
    wanted = "<|User|>: <image_placeholder>\nWhat is in this picture?\n\n<|Assistant|>:"
    said = theirs(images=Pillow.fromarray(picture(40, 61)), text=wanted, return_tensors="pt")
    assert ours.plan([QUESTION], [Size(40, 61)]).rows[0].ids_T.tolist() == said["input_ids"][0].tolist()


# --- words of pictures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", TOKENIZERS)
def test_chameleons_ids_are_its_processors(make: Any, reference: Reference, tmp_path: Path) -> None:
    end = "<reserved08706>"
    tokenizer = speaking(make, tmp_path, end, "<racm3:break>", "<eoss>")
    tokenizer.add_special_tokens({"sep_token": end})
    by = processor("chameleon", "Chameleon", size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    theirs = library().ChameleonProcessor(by, tokenizer, image_seq_length=64, image_token="<image>")
    ours = planner("chameleon", tiny(reference, "chameleon"), tokenizer, "<image>", tmp_path)
    said = theirs(images=Pillow.fromarray(picture(40, 61)), text="<image>What is in this picture?", return_tensors="pt")
    assert ours.plan([QUESTION], [Size(40, 61)]).rows[0].ids_T.tolist() == said["input_ids"][0].tolist()


def test_emu3_writes_the_size_and_closes_rows(reference: Reference, tmp_path: Path) -> None:
    marks = {
        "image_token": "<image>", "boi_token": "<|image start|>", "eoi_token": "<|image end|>",
        "image_wrapper_token": "<|image token|>", "eof_token": "<|extra_201|>",
    }  # fmt: skip
    tokenizer = speaking(byte_level, tmp_path, *marks.values(), **marks)
    theirs = library().Emu3Processor(library().Emu3ImageProcessor(min_pixels=256, max_pixels=640, spatial_factor=4), tokenizer)
    theirs.downsample_ratio = 4
    ours = planner("emu3", tiny(reference, "emu3"), tokenizer, "<image>", tmp_path)
    for width, height in ((40, 61), (200, 30)):
        wanted = "USER: <image>What is in this picture? ASSISTANT:"
        said = theirs(images=Pillow.fromarray(picture(width, height)), text=wanted, return_tensors="pt")
        plan = ours.plan([QUESTION], [Size(width, height)])
        assert plan.rows[0].ids_T.tolist() == said["input_ids"][0].tolist()
        (grid,), places = plan.grids, plan.laid.place_V4
        assert len(places) == grid.h * (grid.w + 1)
        assert places[grid.w :: grid.w + 1].tolist() == [[0, 0, y, -1] for y in range(grid.h)]
        at = plan.rows[0].slots_T.tolist().index(0)
        assert plan.places(0)[at - 1].tolist() == [0, -1, -1, -1]


def test_emu3_counts_as_its_processor() -> None:
    theirs = library().Emu3Processor.__new__(library().Emu3Processor)
    theirs.image_processor, theirs.downsample_ratio = library().Emu3ImageProcessor(), 8
    model = families()["emu3"].model
    assert isinstance(model, Causal)
    for width, height in SIZES:
        if max(width, height) > 200 * min(width, height):
            continue
        (wanted,) = theirs._get_num_multimodal_tokens([(height, width)])["num_image_tokens"]
        assert count(model, Size(width, height)) == Count(wanted, 4), (width, height)


@pytest.mark.parametrize(("name", "variant"), [("chameleon", 1), ("chameleon", 2), ("emu3", 0), ("emu3", 1)])
def test_words_are_the_references_own_where_vectors_are_equally_near(
    reference: Reference, name: str, variant: int, tmp_path: Path
) -> None:
    """Half of the codebook is written twice: of two equally near vectors both take the first."""
    folder = tmp_path / name
    shutil.copytree(reference(name, variant), folder)
    weights = load_file(folder / "model.safetensors")
    (book,) = (key for key in weights if key.endswith("quantize.embedding.weight"))
    weights[book][100:] = weights[book][:100]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    model, given = load_model(describe(folder), torch.float32), load_file(folder / "inputs.safetensors")
    assert isinstance(model, Writer) and model.spec.sight is not None and isinstance(model.spec.sight.fusion, Discrete)
    pictures = [given[key].numpy() for key in sorted(given) if key.startswith("raw_image")]
    views = [view for number, pixels in enumerate(pictures) for view in look(model.spec.sight, pixels, number)]
    cls = {"chameleon": "ChameleonForConditionalGeneration", "emu3": "Emu3ForConditionalGeneration"}[name]
    theirs = getattr(library(), cls).from_pretrained(folder, attn_implementation="eager").model
    sizes = [given["image_sizes"]] if "image_sizes" in given else []
    with torch.inference_mode():
        codes = model.vision(torch.from_numpy(packed(views)), [view.grid for view, _ in views])
        ours = words(model.spec.sight.fusion, codes[:, 0])
        wanted = theirs.get_image_tokens(given["pixel_values"], *sizes).flatten()
    wanted = wanted[~torch.isin(wanted, torch.tensor(model.spec.sight.fusion.ends))] if sizes else wanted
    assert ours.tolist() == wanted.tolist()
    assert int(codes.max()) < 100 and len(codes.unique()) > 1


def test_a_clip_is_tokenized_as_its_reference_does(reference: Reference) -> None:
    """Frames of a clip are mixed over time; a picture is a clip of equal frames."""
    folder = reference("emu3", 0)
    model = load_model(describe(folder), torch.float32)
    assert isinstance(model, Writer)
    theirs = library().Emu3ForConditionalGeneration.from_pretrained(folder, attn_implementation="eager").model.vqmodel
    frames = torch.randn(8, 3, 16, 20, generator=torch.Generator().manual_seed(0))
    grid = Grid(0, 2, 4, 5, Box(0, 0, 20, 16), (0.0, 1.0))
    with torch.inference_mode():
        ours = model.vision(patchify_frames(frames, 4, 4), [grid])
        wanted = theirs.encode(frames[None], torch.tensor([[16, 20]])).image_tokens
        still = model.vision(patchify_frames(frames[:1].expand(4, -1, -1, -1), 4, 4), [Grid(0, 1, 4, 5, grid.box)])
        moved = model.vision(patchify_frames(frames[:1].expand(4, -1, -1, -1), 4, 4), [replace(grid, t=1, times=(0.0,))])
    assert ours[:, 0].tolist() == wanted[0].flatten().tolist()
    assert still.tolist() == moved.tolist()


def test_words_of_pictures_are_never_said(reference: Reference) -> None:
    model = load_model(describe(reference("chameleon", 0)), torch.float32)
    assert isinstance(model, Writer)
    (run,) = model.spec.decoder.silent
    with torch.inference_mode():
        logits = model.logits(torch.randn(2, 32))
    lowest = torch.finfo(logits.dtype).min
    assert bool((logits[:, run[0] : sum(run)] == lowest).all()) and int((logits == lowest).sum()) == 2 * run[1]


def test_a_vocabulary_without_all_codes_is_refused(reference: Reference, tmp_path: Path) -> None:
    folder = tmp_path / "chameleon"
    shutil.copytree(reference("chameleon", 0), folder)
    config = json.loads((folder / "config.json").read_text())
    for word, says in (
        ("IMGIMGDZ", "names 199 codes of pictures and the tokenizer has 200"),
        ("<image>", "names no '<image>'"),
    ):
        fewer = {name: number for name, number in config["vocabulary_map"].items() if name != word}
        (folder / "config.json").write_text(json.dumps(config | {"vocabulary_map": fewer}))
        with pytest.raises(BadConfig, match=says):
            describe(folder)


# --- Kosmos-2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", TOKENIZERS)
def test_kosmos_ids_are_its_processors_but_for_what_is_replaced(make: Any, reference: Reference, tmp_path: Path) -> None:
    tokenizer = speaking(make, tmp_path)
    theirs = library().Kosmos2Processor(clip_processor(28), tokenizer, num_patch_index_tokens=4)
    tokenizer.save_pretrained(tmp_path)
    ours = planner("kosmos-2", tiny(reference, "kosmos2"), tokenizer, "</chunk>", tmp_path)
    said = theirs(
        images=Pillow.fromarray(picture(40, 61)), text="What is in this picture?", num_image_tokens=5, return_tensors="pt"
    )
    (row,) = ours.plan([QUESTION], [Size(40, 61)]).rows
    here = said["image_embeds_position_mask"][0].bool().numpy()
    assert (row.slots_T >= 0).tolist() == here.tolist()
    assert row.ids_T[~here].tolist() == said["input_ids"][0].numpy()[~here].tolist()


def test_whatever_stands_between_a_pictures_marks_is_replaced() -> None:
    model = families()["kosmos-2"].model
    assert isinstance(model, Causal)
    rows = [[0, 64003, *range(4, 68), 64004, 9, 4, 10], [0, 64003, *[64005] * 64, 64004, 9, 4, 10]]
    theirs, ours = (Plan.from_ids(model, [row], [Size(40, 61)]).rows[0].slots_T.tolist() for row in rows)
    assert theirs == ours == [-1, -1, *range(64), -1, -1, -1, -1]


def test_sines_go_on_where_a_row_stops(reference: Reference) -> None:
    """Places are computed, so that no table ends; the first has the number after that of pads."""
    table = library().models.kosmos2.modeling_kosmos2.Kosmos2TextSinusoidalPositionalEmbedding(64, 32, 1)
    ours = sines(torch.arange(60)[None] + 2, 32)[0]
    assert torch.equal(ours, table.weights[2:62])
    assert tiny(reference, "kosmos2").decoder.rope == Sines(2)


# --- the Large World Model, which is made of proved parts -------------------------------------------------------------------


def test_a_world_model_is_a_llama_over_words_of_frames() -> None:
    """Its tokenizer is Chameleon's class without attention; what it reads are the ids that this gives, frame by frame, each
    closed by an id, in a Llama that knows no pictures."""
    model = modules(families()["lwm"].model)
    assert isinstance(model, Writer) and model.spec.sight is not None and isinstance(model.spec.sight.fusion, Discrete)
    eye, fusion, block = model.spec.sight.encoder, model.spec.sight.fusion, model.spec.decoder.block
    assert isinstance(eye, VQ)
    ours = dict(model.named_parameters())
    config = library().ChameleonVQVAEConfig(
        embed_dim=eye.code_width, num_embeddings=eye.codes, latent_channels=eye.latent, base_channels=eye.stem,
        channel_multiplier=[width // eye.stem for width in eye.widths], num_res_blocks=eye.blocks, attn_type="none",
    )  # fmt: skip
    tokenizer = library().ChameleonVQVAE(config).eval()
    part = {name.removeprefix("vision."): tensor for name, tensor in ours.items() if name.startswith("vision.")}
    missing, strange = tokenizer.load_state_dict(published(part, ENCODER_KEYS), strict=False)
    assert not strange and all(name.startswith("post_quant_conv") for name in missing)
    llama = library().LlamaConfig(
        vocab_size=model.spec.decoder.vocab, hidden_size=block.width, intermediate_size=block.mlp_width, num_hidden_layers=2,
        num_attention_heads=block.heads, num_key_value_heads=block.kv_heads, rms_norm_eps=block.norm.eps,
        rope_parameters={"rope_type": "default", "rope_theta": 5e7}, tie_word_embeddings=False,
    )  # fmt: skip
    writer = library().LlamaForCausalLM._from_config(llama, attn_implementation="eager").eval()
    rules = (*under("model.", "language.", DECODER_KEYS), *head_keys("lm_head.weight", tied=False))
    writer.load_state_dict(published({n: t for n, t in ours.items() if not n.startswith("vision.")}, rules))

    side = eye.patch * 4
    frames = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        codes = fusion.runs[0][0] + tokenizer.encode(frames).image_tokens.view(4, -1)
    frame, last = fusion.ends
    still = [*codes[0].tolist(), last]
    clip = [*codes[1].tolist(), frame, *codes[2].tolist(), frame, *codes[3].tolist(), last]
    row = [1, 7, *still, 8, 9, *clip, 10, 11]
    holes = [1, 7, *[fusion.image] * len(still), 8, 9, *[fusion.image] * len(clip), 10, 11]
    box = Box(0, 0, side, side)
    items: list[Size | Clip] = [Size(side, side), Clip(Grid(0, 3, 4, 4, box, (0.0, 0.5, 1.0)))]
    plan = Plan.from_ids(model.spec, [holes], items)
    patches = torch.cat([patchify_frames(picture[None], eye.patch, 1) for picture in frames])
    with torch.inference_mode():
        got = model.logits(model(plan.batch(patches)))[0]
        wanted = writer(input_ids=torch.tensor([row])).logits[0]
    first, count = model.spec.decoder.silent[0]
    text = torch.tensor([number for number in range(len(got[0])) if not first <= number < first + count])
    torch.testing.assert_close(got[:, text], wanted[:, text], rtol=2e-5, atol=2e-5)
    places = plan.places(0)
    assert places[2 + 16].tolist() == [0, -1, -1, -1]
    assert places[2 + 17 + 2 + 16].tolist() == [1, 0, -1, -1] and places[2 + 17 + 2 + 50].tolist() == [1, -1, -1, -1]


# --- asked -------------------------------------------------------------------------------------------------------------------

ASKED = {
    "chameleon": ("chameleon", "<image>", ("<reserved08706>", "<racm3:break>", "<eoss>")),
    "emu3": ("emu3", "<image>", ("<|image start|>", "<|image end|>", "<|image token|>", "<|extra_201|>")),
    "fuyu": ("fuyu", "|SPEAKER|", ("|SPEAKER|", "|NEWLINE|", "<0x04>", "|ENDOFTEXT|")),
    "janus": ("janus-pro", "<image_placeholder>", ("<image_placeholder>", "<begin_of_image>", "<end_of_image>")),
    "kosmos2": ("kosmos-2", "</chunk>", ("</chunk>", "</image>")),
}


@pytest.mark.parametrize("name", ASKED)
def test_each_answers_about_a_picture(name: str, reference: Reference, tmp_path: Path) -> None:
    """From a question and a picture's pixels to text, through the path of `load`, prepared for inference."""
    family, placeholder, special = ASKED[name]
    ours = planner(family, tiny(reference, name), speaking(byte_level, tmp_path, *special), placeholder, tmp_path)
    assert isinstance(ours.spec, Causal) and ours.spec.sight is not None
    model = assemble(ours.spec).eval()
    redraw(model, 0)
    prepare(model)
    assistant = LocalAssistant(family, model, ours)
    shown = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    answer = assistant.ask("What is in this picture?", shown, max_tokens=4, sampling=Sampling(temperature=0.0))
    counted = count(ours.spec, Size(61, 40))
    assert answer.usage.image_tokens == counted.visual and answer.usage.generated_tokens <= 4
    assert answer.usage.text_tokens >= counted.marks + 3
