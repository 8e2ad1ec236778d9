"""Tokenizers that are taught the control tokens of pictures, and specs that are told the ids of theirs."""

from __future__ import annotations

from dataclasses import replace

import tokenizers

from chiasm.errors import BadCheckpoint
from chiasm.prompt.spots import regions_of
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.spec import Causal, Pointing, Splice, Writer


def settled(spec: Writer, tokenizer: Tokenizer) -> tuple[Writer, Tokenizer]:
    """A spec whose marks have the ids that the tokenizer gives them, where the config says none; a placeholder of pictures that
    the vocabulary lacks is added to it, since nothing reads its id. A folder without a vocabulary leaves the spec as it is."""
    if not tokenizer.reads_text:
        return spec, tokenizer
    sight, head = spec.sight, spec.head if isinstance(spec, Causal) else None
    if isinstance(spec, Causal) and isinstance(head, Pointing) and head.named is not None:
        spec = replace(spec, head=replace(head, mark=tokenizer.added.get(head.named, head.mark)))
    regions = regions_of(spec)
    if isinstance(spec, Causal) and regions is not None and regions.named is not None:
        spec = replace(spec, regions=replace(regions, mark=tokenizer.added.get(regions.named, regions.mark)))
    if sight is None or not isinstance(sight.fusion, Splice):
        return spec, tokenizer
    fusion = sight.fusion
    for name in (fusion.named, fusion.named_video):
        if name is not None and name not in tokenizer.added:
            tokenizer = _knowing(tokenizer, name, (*tokenizer.apart, name))
    image = fusion.image if fusion.named is None else tokenizer.added[fusion.named]
    video = fusion.video if fusion.named_video is None else tokenizer.added[fusion.named_video]
    return replace(spec, sight=replace(sight, fusion=replace(fusion, image=image, video=video))), tokenizer


def _knowing(tokenizer: Tokenizer, token: str, apart: tuple[str, ...] = ()) -> Tokenizer:
    """The same with one more control token, which stands for a picture. What stands between placeholders that a vocabulary
    lacks is read piece by piece in the originals."""
    backend = tokenizers.Tokenizer.from_str(tokenizer.backend.to_str())
    backend.add_special_tokens([tokenizers.AddedToken(token, special=True, normalized=False)])
    special = {**tokenizer.special, "image_token": token}
    return Tokenizer(backend, special, clean_up=tokenizer.clean_up, origin=tokenizer.origin, apart=apart)


def seeing(tokenizer: Tokenizer, token: str, number: int) -> Tokenizer:
    """A tokenizer of text alone that also knows a picture's placeholder, by an id that the model kept for it.

    Raises `BadCheckpoint` where the vocabulary would give the token another id.
    """
    known = _knowing(tokenizer, token)
    if known.added[token] != number:
        message = f"{tokenizer.origin} gives {token!r} the id {known.added[token]}, and the model expects {number}"
        raise BadCheckpoint(message)
    return known
