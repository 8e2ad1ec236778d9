"""From a picture's size to its views, without a pixel: which resizes, pads and crops make each view, and the grid it becomes.

Everything that must agree with a checkpoint's preprocessing about sizes is here and nowhere else: counting reads the grids,
`pixels/views.py` executes the steps.
"""

from chiasm.geometry.cuts import LARGEST_SIDE
from chiasm.geometry.fixed import corner_size
from chiasm.geometry.frames import clip_view, meant, moments
from chiasm.geometry.kinds import views
from chiasm.geometry.narrowed import narrowed, narrows
from chiasm.geometry.own import budget_size, native_size
from chiasm.geometry.sizes import Size, together
from chiasm.geometry.strokes import Blank, Crop, Pad, Sample, Scale, Stroke, Turn, View
from chiasm.geometry.tiles import LEAST_SIDE, best_canvas, best_pinpoint, covering, nearest_grid, tilings

__all__ = [
    "LARGEST_SIDE",
    "LEAST_SIDE",
    "Blank",
    "Crop",
    "Pad",
    "Sample",
    "Scale",
    "Size",
    "Stroke",
    "Turn",
    "View",
    "best_canvas",
    "best_pinpoint",
    "budget_size",
    "clip_view",
    "corner_size",
    "covering",
    "meant",
    "moments",
    "narrowed",
    "narrows",
    "native_size",
    "nearest_grid",
    "tilings",
    "together",
    "views",
]
