"""What a measurement was made of and with: everything that must be named to repeat it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from chiasm import __version__
from chiasm.weights.files import sha256
from chiasm.weights.read import Described

PACKAGES = ("torch", "numpy", "pillow", "tokenizers", "safetensors")


def identity(described: Described) -> dict[str, Any]:
    """The SHA-256 of every file that a model is made of, its base's too."""
    parts = [described] if described.base is None else [described, described.base]
    files = {
        f"{role}/{file.name}": sha256(file)
        for role, part in zip(("model", "base"), parts, strict=False)
        for file in sorted(part.folder.iterdir())
        if file.suffix in (".safetensors", ".jinja") or file.name in ("config.json", "tokenizer.json")
    }
    return {"base": described.config.get("base"), "files": files}


def versions() -> dict[str, str]:
    """Of Chiasm, Python and the packages that numbers depend on."""
    packages = {package: version(package) for package in PACKAGES}
    return {"chiasm": __version__, "python": platform.python_version(), **packages}


def machine(model: nn.Module) -> dict[str, Any]:
    """Where a model is and how it computes."""
    weight = next(model.parameters())
    return {
        "device": str(weight.device),
        "dtype": str(weight.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
    }
