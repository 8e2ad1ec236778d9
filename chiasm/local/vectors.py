"""Vectors of what a model can compare: pictures and texts, scans, signals; and texts judged beside a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from chiasm.assistant import Request, Score
from chiasm.errors import BadPrompt, Unsupported
from chiasm.heads.contrastive import unit
from chiasm.local.door import Door
from chiasm.model import (
    AnyModel,
    Bind,
    Causal,
    Connect,
    Encode,
    EncodePage,
    EncodeText,
    EncodeVolume,
    Find,
    MaskDecoder,
    Match,
    QueryMatch,
    See,
    Segment,
    Seq2Seq,
    Sight,
)
from chiasm.pixels.items import Felt, given, signal_of
from chiasm.pixels.volume import VolumeSource, open_volume, seen
from chiasm.prompt.messages import Image, Message, Text, pictures_of
from chiasm.prompt.planner import Planner
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.spec import Looks, MultiVector, TextTower


@dataclass(frozen=True)
class Vectors:
    """What makes them by one model: the door that pictures come through, the planner of one that writes, the tokenizer of texts
    if there is one, and where the numbers are."""

    door: Door
    planner: Planner | None
    tokenizer: Tokenizer | None
    device: torch.device

    def of(self, model: AnyModel, items: Sequence[object]) -> Tensor | list[Tensor]:
        """One for each item, [items, width], or several. Raises `Unsupported` where the model makes none of such an item."""
        felt = next((item for item in items if isinstance(item, Felt)), None)
        if felt is not None and not isinstance(model, Bind):
            raise Unsupported(f"embed {type(felt).__name__.lower()}", self.door.name)
        match model:
            case Causal() if isinstance(model.spec.head, MultiVector):
                return [self._late(model, item) for item in items]
            case QueryMatch():
                return [self._compared(model, item) for item in items]
            case Match() | Encode() | Bind():
                return torch.stack([self._embedded(model, item) for item in items])
            case EncodeText() if model.spec.vector != "none":
                return torch.stack([self._read(model, item) for item in items])
            case EncodeVolume():
                return torch.stack([self._scanned(model, item) for item in items])
            case Causal() | EncodeText() | EncodePage() | Seq2Seq() | Segment() | Connect() | See() | MaskDecoder() | Find():
                raise Unsupported("embed", self.door.name)

    def _late(self, model: Causal, item: object) -> Tensor:
        """A vector for every token of a text or of a picture and what the template says to it, [T, width]."""
        if self.planner is None:
            raise Unsupported("embed", self.door.name)
        opened = [] if isinstance(item, str) else [self.door.picture(item)]
        message = Message("user", (Text(item) if isinstance(item, str) else Image(0),))
        plan = self.planner.plan([[message]], self.door.items(opened), names=[picture.name for picture in opened])
        return model.embed(plan.batch(self.door.patches(opened, plan.items)).to(self.device))[0]

    def _embedded(self, model: Match | Encode | Bind, item: object) -> Tensor:
        if isinstance(item, Felt) and isinstance(model, Bind):
            return self._felt(model, item)
        if isinstance(item, str) and self.tokenizer is not None and not isinstance(model, Encode):
            ids = torch.tensor([filled(model.spec.text, self.tokenizer, item)], device=self.device)
            return model.embed_texts(ids, torch.ones_like(ids, dtype=torch.bool))[0]
        return model.embed_pictures(self._seen(model.spec, item))[0]

    def _read(self, model: EncodeText, item: object) -> Tensor:
        """The unit vector of a text, by a model that reads nothing else."""
        if not isinstance(item, str) or self.tokenizer is None:
            raise Unsupported("embed pictures", self.door.name)
        ids = torch.tensor([self.tokenizer.encode(item, framed=True)], device=self.device)
        return model.embed_texts(ids, torch.ones_like(ids, dtype=torch.bool))[0]

    def _compared(self, model: QueryMatch, item: object) -> Tensor:
        """A vector for each query of a picture, one for a text, [T, width]."""
        if isinstance(item, str) and self.tokenizer is not None:
            ids = torch.tensor([self.tokenizer.encode(item, framed=True)], device=self.device)
            return model.embed_texts(ids, torch.ones_like(ids, dtype=torch.bool))
        return model.embed_pictures(self._seen(model.spec, item))[0]

    def _scanned(self, model: EncodeVolume, item: object) -> Tensor:
        """The unit vector of a scan; where the model reads reports, a string is one."""
        if not isinstance(item, str) or model.spec.text is None:
            scan_HWT = seen(open_volume(cast(VolumeSource, item)), model.spec.window)
            return model.embed_volumes(torch.from_numpy(scan_HWT[None]).to(self.device))[0]
        if self.tokenizer is None:
            raise Unsupported("embed text", self.door.name)
        ids = self.tokenizer.encode(item.lower().replace("\n", " "), framed=True)
        if len(ids) > model.spec.words:
            end = list(self.tokenizer.frame[1])
            ids = ids[: model.spec.words - len(end)] + end
        ids_1T = torch.tensor([ids], device=self.device)
        return model.embed_texts(ids_1T, torch.ones_like(ids_1T, dtype=torch.bool))[0]

    @torch.inference_mode()
    def judged(self, model: QueryMatch, request: Request, options: Sequence[str]) -> list[Score]:
        """How likely each text belongs to the picture."""
        pictures, words = pictures_of(request.messages), [p for m in request.messages for p in m.content if isinstance(p, Text)]
        if len(pictures) != 1 or words or self.tokenizer is None:
            said = f"{len(pictures)} pictures and {len(words)} texts"
            raise BadPrompt(f"this model judges texts beside one picture: the request has {said}, give the texts as options")
        scores = []
        for option in options:
            ids = torch.tensor([self.tokenizer.encode(option, framed=True)], device=self.device)
            logits_12 = model.judged(self._seen(model.spec, pictures[0]), ids, torch.ones_like(ids, dtype=torch.bool))
            scores.append(Score(option, float(logits_12.float().log_softmax(-1)[0, 1]), ids.shape[1]))
        return scores

    def _felt(self, model: Bind, item: Felt) -> Tensor:
        """The unit vector of what is no picture: the mean of its pieces'."""
        signal = signal_of(model.spec.signals, item)
        if signal is None:
            raise Unsupported(f"embed {type(item).__name__.lower()}", self.door.name)
        values_ICHW = torch.from_numpy(given(item, signal)).to(self.device, next(model.parameters()).dtype)
        return unit(model.embed_signals(signal.name, values_ICHW).mean(0))

    def _seen(self, looks: Looks, item: object) -> Sight:
        """One picture as a model's encoder is given it."""
        return Sight.of(looks, [self.door.picture(item).pixels], self.device)


def filled(tower: TextTower, tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of a text; up to the last place, where that one stands for the text, pads and all."""
    ids = tokenizer.encode(text, framed=True)
    pad = tokenizer.pad_id if tokenizer.pad_id is not None else tokenizer.eos_id
    if tower.pool != "last" or pad is None:
        return ids
    return ids + [pad] * (tower.positions - len(ids))
