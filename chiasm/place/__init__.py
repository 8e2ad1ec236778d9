"""Where every visual token stands: grids, boxes, and the arithmetic of connectors on places.

A place is (grid, t, y, x); -1 means the whole of that axis. A connector step is first a `Route` - which tokens go into each
token that leaves it, and where that token stands - computed here from grids alone; the module that carries the weights
(connect/) only gathers along it. So counting, positions, boxes and the model's own output cannot disagree.
"""

from chiasm.place.boxes import NOWHERE, Box, Point
from chiasm.place.encoders import encoded
from chiasm.place.grids import WHOLE, Grid, canvases, coarser, drawn, filled, tiling
from chiasm.place.joined import unpadded
from chiasm.place.laid import NOTHING, Laid, fractions, raster, thousandths
from chiasm.place.routes import BREAK, CLOSING, NEWLINE, OPENING, Route
from chiasm.place.steps import connect, leaves, route
from chiasm.resample import Ints

__all__ = [
    "BREAK",
    "CLOSING",
    "NEWLINE",
    "NOTHING",
    "NOWHERE",
    "OPENING",
    "WHOLE",
    "Box",
    "Grid",
    "Ints",
    "Laid",
    "Point",
    "Route",
    "canvases",
    "coarser",
    "connect",
    "drawn",
    "encoded",
    "filled",
    "fractions",
    "leaves",
    "raster",
    "route",
    "thousandths",
    "tiling",
    "unpadded",
]
