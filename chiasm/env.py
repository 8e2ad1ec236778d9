"""The facts of this machine and installation that a report of a defect needs; nothing secret, nothing fetched."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from pathlib import Path
from typing import Any

from chiasm import __version__
from chiasm.errors import UserError
from chiasm.home import home, offline

CORE = ("torch", "numpy", "pillow", "safetensors", "tokenizers", "jinja2", "tqdm", "cyclopts")
EXTRAS = {
    "gguf": ("gguf",),
    "hub": ("huggingface-hub",),
    "eval": ("jiwer", "faster-coco-eval", "nltk", "pyarrow"),
    "api": ("openai", "anthropic"),
    "transformers": ("transformers",),
    "captions": ("pycocoevalcap",),
    "video": ("opencv-python-headless",),
    "train": ("cairosvg", "matplotlib"),
    "dev": ("transformers", "accelerate", "pytest", "hypothesis", "ruff", "mypy"),
}
SETTINGS = (
    "CHIASM_HOME",
    "CHIASM_OFFLINE",
    "CHIASM_FAMILIES",
    "CHIASM_COMPILE",
    "CHIASM_DEVICE",
    "CHIASM_DEBUG",
    "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
)


def facts() -> dict[str, Any]:
    """Versions, processor, threads, memory, settings, extras, as plain values."""
    return {
        "chiasm": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: version(name) for name in CORE},
        "extras": {extra: all(version(name) for name in names) for extra, names in EXTRAS.items()},
        "torchvision": "present, unused" if importlib.util.find_spec("torchvision") else "absent",
        "processor": {
            "name": _processor(),
            "bf16": _flag("avx512_bf16", "bf16"),
            "amx": _flag("amx_bf16", "amx_tile"),
            "cores": os.cpu_count(),
            "usable cores": _usable(),
        },
        "torch": _torch(),
        "memory": {"total GB": _memory("MemTotal"), "available GB": _memory("MemAvailable")},
        "home": _home(),
        "offline": offline(),
        "settings": {name: os.environ.get(name) for name in SETTINGS},
    }


def _torch() -> dict[str, Any]:
    """What torch finds here, or why it cannot be imported, which is a defect to report as well."""
    try:
        import torch
    except (ImportError, OSError) as e:
        return {"is not imported": str(e)}
    found = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        "build": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "accelerators": found + (["mps"] if torch.backends.mps.is_available() else []),
    }


def _home() -> str:
    try:
        return str(home())
    except UserError as e:
        return str(e)


def version(package: str) -> str | None:
    """The installed version of a package, None where it is absent."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _usable() -> int | None:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()


def _processor() -> str:
    return _line(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()


def _flag(*names: str) -> bool | None:
    """Whether the processor has one of these features; None where the system does not tell."""
    flags = _line(Path("/proc/cpuinfo"), "flags")
    return None if flags is None else any(name in flags.split() for name in names)


def _memory(name: str) -> float | None:
    line = _line(Path("/proc/meminfo"), name)
    return None if line is None else round(int(line.split()[0]) * 1024 / 1e9, 1)


def _line(file: Path, key: str) -> str | None:
    if not file.is_file():
        return None
    for line in file.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None
