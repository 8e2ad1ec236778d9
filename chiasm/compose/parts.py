"""The parts that a composition is made of: eyes and language models, from a family's name or from a folder with weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from chiasm import registry
from chiasm.errors import UnknownModel, UserError
from chiasm.spec import (
    Bind,
    Causal,
    Decoder,
    Divided,
    Encode,
    Encoder,
    Match,
    Model,
    Pixels,
    QueryMatch,
    Segment,
    Seq2Seq,
    Views,
    ViT,
)
from chiasm.weights.folders import model_folder
from chiasm.weights.read import Described, describe
from chiasm.weights.sources import parse


@dataclass(frozen=True)
class Origin:
    """Where a part comes from: `described` is the folder that its weights are in, none for a part that begins anew."""

    name: str
    described: Described | None

    def __str__(self) -> str:
        return "new" if self.described is None else self.name


@dataclass(frozen=True)
class Eye:
    """A vision encoder with the views that it is shown."""

    views: Views
    pixels: Pixels
    encoder: Encoder
    origin: Origin


@dataclass(frozen=True)
class Language:
    """A decoder that writes text."""

    decoder: Decoder
    origin: Origin


def eye(name: str, taps: tuple[int, ...] | None = None, frames: int | None = None) -> Eye:
    """The encoder of a family (`siglip:so400m-14-384`), or of a folder whose weights it keeps; a class token is dropped.

    `taps` are the hidden states to give, as the field counts them and as they leave their blocks, without the norm after the
    last; none: the encoder's own, normed where it norms them. `frames`: clips of up to so many are attended in time too.
    Raises `UserError` for a model without an eye, for taps of one that has no such states, and for frames of one that does
    not see a picture at a time.
    """
    model, origin = found(name)
    match model:
        case Match() | QueryMatch() | Encode() | Bind() | Segment():
            views, pixels, encoder = model.views, model.pixels, model.encoder
        case Causal(sight=sight) | Seq2Seq(sight=sight) if sight is not None:
            views, pixels, encoder = sight.views, sight.pixels, sight.encoder
        case _:
            said = f"{name} has no vision encoder that can be taken out of it"
            raise UserError(f"{said}: name a model that sees, such as siglip:b16-224")
    if isinstance(encoder, ViT):
        encoder = replace(encoder, cls="none" if encoder.cls == "none" else "drop")
        encoder = encoder if taps is None else tapped(name, encoder, taps)
    elif taps is not None:
        raise UserError(f"{name} has a {type(encoder).__name__}, whose hidden states cannot be chosen: leave taps out")
    return Eye(views, pixels, encoder if frames is None else divided(name, encoder, frames), origin)


def tapped(name: str, encoder: ViT, taps: tuple[int, ...]) -> ViT:
    """An encoder that gives these hidden states; a norm after its last block is kept and not used. Raises `UserError`."""
    states = encoder.depth + 1
    if not taps or len({tap % states for tap in taps}) < len(taps) or not all(-states <= tap < states for tap in taps):
        said = f"0 to {encoder.depth}, or {-states} to -1 from the end"
        raise UserError(f"taps={list(taps)} does not choose hidden states of {name}: name each once, {said}")
    return replace(encoder, taps=taps, post_norm="none" if encoder.post_norm == "none" else "idle")


def divided(name: str, encoder: Encoder, frames: int) -> ViT:
    """An encoder of pictures with attention in time between its blocks. Raises `UserError`."""
    if frames < 2:
        raise UserError(f"frames is {frames}; a clip has 2 at least: leave frames out for pictures alone")
    match encoder:
        case ViT(frames=1, windows=None, sees="frame"):
            return replace(encoder, sees=Divided(frames))
        case _:
            how = "sees several frames at once or in windows" if isinstance(encoder, ViT) else f"is a {type(encoder).__name__}"
            raise UserError(f"frames={frames} takes a plain vision transformer of pictures, and that of {name} {how}")


def language(name: str) -> Language:
    """The decoder of a family (`qwen2:0.5b`), or of a folder whose weights it keeps. Raises `UserError` for a model without
    a causal decoder."""
    model, origin = found(name)
    if not isinstance(model, Causal) or model.head is not None:
        raise UserError(f"{name} writes no text after text: name a causal language model, such as smollm2:135m")
    return Language(model.decoder, origin)


def found(name: str) -> tuple[Model, Origin]:
    """A family's model at one of its sizes (the first, if none is named), or a folder's."""
    family, _, size = name.partition(":")
    known = registry.families()
    if family in known and not Path(name).exists():
        chosen = size or next(iter(known[family].sizes))
        if chosen not in known[family].sizes:
            raise UserError(f"{family} has no size {size!r}; it has {', '.join(known[family].sizes)}")
        return known[family].at(chosen), Origin(name, None)
    try:
        folder = model_folder(parse(name))
    except UnknownModel as e:
        raise UnknownModel(f"{e} Of the families, {registry.nearest(family, known)}.") from None
    described = describe(folder)
    return described.model, Origin(name, described)
