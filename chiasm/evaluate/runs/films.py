"""Videos of benchmarks as a model is shown them: as clips where it sees clips, else as pictures, equally far apart in time."""

from __future__ import annotations

from collections.abc import Iterable

from chiasm.assistant import Assistant
from chiasm.evaluate.benchmarks.task import Clip, Frames, Item
from chiasm.pixels import clips
from chiasm.spec import Even

STILLS = 8
"""Pictures of a video for a model that sees no clips, where nobody says how many."""


def frames(assistant: Assistant, wanted: int | None) -> Frames:
    """How videos are shown: so many frames; none: those that a model of clips was made for."""
    if assistant.sees_clips:
        return lambda clip: (_clip(clip, wanted),)
    return lambda clip: clips.open_clip(_clip(clip, wanted or STILLS)).frames


def _clip(clip: Clip, wanted: int | None) -> clips.Clip:
    return clips.Clip(clip.video, None if wanted is None else Even(wanted), clip.rate, clip.start, clip.end)


def told(assistant: Assistant, wanted: int | None, items: Iterable[Item]) -> dict[str, str]:
    """What a manifest says of frames; nothing where there is no video."""
    if not any(isinstance(part, Clip) for item in items for part in item.parts):
        return {}
    if not assistant.sees_clips:
        return {"frames": f"{wanted or STILLS} as pictures"}
    return {"frames": "a clip, as the model takes it" if wanted is None else f"{wanted} as a clip"}
