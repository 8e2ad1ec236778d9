"""No field of a config is passed over in silence: every family's published files with one more field, and with each value that
is not done."""

import copy
import json
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from test_published import SIZES, facts

from chiasm.errors import BadConfig
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


def test_most_families_guard_some_field() -> None:
    assert sum(bool(fields) for fields in guarded().values()) > 0.8 * len(FIRST)
