"""Pictures told apart by numbers in the text, in each family's own form."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Reference
from reference_processors import pair
from tiny_folder import tiny_folder

from chiasm.cli import main
from chiasm.errors import BadPrompt
from chiasm.geometry import Size
from chiasm.loading import load
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.messages import Image, Message, Text, numbered, read_messages
from chiasm.prompt.planner import Planner
from chiasm.registry import families
from chiasm.spec import PLAIN, Always, Written

PICTURE = {"type": "image"}
TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": [PICTURE, {"type": "text", "text": "and "}, PICTURE, {"type": "text", "text": "alike?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]},
    {"role": "user", "content": [{"type": "video", "video": "a.gif"}, PICTURE, {"type": "text", "text": "And these?"}]},
]


def as_family(planner: Planner, name: str) -> Planner:
    family = families()[name]
    return replace(planner, template=ChatTemplate(family.chat, "the family's own"), numbers=family.numbers)


@pytest.mark.parametrize("turns", [TURNS, TURNS[:1]])
@pytest.mark.parametrize("name", ["qwen2-vl", "qwen2.5-vl"])
def test_qwen_numbers_pictures_and_clips_as_its_template_told_to(
    name: str, turns: list[dict[str, Any]], reference: Reference, tmp_path: Path
) -> None:
    one = pair("qwen2_vl", "bytes", tmp_path, reference)
    planner = as_family(one.planner, name)
    theirs = one.processor.tokenizer.apply_chat_template(
        turns, chat_template=families()[name].chat, tokenize=False, add_generation_prompt=True, add_vision_id=True
    )
    told = planner.numbered(read_messages(turns))
    assert planner.template.render(told, add_generation_prompt=True).text == theirs
    assert "Picture 1: <|vision_start|>" in theirs and "and Picture 2: <|vision_start|>" in theirs
    if len(turns) > 1:
        assert "Video 1: <|vision_start|><|video_pad|>" in theirs and "Picture 3: " in theirs
        return
    sizes = [(120, 40), (60, 90)]
    wanted = one.theirs(theirs, [np.zeros((high, wide, 3), np.uint8) for wide, high in sizes])
    assert planner.plan([told], [Size(*size) for size in sizes]).rows[0].ids_T.tolist() == wanted


def test_internvl_numbers_as_its_cards_do(reference: Reference, tmp_path: Path) -> None:
    planner = as_family(pair("internvl", "bytes", tmp_path, reference).planner, "internvl-3")
    asked = [Message("user", (Image(0), Image(1), Text("Describe the two.")))]
    text = planner.template.render(planner.numbered(asked)).text
    assert "Image-1: <IMG_CONTEXT>\nImage-2: <IMG_CONTEXT>\nDescribe the two." in text


def test_numbers_are_the_programs_own_words_and_order_is_kept(reference: Reference, tmp_path: Path) -> None:
    planner = pair("pixtral", "bytes", tmp_path, reference).planner
    asked = [Message("user", (Text("the "), Image(0), Text(" and\n"), Image(1), Image(2), Text(" how many?")))]
    told = planner.numbered(asked)
    wanted = "the Image 1: [IMG]\n and\nImage 2: [IMG]\nImage 3: [IMG]\n how many?"
    assert planner.template.render(told).text == wanted
    assert [part.literal for part in told[0].content if isinstance(part, Text)].count(True) == 3
    assert planner.numbered([Message("user", (Text("none"),))]) == (Message("user", (Text("none"),)),)


def test_a_template_that_moves_pictures_cannot_number_them(reference: Reference, tmp_path: Path) -> None:
    planner = pair("llava", "bytes", tmp_path, reference).planner
    first = (
        "{% for message in messages %}"
        "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}<image>{% endfor %}"
        "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] }}{% endfor %}"
        "{% endfor %}"
    )
    planner = replace(planner, template=ChatTemplate(first, "this test"))
    with pytest.raises(BadPrompt, match="ask without numbers"):
        planner.numbered([Message("user", (Image(0), Image(1), Text("alike?")))])


@pytest.mark.parametrize("name", families())
def test_every_family_says_how_its_pictures_are_numbered_and_who_says_so(name: str) -> None:
    match families()[name].numbers:
        case Always(source):
            assert source
        case Written(before, _, clip, source):
            assert "{number}" in before and "{number}" in clip and source


def test_those_that_always_number_are_left_alone(reference: Reference, tmp_path: Path) -> None:
    assert isinstance(families()["minicpm-v-2.6"].numbers, Always) and isinstance(families()["qwen-vl"].numbers, Always)
    planner = replace(pair("llava", "bytes", tmp_path, reference).planner, numbers=families()["qwen-vl"].numbers)
    asked = (Message("user", (Image(0), Image(1), Text("alike?"))),)
    assert planner.numbered(asked) == asked


def test_a_model_of_another_house_gets_the_plain_form() -> None:
    (told,) = numbered([Message("user", (Image("a.png"), Text("what?")))], PLAIN)
    assert [part.text for part in told.content if isinstance(part, Text)] == ["Image 1: ", "\n", "what?"]


def test_the_commands_and_the_library_count_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tiny_folder(tmp_path / "model"))
    sizes = ["--size", "40x50", "--size", "30x30"]

    def planned(*more: str) -> dict[str, Any]:
        assert main(["plan", *sizes, "--model", folder, "--text", "alike?", "--json", *more]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)["tokens"]
        return found

    plain, told = planned(), planned("--number")
    assert told["text"] > plain["text"] and told["visual"] == plain["visual"]
    blank = [np.zeros((high, wide, 3), np.uint8) for wide, high in ((40, 50), (30, 30))]
    answer = load(folder, dtype="float32").ask("alike?", *blank, max_tokens=1, number=True)
    assert answer.usage.image_tokens + answer.usage.text_tokens == told["prefill"]
    assert main(["plan", "--model", "llava-1.5", "--size", "40x50", "--number"]) == 2
    assert "name a model folder" in capsys.readouterr().err
