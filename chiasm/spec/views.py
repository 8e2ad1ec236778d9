"""From a picture to views of it: how it is resized, padded and cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Resample = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming", "corner"]
"""Pillow's filters, and the pixel under the new one's upper left corner (torch's `interpolate` calls that nearest)."""


@dataclass(frozen=True)
class Pixels:
    """How resampled uint8 pixels become numbers: (x * scale - mean) / std per channel."""

    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    scale: float = 1 / 255
    resample: Resample = "bicubic"


@dataclass(frozen=True)
class Resize:
    """One view of a fixed size. `crop`: shortest edge to the size, then the centre; `squash`: both edges at once;
    `pad`: to a square in the colour of the mean first, then as `crop`."""

    height: int
    width: int
    fit: Literal["crop", "squash", "pad"] = "crop"
    shortest: int | None = None
    """Where the crop follows a resize of the shortest edge to another number of pixels than `height`."""
    centre: Literal["low", "even"] = "low"
    """Where a crop with an odd margin begins: at the lower half pixel, or at the even one (torchvision's way)."""
    halfway: int | None = None
    """Where a larger picture is resized twice: first to a longest edge of about so many pixels, the shortest not below
    `height` (PLLaVA)."""


@dataclass(frozen=True)
class Pinpoints:
    """LLaVA-NeXT's any resolution: the whole picture squashed to one tile, then the best of `grids` (height, width), the
    picture resized into it, padded with zeros, cut into tiles row by row."""

    tile: int
    grids: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class TileGrid:
    """Idefics3's tiling (arXiv:2408.12637): longest edge scaled to `longest`, both edges raised to multiples of `tile`,
    tiles row by row, then the whole picture squashed to one tile; at most one tile means that view alone."""

    longest: int
    tile: int
    split: bool = True


@dataclass(frozen=True)
class Native:
    """Qwen2-VL's native resolution (arXiv:2409.12191): both edges rounded to multiples of `factor`, the number of pixels
    held between `least` and `most`; a ratio of edges above `ratio` is refused, and an edge below `shortest`."""

    factor: int
    least: int
    most: int
    ratio: float = 200.0
    shortest: int = 1


@dataclass(frozen=True)
class Budget:
    """SigLIP 2's NaFlex (arXiv:2502.14786): the largest picture of about its own shape, both edges raised to multiples of
    `patch`, that has at most `most` patches."""

    patch: int
    most: int


@dataclass(frozen=True)
class DynamicTiles:
    """InternVL's tiling (arXiv:2404.16821): of all grids of `least` to `most` tiles the one whose shape is nearest to the
    picture's, the picture squashed into it and cut; where there are several tiles, the whole squashed to one comes last."""

    tile: int
    most: int
    least: int = 1


@dataclass(frozen=True)
class Longest:
    """Pixtral's variable resolution (arXiv:2410.07073): neither edge above `longest`, then both raised to multiples of
    `factor`; small pictures keep their size but for that."""

    longest: int
    factor: int


@dataclass(frozen=True)
class Bounded:
    """Idefics2's variable resolution (arXiv:2405.02246): the longest edge cut to `longest` by the ratio, then no edge below
    `shortest`; the rest of the last patch is not seen. `split`: the four quarters first, each as a picture of its own."""

    shortest: int
    longest: int
    split: bool = False


@dataclass(frozen=True)
class Letterbox:
    """DeepSeek-VL's one view (arXiv:2403.05525): the longest edge scaled to `side`, neither below `least`, then padded to a
    square in the colour of the mean. The other edge is rounded to the nearest pixel, or down as in the original code."""

    side: int
    least: int = 14
    rounds: Literal["near", "down"] = "near"


@dataclass(frozen=True)
class Canvas:
    """Llama 3.2's tiling (arXiv:2407.21783): of all canvases of at most `most` tiles the one that enlarges the picture least,
    or else shrinks it least; the picture at its upper left, black around it, cut into tiles row by row."""

    tile: int
    most: int


@dataclass(frozen=True)
class Corner:
    """SAM's one view (arXiv:2304.02643): the longest edge scaled to `side`, at the upper left of a square whose rest is zero
    once its pixels are numbers."""

    side: int


@dataclass(frozen=True)
class Fitted:
    """Fuyu's variable resolution: larger pictures shrunk by the ratio into `height` x `width`, smaller ones kept; then raised
    to whole patches below and on the right, in one `colour`."""

    height: int
    width: int
    colour: int = 1


@dataclass(frozen=True)
class CoverTiles:
    """Phi-4-multimodal's tiling (arXiv:2503.01743): as many tiles as cover the picture at its own size, or where these are more
    than `most` the grid whose shape is nearest to it. The picture is scaled until it touches two borders of that canvas, its
    corner at the top left, the rest in one `colour`; first comes the whole canvas as one tile, sampled without smoothing."""

    tile: int
    most: int
    colour: int = 255


@dataclass(frozen=True)
class Candidates:
    """DeepSeek-VL2's tiling (arXiv:2412.10302): the whole picture padded to one tile, then the best of `grids` (height, width),
    the picture padded to it, cut into tiles row by row. Where more than `most` pictures are shown together, it is one tile."""

    tile: int
    grids: tuple[tuple[int, int], ...]
    most: int = 2


@dataclass(frozen=True)
class LowHigh:
    """Two resolutions of one picture (DeepSeek-VL, arXiv:2403.05525): `high`, whose numbers are `pixels`, and what it made
    squashed to `low` pixels a side, which comes first: of its pixels, or as in the original code of its numbers, which are
    not rounded then."""

    low: int
    high: Letterbox
    pixels: Pixels
    squashes: Literal["pixels", "numbers"] = "pixels"


@dataclass(frozen=True)
class Shortest:
    """Detectors' one view: the shortest edge scaled to `shortest`, or less where the longest would pass `longest`; what its
    last cells reach beyond it is nothing, zeros among the finished numbers."""

    shortest: int
    longest: int


@dataclass(frozen=True)
class Slices:
    """MiniCPM-V's slicing (arXiv:2403.11703, 2408.01800): the whole picture at about `side` squared pixels in its own shape,
    then up to `most` slices of about as many each, in the grid whose shape is nearest to the picture's. A picture of no more
    pixels than one slice is not cut, and scaled up to that many. Edges are whole numbers of `fold` patches."""

    side: int
    most: int
    fold: int = 1


@dataclass(frozen=True)
class Sheet:
    """Donut's one view (arXiv:2111.15664): the shortest edge scaled to that of `height` x `width`, what is then too large made
    smaller by its longest edge, in the middle of a black canvas. `turn`: a picture that lies where the canvas stands, or stands
    where it lies, keeps its way or is first turned clockwise."""

    height: int
    width: int
    turn: Literal["never", "to_fit"] = "never"


Views = (
    Canvas
    | Resize
    | Pinpoints
    | TileGrid
    | Native
    | Budget
    | DynamicTiles
    | Longest
    | Bounded
    | Letterbox
    | Corner
    | LowHigh
    | Candidates
    | Fitted
    | CoverTiles
    | Shortest
    | Slices
    | Sheet
)
