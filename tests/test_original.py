"""Folders as the authors published them are read and asked."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from original import SOURCES, told
from tiny_tokenizers import byte_level

from chiasm.geometry import Size
from chiasm.loading import planner_of
from chiasm.model import parameters
from chiasm.prompt.messages import Image, Message, Text
from chiasm.registry import families
from chiasm.spec import Causal


@pytest.mark.parametrize("name", SOURCES)
def test_a_published_original_config_reads_to_the_familys_own_spec(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "chiasm"):
        model = told(name, tmp_path).model
    assert not caplog.messages
    family, _, size = name.rpartition("-")
    wanted = families()[family].at(size)
    assert isinstance(model, Causal) and isinstance(wanted, Causal)
    assert parameters(model) == parameters(wanted) == SOURCES[name]["parameters"]
    assert model.decoder == wanted.decoder and model.sight is not None and wanted.sight is not None
    # The views round or refuse otherwise, and the tokenizer says which id pictures have.
    same = replace(model.sight, views=wanted.sight.views, fusion=wanted.sight.fusion)
    assert same == wanted.sight


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("deepseek-vl-1.3b", "natural language.\n\nUser: {0}What?\n\nAssistant:"),
        ("janus-pro-1b", "<|User|>: {0}\nWhat?\n\n<|Assistant|>:"),
    ],
)
def test_an_original_folder_is_asked_in_its_own_form(name: str, wanted: str, tmp_path: Path) -> None:
    described = told(name, tmp_path)
    tokenizer = byte_level()
    tokenizer.add_special_tokens(["<image_placeholder>", "<begin_of_image>", "<end_of_image>", "<|User|>", "<|Assistant|>"])
    tokenizer.save(str(described.folder / "tokenizer.json"))
    # A template of text alone, as the language model's folder brings it, does not stand in the way.
    (described.folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages[0]['content'] }}"}))
    planner = planner_of(described)
    plan = planner.plan([[Message("user", (Image(0), Text("What?")))]], [Size(300, 200)])
    text = planner.tokenizer.decode(plan.rows[0].ids_T.tolist(), skip_special=False)
    picture = "<image_placeholder>" * 576
    if "janus" in name:
        picture = f"<begin_of_image>{picture}<end_of_image>"
    assert text.endswith(wanted.format(picture))
