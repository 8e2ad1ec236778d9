"""Where float32 is not enough to tell: rounding is measured at the reference, and a difference shows in float64."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from conftest import Reference
from safetensors.torch import load_file, save_file

from chiasm import check as proofs
from chiasm.check import check
from chiasm.check.causal import causal
from chiasm.check.rounding import Rounding
from chiasm.reference.wide import wide

NEVER = 1e-9
"""A tolerance that no float32 computation keeps."""


@pytest.fixture
def folder(reference: Reference, tmp_path: Path) -> Path:
    """A folder of one's own to change."""
    shutil.copytree(reference("text_llama", 0), tmp_path / "case")
    return tmp_path / "case"


@pytest.mark.parametrize(
    ("name", "variant"), [("text_llama", 0), ("text_deepseek2", 0), ("grounding_dino", 1), ("chameleon", 0)]
)
def test_rounding_is_no_difference(reference: Reference, name: str, variant: int) -> None:
    verdict = check(reference(name, variant), tolerance=NEVER)
    assert verdict.passed and "the reference itself rounds by" in verdict.note, verdict.line()


def test_more_than_the_reference_rounds_by_is_a_difference(folder: Path) -> None:
    expected = load_file(folder / "expected.safetensors")
    expected["logits"][0, 0, 0] += 1e-4 * (1 + expected["logits"][0, 0, 0].abs())
    save_file(expected, folder / "expected.safetensors")
    verdict = check(folder)
    assert not verdict.passed and verdict.note.startswith("logits: the reference itself rounds by")


def test_a_difference_as_small_as_rounding_shows_in_float64(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*given: object) -> dict[str, torch.Tensor]:
        got = causal(*given)  # type: ignore[arg-type]
        return {**got, "logits": got["logits"] + 3e-6 * (1 + got["logits"].abs())}

    monkeypatch.setattr(proofs, "causal", wrong)
    verdict = check(folder, tolerance=NEVER)
    assert not verdict.passed and "in float64 ours is 3.0e-06 away" in verdict.note


def test_a_folder_whose_reference_is_not_there_is_held_to_the_tolerance(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    for made_by in ("OriginalModel", "pipeline", "AutoTokenizer"):
        (folder / "meta.json").write_text(json.dumps(meta | {"class": made_by}))
        verdict = check(folder, tolerance=NEVER)
        assert (verdict.passed, verdict.note) == (False, "")


def test_both_figures_have_to_hold() -> None:
    found = Rounding({"logits": 3e-5, "boxes": 1e-6}, {"logits": 1e-9, "boxes": 1e-9})
    assert found.explains({"logits": 6e-5, "boxes": 2e-5, "generated": 0}, 2e-5)
    assert not found.explains({"logits": 7e-5}, 2e-5)
    assert not found.explains({"boxes": 2.1e-5}, 2e-5)
    assert not found.explains({"logits": 3e-5, "generated": 1e-4}, 2e-5)
    assert not Rounding(found.noise, {"logits": 3e-6}).explains({"logits": 3e-5}, 2e-5)
    assert not Rounding(found.noise, {}).explains({"logits": 3e-5}, 2e-5)


def test_everything_is_wide_inside_and_as_before_outside() -> None:
    with wide():
        found = [torch.ones(2), torch.ones(2, dtype=torch.float32), torch.ones(2).float(), torch.ones(2).to(torch.float32)]
        found.append(torch.zeros(2).softmax(-1, dtype=torch.float32))
    assert {tensor.dtype for tensor in found} == {torch.float64}
    assert torch.ones(2).dtype == torch.ones(2, dtype=torch.float64).float().dtype == torch.float32
