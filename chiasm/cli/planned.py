"""How a plan is shown: for people in columns, for machines as one JSON object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chiasm.budget import BYTES, Budget, ClipFit, Fit, PictureCost
from chiasm.cli.clips import Costed
from chiasm.cli.named import Named
from chiasm.cli.show import columns, counted, scaled
from chiasm.geometry import Size

if TYPE_CHECKING:
    from chiasm.prompt.items import Item


@dataclass(frozen=True)
class Shape:
    """A picture as a plan knows it: what it is called, its upright size, and if it moves how it is shown."""

    name: str
    size: Size
    clip: Costed | None = None

    @property
    def item(self) -> Item:
        """What the plan is given."""
        return self.size if self.clip is None else self.clip.item

    @property
    def said(self) -> str:
        """Its name, with what it is given by its content where that is not all."""
        return self.name if self.size.share == 1 else f"{self.name} ({self.size.share:.0%} by its content)"


def table(chosen: Named, shapes: list[Shape], costs: Budget) -> str:
    """The budget for people."""
    room = "no limit of tokens" if costs.context is None else f"a context of {costs.context:,} tokens"
    lines = [f"{chosen.name}: {counted(costs.parameters, 'parameter')}, {room}"]
    if shapes:
        rows: list[tuple[str, ...]] = [("picture", "pixels", "views, rows x columns of patches", "visual", "marks")]
        pairs = list(zip(shapes, costs.pictures, strict=True))
        for shape, picture in pairs:
            pixels = f"{shape.size.width} x {shape.size.height}"
            rows.append((shape.said, pixels, grids(picture.views), f"{picture.visual:,}", f"{picture.marks:,}"))
        lines += ["", columns(rows, right=frozenset({3, 4}))]
        lines += [moving(shape.name, shape.clip, cost) for shape, cost in pairs if shape.clip is not None]
    text = "text not counted" if chosen.planner is None and not costs.text else f"{costs.text:,} text"
    marks = f" + {costs.marks:,} marks" if costs.marks else ""
    beside = f" for pictures ({costs.visual:,} visual beside the sequence)" if costs.outside else " visual"
    of = "" if costs.context is None else f" of {costs.context:,} ({costs.share:.1%})"
    # Where a source is read and a target written, the context is the target's, which begins with one id.
    apart = "" if costs.bounded == costs.positions or not of else f"; {costs.bounded:,} in the text that is written,"
    generate = f" + {costs.generate:,} to generate" if costs.generate else ""
    lines += ["", f"tokens   {costs.places:,}{beside}{marks} + {text}{generate} = {costs.positions:,}{apart}{of}"]
    work = costs.work
    parts = [("vision", work.vision), ("connector", work.connector), ("language", work.language)]
    shares = ", ".join(f"{name} {scaled(flops, 'FLOP')}" for name, flops in parts if flops)
    attention = work.vision_attention + work.language_attention
    lines.append(f"prefill  {scaled(work.total, 'FLOP')}: {shares}; of it attention {scaled(attention, 'FLOP')}")
    memory: list[tuple[str, ...]] = [("memory", *BYTES)]
    memory.append(("weights", *(scaled(costs.weight_bytes(dtype), "B") for dtype in BYTES)))
    memory.append(("cache", *(scaled(costs.cache_bytes(dtype), "B") for dtype in BYTES)))
    memory.append(("all, about", *(scaled(costs.memory_bytes(dtype), "B") for dtype in BYTES)))
    return "\n".join([*lines, "", columns(memory, right=frozenset({1, 2, 3}))])


def moving(name: str, clip: Costed, cost: PictureCost) -> str:
    """Frames, and tokens for each."""
    each = f"{cost.visual / clip.frames:,.1f}".removesuffix(".0")
    again = ", some more than once" if clip.frames > clip.of else ""
    shown = f"{clip.frames:,} of {counted(clip.of, 'frame')}{again}, {clip.seconds:,.3g} s"
    return f"{name}: {shown}; {each} visual tokens a frame"


def grids(views: tuple[tuple[int, int], ...]) -> str:
    """16 of 36 x 36, 1 of 26 x 26."""
    kinds = dict.fromkeys(views)
    return ", ".join(f"{views.count(kind):,} of {kind[0]} x {kind[1]}" for kind in kinds)


def fitted(found: Fit | ClipFit, shapes: list[Shape]) -> str:
    """What fits, for people."""
    together = f" ({len(shapes)} together)" if len(shapes) > 1 else ""
    given = f"{found.given.size.width} x {found.given.size.height}"
    if found.largest is None:
        largest = "no size fits"
    else:
        size = found.largest.size
        largest = f"{size.width} x {size.height}, {found.largest.tokens:,} tokens{together}"
        largest += "" if found.bounded else ": the largest that may be opened, so any size fits"
    match found:
        case Fit(pictures=pictures):
            return f"\nfits     largest of this shape: {largest}\n         of {given}: {counted(pictures, 'picture')}"
        case ClipFit(frames, shown, tokens, clips=clips):
            best = f"{tokens:,} tokens{together} (--frames {frames})" if frames else "none fits"
            asked = "".join(f" with {counted(shape.clip.frames, 'frame')}" for shape in shapes[:1] if shape.clip)
            return (
                f"\nfits     {frames:,} of {counted(shown, 'frame')} that may be shown: {best}\n"
                f"         largest of this shape{asked}: {largest}\n         of {given}{asked}: {counted(clips, 'clip')}"
            )


def to_json(chosen: Named, shapes: list[Shape], costs: Budget, found: Fit | ClipFit | None) -> dict[str, Any]:
    """The same for machines."""
    data = {"model": chosen.name, "text_counted": chosen.planner is not None or costs.text > 0, **costs.to_json()}
    for shape, picture in zip(shapes, data["pictures"], strict=True):
        picture["name"], picture["share"] = shape.name, shape.size.share
        if shape.clip is not None:
            each = round(picture["visual_tokens"] / shape.clip.frames, 3)
            picture |= {"frames": shape.clip.frames, "of_frames": shape.clip.of, "seconds": round(shape.clip.seconds, 6)}
            picture["tokens_per_frame"] = each
    if found is not None:
        size = None if found.largest is None else found.largest.size
        data["fit"] = {
            "largest": size and [size.width, size.height],
            "tokens": found.largest and found.largest.tokens,
            "bounded": found.bounded,
            "of": [found.given.size.width, found.given.size.height],
        }
        match found:
            case Fit(pictures=pictures):
                data["fit"]["pictures"] = pictures
            case ClipFit(frames, shown, tokens, clips=clips):
                data["fit"] |= {"frames": frames, "of_frames": shown, "frames_tokens": tokens, "clips": clips}
    return data
