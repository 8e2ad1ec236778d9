"""What training looks at, against LLaVA's own code; and the SentencePiece vocabulary that its folders bring."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from counted import spec

from chiasm.check import check
from chiasm.cli import main
from chiasm.errors import BadCheckpoint
from chiasm.prompt import encode, read_messages, supervised
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.encode import Frame
from chiasm.prompt.taught import settled
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.registry import families
from chiasm.spec import Splice
from chiasm.towers.llava_chats import VICUNA_V1

RECORDED = Path(__file__).parent / "data" / "tables" / "llava_labels"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(RECORDED, tmp_path / "labels")
    return tmp_path / "labels"


def changed(folder: Path, number: int, **fields: Any) -> None:
    cases = json.loads((folder / "cases.json").read_text())
    cases[number] |= fields
    (folder / "cases.json").write_text(json.dumps(cases))


def test_recorded_labels_are_those_of_the_plan() -> None:
    verdict = check(RECORDED)
    assert verdict.passed, verdict.line()
    assert {"labels", "input_ids", "prompt", "asked.input_ids"} <= verdict.worst.keys()
    assert "labels of 2 cases" in verdict.note and "input_ids" not in verdict.note


def test_a_changed_label_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = json.loads((folder / "cases.json").read_text())[0]["labels"]
    changed(folder, 0, labels=[-100, *labels[1:-1], -100])
    assert main(["check", str(folder)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("FAIL labels") and "labels 7.7e-02" in said and "prompt 0.0e+00" in said


def test_a_vocabulary_that_is_missing_or_cut_short_is_told(folder: Path) -> None:
    (folder / "tokenizer.model").write_bytes((folder / "tokenizer.model").read_bytes()[:-100])
    with pytest.raises(BadCheckpoint, match=r"tokenizer\.model is no SentencePiece model"):
        check(folder)
    (folder / "tokenizer.model").unlink()
    with pytest.raises(BadCheckpoint, match=r"tokenizer\.model is no SentencePiece model"):
        check(folder)


@pytest.mark.parametrize("legacy", [True, False])
def test_the_space_that_a_prompt_leaves_to_the_model_is_trained_on(folder: Path, legacy: bool) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps({"legacy": legacy}))
    tokenizer, template = Tokenizer.from_folder(folder), ChatTemplate(VICUNA_V1, "its own")
    talk = read_messages([{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "42"}])
    encoded = encode(template.render(talk), tokenizer)
    prompt = encode(template.render(talk[:1], add_generation_prompt=True), tokenizer)
    counts = supervised(encoded, led=template.led)
    assert encoded.ids[: len(prompt.ids)] == prompt.ids and prompt.ids[0] == tokenizer.bos_id
    assert counts == [k >= len(prompt.ids) for k in range(len(counts))]
    assert tokenizer.decode(encoded.ids[len(prompt.ids) :], skip_special=False) == "42</s>"


@pytest.mark.parametrize(
    ("source", "led"),
    [
        (VICUNA_V1, 1),
        (families()["llava-interleave"].chat, 0),
        ("{% for m in messages %}{{ m.content[0].text }}{% endfor %}", 0),
        ("{{ raise_exception('never') }}", 0),
        (None, 0),
    ],
)
def test_a_template_tells_what_it_leaves_to_the_model(source: str | None, led: int) -> None:
    assert ChatTemplate(source, "a test's").led == led


def test_pieces_become_the_text_again(folder: Path) -> None:
    tokenizer = Tokenizer.from_folder(folder)
    assert Tokenizer.stands_in(folder) and (tokenizer.bos_id, tokenizer.eos_id, tokenizer.unk_id) == (1, 2, 0)
    for text in ("a cat on a mat", "naïve  café — 数字 42\n", "USER: what USERs say"):
        assert tokenizer.decode(tokenizer.encode(text, framed=True)) == text
    assert tokenizer.encode("USER", framed=True) == [1, 413, 3]
    assert tokenizer.encode("a</s>b") != tokenizer.encode("a</s>") + tokenizer.encode("b", framed=True)


def test_typed_controls_are_text_between_placeholders_that_stand_apart(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps({"legacy": False}))
    model = spec("llava-1.5")
    assert model.sight is not None
    apart = replace(model, sight=replace(model.sight, fusion=Splice(-200, named="<image>")))
    _, tokenizer = settled(apart, Tokenizer.from_folder(folder))
    shown = {"type": "image"}
    talk = [{"role": "user", "content": [shown, {"type": "text", "text": "a <image> or </s>?"}]}]
    encoded = encode(ChatTemplate(VICUNA_V1, "its own").render(read_messages(talk), True), tokenizer, Frame.ALWAYS)
    image, end = tokenizer.added["<image>"], tokenizer.eos_id
    assert encoded.ids.count(image) == 1 and end not in encoded.ids
    after = encoded.ids[encoded.ids.index(image) + 1 :]
    assert after[:2] == (413, 14), "a piece of its own begins with a space"
    assert "a <image> or </s>?" in tokenizer.decode(encoded.ids)


def test_a_vocabulary_of_another_kind_leaves_the_folder_without_one(folder: Path) -> None:
    data = (folder / "tokenizer.model").read_bytes()
    assert data.count(b"tiny\x18\x02") == 1
    (folder / "tokenizer.model").write_bytes(data.replace(b"tiny\x18\x02", b"tiny\x18\x01"))
    assert not Tokenizer.from_folder(folder).reads_text
