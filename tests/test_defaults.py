"""What a config does not say, the published class says: sparse ones read as the class's own, written out in full."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import StrictDataclassError

from chiasm.errors import BadConfig
from chiasm.layout import Config
from chiasm.reference.parts import library
from chiasm.registry import layout, layouts
from chiasm.spec import Causal
from chiasm.weights.read import SENSELESS

KIND = re.compile(r'^    model_type = "(.+)"$', re.MULTILINE)

NEEDED: dict[str, dict[str, Any]] = {
    "deepseek_v2": {"num_experts_per_tok": 6},
    "janus": {"vision_config": {"model_type": "janus_vision_model", "projection_dim": 4096}},
    "mbart": {"is_encoder_decoder": False},
    "minicpmv4_6": {"image_token_id": 9},
    "vision-encoder-decoder": {
        "encoder": {"model_type": "donut-swin"}, "decoder": {"model_type": "mbart", "is_encoder_decoder": False},
    },
}  # fmt: skip
"""Fields without which a config of the class's defaults describes nothing that can be built."""

MAPPED = {
    "chameleon": "names its codes by a map of its whole vocabulary, which has no default",
    "emu3": "names its codes by a map of its whole vocabulary, which has no default",
}
OLD = {
    "persimmon": "versions of the class that wrote no theta meant 25,000; later ones, with another default, always write it",
    "fuyu": "its text model is a Persimmon",
}
"""Layouts that are not those of the installed class, with the reason."""


@cache
def written() -> dict[str, Path]:
    """The files of `transformers` that say what a kind of model is configured by, found without importing it."""
    found = find_spec("transformers")
    assert found is not None and found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0]) / "models"
    kinds = {file: KIND.findall(file.read_text()) for file in sorted(folder.glob("*/configuration_*.py"))}
    return {kind: file for file, told in kinds.items() for kind in told}


@cache
def class_of(model_type: str) -> Any:
    """The class of a config, of a part of a model too."""
    library()
    file = written()[model_type]
    module = import_module(f"transformers.models.{file.parent.name}.{file.stem}")
    return next(one for one in vars(module).values() if isinstance(one, type) and vars(one).get("model_type") == model_type)


def in_full(model_type: str, fields: dict[str, Any]) -> dict[str, Any]:
    """A config as its class writes it, nothing left out."""
    given = json.loads(json.dumps(fields))
    full: dict[str, Any] = json.loads(json.dumps(class_of(model_type).from_dict(given).to_dict(), default=str))
    return full


def spec_of(model_type: str, fields: dict[str, Any], pixels: dict[str, Any] | None = None) -> Any:
    beside = None if pixels is None else Config(pixels, "preprocessor_config.json", layout)
    return layout(model_type, "config.json").read(Config(fields, "config.json", layout, beside)).spec


def sparse(model_type: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ways to say little: nothing, parts by their kind alone, parts that are empty or null."""
    said = {"model_type": model_type, **NEEDED.get(model_type, {})}
    yield "nothing", said
    full = in_full(model_type, said)
    parts = {name: value["model_type"] for name, value in full.items() if isinstance(value, dict) and "model_type" in value}
    parts = {name: kind for name, kind in parts.items() if name not in said}
    if parts:
        yield "kinds", {**said, **{name: {"model_type": kind} for name, kind in parts.items()}}
        yield "empty", {**said, **{name: {} for name in parts}}
        yield "null", {**said, **dict.fromkeys(parts)}


HAVE_CLASS = sorted(written().keys() & layouts().keys())


@pytest.mark.parametrize("model_type", HAVE_CLASS)
def test_what_is_not_said_is_the_class_s_default(model_type: str) -> None:
    if model_type in MAPPED:
        with pytest.raises(BadConfig, match="vocabulary_map"):
            spec_of(model_type, {"model_type": model_type})
        return
    compared = 0
    for how, said in sparse(model_type):
        try:
            full = in_full(model_type, said)
        except KeyError:
            # The class itself does not take a part that is empty.
            continue
        if model_type in OLD:
            assert spec_of(model_type, said) != spec_of(model_type, full), "its reason holds no more"
        else:
            assert spec_of(model_type, said) == spec_of(model_type, full), how
        compared += 1
    assert compared


READ_ABOVE = {"blip_2_qformer": ["config.json: use_qformer_text_input"]}
"""Fields of a part that the whole model's layout reads."""


@pytest.mark.parametrize("model_type", [kind for kind in HAVE_CLASS if kind not in MAPPED])
def test_no_field_that_the_class_writes_is_unknown(model_type: str) -> None:
    """A warning about a field that every saved folder has teaches people not to read warnings."""
    full = Config(in_full(model_type, {"model_type": model_type, **NEEDED.get(model_type, {})}), "config.json", layout)
    layout(model_type, "config.json").read(full)
    assert full.unknown() == READ_ABOVE.get(model_type, [])


@pytest.mark.parametrize("model_type", [kind for kind in HAVE_CLASS if kind not in MAPPED and kind not in OLD])
def test_null_says_what_the_class_takes_it_for(model_type: str) -> None:
    said = {"model_type": model_type, **NEEDED.get(model_type, {})}
    for name, value in in_full(model_type, said).items():
        if name in said or isinstance(value, dict):
            continue
        try:
            wanted = spec_of(model_type, in_full(model_type, {**said, name: None}))
        except (*SENSELESS, BadConfig, StrictDataclassError):
            # The class does not take it, or takes it and can build nothing of it.
            continue
        assert spec_of(model_type, {**said, name: None}) == wanted, name


SENSELESS_THERE = {
    "mllama": "the size of tiles is another one than its tower's",
    "minicpmv4_6": "the edge of patches is another one than its tower's",
}
"""Preprocessors whose class's defaults do not go with those of the config's class."""


def stilled(spec: Any) -> Any:
    """Without clips, which have a preprocessor of their own; the file for pictures stands in for it where it says something."""
    return replace(spec, sight=replace(spec.sight, clips=None)) if isinstance(spec, Causal) and spec.sight is not None else spec


def test_a_preprocessor_that_says_little_says_its_class_s_defaults() -> None:
    names = library().models.auto.image_processing_auto.IMAGE_PROCESSOR_MAPPING_NAMES
    compared, senseless = set(), set()
    for model_type in HAVE_CLASS:
        kind = names.get(model_type, {}).get("pil")
        if kind is None or model_type in MAPPED:
            continue
        said = in_full(model_type, {"model_type": model_type, **NEEDED.get(model_type, {})})
        named = {"image_processor_type": kind.removesuffix("Pil")}
        full = json.loads(json.dumps(getattr(library(), kind)().to_dict(), default=str)) | named
        try:
            wanted = spec_of(model_type, said, full)
        except BadConfig:
            senseless.add(model_type)
            continue
        assert stilled(spec_of(model_type, said, named)) == stilled(wanted), model_type
        compared.add(model_type)
    assert senseless == SENSELESS_THERE.keys() and len(compared) > 25
