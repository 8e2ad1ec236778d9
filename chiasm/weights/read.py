"""A model folder becomes a spec, then modules with every tensor in place: checked before it is allocated."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten as shortened
from typing import Any

import torch

from chiasm import registry
from chiasm import spec as specs
from chiasm.errors import BadCheckpoint, BadConfig
from chiasm.layers.begun import begun
from chiasm.layout import Adapters, Config, Layout, Reading, Rule, Spoken, under
from chiasm.model import AnyModel, blank
from chiasm.readers import head_keys
from chiasm.weights.files import CONFIGS, TensorFiles
from chiasm.weights.fill import fill, located
from chiasm.weights.folders import model_folder
from chiasm.weights.json_files import read_json
from chiasm.weights.lora import merge
from chiasm.weights.sources import parse

log = logging.getLogger("chiasm")

SENSELESS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError)
"""What Python raises where a config's values do not go together and no reader asked whether they do."""

ADAPTERS = "adapters."
"""Before the names of low-rank adapters that a composed folder brings for its base."""


@dataclass(frozen=True)
class Described:
    """What a folder says of its model, before any weight is read. `base` is another folder that holds what this one does
    not, as its config names it; `chat` a template that goes before the folder's own, `stops` what ends an answer to it;
    `spoken` tells of one for a folder that has none, where folders of its form differ in that."""

    folder: Path
    model: specs.Model
    keys: tuple[Rule, ...]
    model_type: str
    config: dict[str, Any]
    base: Described | None = None
    adapters: Adapters | None = None
    chat: str | None = None
    stops: tuple[str, ...] = ()
    spoken: Spoken | None = None


def describe(folder: Path) -> Described:
    """Reads config.json and the preprocessor beside it into a spec. Raises `BadCheckpoint` or `BadConfig`.

    Fields that nobody honours are warned about by name.
    """
    config = config_of(folder)
    data, file, pixels = config.data, config.path, config.pixels
    model_type = registry.signed(data) or data.get("model_type")
    if not isinstance(model_type, str):
        raise BadCheckpoint(f"{file} has no model_type: it does not say which architecture it is")
    _plain_weights(config)
    reading = _read(registry.layout(model_type, config.path, data), config)
    if isinstance(reading.spec, specs.ViT | specs.MergingViT | specs.TextTower | specs.WindowedViT | specs.Swin | specs.VQ):
        raise BadConfig(f"{file}: {model_type!r} is one tower of a model: name a folder with the whole of it")
    apart = config.clips if config.clips is not pixels and config.clips.honoured else None
    for name in config.unknown() + pixels.unknown() + ([] if apart is None else apart.unknown()):
        log.warning("unknown field, not honoured: %s", name)
    base = None
    if reading.beside is not None:
        other = model_folder(parse(reading.beside.source))
        base = Described(other, reading.spec, reading.beside.keys, model_type, {})
    elif "base" in data:
        base = describe(model_folder(parse(data["base"])))
    return Described(
        folder, reading.spec, reading.keys, model_type, dict(data), base, reading.adapters, reading.chat, reading.stops,
        reading.spoken,
    )  # fmt: skip


def config_of(folder: Path) -> Config:
    """A folder's config with its preprocessor's; other folders' too, by what they are called."""
    file = next((folder / name for name in CONFIGS if (folder / name).is_file()), None)
    if file is None:
        kind = "has no config.json, so it is not a model folder" if folder.is_dir() else "is not a folder"
        raise BadCheckpoint(f"{folder} {kind}: name a folder with config.json and *.safetensors in it")
    told: list[str] = []
    pixels = Config(preprocessor(folder), str(folder / "preprocessor_config.json"), registry.layout, told=told)
    frames = clip_preprocessor(folder)
    clips = None if frames is None else Config(frames, f"{folder}: the preprocessor of clips", registry.layout, told=told)

    def fetch(name: str) -> Config:
        return config_of(model_folder(parse(name)))

    return Config(read_json(file), str(file), registry.layout, pixels, fetch, clips, told)


def _plain_weights(config: Config) -> None:
    """Refuses weights that were quantised: what they mean stands beside them, in forms of other libraries."""
    told = config.data.get("quantization_config")
    if told:
        how = told.get("quant_method", "some way") if isinstance(told, dict) else told
        message = (
            f"{config.path}: quantization_config says that the weights are quantised by {how}, which is not read: name "
            "a folder with the weights in float32, float16 or bfloat16"
        )
        raise BadConfig(message)


def _read(layout: Layout, config: Config) -> Reading:
    """What a layout makes of a config. Raises `BadConfig` also for values that it cannot reckon with."""
    try:
        return whole(layout.read(config))
    except SENSELESS as e:
        near = shortened(config.told[-1], width=200) if config.told else config.path
        raise BadConfig(f"{near}: this field, or one read just before it, has a value that makes no sense here ({e})") from e


def preprocessor(folder: Path) -> dict[str, Any]:
    """The preprocessor's settings: its own file, or the part of the processor's file that speaks of pictures."""
    if (folder / "preprocessor_config.json").is_file():
        return read_json(folder / "preprocessor_config.json")
    if (folder / "processor_config.json").is_file():
        found: dict[str, Any] = read_json(folder / "processor_config.json").get("image_processor") or {}
        return found
    return {}


def clip_preprocessor(folder: Path) -> dict[str, Any] | None:
    """The settings of the preprocessor for clips, where they stand apart from those for pictures: in the part of the
    processor's file that speaks of videos, or in a file of their own."""
    if (folder / "processor_config.json").is_file():
        found: dict[str, Any] | None = read_json(folder / "processor_config.json").get("video_processor")
        if found is not None:
            return found
    if (folder / "video_preprocessor_config.json").is_file():
        return read_json(folder / "video_preprocessor_config.json")
    return None


def whole(reading: Reading) -> Reading:
    """A decoder read by itself is a model of text alone, its names under the usual prefix; so are text encoders."""
    if isinstance(reading.spec, specs.Bidirectional):
        return Reading(specs.EncodeText(reading.spec), under("", "text.", reading.keys))
    if isinstance(reading.spec, specs.EncoderDecoder):
        rules = (*under("", "language.", reading.keys), *head_keys(reading.head, reading.spec.tied))
        return Reading(specs.Seq2Seq(reading.spec), rules)
    if not isinstance(reading.spec, specs.Decoder):
        return reading
    rules = (*under(reading.body, "language.", reading.keys), *head_keys(reading.head, reading.spec.tied))
    return Reading(specs.Causal(reading.spec), rules)


def load_model(described: Described, dtype: torch.dtype, device: torch.device | str = "cpu") -> AnyModel:
    """The modules of a folder, every parameter from its file. Raises `BadCheckpoint` naming the tensor, the file and both
    shapes where they do not fit, and where any parameter would be left without a value."""
    try:
        model = blank(described.model)
    except SENSELESS as e:
        raise BadConfig(f"{described.folder} has a config.json that describes a model which cannot be built ({e})") from e
    found = located(TensorFiles.open(described.folder), described.keys)
    adapters = {name: place for name, place in found.items() if name.startswith(ADAPTERS)}
    if described.base is not None:
        found = located(TensorFiles.open(described.base.folder), described.base.keys) | found
    own = {name: place for name, place in found.items() if name not in adapters}
    fill(model, own, described.folder, dtype, device, {name: x for name, x in begun(model).items() if name not in found})
    if adapters and described.adapters is None:
        message = (
            f"{described.folder} holds low-rank adapters, and config.json does not say how much they count: add "
            '"lora": {"rank": ..., "alpha": ...} to it, or merge them into the weights'
        )
        raise BadCheckpoint(message)
    if described.adapters is not None:
        tensors = {name.removeprefix(ADAPTERS): place.read() for name, place in adapters.items()}
        merge(model, tensors, described.adapters)
    return model.eval()
