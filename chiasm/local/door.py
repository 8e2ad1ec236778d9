"""What a model is shown comes through here: opened within limits, then as a plan and as an encoder need it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from chiasm.errors import Unsupported
from chiasm.geometry import Size
from chiasm.model import Batch
from chiasm.pixels.clips import Clip, open_clip, shown
from chiasm.pixels.content import Policy
from chiasm.pixels.open import Header, Limits, Picture, Source, header, open_picture
from chiasm.pixels.reel import Film, Shown
from chiasm.pixels.sources import identity
from chiasm.pixels.views import look, look_clip, packed
from chiasm.prompt.alike import beginnings
from chiasm.prompt.items import Item, filmed
from chiasm.prompt.plan import Plan
from chiasm.spec import Frames, Sight


@dataclass(frozen=True)
class Door:
    """The way in to a model of that name that sees by `sight`; `budget` says how much of what its family would give it a
    picture is given."""

    name: str
    sight: Sight | None
    limits: Limits
    budget: Policy | None = None

    @property
    def frames(self) -> Frames:
        """How the model sees clips. Raises `Unsupported` where it does not."""
        if self.sight is None or self.sight.clips is None:
            raise Unsupported("read clips", self.name)
        return self.sight.clips

    def picture(self, source: object) -> Picture:
        return open_picture(cast(Source, source), self.limits)

    def headed(self, source: object) -> Picture | Header | Shown:
        """What a plan needs of a picture or a clip; its pixels only where these decide how much of it is shown."""
        if isinstance(source, Clip):
            return shown(source, self.frames.take)
        return self.picture(source) if self.budget else header(cast(Source, source), self.limits)

    def opened(self, source: object) -> Picture | Film:
        return open_clip(source, self.frames.take) if isinstance(source, Clip) else self.picture(source)

    def opened_once(self, sources: Sequence[object]) -> list[Picture | Film]:
        """Each source opened, the same one only once."""
        held: dict[Hashable, Picture | Film] = {}
        for source in sources:
            if identity(source) not in held:
                held[identity(source)] = self.opened(source)
        return [held[identity(source)] for source in sources]

    def items(self, known: Sequence[Picture | Film | Header | Shown]) -> list[Item]:
        """Pictures and clips as a plan knows them. Raises `BadPrompt` for a clip of more frames than the model looks at."""
        items = list[Item]()
        for one in known:
            share = self.budget(one.pixels) if self.budget and isinstance(one, Picture) else 1.0
            size = Size(one.width, one.height, share=share)
            if isinstance(one, Film | Shown) and self.sight is not None:
                items.append(filmed(self.sight, self.frames, size, one.times, one.name))
            else:
                items.append(size)
        return items

    def patches(self, opened: Sequence[Picture | Film], items: Sequence[Item]) -> Tensor | None:
        """What the encoder is given of all of them, [P, K]; nothing where there are none."""
        if self.sight is None or not opened:
            return None
        views = []
        for number, (one, item) in enumerate(zip(opened, items, strict=True)):
            match one:
                case Film(frames, times):
                    views.append(look_clip(self.frames, self.sight.encoder, frames, times, number))
                case Picture():
                    told = (item.beside, item.share) if isinstance(item, Size) else (0, 1.0)
                    views += look(self.sight, one.pixels, number, *told)
        return torch.from_numpy(packed(views))

    def batch(self, plan: Plan, opened: Sequence[Picture | Film], sources: Sequence[object]) -> Batch:
        """A plan's tensors; what several rows say of the same sources is there once."""
        shared = beginnings(plan, [identity(source) for source in sources])
        if shared is None:
            return plan.batch(self.patches(opened, plan.items))
        return shared.batch(self.patches([opened[item] for item in shared.items], shared.begun.items))
