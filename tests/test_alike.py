"""Rows that begin alike are read from their beginning on, whatever family reads them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from invariants.asking import pictures, seen
from shrink import shrunk, tiny
from tiny_folder import tiny_folder
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from chiasm.assistant import Done, Request
from chiasm.generate.engine import prefill, step
from chiasm.generate.sampling import Contrast, Sampling
from chiasm.generate.score import score
from chiasm.geometry import Size
from chiasm.loading import load
from chiasm.model import Batch, Causal
from chiasm.pixels.sources import identity
from chiasm.prompt.alike import Beginnings, beginnings
from chiasm.prompt.items import count
from chiasm.prompt.messages import question
from chiasm.prompt.plan import Plan
from chiasm.registry import families
from chiasm.spec import Causal as CausalSpec
from chiasm.spec import Splice, breaks

SEEING = [name for name, family in families().items() if isinstance(family.model, CausalSpec) and family.model.sight]
SHOWN = (0, 1, 0, 0)
"""Which picture each row shows: the first and the third begin alike, the last has another text before the same picture."""
RESTS = ([55, 56, 57], [58, 59], [60, 61, 62, 63, 64], [55, 56])


def planned(spec: CausalSpec) -> tuple[Plan, Plan | Beginnings | None]:
    assert spec.sight is not None and isinstance(spec.sight.fusion, Splice)
    sizes = [Size(picture.shape[1], picture.shape[0]) for picture in pictures()]
    image = spec.sight.fusion.image
    rows = []
    for number, (shown, rest) in enumerate(zip(SHOWN, RESTS, strict=True)):
        rows.append([71 if number < 3 else 72, *[image] * count(spec, sizes[shown]).visual, *rest])
    plan = Plan.from_ids(spec, rows, [sizes[shown] for shown in SHOWN])
    return plan, beginnings(plan, SHOWN)


def batches(spec: CausalSpec) -> tuple[Batch, Batch]:
    """The rows apart, and from their beginnings on."""
    plan, shared = planned(spec)
    assert isinstance(shared, Beginnings) and spec.sight is not None
    some = pictures()
    whole = seen(spec.sight, [some[shown] for shown in SHOWN]).patches_PK
    return plan.batch(whole), shared.batch(seen(spec.sight, [some[SHOWN[item]] for item in shared.items]).patches_PK)


def shares(spec: CausalSpec) -> bool:
    spliced = spec.sight is not None and isinstance(spec.sight.fusion, Splice)
    return spliced and spec.prompt != "full" and spec.decoder.window is None and not breaks(spec) and spec.writes


@pytest.mark.parametrize("name", [name for name in SEEING if shares(shrunk(families()[name].model))])  # type: ignore[arg-type]
def test_what_is_read_once_says_what_is_read_apart(name: str) -> None:
    model = tiny(families()[name].model)
    assert isinstance(model, Causal)
    apart, alike = batches(model.spec)
    assert alike.alike is not None and alike.alike.begun_B == (0, 1, 0, 2)
    with torch.inference_mode():
        found: list[list[Tensor]] = []
        for batch in (apart, alike):
            logits_BS, past = prefill(model, batch, 3)
            said = [logits_BS]
            for number in range(3):
                said.append(step(model, torch.tensor([70, 71, 72, 73]), batch.next_B + number, past))
            found.append(said)
    torch.testing.assert_close(torch.stack(found[1]), torch.stack(found[0]), rtol=1e-4, atol=1e-5)
    options = [[[7, 8], [9]]] * 4
    totals = [[one.total for row in score(model, batch, options) for one in row] for batch in (apart, alike)]
    assert totals[0] == pytest.approx(totals[1], abs=1e-4)


@pytest.mark.parametrize("name", ["idefics3", "qwen2-vl"])
def test_beginnings_are_read_once(name: str) -> None:
    model = tiny(families()[name].model)
    assert isinstance(model, Causal)
    work = []
    for batch in batches(model.spec):
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            prefill(model, batch, 1)
        work.append(counter.get_total_flops())
    assert work[1] < 0.85 * work[0]


@pytest.mark.parametrize("name", ["paligemma", "idefics2"])
def test_what_depends_on_what_follows_is_read_apart(name: str) -> None:
    spec = shrunk(families()[name].model)
    assert isinstance(spec, CausalSpec) and not shares(spec)
    assert planned(spec)[1] is None


def test_nothing_alike_is_read_apart() -> None:
    spec = shrunk(families()["llava-1.5"].model)
    assert isinstance(spec, CausalSpec)
    plan, _ = planned(spec)
    assert beginnings(plan, ["every", "one", "is", "another"]) is None
    assert beginnings(Plan.from_ids(spec, [[5, 6], [5, 6]]), ()) is None


def test_an_assistant_says_what_it_says_alone(tmp_path: Path) -> None:
    assistant = load(str(tiny_folder(tmp_path / "model")), dtype="float32")
    draw = np.random.default_rng(0)
    red, blue = (draw.integers(0, 256, (40, 60, 3), np.uint8) for _ in range(2))
    asked = [("What?", red), ("Which of these is it?", blue), ("Where is it?", red), ("What?", blue)]
    for how in (Sampling(temperature=0.0), Sampling(temperature=0.0, contrast=Contrast(1.0, 0.1))):
        requests = [Request((question(words, [picture]),), 6, how) for words, picture in asked]
        together = {event.request: event.answer for event in assistant.generate(requests) if isinstance(event, Done)}
        alone = [event.answer for one in requests for event in assistant.generate([one]) if isinstance(event, Done)]
        assert [together[number].usage for number in range(4)] == [answer.usage for answer in alone]
        if how.contrast is None:  # a distortion's noise is another one for each batch
            assert [together[number].text for number in range(4)] == [answer.text for answer in alone]


def test_sources_that_are_one_for_certain() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    assert identity(b"ab") == identity(bytes(bytearray(b"ab")))
    assert identity("a.png") == identity("a.png") != identity("b.png")
    assert identity(picture) == identity(picture) != identity(picture.copy())
