"""Proofs against references: a folder in, a verdict out, everything through the path that users take."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from torch import Tensor

from chiasm import registry
from chiasm.check.causal import causal, causal_expanded, vectors
from chiasm.check.codes import codes
from chiasm.check.connect import connect
from chiasm.check.differences import compare
from chiasm.check.encoders import bind, encode, encode_text, match, query_match
from chiasm.check.finding import find
from chiasm.check.masks import segment
from chiasm.check.pages import pages
from chiasm.check.pointing import pointing
from chiasm.check.rounding import REAL, rounding
from chiasm.check.see import see
from chiasm.check.seq2seq import seq2seq
from chiasm.check.tables import CASES, compared
from chiasm.check.tools import TOOLS, WEIGHT_TOOLS
from chiasm.check.volumes import volumes
from chiasm.errors import MissingExtra, UnknownModel
from chiasm.model import (
    AnyModel,
    Bind,
    Causal,
    Connect,
    Encode,
    EncodePage,
    EncodeText,
    EncodeVolume,
    Find,
    MaskDecoder,
    Match,
    QueryMatch,
    See,
    Segment,
    Seq2Seq,
)
from chiasm.reference.dialects import DIALECTS, PLAIN
from chiasm.reference.given import Given, Start, tensors
from chiasm.reference.wide import doubled, wide
from chiasm.spec import MultiVector, Pointing
from chiasm.weights.json_files import read_json
from chiasm.weights.read import describe, load_model
from chiasm.weights.write import write_safetensors

GENERATION = "generation_config.json"
TOLERANCE = 2e-5
"""Of |got - expected| / (1 + |expected|), in float32: four times the reference's noise, a hundredth of a real bug."""


@dataclass(frozen=True)
class Verdict:
    """What one folder proved. `worst` is the largest relative difference by tensor, or of a table the share of cases that
    differ by field; `start` is where it began."""

    folder: str
    start: Start | Literal["table"]
    passed: bool
    worst: dict[str, float]
    note: str

    def line(self) -> str:
        """One line for people."""
        mark = "ok  " if self.passed else "FAIL"
        figures = ", ".join(f"{name} {value:.1e}" for name, value in self.worst.items()) or "nothing compared"
        return f"{mark} {self.folder:24} {self.start:8} {figures}{f' ({self.note})' if self.note else ''}"


def check(folder: Path, out: Path | None = None, tolerance: float = TOLERANCE) -> Verdict:
    """Proves one reference folder in float32: computes its outputs from its raw pictures where it has any, compares
    with expected.safetensors where present, and writes what it computed to `out`/<name>.safetensors.

    Raises `BadCheckpoint` for a folder that is not one.
    """
    meta = read_json(folder / "meta.json") if (folder / "meta.json").is_file() else {}
    if (folder / CASES).is_file():
        return table(folder, meta)
    with torch.inference_mode():
        given, got = _computed(folder, meta)
    if out is not None:
        write_safetensors(out / f"{folder.resolve().name}.safetensors", got)
    name = folder.resolve().name
    if not (folder / "expected.safetensors").is_file():
        return Verdict(name, given.start, True, {}, "computed only: there is no expected.safetensors")
    worst, missing = compare(tensors(folder / "expected.safetensors"), got, given, meta)
    if missing:
        return Verdict(name, given.start, False, worst, f"missing: {', '.join(missing)}")
    if tolerance < max(worst.values(), default=0) < REAL:
        return Verdict(name, given.start, *_rounded(folder, meta, worst, tolerance))
    return Verdict(name, given.start, bool(worst) and max(worst.values()) <= tolerance, worst, "")


def table(folder: Path, meta: dict[str, Any]) -> Verdict:
    """Proves a table of cases: of each field the share of cases that differ, which has to be none."""
    found = compared(str(meta.get("name", folder.resolve().name)), folder)
    left = f"; not made here: {', '.join(found.left)}" if found.left else ""
    passed = bool(found.differ) and not any(found.differ.values())
    return Verdict(folder.resolve().name, "table", passed, found.differ, f"{found.cases} cases, compared exactly{left}")


def _rounded(
    folder: Path, meta: dict[str, Any], worst: dict[str, float], tolerance: float
) -> tuple[bool, dict[str, float], str]:
    """A verdict on what is a little beyond the tolerance: whether it is rounding, and what says so."""
    with torch.inference_mode():
        given, ours = _computed(folder, {**meta, "generate": None}, torch.float64)
    try:
        found = rounding(folder, given, meta, ours)
    except MissingExtra:
        return False, worst, "it may be rounding, which only transformers beside it could tell"
    return (False, worst, "") if found is None else (found.explains(worst, tolerance), worst, found.said(worst))


def _computed(folder: Path, meta: dict[str, Any], dtype: torch.dtype = torch.float32) -> tuple[Given, dict[str, Tensor]]:
    """What a folder gives and what its model makes of it, or its tool, where it is one without weights."""
    if meta.get("family") in TOOLS:
        given = Given.read(folder)
        return given, TOOLS[meta["family"]](given, read_json(folder / "config.json"))
    if meta.get("family") in WEIGHT_TOOLS:
        file = folder / "model.safetensors"
        return Given(file, {}), WEIGHT_TOOLS[meta["family"]](tensors(file))
    described = describe(folder)
    dialect = DIALECTS.get(described.model_type, PLAIN)
    given = dialect.heard(Given.read(folder))
    model = load_model(described, dtype)
    if meta.get("generate"):
        meta = {**meta, "generate": {**meta["generate"], "kept_back": dialect.kept_back(described.config)}}
    if dtype == torch.float64:
        given = Given(given.path, doubled(given.tensors))
    with wide() if dtype == torch.float64 else nullcontext():
        got = compute(model, given, meta, described.config)
    closing = read_json(folder / GENERATION).get("forced_eos_token_id") if (folder / GENERATION).is_file() else None
    if "generated" in got and isinstance(closing, int):
        # What its class writes last, whatever is likely there; nobody reads an end.
        got["generated"][:, -1] = closing
    return given, dialect.said(got)


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
            return match(model, given)
        case QueryMatch():
            return query_match(model, given, meta, config)
        case Encode():
            return encode(model, given)
        case Bind():
            return bind(model, given)
        case EncodeText():
            return encode_text(model, given)
        case Seq2Seq():
            return seq2seq(model, given, meta)
        case EncodeVolume():
            return volumes(model, given)
        case EncodePage():
            return pages(model, given)
        case See():
            return see(model, given)
        case Connect():
            return connect(model, given)
        case MaskDecoder():
            return codes(model, given, meta)
        case Segment():
            return segment(model, given, meta)
        case Causal() if isinstance(model.spec.head, MultiVector):
            return vectors(model, given)
        case Find():
            return find(model, given, meta)
        case Causal() if isinstance(model.spec.head, Pointing):
            return pointing(model, given, config)
        case Causal() if meta.get("frame") == "expanded":
            return causal_expanded(model, given, config)
        case Causal():
            return causal(model, given, meta)


def to_json(verdicts: Sequence[Verdict]) -> str:
    """Verdicts as JSON, for machines."""
    return json.dumps([asdict(verdict) for verdict in verdicts])
