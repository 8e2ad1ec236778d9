"""What a person sees of a stage while it runs."""

from __future__ import annotations

from types import TracebackType

from tqdm import tqdm


class Progress:
    """A bar of the wall time that a stage has used, on a terminal; nothing elsewhere, and in all processes but one."""

    def __init__(self, stage: str, seconds: float, shown: bool = True) -> None:
        shape = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f} of {total:.0f} s{postfix}"
        # None: tqdm looks whether there is a terminal.
        self.bar = tqdm(total=seconds, desc=stage, bar_format=shape, disable=None if shown else True)

    def at(self, seconds: float) -> None:
        """So much time is used."""
        self.bar.n = min(seconds, self.bar.total or seconds)
        self.bar.refresh()

    def says(self, facts: str) -> None:
        """What stands beside the bar until something else does."""
        self.bar.set_postfix_str(facts, refresh=False)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.close()
