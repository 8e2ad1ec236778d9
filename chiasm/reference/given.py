"""What a reference folder gives: tensors by name, rows of ids, and pictures as raw pixels where it has any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chiasm.errors import BadCheckpoint
from chiasm.weights.files import TensorFiles

Start = Literal["raw", "tensors"]
"""Where a proof begins."""

RAW = "raw_image_"
RAW_INPUTS = (RAW, "raw_clip_", "clip_seconds")
"""What names begin with that only a processor was given."""


@dataclass(frozen=True)
class Given:
    """The tensors of a folder's inputs.safetensors."""

    path: Path
    tensors: Mapping[str, Tensor]

    @classmethod
    def read(cls, folder: Path) -> Given:
        """Raises `BadCheckpoint` where the folder has none, or a broken one."""
        path = folder / "inputs.safetensors"
        if not path.is_file():
            raise BadCheckpoint(f"{folder} has no inputs.safetensors: it is a model folder, not a reference to prove")
        return cls(path, tensors(path))

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise BadCheckpoint(f"{self.path} has no tensor {name!r}, which this proof begins with")
        return self.tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    @cached_property
    def raw(self) -> list[NDArray[np.uint8]]:
        """Upright pictures in order, [H, W, 3]."""
        names = self._raw_names
        for name in names:
            tensor = self.tensors[name]
            if tensor.dtype != torch.uint8 or tensor.ndim != 3 or tensor.shape[2] != 3:
                said = f"{tensor.dtype} {tuple(tensor.shape)}"
                raise BadCheckpoint(f"{self.path}: {name} is {said}; an RGB picture is uint8 (height, width, 3)")
        return [self.tensors[name].numpy() for name in names]

    @cached_property
    def films(self) -> list[tuple[NDArray[np.uint8], list[float]]]:
        """Clips in order: frames [T, H, W, 3], all of which are shown, and the second of each."""
        seconds = self.tensors["clip_seconds"].tolist() if "clip_seconds" in self else []
        films = [(self[f"raw_clip_{number}"].numpy(), length) for number, length in enumerate(seconds)]
        return [(frames, [length * number / len(frames) for number in range(len(frames))]) for frames, length in films]

    @property
    def _raw_names(self) -> list[str]:
        """Numbered, or numbered inside the row that shows them."""
        names = (name for name in self.tensors if name.startswith(RAW))
        return sorted(names, key=lambda name: [int(part) for part in name.removeprefix(RAW).split("_")])

    @property
    def beside(self) -> list[int]:
        """How many others each raw picture is shown with; none where nothing says which row shows it."""
        rows = [name.removeprefix(RAW).partition("_") for name in self._raw_names]
        return [sum(other == row for other, _, _ in rows) - 1 if inner else 0 for row, _, inner in rows]

    def marked(self, image: int) -> Given:
        """With the model's own placeholder where pictures stand: by a mask, or by each row's positions from and to."""
        mask = next((name for name in ("images_seq_mask", "image_embeds_position_mask") if name in self), None)
        if mask is not None:
            ids_BT = self["input_ids"].masked_fill(self[mask].bool(), image)
        elif "image_bound.0" in self:
            ids_BT = self["input_ids"].clone()
            for row, ids_T in enumerate(ids_BT):
                for start, end in self.tensors.get(f"image_bound.{row}", torch.zeros(0, 2)).long().tolist():
                    ids_T[start:end] = image
        else:
            return self
        return Given(self.path, {**self.tensors, "input_ids": ids_BT})

    @property
    def start(self) -> Start:
        return "raw" if self.raw or self.films else "tensors"

    @property
    def valid_BT(self) -> Tensor:
        """True at ids that are no pads."""
        if "attention_mask" in self:
            return self["attention_mask"].bool()
        return torch.ones_like(self["input_ids"], dtype=torch.bool)

    @property
    def rows(self) -> list[list[int]]:
        """Ids of each row, its pads left out."""
        return [ids[valid].tolist() for ids, valid in zip(self["input_ids"], self.valid_BT, strict=True)]

    @property
    def prompts(self) -> list[int] | None:
        """How many ids of each row are its prompt, where token types say so: zeros, before ones."""
        if "token_type_ids" not in self:
            return None
        return [int((kinds[valid] == 0).sum()) for kinds, valid in zip(self["token_type_ids"], self.valid_BT, strict=True)]

    @property
    def hints(self) -> list[list[int]]:
        """What a connector reads with each row's pictures, its pads left out."""
        if "qformer_input_ids" not in self:
            return []
        masks = self["qformer_attention_mask"].bool()
        return [ids[valid].tolist() for ids, valid in zip(self["qformer_input_ids"], masks, strict=True)]


def tensors(path: Path) -> dict[str, Tensor]:
    """Everything in one safetensors file. Raises `BadCheckpoint` for a broken one."""
    files = TensorFiles([path])
    return {name: files.get(name) for name in files}
