"""One request's tokens, work and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from chiasm.budget.work import Work, work
from chiasm.geometry import Size
from chiasm.place import Grid, Laid, connect, encoded
from chiasm.spec import Ahead, Around, Bare, Causal, Cross, Edges, Numbered, RowColumn, RowEnds, Sight, Sized, Writer

if TYPE_CHECKING:
    from chiasm.prompt.items import Clip, Item

from chiasm.budget.memory import BYTES, DType, cache_bytes, request_bytes


@dataclass(frozen=True)
class PictureCost:
    """One picture, or a clip: the grids of patches that the encoder reads, (rows, columns) each, of a clip one for each step of
    its time, what leaves the connector, and the marks around it, which are ids of the text. `outside` are tokens that stand
    beside the sequence, unused tiles' too: the picture itself is then one place in it."""

    size: Size
    views: tuple[tuple[int, int], ...]
    visual: int
    marks: int
    outside: int = 0

    @property
    def patches(self) -> int:
        return sum(rows * columns for rows, columns in self.views)

    @property
    def tokens(self) -> int:
        """Positions in the sequence."""
        return self.places + self.marks

    @property
    def places(self) -> int:
        return 1 if self.outside else self.visual


@dataclass(frozen=True)
class Budget:
    """What one row costs: pictures, `text` tokens of template and words, up to `generate` tokens of answer."""

    spec: Writer
    pictures: tuple[PictureCost, ...]
    text: int
    generate: int
    work: Work
    parameters: int

    @property
    def visual(self) -> int:
        return sum(picture.visual for picture in self.pictures)

    @property
    def marks(self) -> int:
        return sum(picture.marks for picture in self.pictures)

    @property
    def prefill(self) -> int:
        """Positions that are read before the first token is written."""
        return self.places + self.marks + self.text

    @property
    def places(self) -> int:
        """Positions of pictures."""
        return sum(picture.places for picture in self.pictures)

    @property
    def outside(self) -> int:
        """Visual tokens that are held beside the sequence."""
        return sum(picture.outside for picture in self.pictures)

    @property
    def positions(self) -> int:
        """Positions in all, the answer at its longest included."""
        return self.prefill + self.generate

    @property
    def context(self) -> int | None:
        """How many positions the model takes; none: as many as one likes."""
        return self.spec.context

    @property
    def bounded(self) -> int:
        """The positions that the context is for: all of them, or those of the target, which begins with one id."""
        return self.positions if isinstance(self.spec, Causal) else 1 + self.generate

    @property
    def share(self) -> float:
        """Of the context, the answer at its longest included; above 1 the request is refused."""
        return 0.0 if self.context is None else self.bounded / self.context

    @property
    def over(self) -> int:
        """Positions beyond the context."""
        return 0 if self.context is None else max(0, self.bounded - self.context)

    def weight_bytes(self, dtype: DType) -> int:
        """All parameters in that type of numbers."""
        return self.parameters * BYTES[dtype]

    def cache_bytes(self, dtype: DType) -> int:
        """Keys and values of every layer and position."""
        return cache_bytes(self.spec, self.positions, dtype, self.outside)

    def memory_bytes(self, dtype: DType) -> int:
        """Weights, cache and an estimate of the widest layer's working tensors."""
        patches = sum(picture.patches for picture in self.pictures)
        asked = request_bytes(self.spec, patches, self.prefill, self.positions, dtype, self.outside)
        return self.weight_bytes(dtype) + asked

    def to_json(self) -> dict[str, Any]:
        """Plain values, for machines."""
        return {
            "pictures": [
                {
                    "width": picture.size.width,
                    "height": picture.size.height,
                    "views": [list(view) for view in picture.views],
                    "patches": picture.patches,
                    "visual_tokens": picture.visual,
                    "marks": picture.marks,
                }
                for picture in self.pictures
            ],
            "tokens": {
                "visual": self.visual,
                "places": self.places,
                "marks": self.marks,
                "text": self.text,
                "prefill": self.prefill,
                "generate": self.generate,
                "total": self.positions,
            },
            "context": {"length": self.context, "share": round(self.share, 6), "over": self.over},
            "flops": {**asdict(self.work), "total": self.work.total},
            "parameters": self.parameters,
            "bytes": {
                dtype: {
                    "weights": self.weight_bytes(dtype),
                    "cache": self.cache_bytes(dtype),
                    "all": self.memory_bytes(dtype),
                }
                for dtype in BYTES
            },
        }


def budget(spec: Writer, items: Sequence[Item] = (), text: int = 0, generate: int = 0) -> Budget:
    """The budget of one row with pictures of these upright sizes, or clips.

    Raises `BadPrompt` for pictures given to a model of text alone, and `BadPicture` for a size that the model refuses.
    """
    from chiasm.prompt.items import edges, lay

    items = [replace(item, beside=len(items) - 1) if isinstance(item, Size) else item for item in items]
    grids, laid, _ = lay(spec, items)
    pictures = []
    for number, item in enumerate(items):
        mine = [grid for grid in grids if grid.item == number]
        size = item if isinstance(item, Size) else Size(*edges(item))
        pictures.append(_picture(spec.sight, size, mine, laid, number))
    length = sum(picture.tokens for picture in pictures) + text
    done = work(spec, grids, [edges(item) for item in items], length)
    return Budget(spec, tuple(pictures), text, generate, done, parameter_count(spec))


def picture_cost(sight: Sight, item: Size | Clip) -> PictureCost:
    """One picture's or clip's cost by itself."""
    from chiasm.prompt.items import edges, grids_of

    grids = grids_of(sight, item, 0)
    laid = connect(sight.connector, encoded(sight.encoder, grids), [edges(item)])
    return _picture(sight, item if isinstance(item, Size) else Size(*edges(item)), grids, laid, 0)


@lru_cache
def parameter_count(spec: Writer) -> int:
    """How many parameters a spec has, by its modules on the meta device."""
    from chiasm.model import parameters

    return parameters(spec)


def _picture(sight: Sight | None, size: Size, grids: Sequence[Grid], laid: Laid, number: int) -> PictureCost:
    """The cost of the item of that number among those of `laid`."""
    marks = _marks(sight, grids) if sight else 0
    crossed = sight is not None and isinstance(sight.fusion, Cross)
    outside = int((laid.items() == number).sum()) if crossed else 0
    views = tuple((grid.h, grid.w) for grid in grids for _ in range(grid.t))
    return PictureCost(size, views, laid.counts(number + 1)[number], marks, outside)


def _marks(sight: Sight, grids: Sequence[Grid]) -> int:
    """Ids around a picture's visual tokens, each mark being one id, as in vocabularies that were made for them.

    A vocabulary without them spells them in several ids: the plan of a folder with its tokenizer counts those as text.
    """
    from chiasm.prompt.marks import controls

    match sight.marks:
        case Bare() | Ahead() | Around() | Edges() | RowEnds() | Sized():
            return controls(sight.marks, grids)
        case Numbered():
            # The picture's number is one id up to 9; a line feed stands after each row of slices but the last.
            rows = len({grid.box.y0 for grid in grids[1:]})
            return controls(sight.marks, grids) + (sight.marks.number is not None) + max(rows - 1, 0)
        case RowColumn():
            # A line feed after each row of tiles; the last one is written twice, which is one id.
            rows = len({grid.box.y0 for grid in grids[:-1]})
            return controls(sight.marks, grids) + rows
