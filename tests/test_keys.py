"""Names of tensors: file -> model -> file is byte-equal, every spelling of the ecosystem is read, misfits are refused."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Reference
from safetensors.torch import load_file, save_file
from torch import Tensor

from chiasm.check import check
from chiasm.errors import BadCheckpoint
from chiasm.model import Match
from chiasm.reference.cases import RECORDED, REFERENCES
from chiasm.weights.keys import published
from chiasm.weights.read import describe, load_model

VARIANTS = [(name, variant) for name, reference in REFERENCES.items() for variant in range(reference.variants)]


def stored(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def written(folder: Path) -> dict[str, Tensor]:
    """What our parameters of a folder become under the layout's own names."""
    described = describe(folder)
    return published(dict(load_model(described, torch.float32).named_parameters()), described.keys)


def same(got: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert got.keys() == wanted.keys()
    assert all(torch.equal(got[name].view(torch.int32), wanted[name].view(torch.int32)) for name in wanted)


IDLE = {
    "grounding_dino": {f"model.backbone.conv_encoder.model.swin.layernorm.{part}" for part in ("weight", "bias")},
}
"""Tensors of the reference's own files that nothing reads, and that published files do not have."""


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_a_file_comes_back_byte_for_byte(reference: Reference, name: str, variant: int) -> None:
    """But for the counters of batch norms, which count the steps of training."""
    folder = reference(name, variant)
    idle = IDLE.get(name, set())
    assert idle <= stored(folder).keys()
    counted = ("num_batches_tracked", "relative_position_index")
    wanted = {n: tensor for n, tensor in stored(folder).items() if n not in idle and not n.endswith(counted)}
    same(written(folder), wanted)


def test_an_original_file_comes_back_byte_for_byte() -> None:
    folder = RECORDED / "llava_official-0"
    wanted = {name: tensor for name, tensor in stored(folder).items() if name != "model.image_newline"}
    same(written(folder), wanted)


def test_grouped_projections_come_back_byte_for_byte() -> None:
    folder = RECORDED / "internlm2-0"
    same(written(folder), stored(folder))


# --- other spellings --------------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(reference: Reference, tmp_path: Path) -> Reference:
    def copied(name: str, variant: int) -> Path:
        folder = tmp_path / f"{name}-{variant}"
        shutil.copytree(reference(name, variant), folder)
        return folder

    return copied


def respell(folder: Path, *changes: tuple[str, str]) -> set[str]:
    """Renames tensors by prefix, the first change that fits; returns the prefixes that were there."""
    used: set[str] = set()

    def other(name: str) -> str:
        for old, new in changes:
            if name.startswith(old):
                used.add(old)
                return new + name.removeprefix(old)
        return name

    save_file({other(name): tensor for name, tensor in stored(folder).items()}, folder / "model.safetensors")
    return used


OLDER_CLIP = [("vision_tower.", "vision_tower.vision_model.")]
IN_MEMORY = [
    ("vision_tower.", "model.vision_tower.vision_model."),
    ("multi_modal_projector.", "model.multi_modal_projector."),
    ("language_model.model.", "model.language_model."),
    ("language_model.lm_head.", "lm_head."),
]
NEWLINE = [("image_newline", "model.image_newline")]
QWEN = [("visual.", "model.visual."), ("model.", "model.language_model.")]


@pytest.mark.parametrize(
    ("name", "variant", "changes"),
    [
        ("llava", 0, OLDER_CLIP),
        ("llava", 0, IN_MEMORY),
        ("llava", 2, [("vision_tower.", "model.vision_tower."), *IN_MEMORY[1:]]),
        ("llava_next", 0, OLDER_CLIP),
        ("llava_next", 1, [*IN_MEMORY, *NEWLINE]),
        ("qwen2_vl", 0, QWEN),
        ("qwen2_vl", 1, QWEN),
        ("qwen2_5_vl", 0, QWEN),
    ],
)
def test_older_and_newer_names_are_read(
    copy: Reference, name: str, variant: int, changes: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    folder = copy(name, variant)
    assert respell(folder, *changes) == {old for old, _ in changes}
    with caplog.at_level(logging.WARNING, "chiasm"):
        verdict = check(folder)
    assert verdict.passed and not caplog.messages


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("clip", "vision_model.embeddings.position_ids"),
        ("clip", "text_model.embeddings.position_ids"),
        ("siglip", "text_model.embeddings.position_ids"),
        ("text_llama", "model.layers.1.self_attn.rotary_emb.inv_freq"),
        ("llava", "language_model.model.layers.0.self_attn.rotary_emb.inv_freq"),
        ("llava", "vision_tower.vision_model.embeddings.position_ids"),
    ],
)
def test_buffers_that_old_files_carry_mean_nothing(
    copy: Reference, name: str, extra: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = copy(name, 0)
    save_file({**stored(folder), extra: torch.arange(4)}, folder / "model.safetensors")
    with caplog.at_level(logging.WARNING, "chiasm"):
        assert check(folder).passed
    assert not caplog.messages


def test_a_copy_of_a_tied_head_means_nothing(copy: Reference, caplog: pytest.LogCaptureFixture) -> None:
    folder = copy("text_llama", 1)
    assert "lm_head.weight" not in stored(folder)
    save_file({**stored(folder), "lm_head.weight": torch.zeros(99, 32)}, folder / "model.safetensors")
    with caplog.at_level(logging.WARNING, "chiasm"):
        assert check(folder).passed
    assert not caplog.messages


def test_shards_are_one_model(copy: Reference) -> None:
    folder = copy("qwen2_5_vl", 0)
    shard(folder)
    assert check(folder).passed
    (folder / "model-2.safetensors").unlink()
    with pytest.raises(BadCheckpoint, match=r"names model-2\.safetensors, which is not in the folder"):
        check(folder)


def shard(folder: Path) -> None:
    tensors = stored(folder)
    (folder / "model.safetensors").unlink()
    parts = {f"model-{n}.safetensors": dict(list(tensors.items())[n::3]) for n in range(3)}
    for name, part in parts.items():
        save_file(part, folder / name)
    index = {"weight_map": {tensor: name for name, part in parts.items() for tensor in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_other_dtypes_are_read_into_the_one_asked_for(copy: Reference, dtype: torch.dtype) -> None:
    folder = copy("siglip", 0)
    save_file({name: tensor.to(dtype) for name, tensor in stored(folder).items()}, folder / "model.safetensors")
    model = load_model(describe(folder), torch.float32)
    assert isinstance(model, Match)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert torch.equal(model.logits.scale, stored(folder)["logit_scale"].float())


# --- misfits ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "llava",
            lambda t: t.update({"multi_modal_projector.linear_1.weight": torch.zeros(32, 25)}),
            r"'multi_modal_projector\.linear_1\.weight' in .*model\.safetensors has the shape \(32, 25\).*\(32, 24\)",
        ),
        (
            "qwen2_vl",
            lambda t: t.update({"visual.blocks.0.attn.qkv.weight": torch.zeros(48, 17)}),
            r"'visual\.blocks\.0\.attn\.qkv\.weight' in .*has the shape \(16, 17\).*blocks\.0\.attention\.q\.weight",
        ),
        (
            "text_llama",
            lambda t: t.pop("model.norm.weight"),
            r"holds no tensor for the parameter 'language\.norm\.weight'",
        ),
        (
            "idefics3",
            lambda t: [t.pop(name) for name in list(t) if "layer_norm1" in name],
            r"'vision\.blocks\.0\.norm1\.weight' and 3 more",
        ),
        ("clip", lambda t: t.update({"logit_scale": torch.zeros(2)}), r"'logit_scale'.*\(2,\).*\(\)"),
        (
            "text_llama",
            lambda t: t.update({"model.norm.weight": t["model.norm.weight"].char()}),
            r"'model\.norm\.weight' .*is of I8.*quantised",
        ),
    ],
)
def test_a_tensor_that_is_missing_or_does_not_fit_is_named(
    copy: Reference, name: str, change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    folder = copy(name, 0)
    tensors = stored(folder)
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(BadCheckpoint, match=message):
        load_model(describe(folder), torch.float32)


def test_a_tensor_that_means_nothing_is_named_and_left_out(copy: Reference, caplog: pytest.LogCaptureFixture) -> None:
    folder = copy("siglip", 0)
    save_file({**stored(folder), "vision_model.wobble.weight": torch.zeros(3)}, folder / "model.safetensors")
    with caplog.at_level(logging.WARNING, "chiasm"):
        assert check(folder).passed
    (message,) = caplog.messages
    assert "'vision_model.wobble.weight'" in message and str(folder) in message


def test_a_config_of_another_size_is_refused_before_anything_is_loaded(copy: Reference) -> None:
    folder = copy("text_llama", 0)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(BadCheckpoint, match=r"language\.blocks\.2.*config\.json describes another model"):
        load_model(describe(folder), torch.float32)


def test_a_parameter_without_a_rule_cannot_be_written(reference: Reference) -> None:
    with pytest.raises(KeyError, match="no rule of the layout names 'nowhere'"):
        published({"nowhere": torch.zeros(1)}, describe(reference("clip", 0)).keys)
