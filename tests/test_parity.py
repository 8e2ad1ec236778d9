"""Every family is exact with its reference, from raw pixels to logits and greedy tokens."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from conftest import Reference
from hard_cases import HARD
from safetensors.torch import load_file, save_file

from chiasm import check as proofs
from chiasm.check import check, check_family
from chiasm.check.differences import compare
from chiasm.errors import BadCheckpoint, UnknownModel
from chiasm.reference.cases import PROOFS, RECORDED, REFERENCES
from chiasm.reference.make import record
from chiasm.registry import families

PAGING = ("layoutlm", "layoutlmv3")
COMPARING, ENCODING, READING = (
    ("clip", "siglip", "siglip2", "blip2_itm"),
    ("vit", "dinov2"),
    ("text_bert", "text_nomic", "text_longformer"),
)
OUTLINING = ("sam",)
VECTORS = ("colpali",)
FINDING = ("grounding_dino",)
SEEING = (
    *COMPARING, *ENCODING, "vit_labels", "llava", "llava_next", "idefics3", "smolvlm", "qwen2_vl", "qwen2_5_vl", "internvl",
    "llava_onevision", "pixtral", "deepseek_vl", "idefics2", *OUTLINING, *FINDING, "donut", "paligemma", "deepseek_vl_hybrid",
    "fuyu",
    "janus", "layoutlmv3", "udop", "mllama", "idefics", "blip2", "instructblip",
    "chameleon", "emu3", "kosmos2", "minicpm_v46",
)  # fmt: skip
ALSO_SEEING = (
    ("llava_next_video", 1),
    ("llava_next_video", 2),
    ("colpali", 0),
)
"""Other variants that are shown pictures or frames: most clips of these families are given as tensors."""
MUTE = (
    ("mllama", 1),
    ("kosmos2", 1),
)
"""Variants in which the reference cannot write: what its cache holds is counted by a layer that holds pictures, or pads stand
on the right."""
VARIANTS = [(name, variant) for name, reference in REFERENCES.items() for variant in range(reference.variants)]
RECORDINGS = [
    *sorted({RECORDED / folder for proof in PROOFS.values() for folder in proof.recorded}),
    *sorted(path for path in (Path(__file__).parent / "data" / "golden").iterdir() if path.is_dir()),
]


def test_every_family_has_a_proof() -> None:
    assert set(PROOFS) == set(families())
    assert all(proof.rebuilt or proof.recorded for proof in PROOFS.values())


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
@pytest.mark.parametrize(("seed", "geometry"), [(0, None), (3, 7)])
def test_exact(reference: Reference, name: str, variant: int, seed: int, geometry: int | None) -> None:
    verdict = check(reference(name, variant, seed, geometry))
    assert verdict.passed, verdict.line()
    assert verdict.start == ("raw" if name in SEEING or (name, variant) in ALSO_SEEING else "tensors")
    silent = (*COMPARING, *ENCODING, *READING, *OUTLINING, *VECTORS, *PAGING, *FINDING, "vit_labels")
    writes = name not in silent and (name, variant) not in MUTE
    assert ("generated" in verdict.worst) is writes
    main = {name: {"logits_per_image"} for name in COMPARING}
    main |= {name: {"last_hidden_state", "pooler_output"} for name in ENCODING}
    main |= {name: {"last_hidden_state"} for name in READING}
    main |= {name: {"pred_masks", "iou_scores"} for name in OUTLINING}
    main |= {name: {"embeddings"} for name in VECTORS}
    main |= {name: {"logits"} if variant else {"last_hidden_state"} for name in PAGING}
    main |= {name: {"logits", "pred_boxes"} for name in FINDING}
    assert main.get(name, {"logits"}) <= verdict.worst.keys()


@pytest.mark.parametrize("folder", RECORDINGS, ids=lambda folder: folder.name)
def test_exact_with_what_was_recorded(folder: Path) -> None:
    verdict = check(folder)
    assert verdict.passed, verdict.line()
    raw = any(name.startswith("raw_image") for name in load_file(folder / "inputs.safetensors"))
    assert verdict.start == ("raw" if raw else "tensors")
    main = json.loads((folder / "meta.json").read_text())["main"]
    assert ({main} if isinstance(main, str) else set(main)) <= verdict.worst.keys()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", HARD)
def test_exact_on_hard_rows(name: str, side: str, tmp_path: Path) -> None:
    record(HARD[name](side == "left"), 3, tmp_path / name, {})
    verdict = check(tmp_path / name)
    assert verdict.passed, verdict.line()
    assert ("generated" in verdict.worst) is (side == "left")


@pytest.mark.parametrize(("name", "seed", "geometry"), [("kosmos2", 0, 4), ("idefics", 3, 10)])
def test_an_end_or_a_placeholder_is_written_as_the_reference_does(name: str, seed: int, geometry: int, tmp_path: Path) -> None:
    """Kosmos-2's reference keeps the end back, which is the likeliest token here, and Idefics' writes a placeholder."""
    from chiasm.reference.make import build

    build(name, 0, seed, geometry, tmp_path / "case")
    verdict = check(tmp_path / "case")
    assert verdict.passed and verdict.worst["generated"] == 0, verdict.line()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_exact_at_many_seeds_and_geometries(name: str, variant: int, tmp_path: Path) -> None:
    """All of them, whatever fails, so that no failure hides another."""
    from chiasm.reference.make import build

    failed = []
    for seed in range(6):
        for geometry in range(20):
            folder = tmp_path / f"s{seed}-g{geometry}"
            build(name, variant, seed, geometry, folder)
            if not (verdict := check(folder)).passed:
                failed.append(verdict.line())
            shutil.rmtree(folder)
    assert not failed, "\n".join([f"{len(failed)} of 120:", *failed])


# --- where a proof begins ---------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(reference: Reference, tmp_path: Path) -> Reference:
    """A folder of one's own to change."""

    def copied(name: str, variant: int, seed: int = 0, geometry: int | None = None) -> Path:
        folder = tmp_path / name
        shutil.copytree(reference(name, variant, seed, geometry), folder)
        return folder

    return copied


def edit(folder: Path, drop: tuple[str, ...] = (), spoil: tuple[str, ...] = ()) -> None:
    tensors = load_file(folder / "inputs.safetensors")
    dropped = {name for name in tensors if name in drop or name.rstrip("_0123456789") in drop}
    kept = {name: tensor for name, tensor in tensors.items() if name not in dropped}
    save_file({n: torch.full_like(t, 7) if n in spoil else t for n, t in kept.items()}, folder / "inputs.safetensors")


@pytest.mark.parametrize("name", SEEING)
def test_raw_pictures_are_never_proved_from_tensors(copy: Reference, name: str) -> None:
    folder = copy(name, 1)
    derived = tuple(json.loads((folder / "meta.json").read_text())["derived"])
    assert "pixel_values" in derived
    untouched = check(folder)
    edit(folder, spoil=derived)
    assert check(folder) == untouched
    edit(folder, drop=derived)
    assert check(folder) == untouched


@pytest.mark.parametrize("name", SEEING)
def test_tensors_prove_where_there_are_no_raw_pictures(copy: Reference, name: str) -> None:
    folder = copy(name, 1)
    edit(folder, drop=("raw_image",))
    verdict = check(folder)
    assert (verdict.passed, verdict.start) == (True, "tensors"), verdict.line()
    edit(folder, spoil=("pixel_values",))
    assert not check(folder).passed


def test_tensors_prove_without_a_preprocessor(copy: Reference) -> None:
    folder = copy("clip", 2)
    edit(folder, drop=("raw_image",))
    (folder / "preprocessor_config.json").unlink()
    assert check(folder).passed


# --- what comes out ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["clip", "llava", "qwen2_vl", "text_llama"])
def test_what_was_computed_is_written_under_the_references_names(reference: Reference, name: str, tmp_path: Path) -> None:
    folder = reference(name, 0)
    check(folder, tmp_path)
    got, expected = load_file(tmp_path / f"{folder.name}.safetensors"), load_file(folder / "expected.safetensors")
    needed = {"clip": {"logits_per_image", "logits_per_text", "image_embeds", "text_embeds"}}
    assert needed.get(name, {"logits", "generated"}) <= got.keys() <= expected.keys() | {"image_hidden_states", "scale"}
    shared = got.keys() & expected.keys()
    assert {key: got[key].shape for key in shared} == {key: expected[key].shape for key in shared}
    assert "generated" not in got or torch.equal(got["generated"], expected["generated"])


def test_without_expectations_it_computes_only(copy: Reference, tmp_path: Path) -> None:
    folder = copy("llava", 0)
    (folder / "expected.safetensors").unlink()
    verdict = check(folder, tmp_path / "out")
    assert verdict.passed and not verdict.worst and "computed only" in verdict.line()
    assert {"logits", "generated"} <= load_file(tmp_path / "out" / "llava.safetensors").keys()


def test_a_family_is_proved_by_its_name() -> None:
    verdicts = list(check_family("siglip", seeds=(1,), geometries=(None, 2)))
    assert [verdict.folder for verdict in verdicts] == [
        "siglip-0-s1", "siglip-0-s1-g2", "siglip-1-s1", "siglip-1-s1-g2",
    ]  # fmt: skip
    assert all(verdict.passed for verdict in verdicts)
    assert [verdict.folder for verdict in check_family("llava-1.0")] == ["llava_official-0"]
    assert json.loads(proofs.to_json(verdicts))[0]["passed"] is True


# --- a proof that can fail --------------------------------------------------------------------------------------------------


def test_a_wrong_weight_fails(copy: Reference) -> None:
    folder = copy("llava_next", 0)
    weights = load_file(folder / "model.safetensors")
    weights["image_newline"] = weights["image_newline"] + 0.01
    save_file(weights, folder / "model.safetensors")
    assert not check(folder).passed


def test_a_wrong_token_fails(copy: Reference) -> None:
    folder = copy("text_llama", 0)
    expected = load_file(folder / "expected.safetensors")
    expected["generated"][0, -1] += 1
    save_file(expected, folder / "expected.safetensors")
    verdict = check(folder)
    assert not verdict.passed and verdict.worst["generated"] > 0 and verdict.worst["logits"] <= 2e-5


def test_a_missing_output_and_a_wrong_shape_fail() -> None:
    from chiasm.reference.given import Given

    meta = {"main": "logits"}
    expected = {"logits": torch.zeros(1, 2, 3), "generated": torch.zeros(1, 2)}
    given = Given(Path("inputs.safetensors"), {})
    worst, missing = compare(expected, {"logits": torch.zeros(1, 3, 3)}, given, meta)
    assert (worst, missing) == ({"logits": float("inf")}, ["generated"])
    worst, _ = compare(expected, {"logits": torch.full((1, 2, 3), torch.nan)}, given, meta)
    assert worst == {"logits": float("inf")}


# --- mistakes -----------------------------------------------------------------------------------------------------------------


def test_mistakes_are_one_sentence(copy: Reference, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="qwen2-vl"):
        list(check_family("qwen2-vlm"))
    with pytest.raises(BadCheckpoint, match=r"has no config\.json"):
        check(tmp_path)
    folder = copy("llava", 0)
    edit(folder, drop=("input_ids",))
    with pytest.raises(BadCheckpoint, match="no tensor 'input_ids'"):
        check(folder)
    (folder / "inputs.safetensors").write_bytes((folder / "inputs.safetensors").read_bytes()[:-10])
    with pytest.raises(BadCheckpoint, match="cut short"):
        check(folder)
    (folder / "inputs.safetensors").unlink()
    with pytest.raises(BadCheckpoint, match=r"no inputs\.safetensors"):
        check(folder)


def test_pictures_of_another_kind_are_refused(copy: Reference) -> None:
    folder = copy("llava", 0)
    tensors = load_file(folder / "inputs.safetensors")
    save_file({**tensors, "raw_image_0": torch.zeros(3, 8, 8)}, folder / "inputs.safetensors")
    with pytest.raises(BadCheckpoint, match=r"raw_image_0 is torch.float32"):
        check(folder)
