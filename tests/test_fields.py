"""No field of a config is passed over in silence: every family's published files with one more field, and with each value that
is not done."""

import copy
import json
import logging
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from test_published import SIZES, facts

from chiasm.errors import BadConfig, UserError
from chiasm.layout import Config
from chiasm.registry import families
from chiasm.weights.read import describe

FIRST = dict(reversed(SIZES))
"""Every family with a published config, by its first size."""
UNREAD = {("blip2-itm", "text_config"): "this model writes nothing, so that nobody reads what it would write with"}
ALIKE = {"use_bidirectional_attention": "PaliGemma's prompts see themselves whole whatever the part of the text says"}
"""What is passed over on purpose: objects, and fields that a whole decides for its part."""
Place = tuple[str, ...]
"""Where a field stands: in "config" or "pixels", then the objects around it."""


def written(folder: Path, files: dict[str, dict[str, Any]]) -> Path:
    (folder / "config.json").write_text(json.dumps(files["config"]))
    if files["pixels"]:
        (folder / "preprocessor_config.json").write_text(json.dumps(files["pixels"]))
    return folder


def read_of(name: str) -> dict[str, dict[str, Any]]:
    config, pixels = facts(f"{name}-{FIRST[name]}")
    return {"config": config, "pixels": pixels}


def objects(files: dict[str, dict[str, Any]]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every object that a reader sees as a config of its own: the files, and what says which model or class it is."""
    for file, data in files.items():
        if data:
            yield (file,), data
        yield from (((file, key), value) for key, value in data.items() if isinstance(value, dict) and "model_type" in value)


@pytest.mark.parametrize("name", FIRST)
def test_an_unknown_field_is_warned_about_wherever_it_stands(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = copy.deepcopy(read_of(name))
    wanted = []
    for number, (place, data) in enumerate(list(objects(files))):
        if (name, place[-1]) in UNREAD:
            continue
        data[f"wobble_{number}"] = number
        wanted.append((f"wobble_{number}", place[-1]))
    with caplog.at_level(logging.WARNING, "chiasm"):
        assert describe(written(tmp_path, files)).model == families()[name].at(FIRST[name])
    said = {field: [message for message in caplog.messages if message.endswith(f": {field}")] for field, _ in wanted}
    assert all(len(messages) == 1 for messages in said.values()), said
    for field, inside in wanted:
        assert inside in ("config", "pixels") or f": {inside}: " in said[field][0]


@cache
def guarded() -> dict[str, list[tuple[Place, str, tuple[Any, ...]]]]:
    """Every field of which a family's reader takes some values only, with where it stands and those values."""
    found: dict[str, list[tuple[Place, str, tuple[Any, ...]]]] = {}
    kept = Config.only

    def told(self: Config, field: str, *values: Any) -> None:
        file, *inside = self.path.split(": ")
        here = "pixels" if file.endswith("preprocessor_config.json") else "config"
        seen.append(((here, *inside), field, values))
        kept(self, field, *values)

    import tempfile

    for name in FIRST:
        seen: list[tuple[Place, str, tuple[Any, ...]]] = []
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setattr(Config, "only", told)
            describe(written(Path(folder), read_of(name)))
        found[name] = list({(place, field): (place, field, values) for place, field, values in seen}.values())
    return found


def another(values: tuple[Any, ...]) -> Any:
    """A value of the same kind that is none of these."""
    match values[0]:
        case bool():
            return next((value for value in (True, False) if value not in values), "neither")
        case int() | float():
            return max(value for value in values if isinstance(value, int | float)) + 1
        case _:
            return "chiasm-knows-no-such-value"


@pytest.mark.parametrize("name", FIRST)
def test_a_value_that_is_not_done_is_refused_by_its_fields_name(name: str, tmp_path: Path) -> None:
    for place, field, values in guarded()[name]:
        files = copy.deepcopy(read_of(name))
        data: Any = files
        for key in place:
            data = data.get(key) if isinstance(data, dict) else None
        if not isinstance(data, dict) or (field in ALIKE and "paligemma" in json.dumps(files["config"])):
            continue
        data[field] = another(values)
        with pytest.raises(BadConfig) as refusal:
            describe(written(tmp_path, files))
        assert field in str(refusal.value), (place, field, data[field], str(refusal.value))
        assert str(tmp_path) in str(refusal.value)


SENSELESS: tuple[tuple[Place, Any], ...] = (
    (("config", "vision_config"), [1, 2]),
    (("config", "vision_config", "patch_size"), 0),
    (("config", "vision_config", "num_hidden_layers"), -1),
    (("config", "text_config", "vocab_size"), "many"),
    (("config", "text_config", "num_attention_heads"), True),
    (("config", "text_config", "rms_norm_eps"), "small"),
    (("config", "vision_feature_select_strategy"), 7),
    (("config", "image_grid_pinpoints"), []),
    (("config", "image_grid_pinpoints"), [[336]]),
    (("pixels", "size"), "big"),
    (("pixels", "crop_size"), {}),
    (("pixels", "image_mean"), [0.5]),
    (("pixels", "do_pad"), "perhaps"),
)


@pytest.mark.parametrize(("place", "value"), SENSELESS, ids=lambda given: ".".join(given) if isinstance(given, tuple) else "")
def test_a_value_without_sense_is_named_with_its_field(place: Place, value: Any, tmp_path: Path) -> None:
    files = copy.deepcopy(read_of("llava-next"))
    *path, field = place
    data: Any = files
    for key in path:
        data = data[key]
    data[field] = value
    with pytest.raises(BadConfig, match=r"expected|is not supported") as refusal:
        describe(written(tmp_path, files))
    assert field in str(refusal.value) and repr(value) in str(refusal.value)


@pytest.mark.parametrize("name", FIRST)
def test_no_value_ends_in_an_error_of_pythons(name: str, tmp_path: Path) -> None:
    """Fields by chance, each with every kind of value: read, or refused in a sentence of ours."""
    files = read_of(name)
    every = [(place, field) for place, data in objects(files) for field in data]
    for place, field in random.Random(name).sample(every, min(4, len(every))):
        for value in ("two", -1, 0, 1.5, True, None, [], [1, "a"], {}, {"a": 1}):
            changed = copy.deepcopy(files)
            data: Any = changed
            for key in place:
                data = data[key]
            data[field] = value
            try:
                describe(written(tmp_path, changed))
            except UserError as refusal:
                assert str(tmp_path) in str(refusal) or "quantised" in str(refusal)


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    files = copy.deepcopy(read_of("llama-3"))
    files["config"]["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    with pytest.raises(BadConfig, match=r"quantization_config .* quantised by bitsandbytes"):
        describe(written(tmp_path, files))


def test_most_families_guard_some_field() -> None:
    assert sum(bool(fields) for fields in guarded().values()) > 0.8 * len(FIRST)
