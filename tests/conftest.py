"""What every test shares."""

import os
from collections.abc import Callable
from pathlib import Path

# Before torch is imported, here and in the processes that tests start: tiny models lose more to waiting threads than they gain.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import settings

pytest.register_assert_rewrite("invariants")

# A test is not wrong because the machine is busy.
settings.register_profile("calm", deadline=None)
settings.load_profile("calm")

Reference = Callable[..., Path]
"""reference(name, variant, seed=0, geometry=None) -> a folder that is built once a session; do not write into it."""


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    from chiasm.reference.make import build

    root = tmp_path_factory.mktemp("references")

    def built(name: str, variant: int, seed: int = 0, geometry: int | None = None) -> Path:
        folder = root / f"{name}-{variant}-s{seed}-g{geometry}"
        if not folder.exists():
            build(name, variant, seed, geometry, folder)
        return folder

    return built


@pytest.fixture(scope="session")
def parts(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Folders of a CLIP, and of a small decoder with a tokenizer: what a composition is made of; do not write into them."""
    from tiny_folder import tiny_decoder

    return str(reference("clip", 0)), str(tiny_decoder(tmp_path_factory.mktemp("text")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One table, family by invariant: kept, broken, or the number of the declared reason."""
    kept: dict[tuple[str, str], str] = {}
    for outcome, mark in (("passed", "kept"), ("failed", "BROKEN")):
        for report in terminalreporter.stats.get(outcome, []):
            for label, value in report.user_properties:
                if label == "invariant":
                    name, invariant, reason = value
                    kept[name, invariant] = reason if reason != "kept" else mark
    if not kept:
        return
    names, invariants = sorted({n for n, _ in kept}), list(dict.fromkeys(i for _, i in kept))
    reasons = sorted({text for text in kept.values() if text not in ("kept", "BROKEN")})
    terminalreporter.section("invariants")
    widths = [max(8, len(invariant) + 2) for invariant in invariants]
    titles = (f"{invariant:>{width}}" for invariant, width in zip(invariants, widths, strict=True))
    terminalreporter.write_line(f"{'':24}" + "".join(titles))
    for name in names:
        cells = [kept.get((name, invariant), "not run") for invariant in invariants]
        shown = [f"({reasons.index(cell) + 1})" if cell in reasons else cell for cell in cells]
        terminalreporter.write_line(f"{name:24}" + "".join(f"{c:>{w}}" for c, w in zip(shown, widths, strict=True)))
    for number, reason in enumerate(reasons, 1):
        terminalreporter.write_line(f"({number}) {reason}")
