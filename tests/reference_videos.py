"""The reference's whole processors of videos, run by themselves: `python reference_videos.py ORDERS.json OUT.npz`.

They insist on a library that does not load beside a CPU's torch. What they take of it is resizing, which Pillow does here as it
does for pictures, and plain tensor arithmetic, so this process hands them those under that library's name. An order is
(processor, its fields, (frames, height, width), frames a second, num_frames or none, fps or none).
"""

import enum
import json
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

Order = tuple[str, dict[str, Any], tuple[int, int, int], float, int | None, float | None]


def film(frames: int, height: int, width: int) -> np.ndarray:
    """Frames that are all unlike, [T, H, W, 3]."""
    t, y, x = np.meshgrid(np.arange(frames), np.arange(height), np.arange(width), indexing="ij")
    waves = [127 + 100 * np.sin(x / (9 + c) + y / 7 + t * (c + 1) / 3) for c in range(3)]
    canvas = np.stack(waves, -1)
    canvas[:, : height // 2, : width // 3] = (np.arange(frames) * 37 % 256)[:, None, None, None]
    return canvas.astype(np.uint8)


class Interpolation(enum.Enum):
    NEAREST, NEAREST_EXACT, BOX, BILINEAR, HAMMING, BICUBIC, LANCZOS = "nearest", "nearest", "box", "bilinear", "hamming", 3, 1


def resized(x: torch.Tensor, size: tuple[int, int], interpolation: Any, antialias: bool) -> torch.Tensor:
    assert antialias and interpolation is Interpolation.BICUBIC and x.dtype == torch.uint8
    frames = x.flatten(0, -4).permute(0, 2, 3, 1).numpy()
    done = [np.asarray(Image.fromarray(frame).resize((size[1], size[0]), Image.Resampling.BICUBIC)) for frame in frames]
    return torch.from_numpy(np.stack(done)).permute(0, 3, 1, 2).unflatten(0, x.shape[:-3])


def normalised(x: torch.Tensor, mean: Any, std: Any, inplace: bool) -> torch.Tensor:
    mean, std = (torch.as_tensor(values).view(-1, 1, 1) for values in (mean, std))
    return (x - mean) / std


def stand_in() -> None:
    """Puts what is needed under the library's name."""
    functional = {
        "InterpolationMode": Interpolation, "resize": resized, "normalize": normalised, "grayscale_to_rgb": lambda x: x,
        "crop": lambda x, top, left, height, width: x[..., top : top + height, left : left + width],
    }  # fmt: skip
    library = "torch" + "vision"
    contents: dict[str, dict[str, Any]] = {
        "": {"__version__": "0.22.0", "__file__": __file__}, ".io": {}, ".transforms": {"InterpolationMode": Interpolation},
        ".transforms.functional": {"pil_to_tensor": None}, ".transforms.v2": {}, ".transforms.v2.functional": functional,
    }  # fmt: skip
    for name, content in contents.items():
        module = types.ModuleType(library + name)
        module.__spec__, module.__path__ = ModuleSpec(library + name, None), []
        vars(module).update(content)
        sys.modules[library + name] = module
        parent, _, child = (library + name).rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def main(orders: list[Order], out: Path) -> None:
    stand_in()
    import transformers
    from transformers.video_utils import VideoMetadata

    found: dict[str, Any] = {}
    for number, (name, fields, shape, rate, count, fps) in enumerate(orders):
        processor = getattr(transformers, name)(**fields)
        known = VideoMetadata(total_num_frames=shape[0], fps=rate, duration=shape[0] / rate)
        how = {"num_frames": count, "fps": fps}
        sampled = {} if count is fps is None else {key: value for key, value in how.items() if value is not None}
        done = processor(
            [torch.from_numpy(film(*shape)).permute(0, 3, 1, 2)], video_metadata=[known], do_sample_frames=bool(sampled),
            return_metadata=True, return_tensors="pt", input_data_format="channels_first", **sampled,
        )  # fmt: skip
        for key in ("pixel_values_videos", "video_grid_thw"):
            if key in done:
                found[f"{number}.{key}"] = done[key].numpy()
        found[f"{number}.rate"] = done["video_metadata"][0].sampled_fps
        if sampled:
            found[f"{number}.indices"] = torch.as_tensor(done["video_metadata"][0].frames_indices).numpy()
    np.savez(out, **found)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
