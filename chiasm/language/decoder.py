"""The causal decoder of the Llama kind: Llama, Vicuna, Mistral, Qwen, Gemma, Phi, OPT, DeepSeek and their like."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from chiasm.language.gated import Between
from chiasm.layers.attend import Mask
from chiasm.layers.attention import Slot, Wanted
from chiasm.layers.block import transformer_block
from chiasm.layers.cache import KVCache
from chiasm.layers.embed import LedEmbedding, embedding, sines
from chiasm.layers.norm import norm
from chiasm.layers.rope import Turn, turn
from chiasm.layers.same import same
from chiasm.layers.visual_expert import ExpertBlock
from chiasm.sequence.lines import lines
from chiasm.sequence.masks import branched_mask, causal_mask, near
from chiasm.spec import Block, Decoder, Delta, Learned, Rope, Sines


class OneRow(Protocol):
    """Runs all blocks over the newest position of a single row, quicker than they would themselves."""

    def __call__(self, hidden_BTD: Tensor, by: Turn, cache: KVCache) -> Tensor: ...


class CausalDecoder(nn.Module):
    """Embedding, blocks, final norm; the head is apart, so that logits are computed where they are wanted alone.

    `forward(hidden_BTD, where_ABT, valid_BT, cache)` returns normed hidden states of the same positions, or of the last
    one alone. With a cache the positions are the newest ones and see everything that was read before. `segment_BT` marks
    branches that share a prefix, `prompt_BT` positions that see one another, later ones too, `visual_BT` what goes through the
    weights of an `expert`; `between` may change the states before each block and after the last.
    """

    def __init__(self, spec: Decoder, expert: Block | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.embed = embedding(spec)
        if isinstance(spec.rope, Learned):
            self.position = nn.Embedding(spec.rope.before + spec.rope.count, spec.width)
        each = [spec.block_of(layer) for layer in range(spec.depth)]
        self.blocks = nn.ModuleList(
            same(transformer_block, block) if expert is None else same(ExpertBlock, block, expert) for block in each
        )
        self.windows = [spec.window_of(layer) for layer in range(spec.depth)]
        self.kinds = tuple(set(self.windows))
        self.in_order = [isinstance(block.mixer, Delta) for block in each]
        # Blocks whose norms stand after the sums leave normed states.
        self.norm = norm(spec.block.norm, spec.width) if spec.block.norms != "after" else nn.Identity()
        self.leave = nn.Linear(spec.width, spec.inner, bias=False) if spec.inner != spec.width else nn.Identity()
        self.one_row: OneRow | None = None

    def forward(
        self,
        hidden_BTD: Tensor,
        where_ABT: Tensor,
        valid_BT: Tensor,
        cache: KVCache | None = None,
        segment_BT: Tensor | None = None,
        wanted: Wanted = "all",
        prompt_BT: Tensor | None = None,
        between: Between | None = None,
        visual_BT: Tensor | None = None,
    ) -> Tensor:
        hidden_BTD, by = self._placed(hidden_BTD, where_ABT, None if cache is None else cache.begun(where_ABT))
        if cache is not None and segment_BT is None:
            cache.advance(valid_BT)
        masks = {window: self._mask(where_ABT, valid_BT, cache, segment_BT, window, prompt_BT) for window in self.kinds}
        mask = masks[self.windows[0]]
        alone = self.one_row is not None and between is None and hidden_BTD.shape[:2] == (1, 1) and mask == "full"
        if self.one_row is not None and cache is not None and alone:
            assert by is not None
            return self.norm(self.one_row(hidden_BTD, by, cache))
        kinds = {} if visual_BT is None else {"visual_BT": visual_BT}
        laid = lines(valid_BT, segment_BT) if any(self.in_order) else "causal"
        for layer, block in enumerate(self.blocks):
            slot = None if cache is None else Slot(cache, self.in_order[:layer].count(self.in_order[layer]))
            sees = laid if self.in_order[layer] else masks[self.windows[layer]]
            hidden_BTD = hidden_BTD if between is None else between(layer, hidden_BTD)
            hidden_BTD = block(hidden_BTD, sees, by, slot, wanted if layer + 1 == len(self.blocks) else "all", **kinds)
        hidden_BTD = hidden_BTD if between is None else between(len(self.blocks), hidden_BTD)
        out_BTD: Tensor = self.leave(self.norm(hidden_BTD))
        return out_BTD

    def led(self, tokens_VD: Tensor) -> Tensor:
        """Tokens as the blocks take them: those of the embedding's own width are led to theirs, as ids are."""
        if isinstance(self.embed, LedEmbedding) and tokens_VD.shape[-1] == self.spec.inner:
            led_VD: Tensor = self.embed.lead(tokens_VD)
            return led_VD
        return tokens_VD

    def _placed(self, hidden_BTD: Tensor, where_ABT: Tensor, prompt_B: Tensor | None) -> tuple[Tensor, Turn | None]:
        """Hidden states with their learned places added, or how far their heads are turned."""
        match self.spec.rope:
            case Learned(count, before):
                # What stands past the table is a pad: rows of different lengths may be padded on the right.
                return hidden_BTD + self.position(where_ABT[0].clamp(max=count - 1) + before), None
            case Sines(before):
                return hidden_BTD + sines(where_ABT[0] + before, self.spec.width).to(hidden_BTD.dtype), None
            case Rope() as rope:
                latent = self.spec.block.latent
                width = self.spec.block.head_width if latent is None else latent.turned
                return hidden_BTD, turn(rope, width, where_ABT, prompt_B).to(hidden_BTD.dtype)

    @staticmethod
    def _mask(
        where_ABT: Tensor,
        valid_BT: Tensor,
        cache: KVCache | None,
        segment_BT: Tensor | None,
        window: int | None,
        prompt_BT: Tensor | None,
    ) -> Mask:
        if segment_BT is not None:
            return branched_mask(valid_BT, segment_BT, None if window is None else near(where_ABT[0], window), prompt_BT)
        if cache is None:
            return causal_mask(valid_BT, valid_BT.shape[1], window, not bool(valid_BT.all()), prompt_BT)
        return causal_mask(cache.valid_BT[:, : cache.length], valid_BT.shape[1], window, cache.padded, prompt_BT)
