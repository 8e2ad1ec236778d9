"""Small models of each kind, and rows to write after."""

from __future__ import annotations

from dataclasses import replace

import torch

from chiasm.geometry import Size
from chiasm.model import Causal
from chiasm.prompt.plan import Plan
from chiasm.spec import Axial, Block, Decoder, Merge, Mlp, Native, Norm, Pixels, Resize, Rope, Sight, Splice, Table, ViT
from chiasm.spec import Causal as CausalSpec

IMAGE = 96
BLOCK = Block(32, 4, 48, 2, 8, Norm("rms"), "silu", "gated", qkv_bias=True, out_bias=False, mlp_bias=False)
EYE = Block(16, 2, 24, 2, 8, Norm("layer"))
LLAMA = CausalSpec(Decoder(BLOCK, 3, 97, Rope(), context=64))

KINDS = {
    "llama": LLAMA,
    "window": replace(LLAMA, decoder=replace(LLAMA.decoder, window=5)),
    "llava": CausalSpec(
        LLAMA.decoder,
        Sight(Resize(14, 14), Pixels(), ViT(EYE, 2, 7, Table(2)), (Mlp(32, 32),), Splice(IMAGE)),
    ),
    "m-rope": CausalSpec(
        replace(LLAMA.decoder, rope=Rope(sections=(2, 1, 1))),
        Sight(
            Native(8, 64, 1024),
            Pixels(),
            ViT(EYE, 2, 4, Axial()),
            (Merge(2), Mlp(32, 32)),
            Splice(IMAGE),
        ),
    ),
}  # fmt: skip

SIZES = (Size(16, 24), Size(32, 8))
"""Pictures of 6 and 4 visual tokens at native resolution, of 4 each where every picture is resized alike."""


def model_of(kind: str) -> Causal:
    torch.manual_seed(7)
    model = Causal(KINDS[kind]).eval()
    for parameter in model.parameters():
        # Wide enough that tokens differ and no two logits are close.
        torch.nn.init.normal_(parameter, std=0.4 if parameter.dim() > 1 else 1.0)
    return model


def rows_of(kind: str) -> tuple[list[list[int]], list[Size], list[list[Size]]]:
    """Three unequal rows; the pictures of all, and of each."""
    if KINDS[kind].sight is None:
        return [[5, 6, 7, 8, 9, 10, 11], [12, 13], [14, 15, 16, 17]], [], [[], [], []]
    first, second = (6, 4) if kind == "m-rope" else (4, 4)
    rows = [[5, *[IMAGE] * first, 6, 7], [8, 9], [10, 11, 12, *[IMAGE] * second, 13]]
    return rows, list(SIZES), [[SIZES[0]], [], [SIZES[1]]]


def batch_of(kind: str, rows: list[list[int]], sizes: list[Size]):
    plan = Plan.from_ids(KINDS[kind], rows, sizes)
    cells = sum(grid.t * grid.h * grid.w for grid in plan.grids)
    sight = KINDS[kind].sight
    if sight is None or not sizes:
        return plan.batch()
    width = 3 * sight.encoder.patch**2
    # The same picture has the same patches whatever stands beside it.
    patches = [
        torch.randn(sum(g.h * g.w for g in plan.grids if g.item == n), width, generator=torch.Generator().manual_seed(s.width))
        for n, s in enumerate(sizes)
    ]  # fmt: skip
    assert sum(map(len, patches)) == cells
    return plan.batch(torch.cat(patches))
