"""The parametric vision transformer: CLIP, SigLIP, NaViT buckets, Qwen's rotary towers with and without windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers.attend import Spans
from chiasm.layers.block import transformer_block
from chiasm.layers.norm import norm
from chiasm.layers.rope import Turn, axial_turn, still
from chiasm.layers.same import same
from chiasm.place import Grid, Laid, encoded, raster
from chiasm.spec import Axial, Buckets, ClipSines, ClipTable, Divided, Table, ViT
from chiasm.vision.clips import SinePlaces, TablePlaces
from chiasm.vision.divided import TimeBlocks, moving
from chiasm.vision.position import bucketed, resized


class Stem(nn.Module):
    """A convolution whose stride is its kernel, as one product over flat patches; the weight keeps the convolution's shape."""

    def __init__(self, shape: tuple[int, ...], bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(shape), std=0.02))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None

    def forward(self, patches_PK: Tensor) -> Tensor:
        return F.linear(patches_PK.to(self.weight.dtype), self.weight.flatten(1), self.bias)


class VisionTransformer(nn.Module):
    """Packed patches of any number of grids to features of the same cells, grids never seeing one another.

    `forward(patches_PK, grids)` returns features_PE (taps joined by width) in the order that `place.encoded` gives.
    The frames of a video (t > 1) attend within each step of t, together, or by turns in time and space, as the spec says.
    """

    def __init__(self, spec: ViT) -> None:
        super().__init__()
        self.spec = spec
        width, block = spec.block.width, spec.block
        depth = (spec.frames,) if spec.frames > 1 else ()
        self.stem = Stem((width, spec.channels, *depth, spec.patch, spec.patch), spec.stem_bias)
        if spec.cls != "none":
            self.cls = nn.Parameter(torch.zeros(width))
        if spec.registers:
            self.registers = nn.Parameter(torch.zeros(spec.registers, width))
        if spec.mask_token:
            self.mask_token = nn.Parameter(torch.zeros(width))
        match spec.position:
            case Table(side=side):
                self.position = nn.Embedding(side * side + (spec.cls != "none"), width)
            case Buckets(side):
                self.position = nn.Embedding(side * side, width)
            case ClipSines():
                self.place: SinePlaces | TablePlaces = SinePlaces(spec.position, width)
            case ClipTable():
                self.place = TablePlaces(spec.position, width)
            case Axial():
                pass
        if spec.pre_norm:
            self.pre_norm = norm(block.norm, width)
        self.blocks = nn.ModuleList(same(transformer_block, block) for _ in range(spec.depth))
        if isinstance(spec.sees, Divided):
            self.time = TimeBlocks(spec.sees, block, spec.depth)
        if spec.post_norm != "none":
            self.post_norm = norm(block.norm, width)

    def forward(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        states = self.states(patches_PK, grids)
        tapped = [states[tap] for tap in self.spec.taps]
        if self.spec.post_norm == "applied":
            tapped = [self.post_norm(state) for state in tapped]
        features_PE = torch.cat(tapped, -1)
        return self._cells_alone(features_PE, grids) if self.spec.cls == "drop" else features_PE

    def maps(self, patches_PK: Tensor, grids: Sequence[Grid], taps: Sequence[int]) -> list[Tensor]:
        """Hidden states of pictures of one size as maps, [I, E, H, W], for each of the taps."""
        states = self.states(patches_PK, grids, taps)
        cells = [self._cells_alone(states[tap], grids).unflatten(0, (len(grids), grids[0].h, grids[0].w)) for tap in taps]
        return [one_IHWE.permute(0, 3, 1, 2) for one_IHWE in cells]

    def states(self, patches_PK: Tensor, grids: Sequence[Grid], taps: Sequence[int] | None = None) -> dict[int, Tensor]:
        """The tapped hidden states (or those of `taps`), each [P, E] with class tokens in place; blocks after the last tap do
        not run."""
        spec = self.spec
        order, spans, windows = self._arrange(grids, patches_PK.device)
        x_PE = self._embed(patches_PK, grids)[order] if order is not None else self._embed(patches_PK, grids)
        by = self._turn(grids, order, x_PE.dtype, x_PE.device)
        in_time = moving(grids, spec.extra, x_PE.device) if isinstance(spec.sees, Divided) else None
        wanted = {tap % (spec.depth + 1): tap for tap in taps or spec.taps}
        found, x_1PE = {}, x_PE[None]
        for index in range(max(wanted) + 1):
            if index:
                if in_time is not None:
                    x_1PE = self.time.blocks[index - 1](x_1PE, in_time)
                here = windows if windows is not None and index - 1 not in spec.windows.full else spans  # type: ignore[union-attr]
                x_1PE = self.blocks[index - 1](x_1PE, here, by)
            if index in wanted:
                found[wanted[index]] = x_1PE[0] if order is None else _unordered(x_1PE[0], order)
        return found

    def _embed(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        spec = self.spec
        x_PE = self.stem(patches_PK)
        match spec.position:
            case Table(side, resample):
                first = 1 if spec.cls != "none" else 0
                table = self.position.weight
                places = [resized(table[first:], side, g.h, g.w, resample).repeat(g.t, 1) for g in grids]
                x_PE = x_PE + torch.cat(places)
            case Buckets() as buckets:
                cells = torch.cat([_buckets(buckets, g).repeat(g.t) for g in grids])
                x_PE = x_PE + self.position(cells.to(x_PE.device))
            case ClipSines() | ClipTable():
                x_PE = x_PE + self.place(grids).to(x_PE.device, x_PE.dtype)
            case Axial():
                pass
        if isinstance(spec.sees, Divided):
            x_PE = self.time.told(x_PE, grids)
        if spec.cls != "none":
            cls = self.cls + self.position.weight[0] if isinstance(spec.position, Table) else self.cls
            first_VE = torch.cat([cls[None], self.registers]) if spec.registers else cls[None]
            parts = x_PE.split([g.h * g.w for g in grids for _ in range(g.t)])
            x_PE = torch.cat([row for part in parts for row in (first_VE, part)])
        return self.pre_norm(x_PE) if spec.pre_norm else x_PE

    def _arrange(self, grids: Sequence[Grid], device: torch.device) -> tuple[Tensor | None, Spans, Spans | None]:
        """The order in which tokens are packed (none: as they come), the spans of whole views and of windows."""
        seen_T = torch.cat([_seen(g).repeat(g.t) for g in grids]).to(device) if any(g.seen for g in grids) else None
        match self.spec.sees:
            case "clip":
                lengths = tuple(g.cells + g.t * self.spec.extra for g in grids)
            case "frame" | Divided():
                lengths = tuple(g.h * g.w + self.spec.extra for g in grids for _ in range(g.t))
        spans = Spans(lengths, seen_T)
        if self.spec.windows is None:
            return None, spans, None
        order, lengths = windowed(raster(grids), self.spec.windows.side)
        return torch.from_numpy(order), spans, Spans(lengths)

    def _turn(self, grids: Sequence[Grid], order: Tensor | None, dtype: torch.dtype, device: torch.device) -> Turn | None:
        spec = self.spec.position if isinstance(self.spec.position, Axial) else self.spec.turn
        if spec is None:
            return None
        where_P2 = torch.from_numpy(raster(grids).place_V4[:, 2:])
        where_P2 = where_P2 if order is None else where_P2[order]
        if spec.side is not None:
            sides = torch.tensor([(g.h, g.w) for g in grids]).repeat_interleave(torch.tensor([g.cells for g in grids]), 0)
            where_P2 = where_P2.float() / sides * spec.side
        by = axial_turn(spec, self.spec.block.head_width, where_P2.to(device)).to(dtype)
        return still(by, self.spec.extra, [g.h * g.w for g in grids for _ in range(g.t)]) if self.spec.extra else by

    def _cells_alone(self, features_PE: Tensor, grids: Sequence[Grid]) -> Tensor:
        extra = self.spec.extra
        return torch.cat([part[extra:] for part in features_PE.split([extra + g.h * g.w for g in grids for _ in range(g.t)])])

    def begin_in_time(self) -> None:
        """Attention in time, where there is any, begins as that in space of the same block; what it says begins as nothing."""
        if isinstance(self.spec.sees, Divided):
            self.time.begin_as(self.blocks)

    def laid(self, grids: Sequence[Grid]) -> Laid:
        """The places of what `forward` returns."""
        return encoded(self.spec, grids)


def windowed(laid: Laid, side: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """Packs cells window by window: the order of tokens, and how many each window holds. A window never leaves its frame."""
    grid, t, y, x = laid.place_V4.T
    key = np.stack([grid, t, y // side, x // side])
    order = np.lexsort(key[::-1])
    changes = np.flatnonzero((np.diff(key[:, order], axis=1) != 0).any(0)) + 1
    return order, tuple(np.diff([0, *changes.tolist(), len(order)]).tolist())


def _buckets(spec: Buckets, grid: Grid) -> Tensor:
    """The cell of a table for each patch of a view; padding stands where the first patch does."""
    high, wide = grid.shown
    table = torch.zeros(grid.h, grid.w, dtype=torch.int64)
    table[:high, :wide] = bucketed(spec, high, wide).unflatten(0, (high, wide))
    return table.flatten()


def _seen(grid: Grid) -> Tensor:
    """Which patches of a view are no padding."""
    high, wide = grid.shown
    return ((torch.arange(grid.h) < high)[:, None] & (torch.arange(grid.w) < wide)).flatten()


def _unordered(x: Tensor, order: Tensor) -> Tensor:
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))
    return x[back]
