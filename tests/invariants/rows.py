"""A row is what it is alone: in a batch, with a cache, packed with others, without pictures."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from chiasm.generate.engine import begun_by, prefill, step
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
    Words,
    assemble,
)
from invariants.asking import CLOSE, PHRASES, asked, logits, named, on_pages, outlined, pictures, planned, scans, seen, sources


def batch_is_single(model: AnyModel) -> None:
    """A row's numbers do not depend on what stands beside it."""
    if isinstance(model, Encode | Segment):
        packed_is_unpacked(model)
        return
    if isinstance(model, Find):
        for alone, phrases, pixels in zip(named(model, PHRASES, pictures()), PHRASES, pictures(), strict=True):
            torch.testing.assert_close(alone, named(model, [phrases], [pixels])[0], **CLOSE)
        return
    if isinstance(model, Match | QueryMatch | Bind):
        ids = torch.randint(5, 100, (3, 16), generator=torch.Generator().manual_seed(0))
        valid = torch.ones_like(ids, dtype=torch.bool)
        together = model.embed_texts(ids, valid)
        for row in range(3):
            torch.testing.assert_close(together[row], model.embed_texts(ids[[row]], valid[[row]])[0], **CLOSE)
        return
    if isinstance(model, EncodeText):
        ids, valid = sources(left=False)
        together = model(ids, valid)
        for row, real in enumerate(valid):
            torch.testing.assert_close(together[row, real], model(ids[[row]][:, real], valid[[row]][:, real])[0], **CLOSE)
        return
    if isinstance(model, EncodeVolume):
        together = model.embed_volumes(scans())
        for row in range(3):
            torch.testing.assert_close(together[row], model.embed_volumes(scans()[[row]])[0], **CLOSE)
        return
    if isinstance(model, EncodePage):
        words, sight = on_pages(model)
        together = model(words, sight)
        for row, real in enumerate(words.valid_BT):
            kept = (words.ids_BT, words.valid_BT, words.kinds_BT, words.boxes_BT4)
            page = None if model.spec.sight is None else seen(model.spec.sight, pictures()[row : row + 1])
            alone = model(Words(*(part[[row]][:, real] for part in kept)), page)[0]
            both = torch.cat([real, real.new_ones(together.shape[1] - len(real))])
            torch.testing.assert_close(together[row, both], alone, **CLOSE)
        return
    assert isinstance(model, Causal | Seq2Seq)
    case = asked(model.spec)
    found = logits(model, case)
    for row in range(3):
        torch.testing.assert_close(found[row], logits(model, case.only(row))[0], **CLOSE)


def cached_is_uncached(model: AnyModel) -> None:
    """Reading a prompt and then token after token gives the logits of reading all at once."""
    assert isinstance(model, Causal | Seq2Seq)
    case = asked(model.spec)
    whole = logits(model, case, [len(row) - 3 for row in case.written])
    tail = torch.tensor([row[-3:] for row in case.written])
    plan, patches = planned(model, case.without(3))
    batch = plan.batch(patches)
    found, past = prefill(model, batch, 3)
    for number in range(3):
        wanted = torch.stack([row[-4 + number] for row in whole])
        torch.testing.assert_close(found, wanted, **CLOSE)
        found = step(model, tail[:, number], begun_by(batch).next_B + number, past)
    torch.testing.assert_close(found, torch.stack([row[-1] for row in whole]), **CLOSE)


def packed_is_unpacked(model: AnyModel) -> None:
    """Pictures never see one another."""
    if isinstance(model, Find):
        same = [PHRASES[0]] * 3
        for one, pixels in zip(named(model, same, pictures()), pictures(), strict=True):
            torch.testing.assert_close(one, named(model, same[:1], [pixels])[0], **CLOSE)
        return
    if isinstance(model, Segment):
        each = zip(*(outlined(model, [pixels]) for pixels in pictures()), strict=True)
        for whole, parts in zip(outlined(model, pictures()), each, strict=True):
            torch.testing.assert_close(whole, torch.cat(parts), **CLOSE)
        return
    looks: Any = model.spec.sight if isinstance(model, Causal | Seq2Seq) else model.spec
    see: Callable[[Sight], Tensor]
    if isinstance(model, Causal | Seq2Seq):
        writer = model
        see = lambda sight: writer.see(sight).tokens_VD  # noqa: E731
    else:
        assert isinstance(model, Match | QueryMatch | Bind | Encode)
        see = model.embed_pictures
    together = see(seen(looks, pictures()))
    alone = torch.cat([see(seen(looks, [pixels])) for pixels in pictures()])
    torch.testing.assert_close(together, alone, **CLOSE)


def text_alone_is_the_text_model(model: AnyModel) -> None:
    """Without pictures a model that sees is its language model, bit for bit."""
    assert isinstance(model, Causal | Seq2Seq)
    blind = assemble(replace(model.spec, sight=None)).eval()
    assert isinstance(blind, Causal | Seq2Seq)
    whole = model.state_dict()
    blind.load_state_dict({name: whole[name] for name in blind.state_dict()})
    case = replace(asked(model.spec).only(0), hints=[], shows=[[]])
    assert torch.equal(logits(model, case)[0], logits(blind, case)[0])
