"""Any encoder, connector and language model as one model: checked before a number is allocated, shown, saved whole."""

from __future__ import annotations

from dataclasses import replace

import torch

from chiasm import spec as specs
from chiasm.budget import picture_cost
from chiasm.compose.composition import Composition, Part
from chiasm.compose.parts import Eye, Language, eye
from chiasm.compose.parts import language as writer
from chiasm.compose.steps import steps
from chiasm.connect.steps import Connector
from chiasm.errors import UserError
from chiasm.geometry import Size
from chiasm.model import parameters
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.spec import (
    Block,
    Cross,
    Even,
    Expert,
    Frames,
    Fusion,
    Native,
    Norm,
    Nothing,
    Resize,
    Sight,
    Splice,
    Step,
    Views,
    Way,
)
from chiasm.vision import encoder as modules_of

__all__ = ["Composition", "Part", "compose"]

NOMINAL = Size(336, 336)
"""The picture whose tokens a table counts, where the views name no size of their own."""


def compose(
    encoder: str,
    connector: str | tuple[Step, ...],
    language: str,
    *,
    fusion: Way | Fusion = "splice",
    taps: tuple[int, ...] | None = None,
    frames: int | None = None,
    views: Views | None = None,
    image_token: str = "<image>",
    chat: str | None = None,
) -> Composition:
    """Puts a model together from a vision encoder, a connector and a language model.

    Args:
        encoder: a family (`siglip:b16-224`, fresh weights), a folder, `owner/name` of a hub, ...: its vision encoder.
        connector: a name such as `mlp2`, `shuffle:2+mlp2`, `resampler:64` (see `compose.steps.KINDS`), or steps.
        language: as `encoder`: a causal language model.
        fusion: how the two meet; as a word, or a value of `chiasm.spec`.
        taps: hidden states of the encoder to give, as the field counts them: (-2,) is LLaVA's. They are given as they leave
            their blocks, without a norm (transformers' `output_hidden_states`); none: the encoder's own output.
        frames: clips of up to so many frames pass attention in time beside that in space (TimeSformer); it begins as nothing.
        views: another way of showing pictures; a table of places is stretched to another resolution.
        image_token: the control token that stands for a picture in a conversation.
        chat: a chat template; none: the language model's own, or a plain one.

    Raises:
        UserError: parts that do not fit, with both numbers. BadPicture: a grid that the connector cannot divide.
    """
    seeing, writing = eye(encoder, taps, frames), writer(language)
    seeing = replace(seeing, views=views or seeing.views)
    decoder = writing.decoder
    made = steps(connector, seeing.encoder.width, decoder.width)
    if isinstance(connector, str) and isinstance(
        seeing.views, specs.Bounded | specs.Budget | specs.Fitted | specs.Longest | Native
    ):
        # Grids of any shape come from these, and a word for a square of neighbours means all of them.
        made = tuple(replace(step, odd="zeros") if isinstance(step, specs.Merge) else step for step in made)
    sight = filming(Sight(seeing.views, seeing.pixels, seeing.encoder, made, met(fusion, writing, image_token)))
    if frames is not None and sight.clips is None:
        shows = f"{encoder} shows pictures by {type(seeing.views).__name__}"
        raise UserError(f"frames={frames} takes frames of one size, and {shows}: give views=Resize(...)")
    spec = specs.Causal(decoder, sight)
    size = nominal(seeing.views)
    parts = _parts(spec, seeing, writing)
    return Composition(spec, seeing, writing, parts, size, picture_cost(sight, size).visual, image_token, chat or "")


def filming(sight: Sight) -> Sight:
    """The same with clips, where its parts know frames apart and each is seen as a picture is."""
    most = sight.tells_frames
    if most is None or not isinstance(sight.views, Resize | Native):
        return sight
    return replace(sight, clips=Frames(Even(min(8, most)), sight.views, sight.pixels, most))


def met(way: Way | Fusion, writing: Language, image_token: str) -> Fusion:
    """The fusion that a word means.

    A picture's placeholder has the id of `image_token` where the tokenizer knows it, else the first one beyond the
    vocabulary: no row of the embedding, never sampled. Raises `UserError` for cross-attention, where it is text itself, with
    a tokenizer that does not know it.
    """
    decoder = writing.decoder
    known = _control_tokens(writing)
    match way:
        case "splice":
            return Splice(known.get(image_token, decoder.ids))
        case "expert":
            return Expert(known.get(image_token, decoder.ids))
        case "cross":
            if image_token not in known:
                raise UserError(_unknown(writing, known, image_token))
            width, heads = decoder.width, decoder.block.heads
            block = Block(
                width, heads, 4 * width, heads, width // heads, Norm("layer", 1e-5), "gelu",
                qkv_bias=False, out_bias=False, mlp_bias=False,
            )  # fmt: skip
            return Cross(known[image_token], block, tuple(range(3, decoder.depth, 4)) or (0,), "latest", Nothing())
        case _:
            return way


def _control_tokens(writing: Language) -> dict[str, int]:
    described = writing.origin.described
    if described is None or not (described.folder / "tokenizer.json").is_file():
        return {}
    return dict(Tokenizer.from_folder(described.folder).added)


def _unknown(writing: Language, known: dict[str, int], token: str) -> str:
    reason = "with cross-attention a picture's placeholder is text itself"
    if not known:
        return f"{reason}, and {writing.origin.name} has no tokenizer: name a folder with one"
    some = ", ".join(sorted(known)[:8])
    return f"{reason}, and {writing.origin.name} has no token {token!r}: choose one by image_token, such as {some}"


def nominal(views: Views) -> Size:
    """A picture of the views' own size, so that it is neither cut nor stretched."""
    match views:
        case specs.Resize(height, width):
            return Size(width, height)
        case specs.DynamicTiles(tile=side) | specs.Pinpoints(tile=side) | specs.TileGrid(tile=side):
            return Size(side, side)
        case _:
            return NOMINAL


def _parts(spec: specs.Causal, seeing: Eye, writing: Language) -> tuple[Part, ...]:
    sight = spec.sight
    assert sight is not None
    whole = parameters(spec)
    text = parameters(specs.Causal(spec.decoder))
    with torch.device("meta"):
        joins = sum(p.numel() for p in Connector(sight.connector, sight.encoder.width).parameters())
        looks = sum(p.numel() for p in modules_of(sight.encoder).parameters() if p.requires_grad)
    told = [
        Part("encoder", type(sight.encoder).__name__, str(seeing.origin), looks),
        Part("connector", " + ".join(type(step).__name__ for step in sight.connector), "new", joins),
        Part("language", f"{spec.decoder.depth} blocks of {spec.decoder.width}", str(writing.origin), text),
    ]
    more = whole - text - looks - joins
    if more:
        told.append(Part("fusion", type(sight.fusion).__name__, "new", more))
    return tuple(told)
