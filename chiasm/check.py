"""Proofs against references: a folder in, a verdict out, everything through the path that users take."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from chiasm import registry
from chiasm.connect.steps import Visual
from chiasm.errors import UnknownModel
from chiasm.generate.engine import greedy
from chiasm.generate.seq2seq import greedy as greedy_after
from chiasm.geometry import Size, views
from chiasm.heads.contrastive import unit
from chiasm.model import AnyModel, Batch, Bind, Causal, Encode, EncodeText, Match, Seq2Seq, prepare
from chiasm.model import Sight as Seen
from chiasm.prompt.plan import Plan, lay
from chiasm.reference.dialects import DIALECTS, PLAIN
from chiasm.reference.given import Given, Start, cut, tensors
from chiasm.reference.spliced import Frame, spliced, taken
from chiasm.spec import ByKind, ClsProject, DynamicTiles, Looks, Resize
from chiasm.weights.files import read_json
from chiasm.weights.read import describe, load_model
from chiasm.weights.write import write_safetensors

TOLERANCE = 2e-5
"""Of |got - expected| / (1 + |expected|), in float32: four times the reference's noise, a hundredth of a real bug."""


@dataclass(frozen=True)
class Verdict:
    """What one folder proved. `worst` is the largest relative difference by tensor; `start` is where it began."""

    folder: str
    start: Start
    passed: bool
    worst: dict[str, float]
    note: str

    def line(self) -> str:
        mark = "ok  " if self.passed else "FAIL"
        figures = ", ".join(f"{name} {value:.1e}" for name, value in self.worst.items()) or "nothing compared"
        return f"{mark} {self.folder:24} {self.start:8} {figures}{f' ({self.note})' if self.note else ''}"


def check(folder: Path, out: Path | None = None, tolerance: float = TOLERANCE) -> Verdict:
    """Proves one reference folder in float32: computes its outputs from its raw pictures where it has any, compares
    with expected.safetensors where present, and writes what it computed to `out`/<name>.safetensors.

    Raises `BadCheckpoint` for a folder that is not one.
    """
    described = describe(folder)
    dialect = DIALECTS.get(described.model_type, PLAIN)
    given = dialect.heard(Given.read(folder))
    meta = read_json(folder / "meta.json") if (folder / "meta.json").is_file() else {}
    with torch.inference_mode():
        model = load_model(described, torch.float32)
        got = dialect.said(compute(model, given, meta, described.config))
    if out is not None:
        write_safetensors(out / f"{folder.resolve().name}.safetensors", got)
    name = folder.resolve().name
    if not (folder / "expected.safetensors").is_file():
        return Verdict(name, given.start, True, {}, "computed only: there is no expected.safetensors")
    worst, missing = compare(tensors(folder / "expected.safetensors"), got, given, meta)
    passed = not missing and bool(worst) and max(worst.values()) <= tolerance
    return Verdict(name, given.start, passed, worst, f"missing: {', '.join(missing)}" if missing else "")


def check_family(
    name: str, seeds: Sequence[int] = (0,), geometries: Sequence[int | None] = (None,), out: Path | None = None
) -> Iterator[Verdict]:
    """Proves a family against its references: every case is rebuilt by `transformers` for each seed and redrawing of
    picture sizes, every recorded folder is read as it is.

    Raises `UnknownModel` for a family that is not known or has no reference here, `MissingExtra` without
    `transformers`.
    """
    from chiasm.reference.cases import PROOFS, RECORDED, REFERENCES
    from chiasm.reference.make import build

    family = registry.family(name)
    if family.name not in PROOFS:
        raise UnknownModel(f"nothing here proves {name!r}: give folders of references to check instead of its name")
    proof = PROOFS[family.name]
    for recorded in proof.recorded:
        yield check(RECORDED / recorded, out)
    with TemporaryDirectory() as scratch:
        for case in proof.rebuilt:
            for variant in range(REFERENCES[case].variants):
                for seed in seeds:
                    for geometry in geometries:
                        redrawn = "" if geometry is None else f"-g{geometry}"
                        folder = Path(scratch) / f"{case}-{variant}-s{seed}{redrawn}"
                        build(case, variant, seed, geometry, folder)
                        yield check(folder, out)


def compute(model: AnyModel, given: Given, meta: dict[str, Any], config: dict[str, Any]) -> dict[str, Tensor]:
    """Every output that the contract asks for, under the reference's names."""
    match model:
        case Match():
            return _match(model, given)
        case Encode():
            return _encode(model, given)
        case Bind():
            return _bind(model, given)
        case EncodeText():
            return _encode_text(model, given)
        case Seq2Seq():
            return _seq2seq(model, given, meta)
        case Causal() if meta.get("frame") == "expanded":
            return _spliced(model, given, config)
        case Causal():
            return _causal(model, given, meta)


def _match(model: Match, given: Given) -> dict[str, Tensor]:
    shown = given.shown(model.spec)
    got = {"text_embeds": model.embed_texts(given["input_ids"], given.valid_BT)}
    if shown is not None:
        got["image_embeds"] = model.embed_pictures(Seen(shown.patches_PK, shown.grids, shown.sizes))
        got["logits_per_text"] = model(got["image_embeds"], got["text_embeds"])
        got["logits_per_image"] = got["logits_per_text"].T.contiguous()
        got["scale"] = model.logits.scale.exp()
    return got


def _encode(model: Encode, given: Given) -> dict[str, Tensor]:
    shown = given.shown(model.spec)
    if shown is None:
        return {}
    features_PE, pooler_output = model(Seen(shown.patches_PK, shown.grids, shown.sizes))
    labels = {"logits": pooler_output} if isinstance(model.spec.pool, ClsProject) else {}
    got = {"pooler_output": pooler_output, "image_embeds": unit(pooler_output), **labels}
    if len({(grid.h, grid.w) for grid in shown.grids}) == 1:
        got["last_hidden_state"] = features_PE.unflatten(0, (len(shown.grids), -1))
    return got


def _bind(model: Bind, given: Given) -> dict[str, Tensor]:
    """Every input under its kind's name, which may be followed by an underscore and more; clips of one item averaged."""

    def embedded(kind: str, values: Tensor) -> Tensor:
        match kind:
            case "text":
                return model.scaled(kind, model.embed_texts(values, torch.ones_like(values, dtype=torch.bool)))
            case "vision":
                return model.embed_pictures(_seen(model.spec, values))
            case _:
                return model.scaled(kind, model.embed_signals(kind, values))

    got = {}
    for name, values in given.tensors.items():
        kind, clips = name.partition("_")[0], values.ndim > 4
        vectors = embedded(kind, values.flatten(0, 1) if clips else values)
        got[f"emb.{name}"] = vectors.unflatten(0, values.shape[:2]).mean(1) if clips else vectors
    if "emb.vision" in got and "emb.text" in got:
        got["logits_vision_text"] = got["emb.vision"] @ got["emb.text"].T
    return got


def _seen(looks: Looks, pixels: Tensor) -> Seen:
    """Pictures [P, C, H, W], or clips [P, C, T, H, W] of as many frames as the encoder takes at once."""
    count, height, width = len(pixels), *pixels.shape[-2:]
    squash, size = Resize(height, width, "squash"), Size(width, height)
    grids = tuple(view.grid for n in range(count) for view in views(squash, looks.pixels, looks.encoder, size, n))
    return Seen(cut(looks, pixels), grids, ((width, height),) * count)


def _encode_text(model: EncodeText, given: Given) -> dict[str, Tensor]:
    """In the reference's own frame: it counts places from the row's first pad on."""
    states = model(given["input_ids"], given.valid_BT, given.tensors.get("token_type_ids"))
    got = {"last_hidden_state": states}
    if model.spec.text.pool != "none":
        got["pooler_output"] = model.text.pooled(states)
    return got


def _seq2seq(model: Seq2Seq, given: Given, meta: dict[str, Any]) -> dict[str, Tensor]:
    memory = model.read(given["input_ids"], given.valid_BT)
    got = {"encoder_last_hidden_state": memory.states_BTD, "logits": model.logits(model(given["decoder_input_ids"], memory))}
    if meta.get("generate"):
        prepare(model)
        memory = model.read(given["input_ids"], given.valid_BT)
        new = greedy_after(model, memory, meta["generate"]["new_tokens"])
        got["generated"] = torch.cat([torch.full_like(new[:, :1], model.spec.language.start), new], 1)
    return got


def _causal(model: Causal, given: Given, meta: dict[str, Any]) -> dict[str, Tensor]:
    plan, patches = _planned(model, given, given.rows)
    got, batch = _read(model, plan, patches)
    got["logits"] = framed(got["logits"], batch.valid_BT, given.valid_BT)
    if meta.get("generate"):
        prepare(model)
        new = greedy(model, batch, meta["generate"]["new_tokens"])
        got["generated"] = torch.cat([given["input_ids"], new], 1)
    return got


def _spliced(model: Causal, given: Given, config: dict[str, Any]) -> dict[str, Tensor]:
    sight = model.spec.sight
    if sight is None:
        rows = given.rows
    else:
        given = taken(given, sight.fusion.image)
        shown = given.shown(sight, sight.connector)
        counts = [] if shown is None else lay(model.spec, shown.items)[2]
        rows = spliced(given.rows, sight.fusion.image, counts)
    plan, patches = _planned(model, given, rows)
    got, batch = _read(model, plan, patches)
    got["logits"] = framed(got["logits"], batch.valid_BT, Frame.of(config).valid_BT([len(row) for row in rows]))
    return got


def _planned(model: Causal, given: Given, rows: Sequence[Sequence[int]]) -> tuple[Plan, Tensor | None]:
    sight = model.spec.sight
    shown = None if sight is None else given.shown(sight, sight.connector)
    if sight is None or shown is None:
        return Plan.from_ids(model.spec, rows), None
    spec = replace(model.spec, sight=replace(sight, views=shown.views))
    return Plan.from_ids(spec, rows, shown.items), shown.patches_PK


def _read(model: Causal, plan: Plan, patches_PK: Tensor | None) -> tuple[dict[str, Tensor], Batch]:
    batch = plan.batch(patches_PK)
    visual = model.see(batch.sight) if isinstance(batch.sight, Seen) else batch.sight
    got = {"logits": model.logits(model.read(batch, visual))}
    if visual is not None:
        got |= _visual(model, plan, visual)
    return got, batch


def _visual(model: Causal, plan: Plan, visual: Visual) -> dict[str, Tensor]:
    """What the references call image_hidden_states: the visual tokens of pictures; of some, view by view."""
    still = torch.tensor([isinstance(item, Size) for item in plan.items])[torch.from_numpy(visual.laid.items())]
    tokens_VD = visual.tokens_VD[still]
    if not len(tokens_VD):
        return {}
    sight = model.spec.sight
    if sight is not None and (isinstance(sight.views, DynamicTiles) or isinstance(sight.encoder, ByKind)):
        tokens_VD = tokens_VD.unflatten(0, (sum(not grid.moves for grid in visual.laid.grids), -1))
    return {"image_hidden_states": tokens_VD}


def framed(values_BT: Tensor, ours_BT: Tensor, theirs_BT: Tensor) -> Tensor:
    """Values of real positions, moved from our left-padded frame into the reference's own, zeros at its pads. Where the
    reference cut a row short its first positions are kept: none of them has seen the rest."""
    moved = values_BT.new_zeros((*theirs_BT.shape, *values_BT.shape[2:]))
    for row, (ours_T, theirs_T) in enumerate(zip(ours_BT, theirs_BT, strict=True)):
        moved[row, theirs_T] = values_BT[row, ours_T][: int(theirs_T.sum())]
    return moved


def compare(
    expected: dict[str, Tensor], got: dict[str, Tensor], given: Given, meta: dict[str, Any]
) -> tuple[dict[str, float], list[str]]:
    """The largest |got - expected| / (1 + |expected|) of every tensor that both have, pads left out (infinite where
    shapes differ or numbers are none); and the required ones that are missing."""
    main = meta.get("main") or []
    needed = [*([main] if isinstance(main, str) else main), *(["generated"] if "generated" in expected else [])]
    worst = {}
    for name in sorted((expected.keys() & got.keys()) - given.tensors.keys()):
        want, have = expected[name].double(), got[name].double()
        if want.shape != have.shape:
            worst[name] = float("inf")
            continue
        difference = (want - have).abs() / (1 + want.abs())
        if name in meta.get("pad_zeroed", []):
            difference = difference[given.valid_BT]
        if name in meta.get("pad_zeroed_expanded", []):
            difference = difference[expected["expanded_attention_mask"].bool()]
        worst[name] = float(difference.nan_to_num(nan=float("inf")).max()) if difference.numel() else 0.0
    return worst, [name for name in needed if name not in got]


def to_json(verdicts: Sequence[Verdict]) -> str:
    """Verdicts as JSON, for machines."""
    return json.dumps([asdict(verdict) for verdict in verdicts])
