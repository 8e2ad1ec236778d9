"""How folders that bring no chat template are spoken to: by facts of their config, or not at all and said so."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from chats import tokenizer

from chiasm.cli import main
from chiasm.errors import BadCheckpoint
from chiasm.loading import planner_of
from chiasm.prompt import read_messages
from chiasm.prompt.planner import Planner
from chiasm.registry import families
from chiasm.weights.read import describe

CONFIGS = Path(__file__).parent / "data" / "configs"
TALK = read_messages([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}])

NEXT_VICUNA = "USER: <image>\nWhat is it? ASSISTANT:"
NEXT_YI = "<|im_start|>user\n<image>\nWhat is it?<|im_end|>\n<|im_start|>assistant\n"
ASKED = {
    "llava-1.5-7b": NEXT_VICUNA,
    "llava-1.5-13b": NEXT_VICUNA,
    "llava-interleave-0.5b": "<|im_start|>user <image>\nWhat is it?<|im_end|><|im_start|>assistant\n",
    "llava-interleave-7b": "<|im_start|>user <image>\nWhat is it?<|im_end|><|im_start|>assistant\n",
    "llava-next-mistral-7b": "[INST] <image>\nWhat is it? [/INST]",
    "llava-next-vicuna-7b": NEXT_VICUNA,
    "llava-next-vicuna-13b": NEXT_VICUNA,
    "llava-next-34b": NEXT_YI,
    "llava-next-video-7b": NEXT_VICUNA,
    "llava-next-video-34b": NEXT_YI,
    "llava-onevision-0.5b": "<|im_start|>user <image>\nWhat is it?<|im_end|><|im_start|>assistant\n",
    "video-llava-7b": NEXT_VICUNA,
}
"""By published config: what its processor's template makes of a question."""

OWN = {"pixtral": "its folders bring templates of their own; no form is known that goes with all of them"}


def planner(folder: Path, config: dict[str, Any], fixture: str = "") -> Planner:
    beside = CONFIGS / f"{fixture}.preprocessor.json"
    if beside.is_file():
        shutil.copy(beside, folder / "preprocessor_config.json")
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer().backend.save(str(folder / "tokenizer.json"))
    return planner_of(describe(folder))


def published(fixture: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CONFIGS / f"{fixture}.json").read_text())
    return found


@pytest.mark.parametrize("fixture", ASKED)
def test_published_folders_are_asked_as_they_were_trained(fixture: str, tmp_path: Path) -> None:
    template = planner(tmp_path, published(fixture), fixture).template
    assert template.render(TALK, add_generation_prompt=True).text == ASKED[fixture]


def test_every_published_config_is_told_or_named_here(tmp_path: Path) -> None:
    """No size of a family falls to a template of another one by chance."""
    prefix = [(name, family.sizes) for name, family in families().items() if family.kind == "prefix"]
    told, untold = set[str](), set[str]()
    for name, fixture in ((name, f"{name}-{size}") for name, sizes in prefix for size in sizes):
        if not (CONFIGS / f"{fixture}.json").is_file() or "vocabulary_map" in published(fixture):
            continue
        beside = CONFIGS / f"{fixture}.preprocessor.json"
        shutil.copy(beside, tmp_path / "preprocessor_config.json") if beside.is_file() else None
        (tmp_path / "config.json").write_text(json.dumps(published(fixture)))
        described = describe(tmp_path)
        if described.chat is None and described.spoken is not None:
            (told if described.spoken.template else untold).add(name)
    assert untold == OWN.keys() and len(told) >= 6


@pytest.mark.parametrize(
    ("fixture", "changes", "said"),
    [
        ("llava-next-vicuna-7b", {"image_token_index": 128256}, "a llama of 128256 tokens before those of pictures"),
        ("llava-1.5-7b", {"text_config": {"model_type": "mistral", "vocab_size": 32064}}, "a mistral of 32000 tokens"),
        ("internvl-2-4b", {"template": None}, "its config.json has no `template`"),
    ],
)
def test_what_cannot_be_known_is_said(fixture: str, changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    asked = planner(tmp_path, published(fixture) | changes, fixture)
    with pytest.raises(BadCheckpoint, match=said) as raised:
        asked.template.render(TALK)
    assert str(tmp_path) in str(raised.value) and "add a chat_template.jinja" in str(raised.value)
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0]['content'][1]['text'] }}")
    assert planner_of(describe(tmp_path)).template.render(TALK).text == "What is it?"


def test_pictures_are_counted_where_no_template_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planner(tmp_path, published("internvl-2-4b") | {"template": None}, "internvl-2-4b")
    assert main(["plan", "--model", str(tmp_path), "--size", "448x448"]) == 0
    assert "256" in capsys.readouterr().out
    assert main(["plan", "--model", str(tmp_path), "--size", "448x448", "--text", "What is it?"]) == 2
    assert "has no tokenizer with a chat template to count --text with" in capsys.readouterr().err
