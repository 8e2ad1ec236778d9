"""Published configurations, in every spelling, read to the family's own spec and to the published number of parameters."""

import hashlib
import inspect
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from shrink import shrunk

from chiasm.errors import BadConfig
from chiasm.model import blank, counted, parameters
from chiasm.reference.parts import library
from chiasm.registry import families
from chiasm.spec import Model, override
from chiasm.weights.keys import published
from chiasm.weights.read import describe

CONFIGS = Path(__file__).parent / "data" / "configs"
SOURCES: dict[str, dict[str, Any]] = json.loads((CONFIGS / "sources.json").read_text())
NO_CONFIG = {
    "lwm": "published as arrays of another library without a config; a test reduces it to the classes of its parts instead",
    "llava-1.0": "published as differences to Llama; proved by a recorded folder of its original layout instead",
    "videochat2": "published as pickles of its parts beside another model's folder; proved by a recorded folder instead",
    "video-chatgpt": "published as a projector beside another model's folder; proved by a recorded folder instead",
    "merlin": "published without a config, by a package of its own; proved by a recorded folder instead",
}
NO_CLASS = (
    "cogvlm", "cogvlm2", "openflamingo", "openclip", "clip-resnet", "eva-clip", "nomic-vision", "imagebind", "deepseek-vl2",
    "lisa", "glamm",
)  # fmt: skip
"""Families that `transformers` has no class for; `sources.json` holds a digest of the names and shapes of the tensors that
their own classes have, where those were run."""
SIZES = [(name, size) for name, family in families().items() for size in family.sizes if name not in NO_CONFIG]
IN_LIBRARY = [(name, size) for name, size in SIZES if name not in NO_CLASS]

HEAD_APART = "its head is published apart from the embedding; the class ties them whatever the config says"
TIED_THERE = dict.fromkeys(("flan-t5", "blip2-flan-t5", "instructblip-flan-t5"), HEAD_APART)
UNREAD_THERE = {"nomic-embed-text": "the class does not read the published file's names and saves its own defaults instead"}
IDLE_THERE = {"grounding-dino": "its class has a last norm of the eye that nothing reads and no file holds"}
ORIGINAL = {("internvl-2.5", size): "published in the original code's form alone" for size in ("2b", "8b", "26b")}
WITH_CLASS = [
    (name, size)
    for name, size in IN_LIBRARY
    if families()[name].proof == "exact" and name not in TIED_THERE and (name, size) not in ORIGINAL
]
"""Those whose class in `transformers` has the published parameters."""


def facts(fixture: str) -> tuple[dict[str, Any], dict[str, Any]]:
    beside = CONFIGS / f"{fixture}.preprocessor.json"
    config = json.loads((CONFIGS / f"{fixture}.json").read_text())
    if "vocabulary_map" in config:
        config["vocabulary_map"] = spelt_out(**config["vocabulary_map"])
    return config, json.loads(beside.read_text()) if beside.exists() else {}


def spelt_out(of_codes: dict[str, Any], **others: int) -> dict[str, int]:
    """A vocabulary's words of pictures, which published files name one by one and fixtures by their rule."""
    letters = str.maketrans("0123456789", "ABCDEFGHIJ")
    names = (of_codes["spelt"].format(number=code, letters=str(code).translate(letters)) for code in range(of_codes["count"]))
    return others | {name: of_codes["first"] + code for code, name in enumerate(names)}


def read(folder: Path, config: dict[str, Any], preprocessor: dict[str, Any]) -> Model:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    if preprocessor:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return describe(folder).model


def test_every_size_has_a_published_config_or_a_reason() -> None:
    assert {f"{name}-{size}" for name, size in SIZES} == SOURCES.keys()
    assert NO_CONFIG.keys() < families().keys()
    for source in SOURCES.values():
        assert source["_source"].count("/") == 1 and source["parameters"] > 10**7


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_reads_to_the_familys_own_spec(name: str, size: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "chiasm"):
        model = read(tmp_path, *facts(f"{name}-{size}"))
    assert model == families()[name].at(size)
    assert not caplog.messages
    assert parameters(model) == SOURCES[f"{name}-{size}"]["parameters"]


def test_counting_equal_parts_once_counts_each_of_them() -> None:
    specs = [shrunk(family.model) for family in families().values()]
    counts = counted(specs)
    assert counts == [sum(p.numel() for p in blank(spec).parameters() if p.requires_grad) for spec in specs]


def reference_class(config: dict[str, Any]) -> Any:
    plain = {"llama": "LlamaForCausalLM", "clip": "CLIPModel", "siglip": "SiglipModel", "bert": "BertModel"}
    return getattr(library(), plain.get(config["model_type"]) or config["architectures"][0])


@pytest.mark.parametrize("fixture", [fixture for fixture, source in SOURCES.items() if "tensors" in source])
def test_the_references_own_class_has_tensors_of_these_names_and_shapes(fixture: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(facts(fixture)[0]))
    described = describe(tmp_path)
    written = published(dict(blank(described.model).named_parameters()), described.keys)
    lines = sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in written.items())
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == SOURCES[fixture]["tensors"]


def test_open_clips_own_file_is_read_where_there_is_no_config(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps(facts("openclip-b32")[0]))
    assert describe(tmp_path).model == families()["openclip"].at("b32")


@pytest.mark.parametrize(("name", "size"), [(name, size) for name, size in WITH_CLASS if name not in IDLE_THERE])
def test_the_references_own_class_has_as_many_parameters(name: str, size: str) -> None:
    config = facts(f"{name}-{size}")[0]
    cls = reference_class(config)
    with torch.device("meta"):
        model = cls._from_config(cls.config_class.from_dict(config))
    assert sum(p.numel() for p in model.parameters()) == SOURCES[f"{name}-{size}"]["parameters"]


@pytest.mark.parametrize(("name", "size"), [(name, size) for name, size in WITH_CLASS if name not in UNREAD_THERE])
def test_reads_the_same_once_the_reference_has_saved_it_anew(name: str, size: str, tmp_path: Path) -> None:
    """transformers 5 nests what was flat, writes every default out and spells rope in another way."""
    config, preprocessor = facts(f"{name}-{size}")
    anew = reference_class(config).config_class.from_dict(config).to_dict()
    assert anew.keys() != config.keys()
    assert read(tmp_path, json.loads(json.dumps(anew)), preprocessor) == families()[name].at(size)


AS_ITS_DEFAULTS = (
    "siglip-b16-224", "qwen2-vl-7b", "bert-base-uncased", "nomic-embed-text-v1.5", "t5-small", "fuyu-8b", "layoutlm-base",
    "grounding-dino-tiny", "udop-large", "kosmos-2-patch14-224",
)  # fmt: skip
"""Files whose repository a class names as the one that its defaults are of, and which say nothing else."""
OF_NO_MODEL = frozenset({"architectures", "transformers_version", "torch_dtype", "model_type"})


def differing(ours: dict[str, Any], theirs: dict[str, Any], path: str = "") -> tuple[list[str], list[str]]:
    """The fields that both know: those of one value, and those of two."""
    same: list[str] = []
    other: list[str] = []
    for name in ours.keys() & theirs.keys() - OF_NO_MODEL:
        if isinstance(ours[name], dict) and isinstance(theirs[name], dict):
            inner = differing(ours[name], theirs[name], f"{path}{name}.")
            same, other = same + inner[0], other + inner[1]
        else:
            (same if ours[name] == theirs[name] else other).append(path + name)
    return same, other


@pytest.mark.parametrize("fixture", AS_ITS_DEFAULTS)
def test_a_file_is_the_defaults_of_the_class_that_names_it(fixture: str) -> None:
    config = facts(fixture)[0]
    kind = reference_class(config).config_class
    named = re.findall(r'@auto_docstring\(checkpoint="([^"]+)"', Path(inspect.getfile(kind)).read_text())
    assert SOURCES[fixture]["_source"].lower() in [one.lower() for one in named]
    same, other = differing(config, kind().to_dict())
    assert same and not other


# --- spellings --------------------------------------------------------------------------------------------------------------


def test_rope_is_read_in_every_spelling(tmp_path: Path) -> None:
    llama3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
    config = facts("smollm2-135m")[0] | {"rope_theta": 500000.0}
    plain = {name: value for name, value in config.items() if not name.startswith("rope")}
    spellings = [
        config | {"rope_scaling": llama3 | {"rope_type": "llama3"}},
        config | {"rope_scaling": llama3 | {"type": "llama3"}},
        plain | {"rope_parameters": llama3 | {"rope_type": "llama3", "rope_theta": 500000.0}},
    ]
    first, *others = (read(tmp_path, spelling, {}) for spelling in spellings)
    assert all(other == first for other in others)
    assert first != read(tmp_path, config, {})
    linear = read(tmp_path, config | {"rope_scaling": {"type": "linear", "factor": 2.0}}, {})
    assert linear not in (first, read(tmp_path, config, {}))


@pytest.mark.parametrize(
    ("fixture", "said"),
    [
        ("smolvlm-256m", ("idefics3", "idefics3_vision", None)),
        ("qwen2-vl-2b", ("qwen2_vl", "qwen2_vl_vision", None)),
        ("qwen2.5-vl-3b", ("qwen2_5_vl", "qwen2_5_vl_vision", None)),
    ],
)
def test_a_vision_part_may_say_its_own_type_the_wholes_or_none(
    fixture: str, said: tuple[str | None, ...], tmp_path: Path
) -> None:
    config, preprocessor = facts(fixture)
    for number, model_type in enumerate(said):
        vision = {name: value for name, value in config["vision_config"].items() if name != "model_type"}
        vision |= {} if model_type is None else {"model_type": model_type}
        name, _, size = fixture.rpartition("-")
        model = read(tmp_path / str(number), config | {"vision_config": vision}, preprocessor)
        assert model == families()[name].at(size)


def test_sparse_configs_mean_the_published_classs_defaults(tmp_path: Path) -> None:
    config, preprocessor = facts("llava-1.5-7b")
    del config["vision_config"], config["vision_feature_layer"], config["projector_hidden_act"]
    assert read(tmp_path, config, preprocessor) == families()["llava-1.5"].at("7b")
    config, preprocessor = facts("clip-b32")
    config["text_config"] = {"eos_token_id": 2}
    config["vision_config"] = {}
    assert read(tmp_path, config, preprocessor) == families()["clip"].at("b32")


def test_sparse_configs_of_asked_pictures_mean_the_published_classs_defaults(tmp_path: Path) -> None:
    config, preprocessor = facts("llama-3.2-vision-11b")
    kept = {name: config["text_config"][name] for name in ("rope_scaling", "rope_theta")}
    sparse = {"model_type": "mllama", "vision_config": {"image_size": 560}, "text_config": kept}
    assert read(tmp_path, sparse, preprocessor) == families()["llama-3.2-vision"].at("11b")
    for size, wanted in (({"height": 448, "width": 448}, "'height': 560"), ({"height": 560, "width": 448}, "'width': 560")):
        with pytest.raises(BadConfig, match=wanted):
            read(tmp_path, sparse, preprocessor | {"size": size})
    with pytest.raises(BadConfig, match="max_image_tiles = 6 is not supported; 4 is"):
        read(tmp_path, sparse, preprocessor | {"max_image_tiles": 6})
    config, preprocessor = facts("idefics-9b")
    defaults = {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "rms_norm_eps"}
    sparse = {name: value for name, value in config.items() if name not in defaults | {"hidden_act", "eos_token_id"}}
    sparse["vision_config"] = {"embed_dim": 1280}
    sparse["perceiver_config"] = {"qk_layer_norms_perceiver": True}
    assert read(tmp_path, sparse, preprocessor) == families()["idefics"].at("9b")


def test_sizes_of_pictures_are_read_in_every_spelling(tmp_path: Path) -> None:
    config, preprocessor = facts("clip-b32")
    wanted = families()["clip"].at("b32")
    for size, crop in ((224, 224), ({"shortest_edge": 224}, {"height": 224, "width": 224}), (None, None)):
        given = preprocessor | {"size": size, "crop_size": crop}
        given = {name: value for name, value in given.items() if value is not None}
        assert read(tmp_path, config, given) == wanted
    config, preprocessor = facts("qwen2-vl-2b")
    bounds = preprocessor.pop("min_pixels"), preprocessor.pop("max_pixels")
    for names in (("shortest_edge", "longest_edge"), ("min_pixels", "max_pixels")):
        given = preprocessor | {"size": dict(zip(names, bounds, strict=True))}
        assert read(tmp_path, config, given) == families()["qwen2-vl"].at("2b")


def test_a_processors_file_serves_where_the_preprocessors_is_missing(tmp_path: Path) -> None:
    config, preprocessor = facts("siglip-so400m-14-384")
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": preprocessor}))
    assert read(tmp_path, config, {}) == families()["siglip"].at("so400m-14-384")


# --- what is not understood -------------------------------------------------------------------------------------------------


def test_an_unknown_field_is_warned_about_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config, preprocessor = facts("llava-1.5-7b")
    config["wobble"] = 1
    config["text_config"] |= {"attention_sink": 4, "rope_scaling": {"rope_theta": 10000.0, "spin": 2}}
    with caplog.at_level(logging.WARNING, "chiasm"):
        assert read(tmp_path, config, preprocessor | {"sharpen": True}) == families()["llava-1.5"].at("7b")
    assert sorted(message.rpartition(": ")[2] for message in caplog.messages) == ["attention_sink", "sharpen", "spin", "wobble"]
    assert "text_config: attention_sink" in "".join(caplog.messages)


@pytest.mark.parametrize(
    ("fixture", "path", "value", "expected"),
    [
        ("smollm2-135m", "hidden_act", "xielu", "silu"),
        ("smollm2-135m", "rope_scaling", {"rope_type": "proportional"}, "'proportional' is not supported"),
        ("smollm2-135m", "rope_interleaved", True, "False is"),
        ("qwen2-vl-2b", "rope_scaling.mrope_interleaved", True, "mrope_interleaved = True is not supported"),
        ("smollm2-135m", "rope_scaling", "linear", "is not an object"),
        ("clip-b32", "vision_config.num_channels", 4, "3 is"),
        ("clip-b32", "pixels.resample", 9, "0 to 5"),
        ("clip-b32", "pixels.do_center_crop", False, "True is"),
        ("clip-b32", "pixels.size", {"height": 200, "width": 200}, "two equal ones"),
        ("llava-1.5-7b", "projector_hidden_act", "mish", "gelu"),
        ("idefics3-8b-llama3", "text_config.qk_layer_norms", True, "False is"),
        ("qwen2-vl-2b", "use_sliding_window", True, "False is"),
        ("qwen2-vl-2b", "pixels.merge_size", 4, "2 is"),
        ("qwen2-vl-2b", "pixels.patch_size", 16, "14 is"),
    ],
)
def test_a_known_field_with_a_value_that_is_not_done_is_refused(
    fixture: str, path: str, value: Any, expected: str, tmp_path: Path
) -> None:
    config, preprocessor = facts(fixture)
    *outer, last = path.split(".")
    target = preprocessor if outer == ["pixels"] else config[outer[0]] if outer else config
    target[last] = value
    with pytest.raises(BadConfig, match=expected) as refusal:
        read(tmp_path, config, preprocessor)
    assert last in str(refusal.value) or "rope" in str(refusal.value)
    assert str(tmp_path) in str(refusal.value)


def test_a_missing_field_and_an_unknown_type_say_so(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"'lava'.*nearest are llava"):
        read(tmp_path, {"model_type": "lava"}, {})
    config, preprocessor = facts("llava-1.5-7b")
    unknown = config | {"model_type": "lavva_max", "text_config": config["text_config"] | {"model_type": "mamba9"}}
    with pytest.raises(BadConfig) as refusal:
        read(tmp_path, unknown, preprocessor)
    for said in (
        "the nearest are llava", "its class is that of llava-1.5", "its vision_config (clip_vision_model) is read",
        "its text_config (mamba9) is not", "missing is a layout", "CHIASM_FAMILIES", str(tmp_path),
    ):  # fmt: skip
        assert said in str(refusal.value)
    config["text_config"]["model_type"] = "lama"
    with pytest.raises(BadConfig, match=r"text_config.*'lama'.*llama"):
        read(tmp_path, config, preprocessor)


def test_an_override_of_a_field_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError, match="no field 'deepness'"):
        override(families()["clip"].model, {"encoder.deepness": 3})
