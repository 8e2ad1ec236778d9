"""A detector's dialect (Grounding DINO, arXiv:2303.05499): phrases closed by full stops in, boxes by the tokens that name
them out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chiasm.assistant import Sighting
from chiasm.errors import BadPrompt
from chiasm.heads.boxes import Found
from chiasm.model import Find, Sight
from chiasm.pixels.open import Picture
from chiasm.place import Box
from chiasm.prompt.encode import Frame, encode
from chiasm.prompt.spans import Rendered, Span
from chiasm.prompt.tokenizer import Tokenizer


def located(
    model: Find,
    picture: Picture,
    phrases: str | Sequence[str],
    tokenizer: Tokenizer,
    device: torch.device,
    likely: float,
    named: float,
) -> tuple[Sighting, ...]:
    """Where a picture shows phrases. Raises `BadPrompt` for none of them, `Overflow` for more than are read at once."""
    ids = ids_of(joined(phrases), tokenizer)
    ids_BT = torch.tensor([ids], device=device)
    words = model.read(ids_BT, torch.ones_like(ids_BT, dtype=torch.bool))
    found = model(Sight.of(model.spec, [picture.pixels], device), words)
    return sightings(found, ids, tokenizer, (picture.width, picture.height), likely, named)


def joined(phrases: str | Sequence[str]) -> str:
    """One text of all phrases, in small letters, each closed by a full stop. A phrase may be several with full stops between.

    Raises `BadPrompt` where nothing is asked for.
    """
    given = [phrases] if isinstance(phrases, str) else phrases
    parts = [part.strip().lower() for phrase in given for part in phrase.split(".") if part.strip()]
    if not parts:
        raise BadPrompt('there is no phrase to look for: give at least one, such as "a cat"')
    return ". ".join(parts) + "."


def ids_of(text: str, tokenizer: Tokenizer) -> list[int]:
    """The ids of a text that somebody typed, framed as the model was trained; none of it can become a control token."""
    typed = Rendered(text, (Span(0, len(text), 0, 0, "user", literal=True),), ())
    return list(encode(typed, tokenizer, Frame.ALWAYS).ids)


def sightings(
    found: Found, ids: Sequence[int], tokenizer: Tokenizer, size: tuple[int, int], likely: float, named: float
) -> tuple[Sighting, ...]:
    """What was found in one picture of that (width, height), the likeliest first: boxes named with more than `likely` by some
    token. Their phrase is all tokens of more than `named` but the first."""
    width, height = size
    chances_GT = found.logits_BGT[0].float().sigmoid()
    best_G = chances_GT.amax(-1)
    order = [query for query in best_G.argsort(descending=True, stable=True).tolist() if float(best_G[query]) > likely]
    spotted = []
    for query in order:
        x, y, wide, high = (float(number) for number in found.boxes_BG4[0, query])
        box = Box(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2, "fraction").to_source(width, height)
        spotted.append(Sighting(_phrase(chances_GT[query] > named, ids, tokenizer), box, float(best_G[query])))
    return tuple(spotted)


def _phrase(naming_T: Tensor, ids: Sequence[int], tokenizer: Tokenizer) -> str:
    """The reference leaves out the row's first token and no other that frames it."""
    places = torch.nonzero(naming_T)[:, 0].tolist()
    return tokenizer.decode([ids[place] for place in places if place], skip_special=False)
