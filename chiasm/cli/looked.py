"""What `chiasm plan` says of a model that looks and does not write: it has no context to fill, but its views have patches."""

from __future__ import annotations

from chiasm.cli.planned import Shape, grids
from chiasm.cli.show import as_json, columns, counted, scaled
from chiasm.geometry import views
from chiasm.model import parameters
from chiasm.place import encoded
from chiasm.spec import Bind, Encode, Find, Match, QueryMatch, Segment

Looking = Match | QueryMatch | Encode | Bind | Segment | Find
BYTES = {"float32": 4, "bfloat16": 2}


def looked(name: str, model: Looking, shapes: list[Shape], json: bool) -> int:
    """Prints views, patches and the tokens that leave the encoder for each picture, and the model's weights.

    Raises `BadPicture` for a size that the model refuses.
    """
    count = parameters(model)
    seen = []
    for shape in shapes:
        shown = [view.grid for view in views(model.views, model.pixels, model.encoder, shape.size, 0)]
        sides = tuple((grid.h, grid.w) for grid in shown for _ in range(grid.t))
        seen.append((shape, sides, sum(high * wide for high, wide in sides), len(encoded(model.encoder, shown))))
    if json:
        pictures = [
            {
                "name": shape.name, "width": shape.size.width, "height": shape.size.height,
                "views": [list(side) for side in sides], "patches": patches, "tokens": tokens,
            }
            for shape, sides, patches, tokens in seen
        ]  # fmt: skip
        weights = {dtype: count * each for dtype, each in BYTES.items()}
        as_json({"model": name, "parameters": count, "pictures": pictures, "weight_bytes": weights})
        return 0
    rows: list[tuple[str, ...]] = [("picture", "pixels", "views, rows x columns of patches", "patches", "tokens")]
    for shape, sides, patches, tokens in seen:
        rows.append((shape.name, f"{shape.size.width} x {shape.size.height}", grids(sides), f"{patches:,}", f"{tokens:,}"))
    print(f"{name}: {counted(count, 'parameter')}; it writes nothing, so that no context is filled\n")
    if seen:
        print(columns(rows, right=frozenset({3, 4})), end="\n\n")
    print("weights  " + ", ".join(f"{scaled(count * each, 'B')} in {dtype}" for dtype, each in BYTES.items()))
    return 0
