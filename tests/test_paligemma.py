"""PaliGemma: a prompt that sees itself whole, its frame of ids, and who may look at whom."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Reference
from PIL import Image as Pillow
from shrink import tiny
from tiny_tokenizers import NAMED, byte_level, word_level
from tokenizers import AddedToken, Tokenizer

from chiasm.errors import BadPrompt
from chiasm.geometry import Size
from chiasm.model import Causal
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.reference.parts import library, siglip_processor
from chiasm.registry import families
from chiasm.spec import Causal as CausalSpec
from chiasm.weights.read import describe


@pytest.mark.parametrize("tokens", [word_level, byte_level])
def test_ids_and_answers_are_the_processors_own(tokens: object, reference: Reference, tmp_path: Path) -> None:
    backend = Tokenizer.from_str(tokens().to_str())  # type: ignore[operator]
    backend.add_special_tokens([AddedToken("<image>", special=True, normalized=False)])
    tokenizer, pictures = library().PreTrainedTokenizerFast(tokenizer_object=backend, **NAMED), siglip_processor(28)
    pictures.image_seq_length = 16
    by = library().PaliGemmaProcessor(pictures, tokenizer)
    tokenizer.save_pretrained(tmp_path)
    model = describe(reference("paligemma", 0)).model
    assert isinstance(model, CausalSpec) and model.sight is not None
    sight = replace(model.sight, fusion=replace(model.sight.fusion, image=tokenizer.convert_tokens_to_ids("<image>")))
    spec = replace(model, sight=sight, decoder=replace(model.decoder, vocab=len(tokenizer)))
    planner = Planner.from_folder(spec, tmp_path, families()["paligemma"].chat)
    shown = Pillow.fromarray(np.full((40, 30, 3), 90, np.uint8))
    theirs = by(images=shown, text="What is in this picture?", suffix="two circles", return_tensors="pt")
    asked = Message("user", (Image(0), Text("What is in this picture?")))
    plan = planner.plan([[asked, Message("assistant", (Text("two circles"),))]], [Size(30, 40)], answer=False)
    (row,) = plan.rows
    kinds, labels = theirs["token_type_ids"][0], theirs["labels"][0]
    assert row.ids_T.tolist() == theirs["input_ids"][0].tolist()
    assert row.prompt == int((kinds == 0).sum())
    assert row.supervise_T.tolist() == (labels != -100).tolist()
    assert row.where_AT[0].tolist() == list(range(1, len(row) + 1)) and row.next == len(row) + 1
    prompt, theirs = planner.plan([[asked]], [Size(30, 40)]).rows[0], by(images=shown, text="What is in this picture?")
    assert prompt.ids_T.tolist() == list(theirs["input_ids"][0])
    assert prompt.prompt == len(prompt)


@pytest.mark.parametrize("name", ["paligemma", "paligemma-2"])
def test_the_prompt_sees_itself_whole_and_the_answer_what_is_before(name: str) -> None:
    model = tiny(families()[name].model)
    assert isinstance(model, Causal)
    row, prompt = list(range(5, 17)), 8

    def moved(at: int) -> list[bool]:
        """Which positions change with the token at one of them."""
        changed = [*row[:at], 60, *row[at + 1 :]]
        states = [model(Plan.from_ids(model.spec, [ids], prompts=[prompt]).batch())[0] for ids in (row, changed)]
        return ((states[0] - states[1]).abs().amax(-1) > 1e-6).tolist()

    assert moved(prompt - 1) == [True] * 12
    assert moved(prompt) == [False] * prompt + [True] * 4
    assert moved(11) == [False] * 11 + [True]


def test_pads_stay_outside_of_the_prompt() -> None:
    model = tiny(families()["paligemma-2"].model)
    assert isinstance(model, Causal)
    rows = [[5, 6, 7, 8, 9, 10, 11], [12, 13, 14]]
    batch = Plan.from_ids(model.spec, rows, prompts=[5, 2]).batch()
    assert batch.prompt_BT is not None and batch.prompt_BT.int().tolist() == [[1] * 5 + [0] * 2, [0] * 4 + [1] * 2 + [0]]
    alone = model(Plan.from_ids(model.spec, rows[1:], prompts=[2]).batch())[0]
    torch.testing.assert_close(model(batch)[1, 4:], alone, rtol=1e-4, atol=1e-5)


def test_a_picture_that_sees_the_question_is_not_read_once_for_many() -> None:
    spec = tiny(families()["paligemma"].model).spec
    assert isinstance(spec, CausalSpec)
    with pytest.raises(BadPrompt, match="several questions cannot share one"):
        Plan.branched(spec, [], [])
