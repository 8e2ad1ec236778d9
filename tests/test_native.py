"""Models without an encoder of their own, with a second path for drawing, or whose pictures are ids of the vocabulary."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Reference
from PIL import Image as Pillow
from sizes import SIZES
from tiny_tokenizers import NAMED, byte_level, word_level
from tokenizers import AddedToken, Tokenizer

from chiasm.errors import BadPicture
from chiasm.geometry import Size
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import count
from chiasm.prompt.planner import Planner
from chiasm.reference.native import patched
from chiasm.reference.parts import library, processor
from chiasm.registry import families
from chiasm.spec import Causal, Fitted
from chiasm.weights.read import describe

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
