"""Cheap heads that school the eye: which letter, which thing and which emoji lies where, and a tiny reader."""

from __future__ import annotations

import string
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chiasm.layers.norm import ChannelNorm
from chiasm.render.shapes import COLOURS, SHAPES
from chiasm.spec import ConvViT

STRIDE = 32
"""Pixels a side that one visual token of a schooled eye stands for."""

ALPHABET = string.digits + string.ascii_letters + ".,:;-+/%$€£!?&'()#*="
LETTER_OF = {c: k + 1 for k, c in enumerate(ALPHABET)}
"""Class 0 is "no letter here"."""

THINGS = (*SHAPES, "bar", "emoji")
COLOUR_NAMES = tuple(COLOURS)

LETTER_CELL = (8, 4)
"""Height and width in pixels of the cells in which letters are told apart."""
THING_CELL = 16
SLOT = 64
"""Features of a letter cell before its class is told."""

_TEXT = "\0\n" + string.printable[:95] + "€£"
TEXT_OF = {c: k for k, c in enumerate(_TEXT)}
END, START = 0, 1
_SHARPNESS = 16.0
READER_LENGTH = 72


@dataclass(frozen=True)
class Lesson:
    """A batch of pictures with what the heads should say.

    Attributes:
        pixels_BHWC: uint8.
        letters_BYX: class of every letter cell, int64.
        things_BYX: class of every thing cell (0 none, else 1 + index in THINGS), int64.
        colours_BYX: index in COLOUR_NAMES where a thing's centre lies and its colour is known, else -1.
        emoji_N3: (picture, concept, row of `emoji_boxes_N4`), int64.
        emoji_boxes_N4: boxes in pixels.
        text_BT: key, START, answer, END, in `TEXT_OF`; padded with END.
        answer_B2: first and past-the-last position of the answer with its END; equal where nothing is asked.
    """

    pixels_BHWC: Tensor
    letters_BYX: Tensor
    things_BYX: Tensor
    colours_BYX: Tensor
    emoji_N3: Tensor
    emoji_boxes_N4: Tensor
    text_BT: Tensor
    answer_B2: Tensor


def scaled(pixels_BHWC: Tensor) -> Tensor:
    """uint8 to bf16 from -1 to 1, channels first."""
    return (pixels_BHWC.permute(0, 3, 1, 2).to(torch.bfloat16) - 127.5) / 127.5


def spread(values_BVK: Tensor, rows: int, columns: int, classes: int) -> Tensor:
    """Each token's numbers laid out over its own cells: (B, V, rows * columns * classes) to (B, Y, X, classes)."""
    B, V, _ = values_BVK.shape
    side = round(V**0.5)
    cells = values_BVK.view(B, side, side, rows, columns, classes)
    return cells.permute(0, 1, 3, 2, 4, 5).reshape(B, side * rows, side * columns, classes)


class Reader(nn.Module):
    """A two-layer character decoder that looks at the tokens: a small stand-in for the language model."""

    def __init__(self, width: int, inner: int = 256, depth: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(_TEXT), inner)
        self.place = nn.Parameter(0.02 * torch.randn(READER_LENGTH, inner))
        self.see = nn.Linear(width, inner)
        self.layers = nn.ModuleList(ReaderLayer(inner, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(inner)
        self.say = nn.Linear(inner, len(_TEXT))

    def forward(self, tokens_BVE: Tensor, text_BT: Tensor) -> Tensor:
        """logits_BTS of the next character."""
        seen, x = self.see(tokens_BVE), self.embed(text_BT) + self.place[: text_BT.shape[1]]
        for layer in self.layers:
            x = layer(x, seen)
        out: Tensor = self.say(self.norm(x))
        return out


class ReaderLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.look, self.seen, self.out_seen = (
            nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width),
        )  # fmt: skip
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        first, second, third = self.norms
        q, k, v = self.qkv(first(x)).chunk(3, -1)
        x = x + self.out(self._mix(q, k, v, causal=True))
        k, v = self.seen(seen).chunk(2, -1)
        x = x + self.out_seen(self._mix(self.look(second(x)), k, v, causal=False))
        out: Tensor = x + self.down(F.relu(self.up(third(x))))
        return out

    def _mix(self, q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        if causal:
            n = scores.shape[-1]
            scores = scores + scores.new_full((n, n), -1e4).triu(1)
        return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


class Heads(nn.Module):
    """All heads over one eye. They are thrown away after schooling."""

    def __init__(self, sizes: ConvViT, concepts: int) -> None:
        super().__init__()
        high, wide = STRIDE // LETTER_CELL[0], STRIDE // LETTER_CELL[1]
        self.letter_cells, self.thing_cells = (high, wide), STRIDE // THING_CELL
        self.classes = len(ALPHABET) + 1
        # One classifier for all cells of a token, so that a letter learnt in one cell is known in every other.
        self.slots = nn.Linear(sizes.width, high * wide * SLOT)
        self.letters = nn.Sequential(nn.LayerNorm(SLOT), nn.Linear(SLOT, self.classes))
        self.early = nn.Sequential(ChannelNorm(sizes.widths[1]), nn.Conv2d(sizes.widths[1], wide // 4 * self.classes, 1))
        self.things = nn.Linear(sizes.width, self.thing_cells**2 * (len(THINGS) + 1))
        self.colours = nn.Linear(sizes.width, self.thing_cells**2 * len(COLOUR_NAMES))
        self.concepts = nn.Parameter(torch.randn(concepts, sizes.width) * sizes.width**-0.5)
        self.reader = Reader(sizes.width)

    def letter_logits(self, tokens_BVE: Tensor) -> Tensor:
        logits: Tensor = self.letters(spread(self.slots(tokens_BVE), *self.letter_cells, SLOT))
        return logits

    def early_logits(self, local_BCHW: Tensor) -> Tensor:
        """From the maps at stride 8, where few offsets share many letters: this is what starts reading."""
        values = self.early(local_BCHW).flatten(2).transpose(1, 2)
        return spread(values, 1, self.letter_cells[1] // 4, self.classes)

    def thing_logits(self, tokens_BVE: Tensor) -> Tensor:
        return spread(self.things(tokens_BVE), self.thing_cells, self.thing_cells, len(THINGS) + 1)

    def colour_logits(self, tokens_BVE: Tensor) -> Tensor:
        return spread(self.colours(tokens_BVE), self.thing_cells, self.thing_cells, len(COLOUR_NAMES))

    def concept_logits(self, tokens_BVE: Tensor, emoji_N3: Tensor, boxes_N4: Tensor) -> Tensor:
        """Scaled cosines (N, concepts) of the mean of the tokens under every emoji, weighted by how much it covers."""
        side = round(tokens_BVE.shape[1] ** 0.5)
        edges = torch.arange(side + 1, dtype=torch.float32, device=boxes_N4.device) * STRIDE

        def covered(low: Tensor, high: Tensor) -> Tensor:
            return (torch.minimum(edges[1:], high[:, None]) - torch.maximum(edges[:-1], low[:, None])).clamp(min=0)

        x, y = covered(boxes_N4[:, 0], boxes_N4[:, 2]), covered(boxes_N4[:, 1], boxes_N4[:, 3])
        weight = (y[:, :, None] * x[:, None, :]).flatten(1)
        weight = (weight / weight.sum(1, keepdim=True)).to(tokens_BVE.dtype)
        pooled = (weight[:, None] @ tokens_BVE[emoji_N3[:, 0]])[:, 0]
        return _SHARPNESS * F.normalize(pooled, dim=-1) @ F.normalize(self.concepts, dim=-1).T


def letter_loss(logits_BYXC: Tensor, letters_BYX: Tensor) -> Tensor:
    """Cross-entropy over all cells with a letter and one empty cell in eight: most cells are empty."""
    wanted = letters_BYX.flatten()
    kept = ((wanted > 0) | (torch.rand(wanted.shape).to(wanted.device) < 0.125)).nonzero()[:, 0]
    return F.cross_entropy(logits_BYXC.flatten(0, 2)[kept].float(), wanted[kept])


def losses(local_BCHW: Tensor, tokens_BVE: Tensor, heads: Heads, lesson: Lesson) -> dict[str, Tensor]:
    """Cross-entropies by head, in float32."""
    found: dict[str, Tensor] = {}
    if (lesson.letters_BYX > 0).any():
        found["letters"] = letter_loss(heads.letter_logits(tokens_BVE), lesson.letters_BYX)
        found["early"] = letter_loss(heads.early_logits(local_BCHW), lesson.letters_BYX)
    things = lesson.things_BYX.flatten()
    weights = torch.ones(len(THINGS) + 1, device=things.device)
    weights[0] = 0.1
    found["things"] = F.cross_entropy(heads.thing_logits(tokens_BVE).flatten(0, 2).float(), things, weights)
    coloured = (lesson.colours_BYX.flatten() >= 0).nonzero()[:, 0]
    if len(coloured):
        logits = heads.colour_logits(tokens_BVE).flatten(0, 2)[coloured]
        found["colours"] = F.cross_entropy(logits.float(), lesson.colours_BYX.flatten()[coloured])
    if len(lesson.emoji_N3):
        logits = heads.concept_logits(tokens_BVE, lesson.emoji_N3, lesson.emoji_boxes_N4)
        found["emoji"] = F.cross_entropy(logits.float(), lesson.emoji_N3[:, 1], label_smoothing=0.1)
    at = torch.arange(lesson.text_BT.shape[1], device=tokens_BVE.device)
    answered = (at >= lesson.answer_B2[:, :1]) & (at < lesson.answer_B2[:, 1:])
    asked = answered.any(1)
    if asked.any():
        logits = heads.reader(tokens_BVE[asked], lesson.text_BT[asked])[:, :-1]
        found["reader"] = F.cross_entropy(logits[answered[asked][:, 1:]].float(), lesson.text_BT[answered])
    return found
