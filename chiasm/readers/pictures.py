"""What preprocessors say: sizes, resampling and normalisation of pictures, and the frames of clips."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from chiasm.errors import BadConfig
from chiasm.layout import Config
from chiasm.spec import Even, Letterbox, PerSecond, Pixels, Resample, Resize, Take

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)

RESAMPLE: dict[int, Resample] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
"""Pillow's numbers, as preprocessors write them."""


def pixels(
    c: Config, mean: tuple[float, float, float], std: tuple[float, float, float], resample: Resample = "bicubic"
) -> Pixels:
    """Resampling and normalisation from a preprocessor; the arguments are the published class's defaults."""
    for switch in ("do_rescale", "do_normalize", "do_resize", "do_convert_rgb"):
        c.only(switch, True)
    c.inert(
        "image_processor_type",
        "processor_class",
        "feature_extractor_type",
        "use_fast",
        "data_format",
        "input_data_format",
    )
    c.inert("default_to_square", "return_tensors", "device", "disable_grouping", "do_center_crop", "do_pad")
    number = c.get("resample", None)
    if number is not None and number not in RESAMPLE:
        raise BadConfig(f"{c.path}: resample = {number!r} is not one of Pillow's 0 to 5")
    return Pixels(
        triple(c.get("image_mean", mean)),
        triple(c.get("image_std", std)),
        c.get("rescale_factor", 1 / 255),
        resample if number is None else RESAMPLE[number],
    )


def triple(values: Any) -> tuple[float, float, float]:
    """Three numbers, of red, green and blue."""
    red, green, blue = values
    return float(red), float(green), float(blue)


def edges(value: Any) -> tuple[int, int]:
    """Height and width from an edge, an object of both, or an object of the shortest edge."""
    if isinstance(value, int):
        return value, value
    if "height" in value:
        return value["height"], value["width"]
    return value["shortest_edge"], value["shortest_edge"]


def crop_resize(c: Config, default: int) -> Resize:
    """CLIP's preprocessing: the shortest edge resized, the centre cropped; padded to a square first where `do_pad` says so."""
    size, crop = c.get("size", {"shortest_edge": default}), c.get("crop_size", default)
    c.only("do_center_crop", True)
    height, width = edges(crop)
    if isinstance(size, dict) and "height" in size:
        if edges(size) != (height, width):
            raise BadConfig(f"{c.path}: size = {size} with crop_size = {crop} is not supported; two equal ones are")
        return Resize(height, width, "squash")
    fit: Literal["pad", "crop"] = "pad" if c.get("do_pad", False) else "crop"
    shortest, _ = edges(size)
    return Resize(height, width, fit, None if shortest == height else shortest)


def frame_crop(c: Config, default: int) -> Resize:
    """CLIP's preprocessing of a clip's frames, which are never padded."""
    seen = crop_resize(c, default)
    return replace(seen, fit="crop") if seen.fit == "pad" else seen


def taken(c: Config, published: Take) -> Take:
    """Which frames the preprocessor of clips takes; where it does not say, those that the model was made for."""
    c.inert("video_processor_type", "do_sample_frames", "return_metadata", "video_metadata")
    count, rate = c.get("num_frames", None), c.get("fps", None)
    if count is not None:
        return Even(count)
    if rate is None:
        return published
    return replace(published, frames=rate) if isinstance(published, PerSecond) else PerSecond(rate)


def squash(c: Config, default: int) -> Resize:
    """SigLIP's preprocessing: both edges resized at once."""
    height, width = edges(c.get("size", {"height": default, "width": default}))
    return Resize(height, width, "squash")


def letterbox(c: Config, default: int = 384, field: str = "size") -> Letterbox:
    """DeepSeek-VL's preprocessing: the longest edge to a size, the rest padded."""
    height, width = edges(c.get(field, {"height": default, "width": default}))
    if height != width:
        raise BadConfig(f"{c.path}: {field} = {height} x {width} is not supported; a square is")
    c.inert("background_color", "high_res_background_color")
    return Letterbox(height, c.get("min_size", 14))
