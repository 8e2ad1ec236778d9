"""Every parameter learns from something."""

from dataclasses import replace

import torch
from torch import Tensor

from chiasm.generate.engine import begun_by
from chiasm.model import (
    AnyModel,
    Bind,
    Causal,
    Encode,
    EncodePage,
    EncodeText,
    EncodeVolume,
    Find,
    Match,
    QueryMatch,
    Segment,
    Seq2Seq,
    Sight,
)
from chiasm.model import Writer as Writes
from chiasm.spec import (
    VQ,
    Both,
    ByKind,
    Pointing,
    QFormer,
    ViT,
)
from chiasm.spec import Sight as SightSpec
from chiasm.vision.vit import VisionTransformer
from invariants.asking import (
    PHRASES,
    UNPOINTED,
    asked,
    device_of,
    named,
    on_pages,
    outlined,
    pictures,
    planned,
    pointed,
    said,
    scans,
    seen,
    sources,
)


def gradients_reach_every_parameter(model: AnyModel) -> None:
    """But for those whose output nothing reads: an idle norm, blocks after the last tap; a key's bias moves no softmax."""
    measured = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    unread: set[str] = {"vision.mask_token"} if _carries_mask(model) else set()
    if isinstance(model, Encode):
        out = torch.cat([part.flatten() for part in model(seen(model.spec, pictures()))])
    elif isinstance(model, Segment):
        out = torch.cat([part.flatten() for part in outlined(model, pictures())])
    elif isinstance(model, Find):
        out = torch.cat([part.flatten() for part in named(model, [PHRASES[0]] * 3, pictures())])
        # Where queries begin is a choice, which has no gradient.
        unread = {"find.cell"}
    elif isinstance(model, Match | QueryMatch | Bind):
        ids = torch.randint(5, 100, (3, 16), generator=torch.Generator().manual_seed(0))
        texts = model.embed_texts(ids, torch.ones_like(ids, dtype=torch.bool))
        shown = model.embed_pictures(seen(model.spec, pictures()))
        match model:
            case Match():
                out = model(shown, texts)
            case QueryMatch():
                judged = model.judged(seen(model.spec, pictures()), ids[:, :9], torch.ones_like(ids[:, :9], dtype=torch.bool))
                out = torch.cat([model(shown, texts).flatten(), judged.flatten()])
            case Bind():
                out = torch.cat([shown, model.scaled("text", texts), *felt(model)])
    elif isinstance(model, EncodeText):
        states = model(*sources(left=False))
        pooled = [model.text.pooled(states)] if model.spec.text.pool != "none" else []
        out = torch.cat([states.flatten(0, 1), *pooled])
    elif isinstance(model, EncodeVolume):
        pooled_BE = model(scans())
        out = torch.cat([model.project(pooled_BE), model.classify(pooled_BE)], 1)
    elif isinstance(model, EncodePage):
        states = model(*on_pages(model))
        pooled = [model.text.pooled(states)] if model.spec.text.pool != "none" else []
        out = torch.cat([states.flatten(0, 1), *pooled])
    else:
        assert isinstance(model, Causal | Seq2Seq)
        case = asked(model.spec)
        if isinstance(model, Seq2Seq):
            # Long enough for every bucket of distances.
            case = replace(case, targets=[[0, *range(5, 40)]] * 3)
        plan, patches = planned(model, case)
        batch = plan.batch(patches)
        out = said(model, batch)[begun_by(batch).valid_BT]
        unread = _unread(model)
        if isinstance(model, Causal) and isinstance(model.spec.head, Pointing):
            out = torch.cat([out.flatten(), *pointed(model, batch)])
            unread |= UNPOINTED
        if isinstance(model, Causal) and model.spec.regions is not None and isinstance(batch.sight, Sight):
            assert isinstance(model.vision, VisionTransformer)
            maps = model.vision.maps(batch.sight.patches_PK, batch.sight.grids, model.spec.regions.taps)
            boxes_R4 = torch.tensor([(0.1, 0.2, 0.6, 0.9), (0.3, 0.0, 0.8, 0.5)])
            out = torch.cat([out.flatten(), model.regions(maps, boxes_R4, torch.zeros(2, dtype=torch.int64)).flatten()])
    (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
    for name, parameter in model.named_parameters():
        if name.endswith((".k.bias", "_k.bias")) or name == "pool.k.bias" or name in measured:
            continue
        reached = parameter.grad is not None and bool((parameter.grad != 0).any())
        assert reached is not name.startswith(tuple(unread) or ("-",)), name
        assert parameter.grad is None or bool(parameter.grad.isfinite().all()), name


def felt(model: Bind) -> list[Tensor]:
    """Vectors of one random signal of each kind."""
    draw = torch.Generator().manual_seed(2)
    vectors = []
    for one in model.spec.signals:
        side = round(one.places**0.5)
        high, wide = (1, one.places) if one.kernel[0] == 1 else (side, side)
        edges = [(cells - 1) * step + kernel for cells, step, kernel in zip((high, wide), one.stride, one.kernel, strict=True)]
        values = torch.randn(2, one.channels, *edges, generator=draw).to(device_of(model))
        vectors.append(model.embed_signals(one.name, values))
    return vectors


def _carries_mask(model: AnyModel) -> bool:
    return isinstance(model, Encode) and isinstance(model.spec.encoder, ViT) and model.spec.encoder.mask_token


def _unread(model: Writes) -> set[str]:
    if model.spec.sight is None:
        return set()
    return _unasked(model.spec.sight) | _unlooked(model.spec.sight)


def _unasked(sight: SightSpec) -> set[str]:
    """What the last block of a Q-Former makes of words."""
    last = [(number, step.depth - 1) for number, step in enumerate(sight.connector) if isinstance(step, QFormer)]
    return {f"connect.steps.{at}.blocks.{block}.{part}_words." for at, block in last for part in ("mlp", "norm")}


def _unlooked(sight: SightSpec) -> set[str]:
    carried = set() if sight.carried is None else {"carried."}
    match sight.encoder:
        case ByKind(pictures=eye):
            # What is shown here are pictures.
            return {"vision.clips."} | _idle("vision.pictures.", eye)
        case Both(low=eye):
            return _idle("vision.low.", eye)
        case ViT() as eye:
            return carried | _idle("vision.", eye)
        case VQ():
            # Which vector is nearest has no slope.
            return carried | {"vision."}
        case _:
            return carried


def _idle(path: str, eye: ViT) -> set[str]:
    last = max(tap % (eye.depth + 1) for tap in eye.taps)
    idle = {f"{path}post_norm."} if eye.post_norm == "idle" else set()
    return idle | {f"{path}blocks.{number}." for number in range(last, eye.depth)}
