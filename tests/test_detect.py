"""Detectors: Swin's maps at every size, phrases apart from one another, sightings as the reference's processor has them."""

import importlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Reference
from PIL import Image as Photo
from safetensors.torch import load_file
from shrink import tiny
from sizes import SIZES
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from torch.nn import functional as F

from chiasm.cli import main
from chiasm.errors import BadConfig, BadPicture, BadPrompt, Overflow, Unsupported
from chiasm.geometry import Scale, Size, views
from chiasm.ground.phrases import ids_of, joined, sightings
from chiasm.heads.boxes import Found
from chiasm.layout import Config
from chiasm.local import LocalAssistant
from chiasm.model import Find, Sight, prepare
from chiasm.pixels.patches import patchify
from chiasm.place import Box, drawn
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.reference.make import redraw
from chiasm.reference.parts import library
from chiasm.registry import families
from chiasm.sequence.phrases import phrases
from chiasm.spec import Find as FindSpec
from chiasm.spec import Shortest
from chiasm.towers.swin import swin
from chiasm.vision.swin import SwinTransformer
from chiasm.weights.keys import pieces
from chiasm.weights.read import describe
from chiasm.weights.write import write_json, write_text


def spec() -> FindSpec:
    model = families()["grounding-dino"].model
    assert isinstance(model, FindSpec)
    return model


# --- Swin -------------------------------------------------------------------------------------------------------------------


def ours_of(theirs: Any, folder: Path, normed: tuple[int, ...]) -> SwinTransformer:
    """A module of ours with the parameters of the reference's."""
    theirs.save_pretrained(folder)
    stored = {name.removeprefix("swin."): tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    reading = swin(Config(theirs.config.to_dict(), "config.json", lambda *_: pytest.fail("no part")), normed)
    module = SwinTransformer(reading.spec).eval()
    found, _ = pieces(stored, reading.keys)
    module.load_state_dict({ours: piece.cut(stored[piece.theirs]) for ours, piece in found.items()})
    return module


@pytest.mark.parametrize("kind", ["backbone", "encoder"])
@pytest.mark.parametrize("window", [3, 4])
@pytest.mark.parametrize("shape", [(64, 64), (96, 64), (61, 100), (49, 57)])
def test_swin_is_exact_at_every_size(kind: str, window: int, shape: tuple[int, int], tmp_path: Path) -> None:
    sizes = {"patch_size": 4, "embed_dim": 8, "depths": [2, 3, 2], "num_heads": [2, 2, 4], "window_size": window}
    normed = (2, 3) if kind == "backbone" else ()
    if normed:
        cls, config = library().SwinBackbone, library().SwinConfig(**sizes, out_indices=list(normed))
    else:
        cls, config = library().DonutSwinModel, library().DonutSwinConfig(**sizes)
    theirs = cls._from_config(config, attn_implementation="eager").eval()
    redraw(theirs, 1)
    pixels = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    height, width = (-(-side // 4) for side in shape)
    whole = F.pad(pixels, (0, 4 * width - shape[1], 0, 4 * height - shape[0]))
    patches = torch.stack([patchify(picture, 4).unflatten(0, (height, width)) for picture in whole])
    with torch.inference_mode():
        made = theirs(pixels)
        wanted = [one.permute(0, 2, 3, 1) for one in made.feature_maps] if normed else [made.last_hidden_state]
        for got, want in zip(ours_of(theirs, tmp_path, normed).maps(patches), wanted, strict=True):
            torch.testing.assert_close(got.flatten(), want.flatten(), rtol=1e-5, atol=1e-5)


# --- configs ----------------------------------------------------------------------------------------------------------------


def described(folder: Path, **fields: object) -> FindSpec:
    write_json(folder / "config.json", {"model_type": "grounding-dino", **fields})
    model = describe(folder).model
    assert isinstance(model, FindSpec)
    return model


def test_a_sparse_config_means_the_published_classs_defaults(tmp_path: Path) -> None:
    assert described(tmp_path) == described(tmp_path, backbone_config=None, text_config={"model_type": "bert"}) == spec()


def test_the_eyes_maps_are_chosen_by_number_or_by_name(tmp_path: Path) -> None:
    for chosen in ({"out_indices": [3, 4]}, {"out_features": ["stage3", "stage4"]}):
        eye = described(tmp_path, backbone_config={"model_type": "swin", **chosen}).encoder
        assert eye.normed == (3, 4) and eye.narrow == "shifted"
    assert described(
        tmp_path, backbone_config={"model_type": "swin", "depths": [2, 2], "num_heads": [3, 6]}
    ).encoder.normed == (2,)
    for wrong in ({"out_features": ["stem", "stage2"]}, {"out_indices": [0, 4]}, {"out_indices": [5]}):
        with pytest.raises(BadConfig, match="are not all among stage1, stage2, stage3, stage4"):
            described(tmp_path, backbone_config={"model_type": "swin", **wrong})


@pytest.mark.parametrize(
    ("field", "value"),
    [("two_stage", False), ("query_dim", 2), ("position_embedding_type", "learned"), ("num_feature_levels", 2)],
)
def test_other_detectors_are_refused(field: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=field):
        described(tmp_path, **{field: value})


# --- sizes ------------------------------------------------------------------------------------------------------------------


def test_sizes_are_the_processors() -> None:
    rule = importlib.import_module("transformers.image_transforms").get_size_with_aspect_ratio
    model, refused = spec(), 0
    for width, height in SIZES:
        wanted = rule((height, width), 800, 1333)
        if min(wanted) < 1:
            refused += 1
            with pytest.raises(BadPicture, match="too thin"):
                views(model.views, model.pixels, model.encoder, Size(width, height), 0)
            continue
        (view,) = views(model.views, model.pixels, model.encoder, Size(width, height), 0)
        assert isinstance(view.strokes[0], Scale)
        assert (view.strokes[0].height, view.strokes[0].width) == wanted
        assert drawn(view.grid, 4, (width, height)) == wanted
        assert [view.grid.h, view.grid.w] == [-(-side // 4) for side in wanted]
    assert 0 < refused < 10
    assert spec().views == Shortest(800, 1333)


# --- phrases ----------------------------------------------------------------------------------------------------------------


def test_phrases_are_the_references() -> None:
    module = importlib.import_module("transformers.models.grounding_dino.modeling_grounding_dino")
    draw = torch.Generator().manual_seed(0)
    ends = (101, 102, 1012, 1029)
    for length in (1, 2, 5, 17):
        ids = torch.randint(5, 9, (40, length), generator=draw)
        at = torch.rand(40, length, generator=draw) < 0.4
        ids[at] = torch.tensor(ends)[torch.randint(0, 4, (int(at.sum()),), generator=draw)]
        seen, where = phrases(ids, ends)
        theirs, places = module.generate_masks_with_special_tokens_and_transfer_map(ids, torch.tensor(ends))
        assert torch.equal(seen, theirs) and torch.equal(where, places)


def test_phrases_become_one_text() -> None:
    module = importlib.import_module("transformers.models.grounding_dino.processing_grounding_dino")
    assert joined(["A cat ", "the Dog"]) == module._merge_candidate_labels_text(["A cat ", "the Dog"]) == "a cat. the dog."
    assert joined("a cat. the dog.") == joined(("a cat.", "the dog")) == "a cat. the dog."
    for nothing in ("", " . ", [], ["", "."]):
        with pytest.raises(BadPrompt, match="no phrase to look for"):
            joined(nothing)


# --- sightings --------------------------------------------------------------------------------------------------------------

WORDS = ("a", "cat", "the", "do", "##g", "red", ".", "[", "]", "sep")


def worded(folder: Path, stop: int) -> Path:
    """A tokenizer of BERT's kind, its frame and its full stop at ids that end a phrase."""
    known = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 101, "[SEP]": 102, ".": stop}
    ids = known | {word: 5 + number for number, word in enumerate(WORDS) if word not in known}
    backend = Backend(WordPiece(ids, unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.add_special_tokens(["[PAD]", "[CLS]", "[SEP]"])
    backend.post_processor = TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 101), ("[SEP]", 102)])
    write_text(folder / "tokenizer.json", backend.to_str())
    write_json(folder / "tokenizer_config.json", {"pad_token": "[PAD]"})
    return folder


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer.from_folder(worded(tmp_path_factory.mktemp("words"), stop=112))


def test_what_somebody_types_is_no_control_token(tokenizer: Tokenizer) -> None:
    ids = ids_of("the [SEP] cat.", tokenizer)
    assert ids[0] == 101 and ids[-1] == 102 and 102 not in ids[1:-1] and len(ids) == 8


def found(draw: torch.Generator, tokens: int) -> Found:
    boxes, logits = torch.rand(1, 40, 4, generator=draw), torch.randn(1, 40, tokens, generator=draw) * 2
    return Found(boxes, logits, torch.zeros(1, 40, 8))


def test_sightings_are_the_processors(tokenizer: Tokenizer) -> None:
    module = importlib.import_module("transformers.models.grounding_dino.processing_grounding_dino")
    ids = ids_of(joined(["a cat", "the dog", "red"]), tokenizer)
    made = found(torch.Generator().manual_seed(4), len(ids))
    logits = F.pad(made.logits_BGT, (0, 256 - len(ids)), value=float("-inf"))
    outputs = SimpleNamespace(logits=logits, pred_boxes=made.boxes_BG4)
    decode = SimpleNamespace(batch_decode=lambda rows: [tokenizer.decode(row, skip_special=False) for row in rows])
    (wanted,) = module.GroundingDinoProcessor.post_process_grounded_object_detection(
        decode, outputs, torch.tensor([ids]), threshold=0.3, text_threshold=0.25, target_sizes=[(90, 200)]
    )
    got = sightings(made, ids, tokenizer, (200, 90), 0.3, 0.25)
    order = wanted["scores"].argsort(descending=True, stable=True).tolist()
    assert 10 < len(got) == len(order)
    for one, number in zip(got, order, strict=True):
        assert one.likelihood == pytest.approx(float(wanted["scores"][number]))
        assert [one.box.x0, one.box.y0, one.box.x1, one.box.y1] == pytest.approx(wanted["boxes"][number].tolist(), rel=1e-5)
        assert one.box.frame == "source"
        assert one.phrase == wanted["text_labels"][number]
    assert any("dog" in one.phrase for one in got)


def model() -> Find:
    modules = tiny(spec(), seed=3)
    assert isinstance(modules, Find)
    return modules


def test_locate(tokenizer: Tokenizer) -> None:
    assistant = LocalAssistant("tiny", model(), None, tokenizer=tokenizer)
    assert assistant.capabilities == {"locate"}
    picture = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    every = assistant.locate(picture, ["a cat", "the dog"], likely=0.0)
    assert len(every) == 9 and assistant.locate(picture, "a cat. the dog.", likely=0.0) == every
    assert [one.likelihood for one in every] == sorted((one.likelihood for one in every), reverse=True)
    usual = assistant.locate(picture, ["a cat", "the dog"])
    assert usual == tuple(one for one in every if one.likelihood > 0.3)
    assert assistant.locate(picture, ["a cat", "the dog"], likely=1.0) == ()
    with pytest.raises(Overflow, match="at most: shorten it by"):
        assistant.locate(picture, ["a cat"] * 20)
    with pytest.raises(Unsupported):
        assistant.ask("What is this?", picture)
    with pytest.raises(Unsupported):
        LocalAssistant("tiny", model(), None).locate(picture, "a cat")


def test_the_command(reference: Reference, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "model"
    shutil.copytree(reference("grounding_dino", 0), folder)
    worded(folder, stop=1012)
    Photo.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)).save(tmp_path / "street.png")
    words = ["locate", str(tmp_path / "street.png"), "a cat", "the dog", "--model", str(folder)]
    assert main([*words, "--likely", "0", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert len(said) == 7 and said[0].keys() == {"phrase", "box", "likelihood"} and said[0]["box"]["frame"] == "source"
    assert main([*words, "--likely", "0"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["likely", "box", "phrase"]
    assert main([*words, "--likely", "1"]) == 0
    assert capsys.readouterr().out == "Nothing is likelier than 1.\n"
    assert main(words[:2]) == 2
    assert "There is no phrase to look for" in capsys.readouterr().err


def test_boxes_are_in_the_sources_own_pixels(tokenizer: Tokenizer) -> None:
    made = found(torch.Generator().manual_seed(1), 7)
    ids = [*ids_of("a cat.", tokenizer), 0, 0]
    one, two = (sightings(made, ids, tokenizer, size, 0.3, 0.25) for size in ((48, 32), (96, 64)))
    assert len(one) == len(two) > 5
    for first, second in zip(one, two, strict=True):
        assert second.box == Box(2 * first.box.x0, 2 * first.box.y0, 2 * first.box.x1, 2 * first.box.y1)


def test_pictures_of_one_shape_and_texts_of_one_length_keep_to_themselves() -> None:
    """What a batch changes is its padding alone."""
    finder, draw = model(), np.random.default_rng(1)
    some = [draw.integers(0, 256, (40, 61, 3), np.uint8) for _ in range(2)]
    ids = torch.tensor([[101, 5, 6, 112, 102], [101, 7, 8, 112, 102]])
    valid = torch.ones_like(ids, dtype=torch.bool)
    with torch.inference_mode():
        both = finder(Sight.of(finder.spec, some), finder.read(ids, valid))
        for row in range(2):
            alone = finder(Sight.of(finder.spec, [some[row]]), finder.read(ids[[row]], valid[[row]]))
            torch.testing.assert_close(both.boxes_BG4[row], alone.boxes_BG4[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(both.logits_BGT[row], alone.logits_BGT[0], rtol=1e-4, atol=1e-5)


def test_boxes_keep_their_digits_in_narrow_numbers() -> None:
    finder = model().bfloat16()
    prepare(finder)
    picture = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    with torch.inference_mode():
        boxes = finder(Sight.of(finder.spec, [picture]), words(finder)).boxes_BG4
    assert boxes.dtype == torch.float32 and bool(boxes.isfinite().all()) and len(boxes.unique()) > 30


def test_too_few_places_for_the_queries_are_refused() -> None:
    finder = model()
    finder.spec = replace(finder.spec, detector=replace(finder.spec.detector, queries=30))
    thin = np.zeros((1, 80, 3), np.uint8)
    with pytest.raises(BadPicture, match="80 x 1 pixels"):
        finder(Sight.of(finder.spec, [thin]), words(finder))


def words(finder: Find) -> Any:
    ids: Tensor = torch.tensor([[101, 5, 112, 102]])
    return finder.read(ids, torch.ones_like(ids, dtype=torch.bool))
