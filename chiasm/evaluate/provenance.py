"""What a measurement was made of and with: everything that must be named to repeat it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from chiasm import __version__
from chiasm.weights.files import sha256
from chiasm.weights.read import Described

PACKAGES = ("torch", "numpy", "pillow", "tokenizers", "safetensors")


def identity(described: Described) -> dict[str, Any]:
    """The SHA-256 of every file that a model is made of, its base's too."""
    base = {} if described.base is None else {"base": described.base.folder}
    return {"base": described.config.get("base"), "files": hashes({"model": described.folder, **base})}


def hashes(folders: Mapping[str, Path]) -> dict[str, str]:
    """The SHA-256 of what decides answers in model folders, each under its role."""
    return {
        f"{role}/{file.name}": sha256(file)
        for role, folder in folders.items()
        for file in sorted(folder.iterdir())
        if file.suffix in (".safetensors", ".jinja") or file.name in ("config.json", "tokenizer.json")
    }


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
