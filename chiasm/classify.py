"""Zero-shot classification: the class whose description is nearest to the picture (CLIP, arXiv:2103.00020, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chiasm.assistant import Assistant
from chiasm.errors import UserError
from chiasm.retrieve import Index, LateIndex

if TYPE_CHECKING:
    from torch import Tensor

TEMPLATES = ("a photo of a {}.",)


@dataclass(frozen=True)
class Guess:
    """A class and the cosine of its vector with the picture's."""

    name: str
    cosine: float


@dataclass(frozen=True)
class Classes:
    """Names with one unit vector each, [classes, width]: made once, used for any number of pictures."""

    names: tuple[str, ...]
    vectors_CD: Tensor

    def guess(self, assistant: Assistant, pictures: Sequence[object], most: int | None = None) -> list[list[Guess]]:
        """The classes of each picture, the likeliest first: all of them, or the first `most`.

        Raises `Unsupported` where the model makes no vectors.
        """
        if not pictures:
            return []
        shown, wanted = assistant.embed(pictures), len(self.names) if most is None else most
        if isinstance(shown, list):
            found = LateIndex(self.names, tuple(self.vectors_CD[:, None])).nearest(shown, wanted)
        else:
            found = Index(self.names, self.vectors_CD).nearest(shown, wanted)
        return [[Guess(self.names[hit.number], hit.cosine) for hit in hits] for hits in found]


def classes(assistant: Assistant, names: Sequence[str], templates: Sequence[str] = TEMPLATES) -> Classes:
    """Classes from their names, each put into every template in the place of `{}`; the vectors of one class are averaged and
    the mean brought to length one (an ensemble of prompts).

    Raises `UserError` for no name, a name twice or a template without its place, `Unsupported` where the model makes no
    vectors of texts.
    """
    import torch
    from torch.nn import functional as F

    _sensible(names, templates)
    prompts = [template.replace("{}", name) for name in names for template in templates]
    vectors = assistant.embed(prompts)
    if isinstance(vectors, list):
        if any(len(vector) != 1 for vector in vectors):
            said = f"{assistant.name} makes many vectors of a text, of which no class is made"
            raise UserError(f"{said}: search with chiasm.retrieve.index instead")
        vectors = torch.cat(vectors)
    vectors_CTD = vectors.unflatten(0, (len(names), len(templates)))
    return Classes(tuple(names), F.normalize(vectors_CTD.mean(1), dim=-1))


def _sensible(names: Sequence[str], templates: Sequence[str]) -> None:
    if not names or not templates:
        raise UserError("classification needs at least one class and one template")
    twice = next((name for name in names if list(names).count(name) > 1), None)
    if twice is not None:
        raise UserError(f"the class {twice!r} is named twice: give each once")
    placeless = next((template for template in templates if template.count("{}") != 1), None)
    if placeless is not None:
        raise UserError(f"the template {placeless!r} must have one {{}} where the class's name goes")
