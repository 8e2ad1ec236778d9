"""A state that is read and rewritten position by position: the gated delta rule (arXiv:2412.06464)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers.attend import Mask
from chiasm.layers.attention import Slot, Wanted
from chiasm.layers.cache import Running
from chiasm.layers.linear import Preparable, added, product
from chiasm.layers.lines import Lines
from chiasm.layers.norm import RMSNorm
from chiasm.layers.rope import Turn
from chiasm.spec import DELTA_CHUNK, Block, Delta

SMALL = 1e-6
"""What is added to the squared length of queries and keys before they are brought to length one."""


def begun(spec: Delta, rows: int, like: Tensor) -> Running:
    """What is kept of rows of which nothing was read, the channels in the type of `like`."""
    state_BNFF = torch.zeros(rows, spec.heads, spec.key_width, spec.value_width, device=like.device)
    return Running(like.new_zeros(rows, spec.channels, spec.kernel - 1), state_BNFF)


class DeltaNet(Preparable):
    """Each head's state S, as it stands after a position of key k and value v: S' = f S, then S' + b k (v - S'^T k)^T, where
    f and b in (0, 1) say how much is forgotten and how much is written; S^T q leaves, normed and gated."""

    def __init__(self, block: Block, spec: Delta) -> None:
        super().__init__()
        self.spec, inner = spec, spec.heads * spec.value_width
        self.enter: nn.Module = nn.Linear(block.width, spec.channels, bias=False)
        self.let: nn.Module = nn.Linear(block.width, inner, bias=False)
        self.write = nn.Linear(block.width, spec.heads, bias=False)
        self.forget = nn.Linear(block.width, spec.heads, bias=False)
        self.conv = nn.Conv1d(spec.channels, spec.channels, spec.kernel, groups=spec.channels, bias=False)
        self.pace = nn.Parameter(torch.ones(spec.heads))
        self.log_rate = nn.Parameter(torch.zeros(spec.heads))
        self.norm = RMSNorm(spec.value_width, block.norm.eps)
        self.leave: nn.Module = nn.Linear(inner, block.width, bias=False)

    def prepare(self) -> None:
        if isinstance(self.enter, nn.Linear) and isinstance(self.let, nn.Linear) and isinstance(self.leave, nn.Linear):
            self.enter, self.let, self.leave = product(self.enter), product(self.let), product(self.leave)

    def forward(
        self,
        x_BTD: Tensor,
        mask: Mask | Lines,
        by: Turn | None = None,
        slot: Slot | None = None,
        wanted: Wanted = "all",
        onto_BTD: Tensor | None = None,
    ) -> Tensor:
        if isinstance(mask, Lines):
            mixed_BTD = mask.back(self._read(mask.laid(x_BTD), mask.own_RL, slot))
        else:
            mixed_BTD = self._read(x_BTD, None, slot)
        asked_BTD, mixed_BTD = (x_BTD, mixed_BTD) if wanted == "all" else (x_BTD[:, -1:], mixed_BTD[:, -1:])
        heads_BTNF = self.norm(mixed_BTD.unflatten(-1, (self.spec.heads, -1)))
        let_BTD = F.silu(self.let(asked_BTD).float())
        mixed_BTD = (heads_BTNF.flatten(2) * let_BTD).to(x_BTD.dtype)
        out_BTD: Tensor = self.leave(mixed_BTD) if onto_BTD is None else added(self.leave, mixed_BTD, onto_BTD)
        return out_BTD

    def _read(self, x_RLD: Tensor, own_RL: Tensor | None, slot: Slot | None) -> Tensor:
        """What leaves the heads' states at each position of lines, [R, L, N * F]; where `own_RL` is false nothing is read."""
        spec = self.spec
        past = begun(spec, len(x_RLD), x_RLD) if slot is None else slot.cache.running[slot.layer]
        channels_RCL = torch.cat([past.last_BCK, self.enter(x_RLD).transpose(1, 2)], -1)
        widths = (spec.key_heads * spec.key_width, spec.key_heads * spec.key_width, spec.heads * spec.value_width)
        q, k, v = F.silu(self.conv(channels_RCL)).transpose(1, 2).split_with_sizes(widths, -1)
        q, k = (_alike(x.unflatten(-1, (spec.key_heads, -1)), spec.heads) for x in (q, k))
        log_kept_RLN = -self.log_rate.float().exp() * F.softplus(self.forget(x_RLD).float() + self.pace.float())
        written_RLN = self.write(x_RLD).sigmoid()
        if own_RL is not None:
            log_kept_RLN, written_RLN = (x * own_RL[..., None] for x in (log_kept_RLN, written_RLN))
        q_RNLF, k_RNLF = (q * spec.key_width**-0.5).transpose(1, 2), k.transpose(1, 2)
        v_RNLF = v.unflatten(-1, (spec.heads, -1)).transpose(1, 2).float()
        log_kept_RNL, written_RNL = log_kept_RLN.transpose(1, 2), written_RLN.transpose(1, 2).float()
        mixed_RNLF, state_BNFF = delta_rule(q_RNLF, k_RNLF, v_RNLF, log_kept_RNL, written_RNL, past.state_BNFF)
        if slot is not None:
            last_BCK = _last(channels_RCL, spec.kernel - 1, own_RL)
            slot.cache.running[slot.layer] = Running(last_BCK, state_BNFF)
        return mixed_RNLF.transpose(1, 2).flatten(2).to(x_RLD.dtype)


def delta_rule(
    q_BNTF: Tensor, k_BNTF: Tensor, v_BNTF: Tensor, log_kept_BNT: Tensor, written_BNT: Tensor, state_BNFF: Tensor
) -> tuple[Tensor, Tensor]:
    """What queries find in the states, [B, N, T, F], and the states after the last position; in float32, chunk by chunk.

    Within a chunk, what the positions write depends on what the earlier ones wrote: a triangular system for all at once.
    """
    length = q_BNTF.shape[2]
    chunk = min(DELTA_CHUNK, length)
    behind = -length % chunk
    q, k, v = (F.pad(x, (0, 0, 0, behind)).unflatten(2, (-1, chunk)) for x in (q_BNTF, k_BNTF, v_BNTF))
    log_kept, written = (F.pad(x, (0, behind)).unflatten(2, (-1, chunk)) for x in (log_kept_BNT, written_BNT))
    later = torch.ones(chunk, chunk, dtype=torch.bool, device=q.device).triu(1)
    # Each pair's own sum: the difference of two sums from the start would keep few digits where much is forgotten.
    lost = log_kept[..., None].expand(*log_kept.shape, chunk).tril(-1).cumsum(-2)
    between = lost.masked_fill(later, float("-inf")).exp()
    kept = log_kept.cumsum(-1).exp()[..., None]
    writes = k * written[..., None]
    system = (writes @ k.transpose(-1, -2)) * between
    sides = torch.cat([v * written[..., None], writes * kept], -1)
    solved = torch.linalg.solve_triangular(system, sides, upper=False, unitriangular=True)
    values, reads = solved.split_with_sizes((v.shape[-1], k.shape[-1]), -1)
    scores, asks = (q @ k.transpose(-1, -2)) * between, q * kept
    leaves = k * between[..., -1, :, None]
    found = list[Tensor]()
    for number in range(q.shape[2]):
        news = values[:, :, number] - reads[:, :, number] @ state_BNFF
        found.append(asks[:, :, number] @ state_BNFF + scores[:, :, number] @ news)
        state_BNFF = state_BNFF * kept[:, :, number, -1:] + leaves[:, :, number].transpose(-1, -2) @ news
    return torch.cat(found, 2)[:, :, :length], state_BNFF


def _alike(x_BTNF: Tensor, heads: int) -> Tensor:
    """Vectors of length one in float32, each for as many neighbouring heads as it serves."""
    x_BTNF = x_BTNF.float()
    unit_BTNF = x_BTNF * torch.rsqrt(x_BTNF.square().sum(-1, keepdim=True) + SMALL)
    return unit_BTNF.repeat_interleave(heads // x_BTNF.shape[2], 2)


def _last(channels_RCL: Tensor, count: int, own_RL: Tensor | None) -> Tensor:
    """The channels of each line's last `count` positions, those of its past before it counted in."""
    if own_RL is None:
        return channels_RCL[..., channels_RCL.shape[-1] - count :].clone()
    at_RK = own_RL.sum(1)[:, None] + torch.arange(count, device=own_RL.device)
    return channels_RCL.gather(2, at_RK[:, None].expand(-1, channels_RCL.shape[1], -1))
