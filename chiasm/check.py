"""Proofs against references: a folder in, a verdict out, everything through the path that users take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from chiasm.errors import BadCheckpoint
from chiasm.generate.engine import greedy
from chiasm.geometry import Size
from chiasm.model import Causal, Match, prepare
from chiasm.model import Sight as Seen
from chiasm.pixels.views import look, packed
from chiasm.place import Box, Grid, raster, route
from chiasm.prompt.plan import Clip, Item, Plan, lay
from chiasm.spec import Merge
from chiasm.spec import Sight as SightSpec
from chiasm.weights.files import read_json
from chiasm.weights.read import describe, load_model
from chiasm.weights.write import write_safetensors

TOLERANCE = 2e-5
"""Of |got - expected| / (1 + |expected|), in float32: four times the noise of the reference, a hundredth of a real bug."""


@dataclass(frozen=True)
class Verdict:
    """What one folder proved. `worst` is the largest relative difference by tensor; `start` says where the proof began."""

    folder: str
    start: Literal["raw", "tensors"]
    passed: bool
    worst: dict[str, float]
    note: str

    def line(self) -> str:
        mark = "ok  " if self.passed else "FAIL"
        figures = ", ".join(f"{name} {value:.1e}" for name, value in self.worst.items()) or "nothing to compare with"
        return f"{mark} {self.folder:24} {self.start:8} {figures}{f' ({self.note})' if self.note else ''}"


def check(folder: Path, out: Path | None = None, tolerance: float = TOLERANCE) -> Verdict:
    """Proves one reference folder in float32: computes its outputs from its raw pictures where it has any, compares with
    expected.safetensors where present, and writes what it computed to `out`/<name>.safetensors.

    Raises `BadCheckpoint` for a folder that is not one.
    """
    described = describe(folder)
    if not (folder / "inputs.safetensors").is_file():
        raise BadCheckpoint(f"{folder} has no inputs.safetensors: it is a model folder, not a reference to prove")
    meta = read_json(folder / "meta.json") if (folder / "meta.json").is_file() else {}
    given = load_file(folder / "inputs.safetensors")
    with torch.inference_mode():
        model = load_model(described, torch.float32)
        got = compute(model, given, meta)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_safetensors(out / f"{folder.name}.safetensors", {k: v.contiguous() for k, v in got.items()}, {})
    start: Literal["raw", "tensors"] = "raw" if any(k.startswith("raw_image_") for k in given) else "tensors"
    if not (folder / "expected.safetensors").is_file():
        return Verdict(folder.name, start, True, {}, "computed only")
    expected = load_file(folder / "expected.safetensors")
    worst, missing = compare(expected, got, given, meta)
    passed = not missing and bool(worst) and max(worst.values()) <= tolerance
    return Verdict(folder.name, start, passed, worst, f"missing {', '.join(missing)}" if missing else "")


def compute(model: Causal | Match, given: dict[str, Tensor], meta: dict[str, Any]) -> dict[str, Tensor]:
    """Every output that the contract asks for, under the reference's names."""
    match model:
        case Match():
            return _match(model, given)
        case Causal():
            return _causal(model, given, meta)


def _match(model: Match, given: dict[str, Tensor]) -> dict[str, Tensor]:
    spec = model.spec
    sight = SightSpec(spec.views, spec.pixels, spec.vision, (), fusion=None)  # type: ignore[arg-type]
    pictures = model.embed_pictures(_seen(sight, given))
    texts = model.embed_texts(given["input_ids"], _valid(given))
    logits = model(pictures, texts)
    return {"logits_per_text": logits, "logits_per_image": logits.T, "image_embeds": pictures, "text_embeds": texts}


def _causal(model: Causal, given: dict[str, Tensor], meta: dict[str, Any]) -> dict[str, Tensor]:
    spec, ids_BT, valid_BT = model.spec, given["input_ids"], _valid(given)
    items = _items(given, spec.sight)
    rows = [ids[valid].tolist() for ids, valid in zip(ids_BT, valid_BT, strict=True)]
    expanded = meta.get("frame") == "expanded"
    if expanded and spec.sight is not None:
        rows = _expanded(rows, spec.sight.fusion.image, lay(spec, items)[2])
    plan = Plan.from_ids(spec, rows, items)
    batch = plan.batch(_patches(spec.sight, given) if items and spec.sight else None)
    got: dict[str, Tensor] = {}
    visual = None
    if batch.sight is not None:
        visual = model.see(batch.sight)
        got["image_hidden_states"] = visual.tokens_VD
    logits_BTS = model.logits(model.read(batch, visual))
    valid = given["expanded_attention_mask"].bool() if "expanded_attention_mask" in given else None
    got["logits"] = _framed(
        logits_BTS, batch.valid_BT, _right(batch.valid_BT) if expanded and valid is None else valid_BT
    )
    if meta.get("generate"):
        count = meta["generate"]["new_tokens"]
        prepare(model)
        new = greedy(model, batch, count)
        got["generated"] = torch.cat([ids_BT, new], 1)
    return got


def _framed(values_BT: Tensor, ours_BT: Tensor, theirs_BT: Tensor) -> Tensor:
    """Values of real positions, moved from our left-padded frame into the reference's own."""
    framed = values_BT.new_zeros((*theirs_BT.shape, *values_BT.shape[2:]))
    framed[theirs_BT] = values_BT[ours_BT]
    return framed


def _right(valid_BT: Tensor) -> Tensor:
    return valid_BT.flip(1)


def _valid(given: dict[str, Tensor]) -> Tensor:
    return (
        given["attention_mask"].bool()
        if "attention_mask" in given
        else torch.ones_like(given["input_ids"], dtype=torch.bool)
    )


def _expanded(rows: list[list[int]], placeholder: int, counts: list[int]) -> list[list[int]]:
    """One placeholder a picture becomes as many as the picture has visual tokens."""
    queue = list(counts)
    return [[token for t in row for token in ([t] * queue.pop(0) if t == placeholder else [t])] for row in rows]


def _raw(given: dict[str, Tensor]) -> list[np.ndarray]:
    names = sorted((k for k in given if k.startswith("raw_image_")), key=lambda k: int(k.rpartition("_")[2]))
    return [given[name].numpy() for name in names]


def _items(given: dict[str, Tensor], sight: SightSpec | None) -> list[Item]:
    items: list[Item] = [Size(p.shape[1], p.shape[0]) for p in _raw(given)]
    if not items and "pixel_values" in given and "image_grid_thw" not in given:
        items = [Size(p.shape[-1], p.shape[-2]) for p in given["pixel_values"]]
    seconds = given.get("second_per_grid_ts")
    for number, (t, h, w) in enumerate(given["video_grid_thw"].tolist() if "video_grid_thw" in given else []):
        step = 1.0 if seconds is None else float(seconds[number])
        items.append(Clip(Grid(0, t, h, w, Box(0, 0, w, h), tuple(step * frame for frame in range(t)))))
    return items


def _patches(sight: SightSpec, given: dict[str, Tensor]) -> Tensor:
    """Patches of all items in our raster order: raw pictures looked at, clips' given patches taken out of merge order."""
    parts = [torch.from_numpy(packed(look(sight, pixels, n))) for n, pixels in enumerate(_raw(given))]
    if "pixel_values_videos" in given:
        merge = next(step for step in sight.connector if isinstance(step, Merge))
        grids = [Grid(0, t, h, w, Box(0, 0, w, h)) for t, h, w in given["video_grid_thw"].tolist()]
        order = torch.from_numpy(route(merge, raster(grids), ()).index_VM.flatten())
        patches = torch.empty_like(given["pixel_values_videos"])
        patches[order] = given["pixel_values_videos"]
        parts.append(patches)
    return torch.cat(parts)


def _seen(sight: SightSpec, given: dict[str, Tensor]) -> Seen:
    seen = [view for n, pixels in enumerate(_raw(given)) for view in look(sight, pixels, n)]
    sizes = tuple((p.shape[1], p.shape[0]) for p in _raw(given))
    return Seen(torch.from_numpy(packed(seen)), tuple(view.grid for view, _ in seen), sizes)


def compare(
    expected: dict[str, Tensor], got: dict[str, Tensor], given: dict[str, Tensor], meta: dict[str, Any]
) -> tuple[dict[str, float], list[str]]:
    """The largest |got - expected| / (1 + |expected|) of every tensor that both have, pads left out; and what is missing."""
    main = meta.get("main")
    needed = [
        *(main if isinstance(main, list) else [main] if main else []),
        *(["generated"] if "generated" in expected else []),
    ]
    missing = [name for name in needed if name not in got]
    worst = {}
    for name in expected.keys() & got.keys() - given.keys():
        want, have = expected[name].double(), got[name].double()
        if want.shape != have.shape:
            worst[name] = float("inf")
            continue
        difference = (want - have).abs() / (1 + want.abs())
        if name in meta.get("pad_zeroed", []):
            difference = difference[given["attention_mask"].bool()]
        if name in meta.get("pad_zeroed_expanded", []):
            difference = difference[expected["expanded_attention_mask"].bool()]
        worst[name] = float(difference.nan_to_num(nan=float("inf")).max()) if difference.numel() else 0.0
    return dict(sorted(worst.items())), missing


def table(verdicts: Sequence[Verdict]) -> str:
    """Verdicts as JSON, for machines."""
    return json.dumps([vars(verdict) for verdict in verdicts])
